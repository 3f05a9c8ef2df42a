"""A run's events as an answer: live as Server-Sent Events, or what there is as lines of JSON.

The log is one; in both forms an event has the same id, type and data. Whoever has seen a run's last event is to be
answered 204 instead, which tells clients to stay away.
"""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.responses import StreamingResponse

from ledger.events import LAST
from server.problems import invalid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

    from starlette.types import Receive, Scope, Send

    from ledger.events import Event
    from server.tail import Read

    Follow = Callable[[anyio.Event], AsyncGenerator[Event]]

LOG = logging.getLogger("export_center.streams")
HEARTBEAT_SECONDS = 15
RETRY_MS = 2000
SEND_SECONDS = 60
"""A client that takes nothing for so long is let go; it resumes where it was."""

GRACE_SECONDS = 2
SSE, NDJSON = "text/event-stream", "application/x-ndjson"
"""Exactly so, without a charset: both are in UTF-8 and nothing else."""
MAX_SEQ_DIGITS = 10
LF = "\n"


class EventStream(EventSourceResponse):
    """The live form. It ends after a run's last event, and when the server shuts down."""

    def __init__(self, follow: Follow, *, heartbeat: float = HEARTBEAT_SECONDS, retry_ms: int = RETRY_MS) -> None:
        """Stream events.

        Args:
            follow: Returns the events; when the event it is given is set, they must end.
            heartbeat: Seconds between comments that keep the connection alive.
            retry_ms: How long clients are to wait before they connect again.
        """
        ending = anyio.Event()
        super().__init__(
            _messages(follow(ending), retry_ms),
            ping=heartbeat,
            ping_message_factory=lambda: ServerSentEvent(comment="ping", sep=LF),
            sep=LF,
            send_timeout=SEND_SECONDS,
            shutdown_event=ending,
            shutdown_grace_period=GRACE_SECONDS,
        )
        self.headers["Content-Type"] = SSE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            LOG.info("a client took nothing for %s seconds, and was let go", SEND_SECONDS)


async def _messages(events: AsyncGenerator[Event], retry_ms: int) -> AsyncGenerator[ServerSentEvent]:
    # A message writes its own line ends: the response's apply to other kinds of content only.
    # In a block of its own, retry is an event without data to clients that do not drop those, such as httpx-sse.
    retry: int | None = retry_ms
    async with aclosing(events):
        async for event in events:
            yield ServerSentEvent(id=str(event.seq), event=event.type, data=event.data, retry=retry, sep=LF)
            retry = None
            if event.type in LAST:
                return


class EventLines(StreamingResponse):
    """The form for the record: finite, one JSON object a line."""

    def __init__(self, read: Read, run_id: str, *, after: int, last: int) -> None:
        """Send the events of a run from the one after ``after`` to ``last``, the newest at the time of the request."""
        super().__init__(
            _lines(read, run_id, after, last), headers={"Content-Type": NDJSON, "Cache-Control": "no-store"}
        )


def _lines(read: Read, run_id: str, after: int, last: int) -> Iterator[str]:
    while after < last and (events := read({run_id: after})):
        yield "".join(line(event) for event in events if event.seq <= last)
        after = events[-1].seq


def line(event: Event) -> str:
    """Return an event as a line of JSON."""
    return f'{{"id":{event.seq},"event":"{event.type}","data":{event.data}}}\n'


def last_event_id(headers: Mapping[str, str], query: Mapping[str, str]) -> int:
    """Return the seq of the last event that a client has; 0 when it has none.

    The header ``Last-Event-ID`` counts before the parameter ``lastEventId``, which is for clients that cannot set
    headers; both must be good.

    Raises:
        Problem: It is no event's id (400).
    """
    given = {"Last-Event-ID": headers.get("last-event-id"), "lastEventId": query.get("lastEventId")}
    for name, text in given.items():
        if text and not (text.isascii() and text.isdecimal() and len(text) <= MAX_SEQ_DIGITS):
            raise invalid(name, f"{text[:40]!r} is no event's id")
    return int(given["Last-Event-ID"] or given["lastEventId"] or "0")
