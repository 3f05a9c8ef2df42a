"""The page's section about a delta: what it starts from, and how many records it adds, changes and removes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.figures import number, visible

if TYPE_CHECKING:
    from bundle.manifest import Member
    from web.facts import BundleFacts

CHANGES = "mirror/delta/changes.jsonl.zst"
REMOVED = "mirror/delta/removed.jsonl.zst"
"""Members that list the records of a delta, one a line; encrypted ones end in ``.age``."""

TARGET = "mirror/delta/target/"
"""Below it lie the signed envelope and indexes of the bundle that a delta leads to."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One number of a delta, and what it means for whoever applies it."""

    name: str
    count: str
    note: str


@dataclass(frozen=True, kw_only=True)
class DeltaList:
    """A member that lists records, for the script that shows it.

    Attributes:
        id: Of its place in the page.
        empty: Whether it lists none.
    """

    id: str
    title: str
    path: str
    count: str
    empty: bool
    encrypted: bool


@dataclass(frozen=True, kw_only=True)
class DeltaSection:
    """The whole section.

    Attributes:
        base: The bundle it starts from, as (name, digest, what it is).
        target: Where the envelope lies of the bundle that applying it makes; empty when it is not there.
    """

    tiles: tuple[Tile, ...]
    lists: tuple[DeltaList, ...]
    base: tuple[tuple[str, str, str], ...]
    target: str


def delta_section(facts: BundleFacts) -> DeltaSection | None:
    """Return what a page says about a delta; None for bundles that stand alone."""
    if facts.base is None:
        return None
    return DeltaSection(
        tiles=_tiles(facts),
        lists=tuple(_lists(facts.members)),
        base=(
            ("contentDigest", visible(facts.base.content_digest), "The evidence that has to be there before."),
            ("snapshotDigest", visible(facts.base.snapshot_digest), "The records it was selected from."),
        ),
        target=TARGET if any(each.path.startswith(TARGET) for each in facts.members) else "",
    )


def _tiles(facts: BundleFacts) -> tuple[Tile, ...]:
    """Return the numbers: of the adapter when it told, else those of the members."""
    if facts.delta is not None:
        stated: tuple[tuple[str, int | None, str], ...] = (
            ("Added", facts.delta.added, "not in the base"),
            ("Changed", facts.delta.changed, "in the base with other bytes"),
            ("Removed", facts.delta.removed, "in the base and no longer selected"),
        )
    else:
        stated = (
            ("Added or changed", _records(facts.members, CHANGES), "not in the base, or there with other bytes"),
            ("Removed", _records(facts.members, REMOVED), "in the base and no longer selected"),
        )
    return tuple(
        Tile(name=name, count="not stated" if count is None else number(count), note=note)
        for name, count, note in stated
    )


def _lists(members: list[Member]) -> list[DeltaList]:
    lists = (("delta-changes", "Added and changed", CHANGES), ("delta-removed", "Removed", REMOVED))
    found = ((id_, title, _member(members, path)) for id_, title, path in lists)
    return [
        DeltaList(
            id=id_,
            title=title,
            path=member.path,
            count="" if member.records is None else number(member.records),
            empty=member.records == 0,
            encrypted=member.path.endswith(".age"),
        )
        for id_, title, member in found
        if member is not None
    ]


def _records(members: list[Member], path: str) -> int | None:
    member = _member(members, path)
    return None if member is None else member.records


def _member(members: list[Member], path: str) -> Member | None:
    return next((each for each in members if each.path in {path, f"{path}.age"}), None)
