"""A run's events, live (Server-Sent Events) and for the record (NDJSON): one log, two forms."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import Response

from ledger import events
from ledger.tables import TERMINAL
from server.problems import invalid
from server.runs import find
from server.streams import EventLines, EventStream, last_event_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from starlette.requests import Request

    from ledger.database import Ledger
    from ledger.events import Event
    from server.context import Call
    from server.service import Service

FORMATS = ("sse", "audit")


async def events_of(service: Service, call: Call, request: Request) -> Response:
    """Answer with a run's events."""
    call.only("format", "lastEventId")
    wanted = call.query.get("format", "sse")
    if wanted not in FORMATS:
        raise invalid("format", f"{wanted!r} is none of {', '.join(FORMATS)}")
    row = await anyio.to_thread.run_sync(_run, service, call)
    after = last_event_id(call.headers, call.query)
    run_id, last = row["run_id"], row["last_seq"]
    # An id that the run never had is one of another ledger.
    after = after if after <= last else 0
    if wanted == "audit":
        return EventLines(partial(read_since, service.ledger), run_id, after=after, last=last)
    if row["status"] in TERMINAL and after == last:
        return Response(status_code=204)
    tail = request.app.state.tail
    return EventStream(lambda ending: tail.follow(run_id, after, ending))


def read_since(ledger: Ledger, after: Mapping[str, int]) -> Sequence[Event]:
    """Read the next events of some runs."""
    with ledger.reading() as connection:
        return events.since(connection, after)


def _run(service: Service, call: Call) -> Mapping[str, Any]:
    with service.ledger.reading() as connection:
        return find(connection, call)
