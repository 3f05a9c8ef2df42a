"""What changed between two bundles, told from their record indexes: keys and digests, never timestamps."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from bundle.errors import FormatError
from bundle.frames import parse_entries
from bundle.index import PAGE_BYTES, IndexEntry, parse_page
from bundle.records import index_stem, manifest_of, read_line

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    source: str = ""
    locator: str = ""


def diff(before: BundleReader, after: BundleReader) -> Diff:
    """Compare two bundles. Records are the same when their keys are, and equal when their lines are.

    Raises:
        FormatError: An index does not fit the data it belongs to.
    """
    old, new = _framed(before), _framed(after)
    counts: dict[str, dict[str, int]] = {}
    changes: list[Change] = []
    for path in sorted({*old, *new}):
        found = list(_changes(_Side(before, old.get(path)), _Side(after, new.get(path))))
        counts[path] = dict(Counter(change.change for change in found))
        changes += sorted(found, key=lambda change: (change.change, change.id, change.locator))
    return Diff(counts, changes)


def _framed(reader: BundleReader) -> dict[str, Member]:
    return {member.path: member for member in manifest_of(reader).members if member.frames_sha256 is not None}


class _Side:
    """One bundle's half of a comparison; a missing member has no entries."""

    def __init__(self, reader: BundleReader, member: Member | None) -> None:
        self._reader = reader
        self._member = member

    def entries(self) -> Iterator[IndexEntry]:
        if self._member is None:
            return
        name = f"{index_stem(self._member)}.pages"
        for offset in range(0, self._reader.size(name), PAGE_BYTES):
            yield from parse_page(self._reader.read(name, offset, PAGE_BYTES))

    def change(self, kind: Kind, entry: IndexEntry) -> Change:
        if self._member is None:
            raise FormatError("an entry without a member")
        table = parse_entries(self._reader.read(f"{index_stem(self._member)}.frames"))
        line = msgspec.json.decode(read_line(self._reader, self._member, table, entry), type=_Line)
        return Change(kind, line.kind, line.id, line.source, line.locator)


def _changes(before: _Side, after: _Side) -> Iterator[Change]:
    """Merge two sorted indexes."""
    merged = heapq.merge(
        ((entry.id_hash + entry.key_hash, 0, entry) for entry in before.entries()),
        ((entry.id_hash + entry.key_hash, 1, entry) for entry in after.entries()),
        key=lambda item: item[:2],
    )
    pending: tuple[bytes, IndexEntry] | None = None
    for key, side, entry in merged:
        if side == 0:
            if pending is not None:
                yield before.change("removed", pending[1])
            pending = (key, entry)
        elif pending is not None and pending[0] == key:
            if pending[1].line_sha256 != entry.line_sha256:
                yield after.change("changed", entry)
            pending = None
        else:
            if pending is not None:
                yield before.change("removed", pending[1])
                pending = None
            yield after.change("added", entry)
    if pending is not None:
        yield before.change("removed", pending[1])
