"""Selector values that nothing in the evidence has: most are misspelt, and would pass in silence.

Each value is judged alone, over the current records that the tenants may see: a value that some record has, but none
that the other selectors take too, is no mistake. The law: a value is unmatched when selectors of the same tenants with
that value alone, as ``flows.conditions`` compiles them, take no record that has it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from flows.conditions import glob, where
from flows.criteria import Selectors
from flows.selection import CURRENT, Scan, fetched

if TYPE_CHECKING:
    from collections.abc import Collection

    from flows.planning import Plan


class Judged(NamedTuple):
    """How values of a list are compared: with what of a record, and when they match it."""

    held: str
    matches: str = "held = wanted"


LISTS = {
    "tenants": Judged("tenant"),
    "products": Judged("unnest(purls || [coalesce(subject, '')])", "held LIKE wanted ESCAPE '\\'"),
    "sboms": Judged("CASE kind WHEN 'sbom' THEN upstream_id END", "held = wanted OR 'sbom:' || held = wanted"),
    "ecosystems": Judged(
        "unnest(list_transform(ecosystems, lambda e: lower(e)) || "
        "list_transform(ecosystems, lambda e: lower(split_part(e, ':', 1))))",
        "held = lower(wanted)",
    ),
    "sources": Judged("source"),
    "severities": Judged("unnest(list_transform(severity_stated, lambda s: lower(s)))", "held = lower(wanted)"),
    "ids": Judged("upstream_id"),
}
"""Every list of selectors, as export.json names them."""


def unmatched(plan: Plan, lists: Collection[str] = tuple(LISTS)) -> dict[str, list[str]]:
    """Return the values that nothing has, by the list they are in; nothing of lists whose values all match.

    A run that reads declared sources is not judged: of these, only what was selected is here. When no tenant has
    anything, nothing else is judged.

    Args:
        plan: What will run; an empty store has nothing to be compared with.
        lists: The lists to judge.

    Raises:
        StorageError: The store cannot be read.
    """
    if any(table.source_sha256 for table in plan.tables):
        return {}
    files = [file for table in plan.tables for file in table.files]
    given = {name: getattr(plan.selectors, name) for name in LISTS if name in lists}
    with TemporaryDirectory(prefix="export-center-plan-") as spill:
        missing = {
            name: _missing(Scan(files=tuple(files), selectors=plan.selectors, spill=Path(spill)), name, values)
            for name, values in given.items()
            if values and files
        }
    if missing.get("tenants") == list(plan.selectors.tenants):
        return {"tenants": missing["tenants"]}
    return {name: values for name, values in missing.items() if values}


def _missing(scan: Scan, name: str, values: tuple[str, ...]) -> list[str]:
    """Return the values of one list that no visible current record has."""
    judged = LISTS[name]
    visible = where(Selectors(tenants=scan.selectors.tenants, shared=scan.selectors.shared))
    query = f"""
        SELECT DISTINCT number FROM
        (SELECT unnest(?) AS wanted, unnest(?) AS number) JOIN
        (SELECT DISTINCT {judged.held} AS held FROM {CURRENT} AND {visible.sql}) ON {judged.matches}
    """  # noqa: S608 - parameters carry all texts
    wanted = [glob(value) for value in values] if name == "products" else list(values)
    parameters = [wanted, list(range(len(values))), *[list(scan.files)] * 2, *visible.parameters]
    found = {number for (number,) in fetched(scan, query, parameters)}
    return [value for number, value in enumerate(values) if number not in found]
