"""What changed between two bundles, told from their record indexes: keys and digests, never timestamps."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from bundle.index import PAGE_BYTES, IndexEntry, parse_page
from bundle.records import frame_table, index_stem, members_of, read_lines

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
    id: str = ""
    finding: str = ""
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

    def entries(self) -> Iterator[IndexEntry]:
        if self._member is None:
            return
        name = f"{index_stem(self._member)}.pages"
        for offset in range(0, self._reader.size(name), PAGE_BYTES):
            yield from parse_page(self._reader.read(name, offset, PAGE_BYTES))

    def changes(self, kind: Kind, entries: list[IndexEntry]) -> Iterator[Change]:
        """Yield what entries of this side are about; each frame is read once."""
        if self._member is None or not entries:
            return
        table = frame_table(self._reader, self._member, self._listed)
        entries.sort(key=lambda entry: (entry.frame, entry.offset))
        for _, line in read_lines(self._reader, self._member, table, entries):
            named = msgspec.json.decode(line, type=_Line)
            yield Change(kind, named.kind, named.id or named.finding, named.source, named.locator)


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
    """Merge two sorted indexes."""
    merged = heapq.merge(
        ((_key(entry), 0, entry) for entry in before.entries()),
        ((_key(entry), 1, entry) for entry in after.entries()),
        key=lambda item: item[:2],
    )
    for _, group in itertools.groupby(merged, key=lambda item: item[0]):
        sides: tuple[list[IndexEntry], list[IndexEntry]] = ([], [])
        for _, side, entry in group:
            sides[side].append(entry)
        yield from _of_one_key(*sides)


def _of_one_key(old: list[IndexEntry], new: list[IndexEntry]) -> Iterator[tuple[Kind, IndexEntry]]:
    """Compare what both sides hold under one key: one entry each, save for a collision of hashes."""
    kept = {entry.line_sha256 for entry in old} & {entry.line_sha256 for entry in new}
    gone = [entry for entry in old if entry.line_sha256 not in kept]
    come = [entry for entry in new if entry.line_sha256 not in kept]
    pairs = min(len(gone), len(come))
    yield from (("changed", entry) for entry in come[:pairs])
    yield from (("added", entry) for entry in come[pairs:])
    yield from (("removed", entry) for entry in gone[pairs:])


def _key(entry: IndexEntry) -> bytes:
    return entry.id_hash + entry.key_hash
