"""``plan`` and ``export``: running a profile here, without a server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Format, progress_bar, rows, show
from cli.rim import as_of, key_uri, settings, store_root

if TYPE_CHECKING:
    from flows.request import ExportRequest

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="Id of a profile, or a YAML file.")]
FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]
TenantOption = Annotated[list[str] | None, typer.Option("--tenant", help="Whose evidence; may be repeated.")]
FromOption = Annotated[str | None, typer.Option("--from", help="Modified at or after this time.")]
ToOption = Annotated[str | None, typer.Option("--to", help="Modified before this time.")]
ProductOption = Annotated[list[str] | None, typer.Option("--product", help="Purl or image pattern with *.")]
SbomOption = Annotated[list[str] | None, typer.Option("--sbom", help="Id of an SBOM.")]
EcosystemOption = Annotated[list[str] | None, typer.Option("--ecosystem", help="As in npm or PyPI.")]
SourceOption = Annotated[list[str] | None, typer.Option("--source", help="Name of a feed.")]
SeverityOption = Annotated[list[str] | None, typer.Option("--severity", help="As stated upstream.")]
IdOption = Annotated[list[str] | None, typer.Option("--id", help="Id of a record.")]
PolicyOption = Annotated[str | None, typer.Option("--policy-snapshot", help="Id of a policy snapshot.")]
SnapshotOption = Annotated[int | None, typer.Option("--snapshot", help="Number of an evidence snapshot.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Time that stands for now in the bundle.")]
EmptyOption = Annotated[bool, typer.Option("--allow-empty", help="Make a bundle even when nothing matches.")]


def export(
    profile: ProfileArgument,
    tenant: TenantOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    product: ProductOption = None,
    sbom: SbomOption = None,
    ecosystem: EcosystemOption = None,
    source: SourceOption = None,
    severity: SeverityOption = None,
    id_: IdOption = None,
    policy_snapshot: PolicyOption = None,
    snapshot: SnapshotOption = None,
    as_of_: AsOfOption = None,
    allow_empty: EmptyOption = False,
    out: Annotated[Path | None, typer.Option(help="Path of the bundle, or a folder for it.")] = None,
    wanted: FormatOption = None,
) -> None:
    """Run a profile and write its bundle.

    Example: export-center export json-raw --ecosystem npm --out npm.tar.zst
    """
    selectors = _selectors(
        tenants=tenant,
        products=product,
        sboms=sbom,
        ecosystems=ecosystem,
        sources=source,
        severities=severity,
        ids=id_,
        window=(from_, to),
    )
    summary = run_export(
        profile,
        selectors,
        out=out,
        policy_snapshot=policy_snapshot,
        snapshot=snapshot,
        as_of=as_of(as_of_),
        allow_empty=allow_empty,
    )
    show(summary, wanted)


def plan(
    profile: ProfileArgument,
    tenant: TenantOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    product: ProductOption = None,
    sbom: SbomOption = None,
    ecosystem: EcosystemOption = None,
    source: SourceOption = None,
    severity: SeverityOption = None,
    id_: IdOption = None,
    policy_snapshot: PolicyOption = None,
    snapshot: SnapshotOption = None,
    as_of_: AsOfOption = None,
    allow_empty: EmptyOption = False,
    wanted: FormatOption = None,
) -> None:
    """Show what a run would contain: records and bytes by type and source. Nothing is written.

    Example: export-center plan json-raw --ecosystem npm
    """
    from flows.preview import preview
    from flows.request import prepare_plan

    selectors = _selectors(
        tenants=tenant,
        products=product,
        sboms=sbom,
        ecosystems=ecosystem,
        sources=source,
        severities=severity,
        ids=id_,
        window=(from_, to),
    )
    request = _request(
        profile,
        selectors,
        policy_snapshot=policy_snapshot,
        snapshot=snapshot,
        as_of=as_of(as_of_),
        allow_empty=allow_empty,
    )
    value = preview(prepare_plan(request))
    listed = [(row["table"], row["source"], row["records"], row["bytes"]) for row in value["selection"]]
    show(value, wanted, table=rows(("type", "source", "records", "bytes"), listed))


def run_export(profile: str, selectors: dict[str, Any], *, out: Path | None = None, **wishes: Any) -> dict[str, Any]:
    """Run a profile with the settings of this machine, showing progress on a terminal."""
    from flows.pipeline import run
    from flows.request import prepare

    request = _request(profile, selectors, out=out, **wishes)
    started = time.monotonic()
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show_progress(table: str, records: int, size: int) -> None:
            if table not in tasks:
                tasks[table] = bar.add_task(table, total=None, detail="")
            bar.update(tasks[table], detail=f"{records:,} records, {size / 1e6:,.0f} MB")

        made, parts = prepare(request, progress=show_progress)
        exported = run(made, parts)
    return {**exported.summary(), "seconds": round(time.monotonic() - started, 3)}


def _request(profile: str, selectors: dict[str, Any], *, out: Path | None = None, **wishes: Any) -> ExportRequest:
    from flows.request import ExportRequest

    configured = settings()
    home = configured.home
    if out is None:
        out = home / "bundles"
        out.mkdir(parents=True, exist_ok=True)
    return ExportRequest(
        profile=profile,
        store=store_root(home),
        key=key_uri(configured.key, home),
        out=str(out),
        tenant=configured.tenant,
        selectors=selectors,
        workers=configured.workers,
        memory_limit=configured.memory_limit,
        **wishes,
    )


def _selectors(*, window: tuple[str | None, str | None], **lists: list[str] | None) -> dict[str, Any]:
    """Return the options as run selectors; what was not given is left to the profile."""
    chosen: dict[str, Any] = {name: values for name, values in lists.items() if values}
    times = {name: value for name, value in zip(("from", "to"), window, strict=True) if value is not None}
    return {**chosen, "timeWindow": times} if times else chosen
