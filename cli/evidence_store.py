"""``evidence``: looking at what the store holds."""

from __future__ import annotations

from typing import Any

import click

from cli.emptiness import warn_of_empty_store
from cli.errors import UsageError
from cli.options import TEXT, format_option
from cli.output import emit, note, show
from cli.rim import open_store, settings
from cli.streams import show_each

KINDS = ("advisory", "vex", "sbom", "finding")
"""Of evidence.schema, which ``--help`` need not load."""

tenant_option = click.option("--tenant", metavar="T", type=TEXT, help="Whose records; else those of the settings.")

everybody_option = click.option("--all-tenants", "everybody", is_flag=True, help="Everybody's, whatever the tenant.")

LISTED = 25
"""How many lines of a group a table shows; the rest is summed up, and in full in the other formats."""


@click.group()
def evidence() -> None:
    """Look at the evidence store.

    Example: export-center evidence stats
    """


@evidence.command()
@tenant_option
@everybody_option
@click.option("--snapshot", metavar="N", type=int, help="Number of a snapshot; else the newest.")
@format_option
def stats(tenant: str | None, everybody: bool, snapshot: int | None, wanted: str | None) -> None:
    """Count what the store holds of a tenant, quarantine included.

    What all tenants share is counted too.

    Example: export-center evidence stats --format json
    """
    from evidence.stats import policy_snapshot_ids
    from evidence.stats import stats as count

    tenants = whose(tenant, everybody=everybody)
    store = open_store()
    chosen = store.snapshot(snapshot)
    warn_of_empty_store(chosen.id)
    value = count(store, chosen, tenants=tenants)
    value["policySnapshots"] = policy_snapshot_ids(store, chosen, tenants=tenants)
    if chosen.id and tenants and not (value["tenants"] or value["quarantine"] or any(value["documents"].values())):
        note(f"warning: there is nothing of tenant {tenants[0]}; --all-tenants counts everybody's")

    def table() -> Any:
        from cli.tables import rows

        ids = dict.fromkeys(value["policySnapshots"])
        return rows(("what", "", "documents"), _listed({**value, "policySnapshots": ids}))

    show(value, wanted, table=table)


