"""Following a run over connections that end, fail and are refused: over a transport that answers as its script says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from client import ApiError, Client, Retries, UnexpectedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def said(*numbers: int, last: str = "run.progress", retry: int | None = None) -> bytes:
    head = b"" if retry is None else f"retry: {retry}\n".encode()
    kinds = dict.fromkeys(numbers, "run.progress") | {numbers[-1]: last}
    return head + b"".join(
        f'id: {number}\nevent: {kinds[number]}\ndata: {{"n":{number}}}\n\n'.encode() for number in numbers
    )


class Bytes(httpx.SyncByteStream):
    """A body, the connection of which breaks at its end when there is an error."""

    def __init__(self, *pieces: bytes, error: Exception | None = None) -> None:
        self.pieces, self.error, self.closed = pieces, error, False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True


def stream(*pieces: bytes, error: Exception | None = None, **headers: str) -> httpx.Response:
    return httpx.Response(200, headers={**STREAM, **headers}, stream=Bytes(*pieces, error=error))


class Script:
    """A client that gets one answer after another, and does not really wait."""

    def __init__(self, *answers: httpx.Response | Exception, **patience: Any) -> None:
        self.answers = list(answers)
        self.resumed: list[str | None] = []
        self.waits: list[float] = []
        clock: dict[str, Any] = {"sleep": self.waits.append, "clock": lambda: sum(self.waits), "chance": lambda: 1.0}
        transport = httpx.MockTransport(self._answer)
        self.client = Client("http://127.0.0.1:8321", transport=transport, retries=Retries(**clock, **patience))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["accept"] == "text/event-stream"
        self.resumed.append(request.headers.get("last-event-id"))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def watch(self, **options: Any) -> list[int]:
        return [event.id for event in self.client.watch("run-1", **options)]


def test_what_follows_the_last_event_is_asked_for_after_every_end() -> None:
    script = Script(
        stream(b": ping\n\n", said(1, 2)),
        stream(said(3), error=httpx.ReadError("reset")),
        httpx.ConnectError("refused"),
        stream(said(4, last="run.succeeded")),
    )
    assert script.watch() == [1, 2, 3, 4]
    assert script.resumed == [None, "2", "3", "3"]


def test_half_an_event_is_not_one() -> None:
    script = Script(stream(said(1), b"id: 2\nevent: run.progress\ndata: {}\n"), stream(said(2, last="run.failed")))
    assert script.watch() == [1, 2]
    assert script.resumed == [None, "1"]


def test_a_run_that_is_over_has_no_more_events() -> None:
    script = Script(stream(said(6)), httpx.Response(204))
    assert script.watch(after=5) == [6]
    assert script.resumed == ["5", "6"]


def test_nothing_is_read_after_the_last_event_though_the_connection_stays() -> None:
    body = Bytes(said(1, last="run.canceled"), error=AssertionError("read on"))
    assert Script(httpx.Response(200, headers=STREAM, stream=body)).watch() == [1]
    assert body.closed


def test_who_leaves_closes_the_connection() -> None:
    body = Bytes(said(1), said(2), error=AssertionError("read on"))
    script = Script(httpx.Response(200, headers=STREAM, stream=body))
    events = script.client.watch("run-1")
    assert next(events).id == 1
    events.close()
    assert body.closed


def test_the_service_says_how_long_to_pause() -> None:
    script = Script(stream(said(1, retry=3000)), stream(said(2)), stream(said(3, last="run.succeeded")))
    assert script.watch() == [1, 2, 3]
    assert script.waits == [3, 3]


def test_pauses_grow_until_something_comes_again() -> None:
    refused = [httpx.ConnectError("refused") for _ in range(6)]
    script = Script(stream(said(1, retry=100)), *refused, stream(b": ping\n\n"), stream(said(2, last="run.succeeded")))
    assert script.watch() == [1, 2]
    assert script.waits == [0.25, 0.5, 1, 2, 4, 8, 16, 0.25]


def test_after_five_minutes_of_silence_it_is_given_up() -> None:
    script = Script(stream(said(1)), *(httpx.ReadTimeout("") for _ in range(100)))
    with pytest.raises(UnreachableError, match="it did not answer in time"):
        script.watch()
    assert 300 < sum(script.waits) < 340


def test_a_pause_of_whoever_takes_the_events_is_no_silence() -> None:
    script = Script(stream(said(1), error=httpx.ReadError("reset")), stream(said(2, last="run.succeeded")))
    for event in script.client.watch("run-1"):
        script.waits.append(1000.0)
        assert event.id
    assert script.resumed == [None, "1"]


def test_a_service_that_was_never_there_is_given_up_soon() -> None:
    script = Script(*(httpx.ConnectError("refused") for _ in range(5)))
    with pytest.raises(UnreachableError, match="refused"):
        script.watch()
    assert script.waits == [0.25, 0.5, 1, 2]


REFUSED: dict[str, tuple[httpx.Response, list[float]]] = {
    "not now": (httpx.Response(503, headers={"Retry-After": "9"}), [9.0]),
    "too many": (httpx.Response(429, headers={"Retry-After": "9"}), [9.0]),
    "too many, until tomorrow": (httpx.Response(429, headers={"Retry-After": "40000"}), []),
    "no such run": (httpx.Response(404), []),
    "no longer allowed": (httpx.Response(401), []),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_waited_out_or_told(case: str) -> None:
    answer, waits = REFUSED[case]
    script = Script(answer, stream(said(1, last="run.succeeded")))
    if waits:
        assert script.watch() == [1]
    else:
        with pytest.raises(ApiError, match=f"HTTP {answer.status_code}"):
            script.watch()
    assert script.waits == waits


STRANGE = {
    "a page": (
        httpx.Response(200, headers={"Content-Type": "text/html"}, text="<html>"),
        "text/html instead of events",
    ),
    "nothing": (httpx.Response(200), "nothing instead of events"),
    "an event without a number": (stream(b"data: {}\n\n"), "is no event"),
    "an event that is no object": (stream(b"id: 1\ndata: 7\n\n"), "is no event"),
    "an event that is no JSON": (stream(b"id: 1\ndata: {\n\n"), "is no event"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_what_is_no_stream_of_events_is_refused(case: str) -> None:
    answer, text = STRANGE[case]
    with pytest.raises(UnexpectedError, match=text):
        Script(answer).watch()
