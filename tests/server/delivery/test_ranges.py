"""Conditions and ranges as RFC 9110 has them, decided as values."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.ranges import MAX_RANGES, Conditions, Decision, Span, decide, multipart, spans_of

TAG = '"sha256-5f"'
SIZE = 1000
WHOLE = Decision(200, (Span(0, SIZE),))
MANY = ",".join(f"{at * 3}-{at * 3}" for at in range(MAX_RANGES + 1))


def part(*spans: tuple[int, int]) -> Decision:
    return Decision(206, tuple(Span(*span) for span in spans))


RANGES: dict[str, tuple[str, Decision]] = {
    "the first ten bytes (14.1.2)": ("bytes=0-9", part((0, 10))),
    "from a byte to the end": ("bytes=990-", part((990, 1000))),
    "the last ten bytes": ("bytes=-10", part((990, 1000))),
    "a suffix longer than the file is all of it": ("bytes=-5000", part((0, 1000))),
    "a last position beyond the end is the end": ("bytes=990-5000", part((990, 1000))),
    "a position of many digits is beyond the end": (f"bytes=990-{'9' * 5000}", part((990, 1000))),
    "leading zeros say nothing": (f"bytes={'0' * 5000}5-9", part((5, 10))),
    "one byte": ("bytes=0-0", part((0, 1))),
    "units have no case (14.1)": ("Bytes=0-9", part((0, 10))),
    "several ranges": ("bytes=0-9,20-29", part((0, 10), (20, 30))),
    "white space and empty elements in the list (5.6.1)": ("bytes= 0-9 ,, 20-29,", part((0, 10), (20, 30))),
    "several ranges in another order": ("bytes=20-29,0-9", part((0, 10), (20, 30))),
    "overlapping ranges are merged": ("bytes=0-9,5-14,-1", part((0, 15), (999, 1000))),
    "touching ranges are merged": ("bytes=0-9,10-19", part((0, 20))),
    "the same range twice is one": ("bytes=3-4,3-4", part((3, 5))),
    "of a good range and one beyond the end, the good one": ("bytes=0-9,2000-2009", part((0, 10))),
    "of a good range and an empty suffix, the good one": ("bytes=-0,0-9", part((0, 10))),
    "a range beyond the end": ("bytes=1000-", Decision(416)),
    "several ranges beyond the end": ("bytes=1000-1001,2000-", Decision(416)),
    "an empty suffix": ("bytes=-0", Decision(416)),
    "an unknown unit is ignored (14.2)": ("items=0-9", WHOLE),
    "no unit is ignored": ("0-9", WHOLE),
    "no range is ignored": ("bytes=", WHOLE),
    "only commas are ignored": ("bytes=,,", WHOLE),
    "a lone dash is ignored": ("bytes=-", WHOLE),
    "a last position before the first is ignored (14.1.1)": ("bytes=9-0", WHOLE),
    "words are ignored": ("bytes=first-last", WHOLE),
    "signs are ignored": ("bytes=+1-2", WHOLE),
    "digits of other scripts are ignored": ("bytes=\u0661-\u0662", WHOLE),
    "a space before the equals sign is ignored": ("bytes =0-9", WHOLE),
    "a good range beside nonsense is ignored with it": ("bytes=0-9,nonsense", WHOLE),
    "two headers, joined, are ignored": ("bytes=0-9, bytes=20-29", WHOLE),
    "very many ranges are ignored": (f"bytes={MANY}", WHOLE),
}

CONDITIONS: dict[str, tuple[dict[str, str], Decision]] = {
    "nothing asked": ({}, WHOLE),
    "If-None-Match with this tag (13.1.2)": ({"if_none_match": TAG}, Decision(304)),
    "If-None-Match with this tag, weak": ({"if_none_match": f"W/{TAG}"}, Decision(304)),
    "If-None-Match with this tag among others": ({"if_none_match": f'"a,b" , W/"c",{TAG}'}, Decision(304)),
    "If-None-Match with a star": ({"if_none_match": "*"}, Decision(304)),
    "If-None-Match with another tag": ({"if_none_match": '"other"'}, WHOLE),
    "If-None-Match with this tag inside another": ({"if_none_match": '"x sha256-5f"'}, WHOLE),
    "If-None-Match without quotation marks": ({"if_none_match": TAG.strip('"')}, WHOLE),
    "If-None-Match with this tag amid nonsense": ({"if_none_match": f"{TAG} {TAG}"}, WHOLE),
    "If-Match with this tag (13.1.1)": ({"if_match": TAG}, WHOLE),
    "If-Match with this tag among others": ({"if_match": f'"a", {TAG}'}, WHOLE),
    "If-Match with a star": ({"if_match": "*"}, WHOLE),
    "If-Match with this tag, weak": ({"if_match": f"W/{TAG}"}, Decision(412)),
    "If-Match with another tag": ({"if_match": '"other"'}, Decision(412)),
    "If-Match with nothing": ({"if_match": ""}, Decision(412)),
    "If-Match comes before If-None-Match (13.2.2)": ({"if_match": '"x"', "if_none_match": TAG}, Decision(412)),
    "both hold": ({"if_match": TAG, "if_none_match": TAG}, Decision(304)),
    "If-None-Match comes before Range": ({"if_none_match": TAG, "range": "bytes=0-9"}, Decision(304)),
    "If-Match comes before a bad Range": ({"if_match": '"x"', "range": "bytes=5000-"}, Decision(412)),
    "If-Range with this tag (13.1.5)": ({"if_range": TAG, "range": "bytes=0-9"}, part((0, 10))),
    "If-Range with this tag, weak": ({"if_range": f"W/{TAG}", "range": "bytes=0-9"}, WHOLE),
    "If-Range with another tag": ({"if_range": '"other"', "range": "bytes=0-9"}, WHOLE),
    "If-Range with a date, of which files here have none": (
        {"if_range": "Wed, 25 Nov 2026 10:00:00 GMT", "range": "bytes=0-9"}, WHOLE),
    "If-Range with another tag spares a bad Range": ({"if_range": '"other"', "range": "bytes=5000-"}, WHOLE),
    "If-Range with this tag and a bad Range": ({"if_range": TAG, "range": "bytes=5000-"}, Decision(416)),
    "If-Range without Range": ({"if_range": '"other"'}, WHOLE),
    "HEAD has no ranges (14.2)": ({"method": "HEAD", "range": "bytes=0-9"}, WHOLE),
    "HEAD has no bad ranges either": ({"method": "HEAD", "range": "bytes=5000-"}, WHOLE),
    "HEAD has conditions": ({"method": "HEAD", "if_none_match": TAG}, Decision(304)),
}  # fmt: skip


@pytest.mark.parametrize("case", RANGES)
def test_a_range_is_read_as_the_standard_says(case: str) -> None:
    header, expected = RANGES[case]
    assert decide(Conditions(range=header), tag=TAG, size=SIZE) == expected


@pytest.mark.parametrize("case", CONDITIONS)
def test_a_condition_is_read_as_the_standard_says(case: str) -> None:
    asked, expected = CONDITIONS[case]
    assert decide(Conditions(**asked), tag=TAG, size=SIZE) == expected


def test_an_empty_file_is_sent_whole_whatever_range_is_asked_for() -> None:
    assert decide(Conditions(range="bytes=-5"), tag=TAG, size=0) == Decision(200, (Span(0, 0),))


numbers = st.integers(0, 300) | st.integers(0, 10**30)
one_range = st.one_of(
    st.tuples(numbers, numbers).map(lambda both: f"{min(both)}-{max(both)}"),
    numbers.map(lambda first: f"{first}-"),
    numbers.map(lambda last: f"-{last}"),
)
good_headers = st.lists(one_range, min_size=1, max_size=12).map(lambda ranges: f"bytes={','.join(ranges)}")
near_headers = st.text("bytes=-, 0123456789", max_size=30)


def positions(header: str, size: int) -> set[int]:
    """Return the positions that a well-formed header asks for, one by one."""
    asked: set[int] = set()
    for each in header.removeprefix("bytes=").split(","):
        first, _, last = each.partition("-")
        if not first:
            asked |= set(range(size)[-int(last) :] if int(last) else ())
        else:
            asked |= set(range(int(first), min(int(last) + 1 if last else size, size)))
    return asked


@given(good_headers, st.integers(1, 200))
def test_exactly_the_bytes_that_were_asked_for_are_in_the_spans(header: str, size: int) -> None:
    spans = spans_of(header, size)
    assert spans is not None
    assert [at for span in spans for at in range(span.start, span.end)] == sorted(positions(header, size))


@given(good_headers | near_headers | st.text(max_size=30), st.integers(0, 200))
def test_whatever_is_asked_the_spans_lie_in_the_file_apart_and_in_order(header: str, size: int) -> None:
    decision = decide(Conditions(range=header), tag=TAG, size=size)
    ends = [end for span in decision.spans for end in span]
    assert decision.status in {200, 206, 416}
    assert bool(decision.spans) == (decision.status != 416)
    assert [0, *ends, size] == sorted([0, *ends, size])
    if decision.status == 206:
        assert len(set(ends)) == len(ends)


def parts_of(body: bytes, boundary: str) -> list[Any]:
    """Return the parts of a body as the standard library's reader of multipart messages finds them."""
    head = f"Content-Type: multipart/byteranges; boundary={boundary}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert not message.defects
    return list(message.iter_parts())


@given(st.binary(min_size=2, max_size=200), st.data())
def test_a_multipart_body_reads_back_as_the_slices_it_was_made_of(content: bytes, data: st.DataObject) -> None:
    ends = sorted(data.draw(st.sets(st.integers(0, len(content)), min_size=2, max_size=8)))
    spans = [Span(*pair) for pair in zip(ends[::2], ends[1::2], strict=False)]
    body = multipart(spans, size=len(content), media_type="application/zstd", boundary="b" * 32)
    told = b"".join(
        piece if isinstance(piece, bytes) else content[piece.start : piece.end].hex().encode() for piece in body
    )
    found = parts_of(told, "b" * 32)
    assert [bytes.fromhex(each.get_payload()) for each in found] == [content[span.start : span.end] for span in spans]
    assert [each["Content-Type"] for each in found] == ["application/zstd"] * len(spans)
    assert [each["Content-Range"] for each in found] == [
        f"bytes {span.start}-{span.end - 1}/{len(content)}" for span in spans
    ]
