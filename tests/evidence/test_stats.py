"""What the store says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evidence.stats import policy_snapshot_ids, quarantined, show, stats

if TYPE_CHECKING:
    from conftest import Depot

BROKEN = b'{"id": "A-1", '
BOM = b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'


def test_everything_is_counted_once(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": BROKEN, "bom.json": BOM, "c.json": b""}, source="one")
    depot.put({"a.jsonl": depot.advisory("A-1") + b"\n[]\n{}"}, source="two")
    depot.put({"c.json": b'{"id": "C-1"}'}, kind="vex-consensus")

    assert stats(depot.store, depot.store.snapshot()) == {
        "snapshot": 3,
        "records": {"advisories": 2, "vex": 0, "sboms": 1, "findings": 0},
        "sources": {"one": 2, "two": 1},
        "formats": {"cyclonedx/1.5": 1, "osv": 2},
        "tenants": {"default": 3},
        "quarantine": {"one": 2, "two": 2},
        "reasons": {
            "a JSON object without keys": 1,
            "a list of 0 items, not one document": 1,
            "not JSON": 1,
            "the document is empty": 1,
        },
        "kept": {},
        "documents": {"policy_snapshots": 0, "consensus": 1},
    }


def test_only_what_is_so_now_is_counted(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": depot.advisory("B-1"), "c.json": BROKEN})
    depot.put({"a.json": depot.advisory("A-1", "new"), "c.json": depot.advisory("C-1")})
    depot.put({"b.json": BROKEN})

    value = stats(depot.store, depot.store.snapshot())

    files = 3
    assert (value["sources"], value["quarantine"], value["kept"]) == ({"feed": 3}, {"feed": 1}, {"feed": 1})
    assert value["sources"]["feed"] + value["quarantine"]["feed"] - value["kept"]["feed"] == files
    assert value["reasons"] == {"not JSON": 1}


def test_an_older_snapshot_is_counted_as_it_was(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": BROKEN})
    then = stats(depot.store, depot.store.snapshot())
    depot.put({"b.json": depot.advisory("B-1")}, source="feed", sync=True, allow_removals=1)

    assert stats(depot.store, depot.store.snapshot(1)) == then
    assert stats(depot.store, depot.store.snapshot())["quarantine"] == {}


def test_a_record_is_shown_with_its_original_bytes(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1", "old"), "b.json": depot.advisory("A-1", "b"), "c.json": BOM})
    depot.put({"a.json": b" " + depot.advisory("A-1", "new")})

    shown = show(depot.store, "A-1", tenants=["default"])

    assert [(each["locator"], each["raw"]) for each in shown] == [
        ("a.json", b" " + depot.advisory("A-1", "new")), ("b.json", depot.advisory("A-1", "b")),
    ]  # fmt: skip
    assert shown[0]["revision"] == 2
    assert shown[0]["modified"].isoformat() == "2024-05-01T00:00:00+00:00"
    assert [each["kind"] for each in show(depot.store, "c.json", tenants=["default"])] == ["sbom"]
    assert show(depot.store, "a-1", tenants=["default"]) == []


def test_what_was_removed_is_not_shown(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": depot.advisory("B-1")})
    depot.put({"b.json": depot.advisory("B-1")}, source="feed", sync=True, allow_removals=1)

    assert show(depot.store, "A-1", tenants=["default"]) == []


def test_what_is_quarantined_now_is_listed_with_its_bytes(depot: Depot) -> None:
    depot.put({"a.json": BROKEN, "b.json": b"", "c.jsonl": b"\n[]"}, source="one")
    depot.put({"a.json": BROKEN + b" "}, source="two")
    depot.put({"b.json": depot.advisory("B-1")}, source="one")

    def places(**wanted: str) -> list[tuple[str, str, int, bytes]]:
        names = ("source", "locator", "line_number", "raw")
        return [tuple(each[name] for name in names) for each in quarantined(depot.store, **wanted)]

    first, second, third = (
        ("one", "a.json", 0, BROKEN),
        ("one", "c.jsonl", 2, b"[]"),
        ("two", "a.json", 0, BROKEN + b" "),
    )
    assert places() == [first, second, third]
    assert places(source="one") == [first, second]
    assert places(locator="a.json") == [first, third]
    assert places(source="two", locator="a.json") == [third]
    assert places(locator="b.json") == []


def test_what_is_counted_and_listed_is_that_of_the_tenants_asked_for(depot: Depot) -> None:
    policy = b'{"id": "P-%b", "createdAt": "2026-01-01T00:00:00Z", "policies": [], "evaluations": []}'
    for tenant in ("acme", "globex", "_shared"):
        name = tenant.encode()
        depot.put({f"{tenant}.json": depot.advisory(tenant), "bad.json": BROKEN + name}, tenant=tenant, source=tenant)
        depot.put({"policy.json": policy % name}, tenant=tenant, kind="policy-snapshot")
    # A good observation that is kept, though its file is quarantined now.
    depot.put({"acme.json": BROKEN}, tenant="acme", source="acme")
    snapshot = depot.store.snapshot()

    for tenants in (("acme",), ("acme", "_shared"), ("globex", "_shared"), None, ()):
        among = ("_shared", "acme", "globex") if tenants is None else tuple(sorted(tenants))
        value = stats(depot.store, snapshot, tenants=tenants)
        assert value["tenants"] == value["sources"] == dict.fromkeys(among, 1)
        assert value["records"]["advisories"] == value["documents"]["policy_snapshots"] == len(among)
        assert value["quarantine"] == {each: 2 if each == "acme" else 1 for each in among}
        assert value["kept"] == {each: 1 for each in among if each == "acme"}
        assert policy_snapshot_ids(depot.store, snapshot, tenants=tenants) == [f"P-{each}" for each in among]
        listed = quarantined(depot.store, tenants=tenants, locator="bad.json")
        assert [document["tenant"] for document in listed] == [*among]