def _listed(value: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    """Return the lines of a table: each group's name once, the frequent first, the rare ones summed up."""
    listed = []
    for group, numbers in value.items():
        if not isinstance(numbers, dict):
            continue
        ordered = sorted(numbers.items(), key=lambda entry: (-(entry[1] or 0), entry[0]))
        rest = ordered[LISTED:]
        if rest:
            ordered = [*ordered[:LISTED], (f"({len(rest)} others)", sum(count for _, count in rest))]
        listed += [("" if line else group, name, count) for line, (name, count) in enumerate(ordered)]
    return listed


@evidence.command()
@click.argument("locator", required=False, type=TEXT)
@tenant_option
@everybody_option
@click.option("--source", metavar="S", type=TEXT, help="Of one feed only.")
@click.option("--raw", is_flag=True, help="Print the original bytes only; needs LOCATOR.")
@format_option
def quarantine(
    locator: str | None, tenant: str | None, everybody: bool, source: str | None, raw: bool, wanted: str | None
) -> None:
    """List the documents of a tenant that are quarantined now, and why.

    Those that all tenants share are listed too. LOCATOR is the path of a file inside its source.

    Example: export-center evidence quarantine --source feed-friendsofphp --format json
    """
    from bundle.errors import MemberNotFoundError
    from evidence.stats import quarantined

    if raw and locator is None:
        raise UsageError("--raw needs a LOCATOR", advice="`export-center evidence quarantine` lists them.")
    tenants = whose(tenant, everybody=everybody)
    found = quarantined(open_store(), tenants=tenants, source=source, locator=locator)
    if locator is not None and not found:
        raise MemberNotFoundError(
            f"no document {'' if tenants is None else f'of tenant {tenants[0]} '}is quarantined under {locator!r}",
            advice="Locators are compared exactly; `export-center evidence quarantine` lists them.",
        )
    if raw:
        for one in found:
            emit(one["raw"])
        return
    listed = [_refused(one) for one in found]

    def table() -> Any:
        from cli.tables import rows

        columns = ("source", "locator", "line", "bytes", "reason")
        return rows(columns, ([one[column] for column in columns] for one in listed))

    show(listed, wanted, table=table)


def _refused(one: dict[str, Any]) -> dict[str, Any]:
    names = {"line_number": "line"}
    return {names.get(name, name): item for name, item in one.items() if name != "raw"} | {"bytes": len(one["raw"])}


@evidence.command("list")
@tenant_option
@click.option("--source", metavar="S", type=TEXT, help="Of one feed only.")
@click.option("--kind", type=click.Choice(KINDS), help="Of one kind only.")
@click.option("--snapshot", metavar="N", type=int, help="Number of a snapshot; else the newest.")
@format_option
def list_records(
    tenant: str | None, source: str | None, kind: str | None, snapshot: int | None, wanted: str | None
) -> None:
    """List the current records of a tenant.

    Those that all tenants share are listed too.

    Example: export-center evidence list --source osv-crates --kind advisory
    """
    from evidence.listing import listed_records

    store = open_store()
    chosen = store.snapshot(snapshot)
    warn_of_empty_store(chosen.id)
    found = listed_records(store, chosen, tenants=visible(tenant), source=source, kind=kind)
    show_each(map(facts_of, found), wanted, columns=("id", "kind", "source", "locator", "modified"))


def visible(tenant: str | None) -> tuple[str, ...]:
    """Return whose evidence a tenant may see: its own, the first, and what all share; without one, as settings say."""
    from flows.criteria import Selectors, visible_tenants

    return visible_tenants(Selectors(tenants=(settings({"tenant": tenant}).tenant,)))


def whose(tenant: str | None, *, everybody: bool) -> tuple[str, ...] | None:
    """Return whose evidence is asked for; None is everybody's.

    Raises:
        UsageError: One tenant and everybody were asked for.
    """
    if everybody and tenant is not None:
        raise UsageError("--tenant and --all-tenants do not go together", advice="Pass one of them.")
    return None if everybody else visible(tenant)


@evidence.command("show")
@click.argument("record", metavar="ID", type=TEXT)
@tenant_option
@click.option("--raw", is_flag=True, help="Print the original bytes only.")
@format_option
def show_record(record: str, tenant: str | None, raw: bool, wanted: str | None) -> None:
    """Show the current records of a tenant with an id.

    Those that all tenants share are shown too.

    JSON and YAML have the original bytes too, as text, or in base64 when they are none.

    Example: export-center evidence show CVE-2024-3094 --raw
    """
    from bundle.errors import MemberNotFoundError
    from evidence.stats import show as look_up

    tenants = visible(tenant)
    found = look_up(open_store(), record, tenants=tenants)
    if not found:
        raise MemberNotFoundError(
            f"the store has no current record with the id {record!r} of tenant {tenants[0]}",
            advice="Ids are compared exactly; aliases are not looked up. `export-center evidence list` lists them.",
        )
    if raw:
        for one in found:
            emit(one["raw"])
        return
    listed = [described(one) for one in found]

    def table() -> Any:
        from cli.tables import rows

        columns = ("kind", "source", "locator", "format", "modified", "bytes", "sha256")
        return rows(columns, ([one[column] for column in columns] for one in listed))

    show(listed, wanted, table=table)


def described(one: dict[str, Any]) -> dict[str, Any]:
    """Return a record as JSON values; original bytes that are no text are written in base64."""
    import base64

    facts = facts_of({name: item for name, item in one.items() if name != "raw"}) | {"bytes": len(one["raw"])}
    try:
        return {**facts, "raw": one["raw"].decode()}
    except UnicodeDecodeError:
        return {**facts, "rawBase64": base64.b64encode(one["raw"]).decode()}


def facts_of(one: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a record as JSON values, with the names that the command line has for it."""
    from evidence.times import format_time

    facts = {"id" if name == "upstream_id" else name: item for name, item in one.items()}
    return {**facts, "modified": None if one["modified"] is None else format_time(one["modified"])}
