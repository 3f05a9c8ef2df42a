"""A server of events, to be run as a program: sse_server.py PORT LEDGER CUTS.

Each client, named in the query, is cut off after three events of each of its first CUTS connections. Every connection
is a line of output: the client, and the event it resumes after.
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from ledger import events, runs
from ledger.database import open_ledger
from ledger.tables import TERMINAL
from server.streams import EventLines, EventStream, last_event_id
from server.tail import Tail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from ledger.events import Event

PORT, LEDGER, CUTS = int(sys.argv[1]), open_ledger(sys.argv[2]), int(sys.argv[3])
MESSAGES = 1 + 3
"""The first message says when to connect again."""


def read(after: Mapping[str, int]) -> list[Event]:
    with LEDGER.reading() as connection:
        return events.since(connection, after)


TAIL = Tail(read)


async def stream(request: Request) -> Response:
    run_id = request.path_params["run"]
    with LEDGER.reading() as connection:
        run = runs.find(connection, run_id, tenant=None)
    after = last_event_id(request.headers, request.query_params)
    sys.stdout.write(f"{request.query_params.get('client')} {after}\n")
    sys.stdout.flush()
    if request.query_params.get("format") == "audit":
        return EventLines(read, run_id, after=after, last=run["last_seq"])
    if run["status"] in TERMINAL and after >= run["last_seq"]:
        return Response(status_code=204)
    return EventStream(lambda ending: TAIL.follow(run_id, after, ending), retry_ms=50, heartbeat=0.2)


class Cutting:
    """Cuts connections off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._seen: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cut = scope["type"] == "http" and self._seen[scope["query_string"]] < CUTS
        if cut:
            self._seen[scope["query_string"]] += 1
        left = MESSAGES

        async def sending(message: Message) -> None:
            nonlocal left
            if cut and message["type"] == "http.response.body" and not message["body"].startswith(b":"):
                if not left:
                    raise ConnectionResetError("cut off, as the test wants it")
                left -= 1
            await send(message)

        await self._app(scope, receive, sending)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    async with TAIL.running():
        yield


# Uvicorn raises again, when it is done, the signal that ended it.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
APP = Cutting(Starlette(routes=[Route("/{run}/events", stream)], lifespan=lifespan))
uvicorn.run(APP, host="127.0.0.1", port=PORT, log_level="warning", ws="none")
