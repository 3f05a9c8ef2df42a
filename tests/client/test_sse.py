"""The reader of Server-Sent Events: the standard's own examples, and the law that the cut of the bytes means nothing."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client.errors import UnexpectedError
from client.sse import LONGEST, Message, Parser

if TYPE_CHECKING:
    from collections.abc import Iterable

CASES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "data in several lines": ("data: YHOO\ndata: +2\ndata: 10\n\n", [("", "message", "YHOO\n+2\n10")]),
    "a comment, an id, an empty id and a space that counts": (
        ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        [("1", "message", "first event"), ("", "message", "second event"), ("", "message", " third event")],
    ),
    "empty data, and an end that never came": ("data\n\ndata\ndata\n\ndata:", [("", "message", ""), ("", "message", "\n")]),
    "with and without a space after the colon": ("data:test\n\ndata: test\n\n", [("", "message", "test")] * 2),
    "types, which hold for one message": (
        "event: add\ndata: 1\n\ndata: 2\n\n", [("", "add", "1"), ("", "message", "2")]),
    "a type without data, which is no message": ("event: add\n\ndata: 2\n\n", [("", "message", "2")]),
    "an id, which holds until the next": ("id: 7\ndata: a\n\ndata: b\n\n", [("7", "message", "a"), ("7", "message", "b")]),
    "an id with U+0000, which is none": ("id: 7\ndata: a\n\nid: 8\0\ndata: b\n\n", [("7", "message", "a"), ("7", "message", "b")]),
    "line ends of every kind": ("data: a\rdata: b\r\ndata: c\n\r\n", [("", "message", "a\nb\nc")]),
    "a byte order mark": ("\ufeffdata: a\n\n", [("", "message", "a")]),
    "two byte order marks, of which the second is text": ("\ufeff\ufeffdata: a\n\n", []),
    "fields that nobody knows": ("nope: x\nDATA: y\ndata : z\ndata: a\n\n", [("", "message", "a")]),
    "separators that are none here": ("data: a\u2028b\x85c\x0bd\n\n", [("", "message", "a\u2028b\x85c\x0bd")]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_stream_is_read_as_the_standard_says(case: str) -> None:
    stream, expected = CASES[case]
    assert list(Parser().feed(stream.encode())) == [Message(*each) for each in expected]


def by_the_book(data: bytes) -> list[Message]:
    """Read a whole stream as the standard puts it, without any regard for pieces."""
    lines = re.split("\r\n|\r|\n", data.decode("utf-8", "replace").removeprefix("\ufeff"))[:-1]
    found, kind, said, last = [], "", list[str](), ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if said:
                found.append(Message(last, kind or "message", "\n".join(said)))
            kind, said = "", []
        elif name == "data":
            said.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last = value
    return found


FIELDS = st.sampled_from(
    [
        "data",
        "data:",
        "data: x",
        "data: : y",
        "event: e",
        "event:",
        "id: 7",
        "id:",
        "id: \x00",
        "retry: 9",
        ": ping",
        "x",
        "ü€😀: z",
        "",
    ]
)
ENDS = st.sampled_from(["\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n"])
LINES = st.tuples(FIELDS | st.just("\ufeffdata: b"), ENDS).map("".join)
STREAMS = st.lists(LINES, max_size=30).map(lambda lines: "".join(lines).encode())


@given(STREAMS, st.lists(st.integers(0, 400), max_size=12), st.sampled_from([b"", b"\xef\xbb\xbf", b"\xf0\x9f"]))
@example(b"data: a\r\ndata: b\r\n\r\n", [8], b"")
def test_pieces_of_any_size_give_the_same_messages(stream: bytes, cuts: list[int], before: bytes) -> None:
    whole = before + stream
    bounds = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    expected = by_the_book(whole)
    assert read(whole[start:end] for start, end in itertools.pairwise(bounds)) == expected
    assert read(whole[at : at + 1] for at in range(len(whole))) == expected


def read(pieces: Iterable[bytes]) -> list[Message]:
    parser = Parser()
    return [message for piece in pieces for message in parser.feed(piece)]


def test_what_to_resume_after_is_what_came_whole() -> None:
    parser = Parser("3")
    assert list(parser.feed(b"data: a\n\n")) == [Message("3", "message", "a")]
    assert list(parser.feed(b"id: 4\nevent: run.progress\ndata: {")) == []
    assert parser.last_id == "3"
    (message,) = parser.feed(b"}\n\n")
    assert message.id == parser.last_id == "4"


@pytest.mark.parametrize(
    ("line", "expected"), [("retry: 2000", 2000), ("retry: 2s", None), ("retry: ", None), ("retry: ٣", None)]
)
def test_the_pause_is_taken_from_the_stream_when_it_is_a_number(line: str, expected: int | None) -> None:
    parser = Parser()
    assert list(parser.feed(f"{line}\n".encode())) == []
    assert parser.retry_ms == expected


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    parser, piece = Parser(), b"x" * (1 << 20)
    for _ in range(LONGEST // len(piece)):
        assert list(parser.feed(piece)) == []
    with pytest.raises(UnexpectedError, match="16,777,216 characters"):
        list(parser.feed(b"x"))


def test_many_messages_are_no_line_without_end() -> None:
    parser, message = Parser(), b"data: " + b"x" * (1 << 20) + b"\n\n"
    assert (
        sum(len(list(parser.feed(message))) for _ in range(LONGEST // len(message) + 2)) == LONGEST // len(message) + 2
    )
