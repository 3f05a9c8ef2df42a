"""``plan`` and ``export``: running a profile here, without a server."""

from __future__ import annotations

import tempfile
import time
from typing import TYPE_CHECKING, Any, TypeVar

import click
from msgspec.structs import replace

from cli.emptiness import refuse_empty_store, warn_about
from cli.errors import UsageError
from cli.options import OUT, format_option, profile_argument, selection_options
from cli.output import show
from cli.place import place_of
from cli.rim import as_of, first_key, key_uri, settings, store_root
from cli.tracing import timed, timing

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from flows.pipeline import Step
    from flows.request import ExportRequest
    from flows.settings import Settings

Result = TypeVar("Result")

LISTS = ("tenants", "products", "sboms", "ecosystems", "sources", "severities", "ids")


@click.command()
@profile_argument
@selection_options
@click.option("--out", metavar="PATH", type=OUT, help="The bundle's file, or a folder for it.")
@click.option("--force", is_flag=True, help="Replace the file at --out even when it is no bundle.")
@format_option
def export(profile: str, out: str | None, force: bool, wanted: str | None, **wishes: Any) -> None:
    """Run a profile and write its bundle.

    PROFILE is the id of a profile or a YAML file. What the options leave open is as the profile says.

    Example: export-center export json-raw --ecosystem npm --out npm.tar.zst
    """
    show(run_export(profile, wanted_of(wishes), out=out, force=force), wanted)


@click.command()
@profile_argument
@selection_options
@format_option
def plan(profile: str, wanted: str | None, **wishes: Any) -> None:
    """Show what a run would contain.

    Records and bytes are counted by type and source; nothing is written.

    Example: export-center plan json-raw --ecosystem npm
    """
    value = run_plan(profile, wanted_of(wishes))

    def table() -> Any:
        from cli.tables import rows

        columns = ("table", "source", "records", "bytes")
        listed = [[row[column] for column in columns] for row in value["selection"]]
        return rows(("type", *columns[1:]), [*listed, ["in all", "", value["records"], value["bytes"]]])

    show(value, wanted, table=table)


def wanted_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that select as fields of an export request; what was not given is left to the profile.

    Raises:
        UsageError: A base was given, or a time is none.
    """
    if options["base"] is not None:
        raise UsageError(
            "--base is for deltas, and this version does not make any yet",
            advice="Export a whole bundle; `export-center bundle diff` shows what changed between two.",
        )
    selectors: dict[str, Any] = {name: list(options[name]) for name in LISTS if options[name]}
    window = {"from": options["from_"], "to": options["to"]}
    times = {name: value for name, value in window.items() if value is not None}
    return {
        "selectors": {**selectors, "timeWindow": times} if times else selectors,
        "policy_snapshot": options["policy_snapshot"],
        "snapshot": options["snapshot"],
        "as_of": as_of(options["as_of"]),
        "allow_empty": options["allow_empty"],
    }


def run_plan(profile: str, wishes: dict[str, Any]) -> dict[str, Any]:
    """Count what a run would take, with the settings of this machine; makes no key and writes nothing."""
    from flows.preview import preview
    from flows.request import prepare_plan

    made = timed("plan", prepare_plan, _request(settings(), profile, wishes))
    with timing("count"):
        return {**preview(made), "unmatched": warn_about(made, wishes)}


def run_export(profile: str, wishes: dict[str, Any], *, out: str | None = None, force: bool = False) -> dict[str, Any]:
    """Run a profile with the settings of this machine, showing progress on a terminal."""
    from cli.tables import progress_bar
    from flows.pipeline import run
    from flows.request import prepare, prepare_plan
    from flows.sources.declared import Sources

    started = time.monotonic()
    configured = settings()
    asked = _request(configured, profile, wishes)
    # Before sources are read, and a folder is made, for a run that cannot be.
    foreseen = prepare_plan(replace(asked, sources=Sources()))
    if not configured.sources.relations:
        refuse_empty_store(foreseen)
        warn_about(foreseen, wishes)
    place = place_of(out, configured.home, foreseen.profile.layout, force=force)
    signer = first_key(configured.key, configured.home)
    key = "" if signer else key_uri(configured.key, configured.home)
    request = replace(asked, key=key, out=str(place))
    with progress_bar() as bar:
        step = _watched_on(bar)
        made, parts = step("plan", lambda: prepare(request, progress=_shown_on(bar), signer=signer))
        exported = run(made, parts, step=step)
    return {**exported.summary(), "seconds": round(time.monotonic() - started, 3)}


def _watched_on(bar: Progress) -> Step:
    """Return a runner of stages that shows which one is at work, and times it."""

    def step(name: str, stage: Callable[..., Result], *arguments: object) -> Result:
        task = bar.add_task(name, total=None, detail="")
        try:
            return timed(name, stage, *arguments)
        finally:
            bar.remove_task(task)

    return step


def _shown_on(bar: Progress) -> Callable[[str, int, int], None]:
    """Return a function that shows what was written of each table."""
    tasks: dict[str, Any] = {}

    def show_progress(table: str, records: int, size: int) -> None:
        if table not in tasks:
            tasks[table] = bar.add_task(table, total=None, detail="")
        bar.update(tasks[table], detail=f"{records:,} records, {size / 1e6:,.0f} MB")

    return show_progress


def _request(configured: Settings, profile: str, wishes: dict[str, Any]) -> ExportRequest:
    """Return a request that can be planned; what a run needs besides, its key and its place, is left open."""
    from cli.offline import check_sources
    from flows.planning import included_tables
    from flows.profile_lookup import find_profile
    from flows.request import ExportRequest

    loaded = find_profile(profile, tenant=configured.tenant, repository=configured.profiles_path)
    check_sources(configured.sources, included_tables(loaded.profile))
    return ExportRequest(
        profile=profile,
        store=store_root(configured.home),
        key="",
        out=tempfile.gettempdir(),
        tenant=configured.tenant,
        workers=configured.workers,
        memory_limit=configured.memory_limit,
        sources=configured.sources,
        profiles=str(configured.profiles_path),
        **wishes,
    )
