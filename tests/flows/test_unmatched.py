"""Selector values that nothing has, on real evidence of three tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from flows.criteria import parse_selectors
from flows.planning import PinnedTable, Plan
from flows.request import ExportRequest, prepare_plan
from flows.selection import Scan, totals
from flows.unmatched import LISTS, unmatched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import RealStore


def plan_of(real_store: RealStore, **selectors: Any) -> Plan:
    return prepare_plan(
        ExportRequest(profile="json-raw", store=real_store.store.root, key="", out="/nowhere", selectors=selectors)
    )


MISSPELT = {
    "tenants": (["acme", "acmee"], ["acmee"]),
    "products": (["pkg:npm/*", "pkg:nmp/*", "100%"], ["100%", "pkg:nmp/*"]),
    "sboms": (["no-such-sbom", "sbom:no-such"], ["no-such-sbom", "sbom:no-such"]),
    "ecosystems": (["CRATES.IO", "crate.io"], ["crate.io"]),
    "sources": (["osv-crates", "osv-crate"], ["osv-crate"]),
    "severities": (["hIGH", "hihg"], ["hihg"]),
    "ids": (["RUSTSEC-2021-0001", "RUSTSEC-2021-1"], ["RUSTSEC-2021-1"]),
}


def test_every_list_of_selectors_is_judged() -> None:
    assert set(MISSPELT) == set(LISTS)


@pytest.mark.parametrize("name", MISSPELT)
def test_the_misspelt_of_several_values_are_told(name: str, real_store: RealStore) -> None:
    values, expected = MISSPELT[name]
    tenants = {} if name == "tenants" else {"tenants": ["acme", "default"]}
    assert unmatched(plan_of(real_store, **tenants, **{name: values})) == {name: expected}


def test_a_value_is_unmatched_exactly_when_it_selects_nothing_alone(real_store: RealStore, tmp_path: Path) -> None:
    rows = [row for rows in real_store.rows.values() for row in rows]
    values = {
        "ecosystems": [*sorted({each for row in rows for each in row["ecosystems"]})[:20], "Rust"],
        "severities": [*sorted({each for row in rows for each in row["severity_stated"]})[:20], "none at all"],
        "sources": sorted({row["source"] for row in rows}),
        "ids": [row["upstream_id"] for row in rows[::397]],
        "products": sorted({each for row in rows for each in row["purls"] or ()})[::301],
    }
    plan = plan_of(real_store, **values)
    found = unmatched(plan)

    def selected(name: str, value: str) -> int:
        selectors = parse_selectors({"tenants": ["default"], name: [value]})
        scans = (Scan(files=table.files, selectors=selectors, spill=tmp_path) for table in plan.tables)
        return sum(count for scan in scans for _, count, _ in totals(scan))

    for name, listed in values.items():
        alone = [value for value in sorted(set(listed)) if not selected(name, value)]
        assert found.get(name, []) == alone
    assert {"sources", "ecosystems", "products"} <= set(found)


def test_records_of_others_and_removed_ones_do_not_count(
    make_row: Callable[..., Any], write_rows: Callable[..., str], tmp_path: Path, real_store: RealStore
) -> None:
    rows = [
        make_row("GONE-1", source="old"),
        make_row("GONE-1", source="old", revision=2, tombstone=True),
        make_row("A-1", source="mine"),
        make_row("B-1", source="theirs", tenant="other"),
    ]
    table = PinnedTable("advisories", 0, (write_rows(tmp_path / "rows.parquet", rows),))
    plan = plan_of(real_store, sources=["mine", "old", "theirs"])
    assert unmatched(_with(plan, table)) == {"sources": ["old", "theirs"]}
    assert unmatched(_with(plan, table), ["ids"]) == {}


def test_when_no_tenant_has_anything_only_that_is_told(real_store: RealStore) -> None:
    plan = plan_of(real_store, tenants=["nobody"], shared=False, sources=["osv-crates"])
    assert unmatched(plan) == {"tenants": ["nobody"]}


def test_copies_of_declared_sources_are_not_judged(real_store: RealStore) -> None:
    plan = plan_of(real_store, sources=["osv-crate"])
    assert unmatched(plan)
    assert unmatched(_with(plan, PinnedTable("advisories", 0, plan.tables[0].files, "0" * 64))) == {}


def _with(plan: Plan, table: PinnedTable) -> Plan:
    return replace(plan, tables=(table,))
