"""The law of currency: however evidence got into a store, the same current evidence gives the same lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.line import Identity, Row, derive

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Depot

VERSIONS = {
    name: b'{"id": "%b", "modified": "2024-05-01T00:00:00Z", "affected": [], "summary": "%b"}' % (name[:1], name[1:])
    for name in (b"A1", b"A2", b"B1")
}
GOOD = st.sampled_from([*VERSIONS.values()])
ANY = GOOD | st.sampled_from([b"{", b"no evidence"])
LINES = "lines.jsonl"

STATES = st.dictionaries(st.sampled_from(["a.json", "b.json", "c/a.json"]), ANY, max_size=3)
FEEDS = st.builds(
    lambda files, lines: {**files, **({} if lines is None else {LINES: b"\n".join(lines)})},
    STATES, st.none() | st.lists(ANY, max_size=4),
)  # fmt: skip
"""Contents of a folder: a few files of few versions, and perhaps a file of lines."""


def _id(data: bytes) -> str | None:
    row = derive(data, Identity("default", "feed", ""))
    return row.upstream_id if isinstance(row, Row) else None


@dataclass
class Model:
    """What a store holds, told in a few lines."""

    current: dict[tuple[str, str], bytes] = field(default_factory=dict)
    quarantined: set[tuple[str, int]] = field(default_factory=set)

    def put(self, feed: dict[str, bytes], *, whole: bool) -> None:
        """Take a feed in; ``whole`` as a sync does."""
        seen, bad = _read(feed)
        if whole:
            unread = {place for place, _ in bad}
            self.current = {key: data for key, data in self.current.items() if _is_kept(key[1], unread)}
        self.current |= seen
        self.quarantined = {place for place in self.quarantined if place[0] not in feed and not whole} | bad


def _read(feed: dict[str, bytes]) -> tuple[dict[tuple[str, str], bytes], set[tuple[str, int]]]:
    """Return the documents of a feed by (id, locator), and the places of what cannot be read."""
    seen, bad = {}, set()
    for path, data in feed.items():
        counts: dict[str, int] = {}
        lines = [*enumerate(data.split(b"\n"), start=1)] if path == LINES and data else [(0, data)]
        for number, text in lines:
            name = _id(text)
            if name is None and (text or not number):
                bad.add((path, number))
            elif name is not None:
                counts[name] = counts.get(name, 0) + 1
                seen[name, path if not number else "" if counts[name] == 1 else f"#{counts[name]}"] = text
    return seen, bad


def _is_kept(locator: str, unread: set[str]) -> bool:
    return locator in unread or (LINES in unread and (locator == "" or locator.startswith("#")))


def _agree(depot: Depot, model: Model) -> None:
    """Check that a store holds what the model holds, and lines as they are derived without any store."""
    rows = [derive(data, Identity("default", "feed", path)) for (_, path), data in model.current.items()]
    records = depot.records()
    assert {(row["upstream_id"], row["locator"]): row["raw"] for row in records} == model.current
    assert {row["line"] for row in records} == {row.line for row in rows if isinstance(row, Row)}
    assert {*depot.quarantine()} == model.quarantined


@pytest.mark.slow
@settings(max_examples=15)
@given(calls=st.lists(st.tuples(FEEDS, st.booleans()), min_size=2, max_size=4))
def test_a_store_holds_what_a_plain_model_holds(
    new_depot: Callable[[], Depot], calls: list[tuple[dict[str, bytes], bool]]
) -> None:
    depot, model = new_depot(), Model()
    for feed, whole in calls:
        wishes = {"sync": True, "allow_removals": 99} if whole else {}
        depot.put(feed, source="feed", **wishes)
        model.put(feed, whole=whole)
        _agree(depot, model)


@pytest.mark.slow
@settings(max_examples=10)
@given(
    past=st.lists(FEEDS, max_size=2),
    last=st.dictionaries(st.sampled_from(["a.json", "b.json", "c/a.json", "d.json"]), GOOD, min_size=1),
    by=st.randoms(use_true_random=False),
)
def test_no_history_changes_what_is_current(
    new_depot: Callable[[], Depot], past: list[dict[str, bytes]], last: dict[str, bytes], by: random.Random
) -> None:
    plain, other = new_depot(), new_depot()
    plain.put(last, source="feed")

    for feed in past:
        other.put(feed, source="feed", sync=True, allow_removals=99)
    shuffled = by.sample([*last], len(last))
    cut = by.randint(0, len(shuffled))
    for part in (shuffled[cut:], shuffled[:cut]):
        other.put({path: last[path] for path in part}, source="feed")
    done = other.put(last, source="feed", sync=True, allow_removals=99)

    assert other.keys() == plain.keys()
    assert other.lines() == plain.lines()
    assert other.put(last, source="feed", sync=True).snapshot == done.snapshot


@pytest.mark.parametrize(("workers", "chunk"), [(1, 1), (1, 7), (2, 1), (2, 3)])
def test_neither_workers_nor_chunks_change_what_is_stored(
    depot: Depot, new_depot: Callable[[], Depot], monkeypatch: pytest.MonkeyPatch, workers: int, chunk: int
) -> None:
    versions = [*VERSIONS.values(), b"{"]
    lines = {f"{name}.jsonl": b"\n".join(versions * 3) for name in "xy"}
    folders = [depot.files({**lines, "a.json": version, "b.json": versions[0]}) for version in versions]
    plain = new_depot()
    expected = plain.ingest(*folders)

    monkeypatch.setattr("evidence.ingest.CHUNK_DOCUMENTS", chunk)
    monkeypatch.setattr("evidence.ingest.INLINE_BYTES", 0)
    report = depot.ingest(*folders[::-1], workers=workers)

    assert report == expected
    assert (depot.keys(), depot.lines(), depot.quarantine()) == (plain.keys(), plain.lines(), plain.quarantine())
    assert ("A", "#6") in depot.places()


def test_real_feeds_are_the_same_in_any_order_and_in_processes(
    depot: Depot, new_depot: Callable[[], Depot], sample_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("vex-fixtures-gocsaf", "osv-fixtures-osvschema", "trivy-goldens", "openvex-aqua-vexhub")
    feeds = [sample_evidence / f"{name}.tar.zst" for name in names]
    once, apart = depot, new_depot()
    once.ingest(*feeds)

    monkeypatch.setattr("evidence.ingest.INLINE_BYTES", 0)
    monkeypatch.setattr("evidence.ingest.CHUNK_DOCUMENTS", 10)
    for feed in feeds[::-1]:
        apart.ingest(feed, workers=2)

    assert apart.keys() == once.keys()
    assert apart.lines() == once.lines()
    assert apart.quarantine() == once.quarantine()
    assert len(once.keys()) > 150
