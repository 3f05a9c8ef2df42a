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


def test_indexes_of_many_pages_are_compared_as_one(
    make_one: Callable[..., Any], make_record: Callable[..., Any]
) -> None:
    everything = [make_record(number) for number in range(3000)]
    source = random.Random(1)
    for round_, (less, more) in enumerate(((0, 1), (1, 40), (700, 1200), (2900, 50))):
        gone, come = set(source.sample(range(3000), less)), set(source.sample(range(3000), more))
        before = make_one(name=f"before-{round_}", lines=[line for at, line in enumerate(everything) if at not in come])
        after = make_one(name=f"after-{round_}", lines=[line for at, line in enumerate(everything) if at not in gone])
        found = diff(open_bundle(before.path), open_bundle(after.path)).changes
        expected = {f"ID-{at:04d}": "removed" for at in gone - come} | {f"ID-{at:04d}": "added" for at in come - gone}
        assert {change.id: change.change for change in found} == expected
        assert len(found) == len(expected)


def test_rows_of_one_key_are_matched_by_their_lines(
    make_one: Callable[..., Any], make_record: Callable[..., Any]
) -> None:
    """Evaluations have no identity but their line, and the same may stand there twice."""
    one, other, third = (make_record(1, text=text) for text in ("a", "b", "c"))
    table: list[tuple[list[Any], list[Any], dict[str, int]]] = [
        ([one, one], [one], {}),
        ([one, other], [other, one], {}),
        ([one, other], [one, third], {"changed": 1}),
        ([one], [other, third], {"added": 1, "changed": 1}),
        ([one, other, third], [one], {"removed": 2}),
        ([other] * 700 + [one] * 700, [one] * 700, {"removed": 700}),
    ]
    for at, (old, new, counts) in enumerate(table):
        before, after = make_one(name=f"{at}-old", lines=old), make_one(name=f"{at}-new", lines=new)
        assert diff(open_bundle(before.path), open_bundle(after.path)).counts["data/advisories.jsonl.zst"] == counts


def test_a_member_that_only_one_bundle_has_is_added_or_removed(make_one: Callable[..., Any]) -> None:
    parts = (
        "advisories.frames",
        "advisories.pages",
        "advisories.root",
        "search/advisories.root",
        "search/advisories.terms",
    )
    names = ["data/advisories.jsonl.zst", *(f"indexes/{part}" for part in parts)]
    without = open_bundle(make_one(0, name="without", change=dict.fromkeys(names)).path)
    whole = open_bundle(make_one(5).path)
    assert {change.change for change in diff(without, whole).changes} == {"added"}
    assert {change.change for change in diff(whole, without).changes} == {"removed"}


def test_a_bundle_does_not_differ_from_itself(make_one: Callable[..., Any]) -> None:
    reader = open_bundle(make_one(30).path)
    assert diff(reader, reader).changes == []


def test_changes_tell_what_they_are_about(make_one: Callable[..., Any]) -> None:
    before, after = (open_bundle(make_one(count, name=str(count)).path) for count in (1, 2))
    (change,) = diff(before, after).changes
    assert (change.change, change.kind, change.id, change.source, change.locator) == (
        "added", "advisory", "ID-0001", "feed", "1.json",
    )  # fmt: skip


def test_a_changed_evaluation_is_told_by_its_finding(
    make_one: Callable[..., Any], make_evaluation: Callable[..., Any]
) -> None:
    lines = [make_evaluation(finding="F-1", id=number, kind=[], source=number) for number in (1, 2)]
    before, after = (open_bundle(make_one(1, name=str(at), evaluations=[line]).path) for at, line in enumerate(lines))
    assert {(change.change, change.kind, change.id) for change in diff(before, after).changes} == {
        ("added", "", "F-1"),
        ("removed", "", "F-1"),
    }


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
