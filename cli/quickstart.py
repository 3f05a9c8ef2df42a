"""``quickstart``: the main job on the sample evidence, from nothing to a verified bundle and its pages."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from cli.errors import UsageError
from cli.options import PATH, format_option
from cli.output import headline, note, show
from cli.tracing import timed
from cli.watching import watched

HERE = Path(__file__).resolve().parent
SAMPLES = (HERE / "sample", HERE.parent / "examples" / "evidence")
"""Where the sample lies: inside an installed package, or beside the packages of a checkout."""


@click.command()
@click.option("--evidence", metavar="PATH", type=PATH, help="Your own evidence instead of the sample.")
@format_option
def quickstart(evidence: Path | None, wanted: str | None) -> None:
    """Run the main job on the sample evidence.

    It ingests the sample into EXPORT_CENTER_HOME, exports it with the profile json-raw, verifies the bundle and says
    where to look.

    Example: export-center quickstart
    """
    folder = evidence or next((place for place in SAMPLES if place.is_dir()), SAMPLES[0])
    if not folder.exists():
        raise UsageError(f"there is no evidence at {folder}", advice="Name your own with --evidence PATH.")
    headline(f"1. ingesting {folder}")
    _ingest(sorted(folder.glob("*.tar.zst")) if evidence is None else [folder])
    headline("2. exporting profile json-raw")
    summary = _export()
    headline("3. verifying the bundle with the public key")
    facts = _verify(Path(summary["bundle"]))
    _say_next(Path(summary["bundle"]))
    show({**summary, **facts}, wanted)


def _say_next(bundle: Path) -> None:
    """Say what can be typed next, so that it works as it stands."""
    from cli.rim import settings

    program = f"EXPORT_CENTER_HOME={shlex.quote(str(settings().home))} {shlex.quote(sys.argv[0])}"
    note("next:")
    for command in (f"bundle inspect {shlex.quote(str(bundle))}", "evidence stats", "evidence quarantine"):
        note(f"  {program} {command}")


def _ingest(paths: list[Path]) -> None:
    from cli.ingests import run_ingest

    report = run_ingest(paths)
    note(
        f"   {report.seen:,} documents: {report.stored:,} stored, {report.unchanged:,} already there, "
        f"{report.quarantined:,} quarantined with a reason"
    )


def _export() -> dict[str, Any]:
    from cli.exports import run_export
    from cli.rim import as_of

    summary = run_export("json-raw", {"as_of": as_of(None)})
    note(f"   {summary['records']:,} records, {summary['bytes']:,} bytes in {summary['seconds']} s")
    return summary


def _verify(bundle: Path) -> dict[str, Any]:
    """Verify a bundle and extract its pages; return where they and the public key are."""
    from bundle.keys import load_public_key
    from bundle.verify import verify
    from cli.bundle_pages import page_of
    from cli.rim import settings

    home = settings().home
    public = _public_key(home)
    keys = [load_public_key(public.read_bytes())]
    with watched("verifying") as watch:
        verified = timed("verify", lambda: verify(bundle, keys=keys, deep=True, consume=watch))
    note(f"   verified: {len(verified.manifest.members)} members, every record parsed")
    view = home / "view" / verified.manifest.content_digest[:12]
    shutil.rmtree(view, ignore_errors=True)
    view.parent.mkdir(parents=True, exist_ok=True)
    return {"publicKey": str(public), "viewer": page_of(str(bundle), [public], view)}


def _public_key(home: Path) -> Path:
    """Return the file of the public key: the home's own, or one written for a key that lies elsewhere."""
    from bundle.keys import signer_from_uri
    from cli.rim import key_folder, key_uri, settings

    configured = settings().key
    if configured is None:
        return key_folder(home) / "default.pub"
    public = home / "quickstart.pub"
    public.write_bytes(signer_from_uri(key_uri(configured, home)).public.pem)
    return public
