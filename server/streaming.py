"""A run's events, live (Server-Sent Events) and for the record (NDJSON): one log, two forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from ledger import events
from ledger.tables import TERMINAL
from server.problems import invalid
from server.runs import find

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import Any

    from starlette.requests import Request

    from ledger.events import Event
    from server.context import Call
    from server.service import Service

HEARTBEAT_SECONDS = 15
RETRY_MS = 2000
POLL_SECONDS = 0.05
MAX_SEQ = 2**31 - 1
NDJSON = "application/x-ndjson; charset=utf-8"
FORMATS = ("sse", "audit")


async def events_of(service: Service, call: Call, request: Request) -> Response:  # noqa: ARG001 - as all that stream
    """Answer with a run's events."""
    call.only("format", "lastEventId")
    wanted = call.query.get("format", "sse")
    if wanted not in FORMATS:
        raise invalid("format", f"{wanted!r} is none of {', '.join(FORMATS)}")
    row = await anyio.to_thread.run_sync(_run, service, call)
    after = _after(call)
    if wanted == "audit":
        told = await anyio.to_thread.run_sync(_read, service, row["run_id"], after)
        return Response("".join(f"{_audit(event)}\n" for event in told), headers={"Content-Type": NDJSON})
    if row["status"] in TERMINAL and after >= row["last_seq"]:
        return Response(status_code=204)
    return EventSourceResponse(
        _live(service, row["run_id"], after),
        ping=HEARTBEAT_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        sep="\n",
        headers={"Cache-Control": "no-store"},
    )


async def _live(service: Service, run_id: str, after: int) -> AsyncIterator[ServerSentEvent]:
    # In a block of its own, retry would be an event without data to clients that do not drop those.
    retry: int | None = RETRY_MS
    while True:
        told = await anyio.to_thread.run_sync(_read, service, run_id, after)
        for event in told:
            yield ServerSentEvent(id=str(event.seq), event=event.type, data=event.data, retry=retry, sep="\n")
            after, retry = event.seq, None
            if event.type in events.LAST:
                return
        if not told:
            await anyio.sleep(POLL_SECONDS)


def _run(service: Service, call: Call) -> Mapping[str, Any]:
    with service.ledger.reading() as connection:
        return find(connection, call)


def _read(service: Service, run_id: str, after: int) -> list[Event]:
    with service.ledger.reading() as connection:
        return events.of_run(connection, run_id, after=after)


def _audit(event: Event) -> str:
    return f'{{"id":{event.seq},"event":"{event.type}","data":{event.data}}}'


def _after(call: Call) -> int:
    text = call.headers.get("last-event-id") or call.query.get("lastEventId") or "0"
    if not (text.isascii() and text.isdecimal() and int(text[:20]) <= MAX_SEQ):
        raise invalid("Last-Event-ID", f"{text!r} is no event's id")
    return int(text)
