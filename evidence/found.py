"""What is found when walking: documents, and how much of them is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from evidence.streams import split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence.streams import Readable

LINK = "a link: links are not followed"
DEVICE = "a device, pipe or socket: only files are read"
EMPTY_LINES = "a file of JSON lines without a line"


@dataclass(frozen=True)
class Limits:
    """How much is read: of one document in bytes, and of one archive in members and in plain bytes."""

    document: int = 256 << 20
    members: int = 10_000_000
    archive: int = 1 << 40


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Document:
    """One document found.

    Attributes:
        source: Name of the feed it belongs to.
        locator: Where it lies below its path or archive, "/"-separated; empty for a line of a JSON lines file.
        data: Its bytes.
        origin: The locator of the file that it is, or is a line of.
        file: Number of that file in this walk.
        line: Number of the line, from 1; 0 when the document is a whole file.
        problem: Why it cannot be read, as a sentence; empty when it can.
        broken: Whether reading failed, so that there may be more than was seen.
    """

    source: str
    locator: str
    data: bytes
    origin: str
    file: int = 0
    line: int = 0
    problem: str = ""
    broken: bool = False


class Reading(NamedTuple):
    """What one walk carries along: its limits, and the numbers of its files."""

    limits: Limits
    files: Iterator[int]


def documents_in(file: Readable, empty: Document, reading: Reading, *, lines: bool) -> Iterator[Document]:
    """Yield the one document of a file, or one for each line that is not blank."""
    limit = reading.limits.document
    too_large = f"larger than the {limit >> 20} MiB a document may have"
    empty = replace(empty, file=next(reading.files))
    if not lines:
        data = file.read(limit + 1)
        yield replace(empty, data=data) if len(data) <= limit else replace(empty, problem=too_large)
        return
    blank = True
    for number, line in enumerate(split_lines(file, limit), start=1):
        if line is None:
            yield replace(empty, locator="", line=number, problem=too_large)
        elif line.strip():
            yield replace(empty, locator="", line=number, data=line)
        blank = blank and line is not None and not line.strip()
    if blank:
        yield replace(empty, problem=EMPTY_LINES)
