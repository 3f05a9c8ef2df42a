"""Which bytes of a file a request gets: conditions and ranges as values, decided by RFC 9110 (13 and 14).

A file here has a strong entity tag and no date, so conditions on dates say nothing of it. What a server may treat in
several ways is settled so: a Range that cannot be understood is ignored; of several ranges those that lie in the file
are sent, overlapping ones merged, in ascending order; a set of very many is ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_RANGES = 100
"""Larger sets are ignored: nobody needs them, and every part costs a header."""

MAX_DIGITS = 18
"""A position with more digits than this is beyond the end of every file."""

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
_TAGS = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_RANGE = re.compile(r"([0-9]*)-([0-9]*)")


class Span(NamedTuple):
    """Bytes of a file, from ``start`` to before ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """How many bytes that is."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """The request headers that decide; None for those that are absent. Repeated ones are joined by commas."""

    method: str = "GET"
    if_match: str | None = None
    if_none_match: str | None = None
    if_range: str | None = None
    range: str | None = None


@dataclass(frozen=True)
class Decision:
    """The status (200, 206, 304, 412 or 416), and the bytes to send, in ascending order."""

    status: int
    spans: tuple[Span, ...] = ()


def decide(asked: Conditions, *, tag: str, size: int) -> Decision:
    """Return what a GET or HEAD is answered, in the order of precedence of RFC 9110, 13.2.2.

    Args:
        asked: What the request says.
        tag: The file's strong entity tag, with its quotation marks.
        size: The file's bytes.
    """
    if asked.if_match is not None and not _matches(asked.if_match, tag):
        return Decision(412)
    if asked.if_none_match is not None and _matches(asked.if_none_match, tag, weakly=True):
        return Decision(304)
    whole = Decision(200, (Span(0, size),))
    # Ranges are defined for GET alone (14.2), and a range of another version would be a wrong one (13.1.5).
    if asked.range is None or asked.method != "GET" or asked.if_range not in {None, tag}:
        return whole
    wanted = spans_of(asked.range, size)
    if wanted is None:
        return whole
    return Decision(206, wanted) if wanted else Decision(416)


def spans_of(header: str, size: int) -> tuple[Span, ...] | None:
    """Return the spans that a Range header names, merged and ascending; none when none of them lies in the file.

    Returns None when the header is to be ignored: an unknown unit, bad syntax, too many ranges, or an empty file.
    """
    unit, _, listed = header.partition("=")
    parts = [part.strip(" \t") for part in listed.split(",")]
    ranges = [_RANGE.fullmatch(part) for part in parts if part]
    if unit.lower() != "bytes" or not 0 < len(ranges) <= MAX_RANGES or not size:
        return None
    spans = []
    for found in ranges:
        span = found and _span(found[1], found[2], size)
        if span is None:
            return None
        spans.append(span)
    return tuple(_merged(span for span in spans if span.size))


def _span(first: str, last: str, size: int) -> Span | None:
    """Return the part of one range that lies in the file, empty when there is none; None for a range that is none."""
    if not first:
        return Span(max(size - _number(last), 0), size) if last else None
    start, end = _number(first), _number(last) + 1 if last else size
    if last and end <= start:
        return None
    return Span(min(start, size), min(end, size))


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= MAX_DIGITS else 10**MAX_DIGITS


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Join spans that overlap or touch."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            merged[-1] = Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _matches(header: str, tag: str, *, weakly: bool = False) -> bool:
    """Whether a list of entity tags, or ``*``, names this one; a list with bad syntax names none."""
    if header.strip(" \t") == "*":
        return True
    if not _TAGS.fullmatch(header):
        return False
    named = re.findall(_TAG, header)
    return tag in named or (weakly and f"W/{tag}" in named)


def multipart(spans: Sequence[Span], *, size: int, media_type: str, boundary: str) -> list[bytes | Span]:
    """Return the body of a ``multipart/byteranges`` answer: literal bytes, and spans of the file between them.

    Args:
        spans: The parts.
        size: The file's bytes.
        media_type: Of the file.
        boundary: What separates parts; it must not occur in the file.
    """
    body: list[bytes | Span] = []
    for span in spans:
        body += [_part_header(span, size, media_type, boundary), span]
    return [*body, f"\r\n--{boundary}--\r\n".encode()]


def _part_header(span: Span, size: int, media_type: str, boundary: str) -> bytes:
    return (
        f"\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {content_range(span, size)}\r\n\r\n"
    ).encode()


def content_range(span: Span | None, size: int) -> str:
    """Return the Content-Range of a span; of None, when no range could be satisfied."""
    return f"bytes */{size}" if span is None else f"bytes {span.start}-{span.end - 1}/{size}"
