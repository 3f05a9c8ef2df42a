"""``quickstart``: the main job on the sample evidence, from nothing to a verified bundle and its pages."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import STDERR, UsageError, note

SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "evidence"


def quickstart(
    evidence: Annotated[Path | None, typer.Option(help="Your own evidence instead of the sample.")] = None,
) -> None:
    """Ingest the sample evidence, export json-raw, verify the bundle, and say where to look.

    Example: export-center quickstart
    """
    from bundle.keys import load_public_key
    from bundle.verify import verify
    from cli.bundles import viewer_page
    from cli.evidence_store import run_ingest
    from cli.exports import run_export
    from cli.rim import key_folder, settings

    folder = evidence or SAMPLE
    if not folder.exists():
        raise UsageError(f"there is no evidence at {folder}", advice="Name your own with --evidence PATH.")
    home = settings().home
    _headline(1, f"ingesting {folder}")
    report = run_ingest(
        sorted(folder.glob("*.tar.zst")) if evidence is None else [folder],
        tenant=None,
        workers=None,
        source=None,
        kind=None,
        sync=False,
        allow_removals=None,
    )
    note(
        f"  {report.seen:,} documents: {report.stored:,} stored, {report.unchanged:,} already there, "
        f"{report.quarantined:,} quarantined with a reason"
    )
    _headline(2, "exporting profile json-raw")
    summary = run_export("json-raw", {}, out=None)
    note(f"  {summary['records']:,} records, {summary['bytes']:,} bytes in {summary['seconds']} s")
    _headline(3, "verifying the bundle with the public key")
    public = key_folder(home) / "default.pub"
    bundle = Path(summary["bundle"])
    verified = verify(bundle, keys=[load_public_key(public.read_bytes())], deep=True)
    note(f"  verified: {len(verified.manifest.members)} members, every record parsed")
    view = home / "view" / summary["contentDigest"][:12]
    shutil.rmtree(view, ignore_errors=True)
    view.parent.mkdir(parents=True, exist_ok=True)
    page = viewer_page(bundle, [public], view)
    _report(
        {
            "bundle": str(bundle),
            "sha256": summary["sha256"],
            "contentDigest": summary["contentDigest"],
            "public key": str(public),
            "viewer": page,
        }
    )


def _headline(number: int, text: str) -> None:
    STDERR.print(f"[bold]{number}.[/bold] {text}")


def _report(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        sys.stdout.write(f"{name + ':':<15}{value}\n")
    sys.stdout.write(
        "next:          export-center bundle inspect BUNDLE · bundle cat BUNDLE --id ID · evidence stats\n"
    )
