"""Currency: what is there already adds nothing, and what is current is what was seen last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from evidence.line import Identity, Row, derive

if TYPE_CHECKING:
    from conftest import Depot

BROKEN = b'{"id": "A-1", '


def test_the_second_ingest_adds_nothing(depot: Depot) -> None:
    content = {"a.json": depot.advisory("A-1"), "b.jsonl": depot.advisory("B-1"), "c.json": BROKEN}
    first = depot.put(content)

    second = depot.put(content)

    assert (first.stored, first.quarantined, first.snapshot) == (2, 1, 1)
    assert (second.stored, second.unchanged, second.quarantined, second.snapshot) == (0, 2, 1, 1)
    assert depot.store.snapshot().id == 1


def test_other_bytes_are_a_new_observation_of_the_same_thing(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1", "old")})

    assert depot.put({"a.json": depot.advisory("A-1", "new")}).stored == 1
    assert [row["raw"] for row in depot.records()] == [depot.advisory("A-1", "new")]
    assert [row["revision"] for row in depot.history("advisories")] == [1, 2]


def test_going_back_to_older_bytes_is_a_third_observation(depot: Depot) -> None:
    for text in ("A", "B", "A"):
        assert depot.put({"a.json": depot.advisory("A-1", text)}).stored == 1

    assert [row["raw"] for row in depot.records()] == [depot.advisory("A-1", "A")]
    assert depot.put({"a.json": depot.advisory("A-1", "A")}).stored == 0


def test_what_was_removed_comes_back_with_the_same_bytes(depot: Depot) -> None:
    content = {"a.json": depot.advisory("A-1"), "b.json": depot.advisory("B-1")}
    depot.put(content)
    before = depot.keys()
    depot.put({"b.json": content["b.json"]}, source="feed", sync=True, allow_removals=1)
    assert depot.places() == {("B-1", "b.json")}

    assert depot.put(content).stored == 1
    assert depot.keys() == before
    assert [row["tombstone"] for row in depot.history("advisories") if row["upstream_id"] == "A-1"] == [
        False, True, False,
    ]  # fmt: skip


def test_an_old_snapshot_stays_as_it_was(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1", "old"), "b.json": depot.advisory("B-1")})
    old = depot.keys(1)
    depot.put({"a.json": depot.advisory("A-1", "new")}, source="feed", sync=True, allow_removals=1)
    depot.put({"a.json": depot.advisory("A-1", "newer")})

    assert depot.keys(1) == old
    assert [len(depot.keys(number)) for number in (1, 2, 3)] == [2, 1, 1]


def test_history_never_reaches_a_line(depot: Depot) -> None:
    for text in ("A", "B", "A"):
        depot.put({"a.json": depot.advisory("A-1", text)})

    derived = derive(depot.advisory("A-1", "A"), Identity("default", "feed", "a.json"))
    assert isinstance(derived, Row)
    assert depot.lines() == {derived.line}


def test_a_withdrawn_advisory_is_current_evidence(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1", withdrawn="2024-06-01T00:00:00Z")})

    assert [row["withdrawn"].year for row in depot.records()] == [2024]


def test_equal_bytes_twice_in_one_call_are_one_document(depot: Depot) -> None:
    folders = [depot.files({"a.json": depot.advisory("A-1")}) for _ in range(2)]

    report = depot.ingest(*folders)

    assert (report.seen, report.stored, report.unchanged, report.superseded) == (2, 1, 1, 0)
    assert report.conflicts == []


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_contents_in_one_call_the_greater_digest_counts(depot: Depot, backwards: bool) -> None:
    contents = [depot.advisory("A-1", text) for text in "xy"]
    folders = [depot.files({"a.json": content}) for content in contents]

    report = depot.ingest(*(folders[::-1] if backwards else folders))

    assert (report.stored, report.superseded, report.conflicts) == (1, 1, ["feed A-1 a.json"])
    preferred = depot.records()[0]
    assert preferred["raw"] in contents
    assert preferred["sha256"] == max(derive_sha256(content) for content in contents)


def derive_sha256(content: bytes) -> str:
    row = derive(content, Identity("t", "s", "l"))
    assert isinstance(row, Row)
    return row.sha256


def test_of_two_files_of_lines_the_last_name_counts(depot: Depot) -> None:
    first, last = depot.advisory("A-1", "first"), depot.advisory("A-1", "last")

    report = depot.put({"a.jsonl": first, "b.jsonl": last})

    assert (report.stored, report.superseded) == (1, 1)
    assert [row["raw"] for row in depot.records()] == [last]


def test_a_document_that_is_fixed_is_quarantined_no_longer(depot: Depot) -> None:
    depot.put({"a.json": BROKEN, "b.json": BROKEN})

    depot.put({"a.json": depot.advisory("A-1")})

    assert [*depot.quarantine()] == [("b.json", 0)]
    assert [row["raw"] for row in depot.rows("quarantine", 1)] == [BROKEN, BROKEN]


def test_a_document_that_is_fixed_by_going_back_is_quarantined_no_longer(depot: Depot) -> None:
    good = {"a.json": depot.advisory("A-1")}
    depot.put(good)
    depot.put({"a.json": BROKEN})
    assert [*depot.quarantine()] == [("a.json", 0)]
    assert depot.places() == {("A-1", "a.json")}

    report = depot.put(good)

    assert (report.stored, report.unchanged, report.snapshot) == (0, 1, 3)
    assert depot.quarantine() == {}
    assert depot.put(good).snapshot == 3


def test_a_document_that_breaks_again_in_the_same_way_is_quarantined_again(depot: Depot) -> None:
    for content in (BROKEN, depot.advisory("A-1"), BROKEN):
        depot.put({"a.json": content})

    assert [*depot.quarantine()] == [("a.json", 0)]
    assert [row["tombstone"] for row in depot.history("quarantine")] == [False, True, False]


def test_a_document_that_breaks_in_another_way_is_quarantined_once(depot: Depot) -> None:
    depot.put({"a.json": BROKEN})

    depot.put({"a.json": b""})

    assert depot.quarantine() == {("a.json", 0): "the document is empty"}


def test_lines_are_quarantined_by_file_and_number(depot: Depot) -> None:
    lines = [depot.advisory("A-1"), BROKEN, BROKEN, depot.advisory("B-1"), b"[]"]
    depot.put({"x/feed.jsonl": b"\n".join(lines)})
    assert [*depot.quarantine()] == [("x/feed.jsonl", 2), ("x/feed.jsonl", 3), ("x/feed.jsonl", 5)]

    lines[1] = depot.advisory("C-1")
    depot.put({"x/feed.jsonl": b"\n".join(lines)})

    assert [*depot.quarantine()] == [("x/feed.jsonl", 3), ("x/feed.jsonl", 5)]


def test_other_files_sources_and_tenants_stay_quarantined(depot: Depot) -> None:
    depot.put({"a.json": BROKEN, "b.json": BROKEN})
    for options in ({"tenant": "other"}, {"source": "else"}):
        depot.put({"a.json": BROKEN}, **options)

    depot.put({"a.json": depot.advisory("A-1")})

    left = {(row["tenant"], row["source"], row["locator"]) for row in depot.rows("quarantine")}
    assert left == {("default", "feed", "b.json"), ("other", "feed", "a.json"), ("default", "else", "a.json")}


def test_what_advisories_affect_is_of_the_same_snapshot(depot: Depot) -> None:
    def ranged(*fixed: str) -> bytes:
        events = [[{"introduced": "0"}, {"fixed": each}] for each in fixed]
        package = {"ecosystem": "npm", "name": "left-pad"}
        ranges = [{"type": "SEMVER", "events": each} for each in events]
        return depot.advisory("A-1", affected=[{"package": package, "ranges": ranges}])

    depot.put({"a.json": ranged("1.0"), "l.jsonl": b"\n".join([ranged("7.0"), ranged("8.0")])})
    depot.put({"a.json": ranged("1.0", "2.0")})
    depot.put({"b.json": depot.advisory("B-1")}, source="feed", sync=True, allow_removals=9)
    depot.put({"a.json": ranged("3.0")})

    assert [_current_fixes(depot, number) for number in (1, 2, 3, 4)] == [
        ["1.0", "7.0", "8.0"], ["1.0", "2.0", "7.0", "8.0"], [], ["3.0"],
    ]  # fmt: skip


def _current_fixes(depot: Depot, number: int) -> list[str]:
    """Return the fixed versions of current advisories, as a reader of the two tables finds them."""
    current = {(row["key_hash"], row["revision"]) for row in depot.rows("advisories", number)}
    rows = depot.store.rows(depot.store.snapshot(number), "affected").to_table().to_pylist()
    return sorted(row["fixed"] for row in rows if (row["key_hash"], row["revision"]) in current)


def test_a_document_that_changes_its_kind_is_two_things(depot: Depot) -> None:
    bom = {"bomFormat": "CycloneDX", "specVersion": "1.5"}
    depot.put({"a.json": json.dumps(bom).encode()})

    depot.put({"a.json": json.dumps({**bom, "vulnerabilities": [{"id": "CVE-1"}]}).encode()})

    assert {row["kind"] for row in depot.records()} == {"sbom", "vex"}
