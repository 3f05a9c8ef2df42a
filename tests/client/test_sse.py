"""The reader of Server-Sent Events: the standard's own examples, and the law that the cut of the bytes means nothing."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client.errors import UnexpectedError
from client.sse import LONGEST, Message, Parser

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


ASCII = b"data|event|id|retry|:| |x|7|\0|\n|\r|\r\n|\n\n|\r\r|data: a\n".split(b"|")
BEYOND = ("ü€😀\u2028".encode(), b"\xf0\x9f", b"\xef\xbb\xbf")
WORDS = st.sampled_from([*ASCII, *BEYOND])


@given(st.lists(WORDS, max_size=60).map(b"".join), st.lists(st.integers(0, 200), max_size=12))
@example(b"data: a\r\n\r\n", [8, 9, 10])
@example(b"\xef\xbb\xbfdata: \xf0\x9f\x98\x80\n\n", [1, 2, 10, 12])
def test_pieces_of_any_size_give_the_same_messages(stream: bytes, cuts: list[int]) -> None:
    parser, bounds = Parser(), [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(bounds)]
    found = [message for piece in pieces for message in parser.feed(piece)]
    assert found == by_the_book(stream)


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
