"""What changed between two bundles, told from their record indexes: keys and digests, never timestamps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Literal

import msgspec

from bundle.errors import FormatError
from bundle.index import KEY_BYTES, LINE_BYTES, IndexEntry, parse_page, split_page
from bundle.lines import EVALUATIONS, id_of
from bundle.records import frame_table, index_pages, members_of, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bundle.manifest import Member
    from bundle.source import BundleReader

Kind = Literal["added", "changed", "removed"]


class Change(msgspec.Struct, frozen=True):
    """One record that is in only one bundle, or differs."""

    change: Kind
    kind: str
    id: str
    source: str
    locator: str


class Diff(msgspec.Struct, frozen=True):
    """Counts by member and change, and every change."""

    counts: dict[str, dict[str, int]]
    changes: list[Change]


class _Line(msgspec.Struct, frozen=True):
    kind: str = ""
    source: str = ""
    locator: str = ""


def diff(before: BundleReader, after: BundleReader) -> Diff:
    """Compare two bundles. Records are the same when their keys are, and equal when their lines are.

    Raises:
        FormatError: An index does not fit the data it belongs to.
    """
    old, new = members_of(before), members_of(after)
    counts: dict[str, dict[str, int]] = {}
    changes: list[Change] = []
    for path in sorted({member.path for member in (*old.values(), *new.values()) if member.frames_sha256}):
        found = _member_changes(_Side(before, old, path), _Side(after, new, path))
        counts[path] = dict(Counter(change.change for change in found))
        changes += sorted(found, key=lambda change: (change.change, change.id, change.locator))
    return Diff(counts, changes)


class _Side:
    """One bundle's half of a comparison; a missing member has no entries."""

    def __init__(self, reader: BundleReader, listed: Mapping[str, Member], path: str) -> None:
        self._reader = reader
        self._listed = listed
        self._member = listed.get(path)

    def rows(self) -> Iterator[list[bytes]]:
        """Yield the rows of the index in order, a few at a time; those of one key always together."""
        held: list[bytes] = []
        if self._member is None:
            return
        for page in index_pages(self._reader, self._member, self._listed):
            held += split_page(page)
            last = bisect_left(held, held[-1][:KEY_BYTES])
            yield held[:last]
            held = held[last:]
        yield held

    def changes(self, kind: Kind, entries: list[IndexEntry]) -> Iterator[Change]:
        """Yield what entries of this side are about; each frame is read once."""
        if self._member is None or not entries:
            return
        table = frame_table(self._reader, self._member, self._listed)
        entries.sort(key=lambda entry: (entry.frame, entry.offset))
        for _, line in read_lines(self._reader, self._member, table, entries):
            named = _named(self._member.path, line)
            yield Change(kind, named.kind, id_of(self._member.path, line), named.source, named.locator)


def _named(member: str, line: bytes) -> _Line:
    """Return what a record says of itself; an evaluation has fields of its own, which need not mean the same."""
    if member == EVALUATIONS:
        return _Line()
    try:
        return msgspec.json.decode(line, type=_Line)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{member}: a line is no record: {error}") from error


def _member_changes(before: _Side, after: _Side) -> list[Change]:
    found: dict[Kind, list[IndexEntry]] = {"added": [], "changed": [], "removed": []}
    for kind, entry in _differences(before, after):
        found[kind].append(entry)
    return [
        *after.changes("added", found["added"]),
        *after.changes("changed", found["changed"]),
        *before.changes("removed", found["removed"]),
    ]


def _differences(before: _Side, after: _Side) -> Iterator[tuple[Kind, IndexEntry]]:
    """Merge two sorted indexes: what both have is told by comparing rows as bytes, without looking into them."""
    for old, new in _aligned(before.rows(), after.rows()):
        had, has = {row[:LINE_BYTES] for row in old}, {row[:LINE_BYTES] for row in new}
        keys: defaultdict[bytes, tuple[list[bytes], list[bytes]]] = defaultdict(lambda: ([], []))
        for side, (rows, lines) in enumerate(((old, had - has), (new, has - had))):
            for row in rows if lines else ():
                if row[:LINE_BYTES] in lines:
                    keys[row[:KEY_BYTES]][side].append(row)
        for gone, come in keys.values():
            yield from _of_one_key(gone, come)


def _aligned(before: Iterator[list[bytes]], after: Iterator[list[bytes]]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield the rows of both sides that lie in the same range of keys."""
    old, new = _more(before), _more(after)
    while old and new:
        end = min(old[-1], new[-1])[:KEY_BYTES]
        first, second = (bisect_right(rows, end, key=lambda row: row[:KEY_BYTES]) for rows in (old, new))
        yield old[:first], new[:second]
        old, new = old[first:] or _more(before), new[second:] or _more(after)
    while old:
        yield old, []
        old = _more(before)
    while new:
        yield [], new
        new = _more(after)


def _more(rows: Iterator[list[bytes]]) -> list[bytes]:
    """Return the next rows, none at the end."""
    return next(filter(None, rows), [])


def _of_one_key(gone: list[bytes], come: list[bytes]) -> Iterator[tuple[Kind, IndexEntry]]:
    """Compare what only one side holds under one key: one row each, save for a collision of hashes."""
    pairs = min(len(gone), len(come))
    yield from (("changed", _entry(row)) for row in come[:pairs])
    yield from (("added", _entry(row)) for row in come[pairs:])
    yield from (("removed", _entry(row)) for row in gone[pairs:])


def _entry(row: bytes) -> IndexEntry:
    return parse_page(row)[0]
