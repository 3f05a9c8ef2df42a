"""``ingest`` and ``evidence``: putting evidence into the store, and looking at what is there."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Format, note, progress_bar, rows, show
from cli.rim import now, settings, store_root

if TYPE_CHECKING:
    from evidence.ingest import IngestReport

app = typer.Typer(help="Look at the evidence store.", no_args_is_help=True, rich_markup_mode=None)

FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]
SHOWN_REASONS = 5


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders, archives, JSON lines or files.")],
    tenant: Annotated[str | None, typer.Option(help="Owner of the evidence.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Name of the feed; from the archive or folder when absent.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="policy-snapshot or vex-consensus; records are recognised by content.")
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="PATH is the whole truth of --source now.")] = False,
    allow_removals: Annotated[int | None, typer.Option(metavar="N", help="Let --sync remove up to N records.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when a document was quarantined.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that read documents.")] = None,
    wanted: FormatOption = None,
) -> None:
    """Put evidence into the store; formats are recognised by content.

    Example: export-center ingest feeds/osv-pypi.tar.zst sboms/
    """
    report = run_ingest(
        paths,
        tenant=tenant,
        source=source,
        kind=kind,
        sync=sync,
        allow_removals=allow_removals,
        workers=workers,
    )
    print_report(report, wanted)
    if strict and report.quarantined:
        raise typer.Exit(1)


def run_ingest(paths: list[Path], **options: Any) -> IngestReport:
    """Ingest paths with the settings of this machine, showing progress on a terminal."""
    from evidence.ingest import IngestOptions, ingest
    from evidence.store import Store

    configured = settings({"tenant": options.pop("tenant"), "workers": options.pop("workers")})
    wishes = IngestOptions(tenant=configured.tenant, workers=configured.workers, observed_at=now(), **options)
    with progress_bar() as bar:
        task = bar.add_task("reading", total=None, detail="")

        def show_progress(documents: int, size: int) -> None:
            bar.update(task, detail=f"{documents:,} documents, {size / 1e6:,.0f} MB")

        return ingest(Store(store_root(configured.home)), paths, wishes, progress=show_progress)


def print_report(report: IngestReport, wanted: Format | None) -> None:
    """Print what an ingest did: the table accounts for every document seen."""
    value = report.to_builtins()
    show(value, wanted)
    if report.quarantined:
        note(f"warning: {report.quarantined:,} documents were quarantined, with their bytes and the reason")
        for reason, count in sorted(report.reasons.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_REASONS]:
            note(f"  {count:>7,}  {reason}")
        note("`export-center evidence stats` shows all of them")


@app.command()
def stats(
    snapshot: Annotated[int | None, typer.Option(help="Number of a snapshot; the newest when absent.")] = None,
    wanted: FormatOption = None,
) -> None:
    """Count what the store holds, quarantine included.

    Example: export-center evidence stats --format json
    """
    from evidence.stats import stats as count
    from evidence.store import Store

    store = Store(store_root(settings().home))
    value = count(store, store.snapshot(snapshot))
    listed = [
        (group, name, number)
        for group, numbers in value.items()
        if isinstance(numbers, dict)
        for name, number in numbers.items()
    ]
    show(value, wanted, table=rows(("", "", "documents"), listed))


@app.command("show")
def show_record(
    record: Annotated[str, typer.Argument(metavar="ID")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the original bytes only.")] = False,
    wanted: FormatOption = None,
) -> None:
    """Show the current records with an id, with their original bytes.

    Example: export-center evidence show CVE-2024-3094 --raw
    """
    from bundle.errors import MemberNotFoundError
    from evidence.stats import show as look_up
    from evidence.store import Store

    found = look_up(Store(store_root(settings().home)), record)
    if not found:
        raise MemberNotFoundError(f"the store has no current record with the id {record!r}")
    if raw:
        for one in found:
            sys.stdout.buffer.write(one["raw"])
        return
    show([{**one, "raw": _text(one["raw"])} for one in found], wanted or Format.JSON)


def _text(raw: bytes) -> str:
    """Return original bytes as text, or base64 when they are none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(raw).decode()
