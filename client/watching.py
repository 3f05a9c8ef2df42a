"""Following a run: one stream of events over as many connections as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from client.calls import Call, is_final, is_passing, path_of
from client.errors import ApiError, UnexpectedError
from client.models import Event
from client.sse import Message, Parser

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from client.calls import Calls
    from client.errors import ClientError

EVENT_STREAM = "text/event-stream"
NO_CONTENT = 204
SILENCE_SECONDS = 45.0
"""Three of the service's heartbeats: a connection that is silent for longer is dead."""

FIRST_PAUSE = 1.0
BROKE_OFF = "the connection ended before the run did"


class Watch:
    """Follows one run."""

    def __init__(self, calls: Calls, run_id: str, *, after: int = 0) -> None:
        """Begin after the event whose id is ``after``."""
        self._calls = calls
        self._path = path_of("runs", run_id, "/events")
        self._last_id = str(after) if after else ""
        self._retry_seconds = FIRST_PAUSE
        self._failures = 0
        self._was_connected = False
        self._alive_at = calls.retries.clock()

    def events(self) -> Generator[Event]:
        """Yield every event once, in order, until the run is over.

        Raises:
            ApiError: The service refuses.
            UnreachableError: It could not be reached for too long.
            UnexpectedError: What answers is no stream of events.
        """
        while True:
            try:
                is_over = yield from self._connection()
            except httpx.TransportError as error:
                self._wait(self._calls.unreachable(error), final=is_final(error))
            except ApiError as error:
                self._wait(error, final=not is_passing(error), asked=error.retry_after)
            else:
                if is_over:
                    return
                self._pause(BROKE_OFF, asked=None)

    def _connection(self) -> Generator[Event, Any, bool]:
        """Yield the events of one connection; return whether the run is over."""
        resumed = {"Last-Event-ID": self._last_id} if self._last_id else {}
        headers = {"Accept": EVENT_STREAM, "Accept-Encoding": "identity", "Cache-Control": "no-store", **resumed}
        with self._calls.opened(Call("GET", self._path, headers=headers, read_seconds=SILENCE_SECONDS)) as response:
            if response.status_code == NO_CONTENT:
                return True
            _check_type(response)
            for message in self._messages(response):
                event = event_of(message)
                self._last_id = message.id
                yield event
                if event.is_last:
                    return True
        return False

    def _messages(self, response: httpx.Response) -> Iterator[Message]:
        parser = Parser(self._last_id)
        self._was_connected = True
        for data in response.iter_bytes():
            self._failures = 0
            self._alive_at = self._calls.retries.clock()
            yield from parser.feed(data)
            # Whoever takes the events may have paused: that was no silence of the service.
            self._alive_at = self._calls.retries.clock()
            if parser.retry_ms is not None:
                self._retry_seconds = parser.retry_ms / 1000

    def _wait(self, error: ClientError, *, final: bool, asked: float | None = None) -> None:
        """Wait before the next connection.

        Raises:
            ClientError: There is to be none.
        """
        if final or (self._failures + 1 >= self._calls.retries.attempts and not self._was_connected):
            raise error
        if self._calls.retries.clock() - self._alive_at > self._calls.retries.silence:
            raise error
        if not self._pause(error.message, asked=asked):
            raise error

    def _pause(self, why: str, *, asked: float | None) -> bool:
        self._failures += 1
        pause = self._calls.retries.pause(self._failures, asked=asked)
        if pause is not None:
            self._calls.retries.wait(max(pause, self._retry_seconds) if self._was_connected else pause, why)
        return pause is not None


def event_of(message: Message) -> Event:
    """Return the event that a message tells.

    Raises:
        UnexpectedError: It tells none.
    """
    try:
        return Event(
            id=int(message.id), type=message.event, data=msgspec.json.decode(message.data, type=dict[str, Any])
        )
    except ValueError as error:  # which msgspec's errors are, too
        raise UnexpectedError(f"a message of the stream is no event: {error}") from error


def _check_type(response: httpx.Response) -> None:
    found = response.headers.get("Content-Type", "")
    if found.partition(";")[0].strip().lower() != EVENT_STREAM:
        raise UnexpectedError(f"the service answered with {found or 'nothing'} instead of events")
