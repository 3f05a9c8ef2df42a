"""``ingest``: putting evidence into the store."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from cli.errors import UsageError
from cli.exits import FAILED
from cli.options import PATH, format_option
from cli.output import note, show
from cli.rim import made_home, now, settings, store_root
from cli.tracing import timing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from evidence.ingest import IngestReport

SHARED = "_shared"
"""The tenant whose evidence every tenant may read."""

SHOWN = 5
"""How many reasons and conflicts are told beside the report."""


@click.command()
@click.argument("paths", metavar="PATH...", type=PATH, nargs=-1, required=True)
@click.option("--tenant", metavar="T", help="Owner of the evidence; else that of the settings.")
@click.option("--source", metavar="S", help="Name of the feed; else that of the archive or folder.")
@click.option("--kind", metavar="K", help="policy-snapshot or vex-consensus; records are recognised by content.")
@click.option("--sync", is_flag=True, help="PATH is the whole truth of --source now.")
@click.option("--allow-removals", metavar="N", type=int, help="Let --sync remove up to N records.")
@click.option("--strict", is_flag=True, help="Exit 1 when a document was quarantined.")
@click.option("--workers", metavar="N", type=click.IntRange(min=1), help="Processes that read documents.")
@format_option
def ingest(paths: Sequence[Path], strict: bool, wanted: str | None, **options: Any) -> None:
    """Put evidence into the store.

    PATH is a folder, an archive (.zip, .tar and compressed ones), a file of JSON lines or a single document. Formats
    are recognised by content. What cannot be read is quarantined, with its bytes and the reason.

    Example: export-center ingest feeds/osv-pypi.tar.zst sboms/
    """
    report = run_ingest(list(paths), **options)
    _print_report(report, wanted, options["tenant"])
    if strict and report.quarantined:
        raise click.exceptions.Exit(FAILED)


def run_ingest(
    paths: list[Path], *, tenant: str | None = None, workers: int | None = None, **options: Any
) -> IngestReport:
    """Ingest paths with the settings of this machine, showing progress on a terminal."""
    from cli.tables import progress_bar
    from evidence.ingest import IngestOptions
    from evidence.ingest import ingest as put
    from evidence.store import Store

    configured = settings({"tenant": tenant, "workers": workers})
    if configured.tenant == SHARED and tenant is None:
        raise UsageError(
            "evidence that all tenants share is only written when the command says so",
            advice=f"Pass --tenant {SHARED}, or --tenant with your own.",
        )
    wishes = IngestOptions(tenant=configured.tenant, workers=configured.workers, observed_at=now(), **options)
    with progress_bar() as bar, timing("ingest"):
        task = bar.add_task("ingesting", total=None, detail="")

        def show_progress(documents: int, size: int) -> None:
            bar.update(task, detail=f"{documents:,} documents, {size / 1e6:,.0f} MB")

        return put(Store(store_root(made_home(configured.home))), paths, wishes, progress=show_progress)


def _print_report(report: IngestReport, wanted: str | None, tenant: str | None) -> None:
    """Print what an ingest did: it accounts for every document seen."""
    show(report.to_builtins(), wanted)
    for conflict in report.conflicts[:SHOWN]:
        note(f"warning: given twice with different content, the last one counts: {conflict}")
    if report.quarantined:
        note(f"warning: {report.quarantined:,} documents were quarantined, with their bytes and the reason")
        for reason, count in report.reasons.most_common(SHOWN):
            note(f"  {count:>7,}  {reason}")
        whose = "" if tenant is None else f" --tenant {shlex.quote(tenant)}"
        note(f"`export-center evidence stats{whose}` counts them by reason, `evidence quarantine{whose}` lists them")
