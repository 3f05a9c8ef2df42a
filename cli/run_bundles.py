"""``run download``, ``manifest`` and ``provenance``: what a run has made."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.errors import Interrupted
from cli.exits import CANCELED
from cli.options import OUT, format_option
from cli.output import emit, note, show
from cli.place import check_present
from cli.remote import remote_options, service
from cli.runs import run_argument

if TYPE_CHECKING:
    from client import Client
    from client.downloads import Downloaded

signature_option = click.option("--signature", is_flag=True, help="Print its signature, in base64, instead.")


@click.command()
@run_argument
@click.option("--out", metavar="PATH", type=OUT, help="The bundle's file, or a folder for it; else this folder.")
@click.option("--force", is_flag=True, help="Replace the file at --out even when it is no bundle.")
@remote_options
@format_option
def download(run_id: str, out: str | None, force: bool, wanted: str | None, **remote: Any) -> None:
    """Fetch the bundle of a run, and check that its bytes are those of the service.

    What was interrupted is gone on with by the same command. Who made the bundle, `export-center bundle verify` tells.

    Example: export-center run download run-20260131-01 --out bundles/
    """
    started = time.monotonic()
    place = _place(out, force=force)
    with service(remote) as client:
        found = _fetch(client, run_id, place)
    facts = {
        "bundle": str(found.path),
        "sha256": found.sha256,
        "bytes": found.size,
        "fetched": found.fetched,
        "encryption": found.encryption,
        "seconds": round(time.monotonic() - started, 3),
    }
    show(facts, wanted)


@click.command()
@run_argument
@signature_option
@remote_options
def manifest(run_id: str, signature: bool, **remote: Any) -> None:
    """Print the signed export.json of a run's bundle, byte for byte.

    Example: export-center run manifest run-20260131-01
    """
    with service(remote) as client:
        emit(client.manifest(run_id, signature=signature))


@click.command()
@run_argument
@signature_option
@remote_options
def provenance(run_id: str, signature: bool, **remote: Any) -> None:
    """Print the signed provenance.json of a run's bundle, byte for byte.

    Example: export-center run provenance run-20260131-01
    """
    with service(remote) as client:
        emit(client.provenance(run_id, signature=signature))


COMMANDS = (download, manifest, provenance)


def _place(out: str | None, *, force: bool) -> Path:
    """Return the file or folder that --out means; a folder that it names with a slash is made.

    Raises:
        UsageError: It is a file that is no bundle.
    """
    place = Path(out or ".")
    if out is not None and out.endswith("/"):
        place.mkdir(parents=True, exist_ok=True)
    elif not force:
        check_present(place)
    return place


def _fetch(client: Client, run_id: str, place: Path) -> Downloaded:
    from cli.tables import progress_bar

    with progress_bar() as bar:
        task = bar.add_task(run_id, total=None, detail="")

        def show_progress(done: int, whole: int) -> None:
            bar.update(task, completed=done, total=whole, detail=f"{done / 1e6:,.0f} of {whole / 1e6:,.0f} MB")

        try:
            return client.download(run_id, place, progress=show_progress)
        except Interrupted as stop:
            note("interrupted; the same command goes on where it was")
            raise click.exceptions.Exit(CANCELED) from stop
