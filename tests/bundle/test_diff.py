"""Comparing bundles agrees with comparing their records one by one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from bundle import records
from bundle.diff import diff
from bundle.partial import FrameText
from bundle.source import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.frames import FrameEntry
    from bundle.manifest import Member
    from bundle.source import BundleReader


@pytest.mark.parametrize("seed", range(6))
def test_a_comparison_is_that_of_the_records(
    make_one: Callable[..., Any], make_record: Callable[..., Any], seed: int
) -> None:
    source = random.Random(seed)
    sides = []
    for _ in range(2):
        chosen = sorted(source.sample(range(60), source.choice([0, 5, 40, 60])))
        sides.append({number: source.choice(["text", "text", "other"]) for number in chosen})
    before, after = sides
    bundles = [
        make_one(name=f"side-{at}", layout=form, lines=[make_record(n, text=text) for n, text in side.items()])
        for at, (side, form) in enumerate(zip(sides, ("tar.zst", "zip"), strict=True))
    ]
    found = diff(*(open_bundle(made.path) for made in bundles))
    lines = [{n: make_record(n, text=text)["line"] for n, text in side.items()} for side in sides]
    expected = {
        **dict.fromkeys(after.keys() - before.keys(), "added"),
        **dict.fromkeys(before.keys() - after.keys(), "removed"),
        **{n: "changed" for n in before.keys() & after.keys() if lines[0][n] != lines[1][n]},
    }
    assert {change.id: change.change for change in found.changes} == {
        f"ID-{number:04d}": change for number, change in expected.items()
    }
    counts = found.counts["data/advisories.jsonl.zst"]
    assert sum(counts.values()) == len(found.changes) == len(expected)


def test_a_bundle_does_not_differ_from_itself(make_one: Callable[..., Any]) -> None:
    reader = open_bundle(make_one(30).path)
    assert diff(reader, reader).changes == []


def test_changes_tell_what_they_are_about(make_one: Callable[..., Any]) -> None:
    before, after = (open_bundle(make_one(count, name=str(count)).path) for count in (1, 2))
    (change,) = diff(before, after).changes
    assert (change.change, change.kind, change.id, change.source, change.locator) == (
        "added", "advisory", "ID-0001", "feed", "1.json",
    )  # fmt: skip


def test_every_frame_is_read_once(make_one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = make_one(0, name="none"), make_one(200, name="all")
    read: list[int] = []

    class Counted(FrameText):
        def __init__(self, reader: BundleReader, member: Member, row: FrameEntry) -> None:
            super().__init__(reader, member, row)
            read.append(row.offset)

    monkeypatch.setattr(records, "FrameText", Counted)
    assert len(diff(open_bundle(before.path), open_bundle(after.path)).changes) == 200
    assert len(read) == len(set(read)) < 200
