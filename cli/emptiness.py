"""What selects nothing is said: a store that nothing was put into, and selector values that nothing has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.output import note

if TYPE_CHECKING:
    from flows.planning import Plan

NOTHING = "nothing was ingested yet"
HOW = "`export-center ingest PATH` puts evidence in, `export-center quickstart` the sample of the program."
WARNED = 20
"""How many values a warning lists."""

OPTIONS = {
    "tenants": "--tenant",
    "products": "--product",
    "sboms": "--sbom",
    "ecosystems": "--ecosystem",
    "sources": "--source",
    "severities": "--severity",
    "ids": "--id",
}
"""The option of each list of selectors."""

SHOWN_BY = {name: "list" if name in {"products", "sboms", "ids", "tenants"} else "stats" for name in OPTIONS}


def warn_of_empty_store(snapshot: int) -> None:
    """Say on standard error that a snapshot is that of a store that holds nothing."""
    if not snapshot:
        note(f"warning: {NOTHING}\n{HOW}")


def refuse_empty_store(plan: Plan) -> None:
    """Refuse to export from a store that holds nothing, unless that is allowed.

    Raises:
        EmptySelectionError: Nothing was ingested yet.
    """
    from flows.errors import EmptySelectionError

    if not plan.snapshot and not plan.allow_empty:
        raise EmptySelectionError(f"no record matches: {NOTHING}", advice=HOW)


def warn_about(plan: Plan, wishes: dict[str, Any]) -> dict[str, list[str]]:
    """Say on standard error which selector values nothing has, and return them by selector.

    A tenant is judged when it was asked for: the one of the settings may well live on what all tenants share.
    """
    from flows.unmatched import unmatched

    if not plan.snapshot and not any(table.source_sha256 for table in plan.tables):
        warn_of_empty_store(plan.snapshot)
        return {}
    asked = "tenants" in wishes.get("selectors", {})
    found = unmatched(plan, [name for name in OPTIONS if asked or name != "tenants"])
    for name, values in found.items():
        more = f" and {len(values) - WARNED:,} more" if len(values) > WARNED else ""
        listed = ", ".join(map(repr, values[:WARNED]))
        look = f"`export-center evidence {SHOWN_BY[name]}` shows what there is"
        note(f"warning: {OPTIONS[name]}: no record has {listed}{more}; {look}")
    return found
