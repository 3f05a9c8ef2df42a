"""--sync: a path is the whole truth of a source."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from evidence.errors import StorageError, ValidationError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Depot

BROKEN = b'{"id": "A-1", '


def _many(depot: Depot, count: int) -> dict[str, bytes]:
    return {f"{number:02d}.json": depot.advisory(f"A-{number}") for number in range(count)}


def _sync(depot: Depot, content: dict[str, bytes], **options: Any) -> Any:
    return depot.put(content, **{"source": "feed", "sync": True, **options})


def test_what_the_path_lacks_is_removed_in_one_commit(depot: Depot) -> None:
    content = _many(depot, 20)
    depot.put(content)
    left = dict([*content.items()][2:]) | {"new.json": depot.advisory("N-1")}

    report = _sync(depot, left)

    assert (report.stored, report.unchanged, report.removed, report.snapshot) == (1, 18, 2, 2)
    assert depot.places() == {(row, place) for row, place in depot.places() if place in left}
    dead = [row for row in depot.history("advisories") if row["tombstone"]]
    assert {(row["upstream_id"], row["locator"], row["revision"]) for row in dead} == {
        ("A-0", "00.json", 2), ("A-1", "01.json", 2),
    }  # fmt: skip
    assert {(row["raw"], row["line"], row["sha256"]) for row in dead} == {(b"", b"", "")}
    versions = [depot.store.snapshot(number).tables["advisories"].version for number in (1, 2)]
    assert versions[1] == versions[0] + 1


def test_the_first_sync_of_a_source_only_adds(depot: Depot) -> None:
    assert _sync(depot, _many(depot, 3)).stored == 3


def test_a_tenth_may_be_removed_without_being_told(depot: Depot) -> None:
    content = _many(depot, 19)
    depot.put(content)

    with pytest.raises(ValidationError, match="remove 2 of the 19 records of source feed") as refused:
        _sync(depot, dict([*content.items()][2:]))

    assert refused.value.advice == "If that is meant, pass --allow-removals 2. Nothing was changed."
    assert depot.store.snapshot().id == 1
    assert _sync(depot, dict([*content.items()][1:])).removed == 1


def test_as_many_are_removed_as_are_allowed(depot: Depot) -> None:
    content = _many(depot, 10)
    depot.put(content)

    with pytest.raises(ValidationError, match="remove 9 of the 10"):
        _sync(depot, _many(depot, 1), allow_removals=8)
    assert _sync(depot, _many(depot, 1), allow_removals=9).removed == 9


def test_none_are_removed_when_none_are_allowed(depot: Depot) -> None:
    depot.put(_many(depot, 30))

    with pytest.raises(ValidationError, match="remove 1 of the 30"):
        _sync(depot, _many(depot, 29), allow_removals=0)


def test_records_of_all_kinds_are_one_whole(depot: Depot) -> None:
    bom = b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'
    depot.put({**_many(depot, 9), "bom.json": bom})

    assert _sync(depot, _many(depot, 9)).removed == 1
    assert depot.rows("sboms") == []


@pytest.mark.parametrize("content", [{}, {"empty.jsonl": b""}, {"blank.jsonl": b"\n \n"}])
def test_an_empty_path_is_refused(depot: Depot, content: dict[str, bytes]) -> None:
    depot.put(_many(depot, 30))

    with pytest.raises(ValidationError, match="PATH has no document"):
        _sync(depot, content)


def test_everything_can_be_removed_when_it_is_allowed(depot: Depot) -> None:
    depot.put({**_many(depot, 3), "broken.json": BROKEN})

    assert _sync(depot, {}, allow_removals=3).removed == 3
    assert depot.records() == []
    assert depot.quarantine() == {}


def test_other_sources_and_tenants_are_left_alone(depot: Depot) -> None:
    content = {**_many(depot, 2), "broken.json": BROKEN}
    for options in ({"source": "feed"}, {"source": "other"}, {"source": "feed", "tenant": "_shared"}):
        depot.put(content, **options)

    _sync(depot, {}, allow_removals=2)

    left = {("default", "other"), ("_shared", "feed")}
    assert {(row["tenant"], row["source"]) for row in depot.records()} == left
    assert {(row["tenant"], row["source"]) for row in depot.rows("quarantine")} == left


def test_a_file_that_is_quarantined_now_keeps_its_last_good_observation(depot: Depot) -> None:
    depot.put(_many(depot, 10))

    report = _sync(depot, {**_many(depot, 10), "00.json": BROKEN})

    assert (report.removed, report.quarantined) == (0, 1)
    assert ("A-0", "00.json") in depot.places()
    assert [*depot.quarantine()] == [("00.json", 0)]


def test_a_file_that_became_a_link_keeps_its_last_good_observation(depot: Depot) -> None:
    depot.put(_many(depot, 10))
    folder = depot.files(_many(depot, 10))
    (folder / "00.json").unlink()
    (folder / "00.json").symlink_to("01.json")

    assert depot.ingest(folder, source="feed", sync=True).removed == 0
    assert depot.quarantine() == {("00.json", 0): "a link: links are not followed"}


@pytest.mark.parametrize("now", [b"\n".join([b'{"id": "L-1", ', b"[]"]), b"", b" \n"])
def test_lines_that_cannot_be_read_keep_all_records_of_lines(depot: Depot, now: bytes) -> None:
    bom = b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'
    lines = [depot.advisory("L-1"), depot.advisory("L-1", "again"), depot.advisory("L-2"), bom]
    depot.put({**_many(depot, 1), "feed.jsonl": b"\n".join(lines)})

    report = _sync(depot, {"feed.jsonl": now}, allow_removals=1)

    assert report.removed == 1
    assert {place for _, place in depot.places()} == {"", "#2", "feed.jsonl#1"}


def test_a_line_that_is_gone_is_removed(depot: Depot) -> None:
    lines = [depot.advisory("L-1"), depot.advisory("L-1", "again"), depot.advisory("L-2")]
    depot.put({"feed.jsonl": b"\n".join(lines)})

    assert _sync(depot, {"feed.jsonl": lines[0]}, allow_removals=2).removed == 2
    assert depot.places() == {("L-1", "")}


def test_what_left_its_source_is_quarantined_no_longer(depot: Depot) -> None:
    depot.put({**_many(depot, 1), "broken.json": BROKEN, "feed.jsonl": BROKEN})

    _sync(depot, _many(depot, 1))

    assert depot.quarantine() == {}


DAMAGES = {
    "a truncated archive": lambda folder: (folder / "x.tar.gz").write_bytes(b"\x1f\x8b\x08\x00"),
    "an archive that is none": lambda folder: (folder / "x.zip").write_bytes(b"PK"),
    "a truncated file": lambda folder: (folder / "x.json.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04"),
    "an archive without a header": lambda folder: (folder / "x.tar").write_bytes(b"x" * 512),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_read_error_ends_a_sync_without_a_change(depot: Depot, case: str) -> None:
    depot.put(_many(depot, 30))
    folder = depot.files({**_many(depot, 29), "new.json": depot.advisory("N-1")})
    DAMAGES[case](folder)

    with pytest.raises(StorageError, match="the sync ended: x") as ended:
        depot.ingest(folder, source="feed", sync=True)

    assert ended.value.advice == "Nothing was stored or removed."
    assert depot.store.snapshot().id == 1
    report = depot.ingest(folder, source="feed")
    assert (report.stored, report.unchanged, report.quarantined) == (1, 29, 1)


def _deepen(folder: Path) -> None:
    """Make a folder whose path is longer than the system takes: nobody can read it, not even root."""
    step = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=step)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=step)
        os.close(step)
        step = below
    os.close(step)


def test_a_folder_that_cannot_be_read_ends_a_sync(depot: Depot) -> None:
    depot.put(_many(depot, 30))
    folder = depot.files(_many(depot, 29))
    _deepen(folder)

    with pytest.raises(StorageError, match="the folder cannot be read: File name too long"):
        depot.ingest(folder, source="feed", sync=True)
    assert depot.ingest(folder).reasons == {"the folder cannot be read": 1}


CONTRADICTIONS = {
    "a sync of nobody": ({"sync": True}, "--sync needs --source"),
    "a sync of documents": ({"sync": True, "source": "a", "kind": "vex-consensus"}, "do not go together"),
    "removals without a sync": ({"allow_removals": 1}, "--allow-removals needs --sync"),
    "a negative number": ({"sync": True, "source": "a", "allow_removals": -1}, "not negative"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_options_that_contradict_each_other_are_refused(depot: Depot, case: str) -> None:
    options, message = CONTRADICTIONS[case]

    with pytest.raises(ValidationError, match=message):
        depot.put({}, **options)


def test_a_real_feed_is_followed_through_its_states(depot: Depot, sample_evidence: Path) -> None:
    feed = sample_evidence / "osv-drupal.tar.zst"
    depot.ingest(feed, source="drupal", sync=True)
    before = depot.keys()
    _sync(depot, {"only.json": depot.advisory("ONLY")}, source="drupal", allow_removals=1000)
    assert len(depot.keys()) == 1

    assert depot.ingest(feed, source="drupal", sync=True, allow_removals=1).removed == 1
    assert depot.keys() == before
