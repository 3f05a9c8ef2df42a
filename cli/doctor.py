"""``doctor``: whether this installation can work, what is wrong with it, and what to do about that."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from cli.complaints import complaint_about
from cli.emptiness import HOW, NOTHING
from cli.exits import FAILED
from cli.options import format_option
from cli.output import Format, chosen, note, show
from cli.profile_place import open_profiles
from cli.rim import DEFAULT_KEY, key_folder, open_store, own_key_uri, settings

if TYPE_CHECKING:
    from collections.abc import Callable

LITTLE_SPACE = 1 << 30
"""Bytes below which a disk is called nearly full; a bundle is written aside, so it takes its size again."""

OF_TESTS = ("data", "forbid_skips")
"""Variables that only tests look at."""

ENGINES = ("pyarrow", "duckdb", "deltalake", "polars")


class Finding(NamedTuple):
    """What a check found; ``status`` is ok, warning (it works, but look) or failed."""

    status: str
    finding: str
    advice: str = ""


@click.command()
@format_option
def doctor(wanted: str | None) -> None:
    """Check this installation and say what is wrong.

    It changes nothing. The exit code is 1 when a check failed; warnings do not count.

    Example: export-center doctor
    """
    checks = [{"check": name, **judge(name)._asdict()} for name in CHECKS]

    def table() -> Any:
        from cli.tables import rows

        columns = ("check", "status", "finding")
        return rows(columns, ([check[column] for column in columns] for check in checks))

    show(checks, wanted, table=table)
    if chosen(wanted) is Format.TABLE:
        for check in checks:
            if check["advice"]:
                note(f"{check['check']}: {check['advice']}")
    if any(check["status"] == "failed" for check in checks):
        raise click.exceptions.Exit(FAILED)


def judge(name: str) -> Finding:
    """Make one check; whatever it stumbles over is its finding."""
    try:
        return CHECKS[name]()
    except Exception as error:  # noqa: BLE001 - the doctor reports whatever ails
        complaint = complaint_about(error)
        # The verifier's installation is whole without the exporter's packages.
        status = "warning" if isinstance(error, ModuleNotFoundError) else "failed"
        return Finding(status, complaint.message, complaint.advice or ADVICE[name])


def _settings() -> Finding:
    from flows.settings import PREFIX, SETTINGS

    configured = settings()
    known = {PREFIX + name.upper() for name in (*SETTINGS, *OF_TESTS)}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        return Finding("warning", f"{', '.join(unknown)} set nothing", f"Known: {', '.join(sorted(known))}.")
    changed = {origin for origin in configured.origins.values() if origin != "default"}
    return Finding("ok", f"from {', '.join(sorted(changed))}" if changed else "all defaults")


def _home() -> Finding:
    home = settings().home
    place = next(each for each in (home, *home.absolute().parents) if each.exists())
    with tempfile.TemporaryFile(dir=place) as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    return Finding("ok", f"{home} can be written" if place == home else f"{home} is made when it is needed")


def _disk() -> Finding:
    """Look at the space of home and of the folder for temporary files."""
    home = settings().home
    place = next(each for each in (home, *home.absolute().parents) if each.exists())
    free = {str(folder): shutil.disk_usage(folder).free for folder in (place, Path(tempfile.gettempdir()))}
    told = ", ".join(f"{size / 1e9:,.1f} GB free in {folder}" for folder, size in free.items())
    if min(free.values()) < LITTLE_SPACE:
        return Finding("warning", told, "Make room, or set EXPORT_CENTER_HOME and TMPDIR to places that have some.")
    return Finding("ok", told)


def _profiles() -> Finding:
    from flows.profiles import builtin_folder, builtin_profiles, lint

    findings = lint(sorted(builtin_folder().glob("*.yaml")))
    if findings:
        return Finding("failed", f"{len(findings)} findings, first {findings[0]}", ADVICE["profiles"])
    with open_profiles() as (store, _):
        broken, everything = store.broken(), store.everything()
    if broken:
        return Finding(
            "warning",
            f"{len(broken)} committed files are no profiles, first {next(iter(broken.values()))}",
            "Correct them and commit.",
        )
    own = sum(each.tenant is not None for each in everything)
    return Finding("ok", f"{len(builtin_profiles())} built-in profiles, {own} of tenants")


def _packages() -> Finding:
    """Import what an exporter needs; metadata alone would not tell whether it works."""
    import importlib
    from importlib.metadata import version

    for name in ENGINES:
        importlib.import_module(name)
    return Finding("ok", ", ".join(f"{name} {version(name)}" for name in ENGINES))


def _prefect() -> Finding:
    """Import the flow in a process of its own: it is slow, and changes the process it is loaded into."""
    import importlib.util
    import subprocess
    import sys

    if importlib.util.find_spec("prefect") is None:
        raise ModuleNotFoundError(name="prefect")
    program = "import prefect, flows.export; print(prefect.__version__)"
    with tempfile.TemporaryDirectory(prefix="export-center-doctor-") as home:  # else it would make one in yours
        done = subprocess.run(  # noqa: S603 - this interpreter, a fixed text
            [sys.executable, "-c", program],
            capture_output=True,
            check=False,
            env={**os.environ, "PREFECT_HOME": home},
            text=True,
            timeout=120,
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        return Finding("failed", f"flows.export cannot be imported: {reason}", ADVICE["prefect"])
    return Finding("ok", f"Prefect {done.stdout.strip()}")


def _store() -> Finding:
    store = open_store()
    snapshot = store.snapshot()
    if not snapshot.id:
        return Finding("warning", f"{NOTHING} into {store.root}", HOW)
    missing = [file for name in snapshot.tables for file in store.files(snapshot, name) if not _is_there(file)]
    if missing:
        finding = f"{len(missing)} files of snapshot {snapshot.id} are missing: {missing[0]}"
        return Finding("failed", finding, ADVICE["store"])
    return Finding("ok", f"snapshot {snapshot.id}, {len(snapshot.tables)} tables")


def _is_there(file: str) -> bool:
    """Whether a file of the store exists; one that lies elsewhere is believed to."""
    return ("://" in file and not file.startswith("file://")) or Path(file.removeprefix("file://")).is_file()


def _sources() -> Finding:
    """Reach every declared source, and look at its columns."""
    from cli.offline import check_sources
    from flows.sources.reading import check

    configured = settings()
    if not configured.sources.relations:
        return Finding("ok", "none is declared: all evidence comes from the store")
    check_sources(configured.sources, configured.sources.relations)
    check(configured.sources, memory_limit=configured.memory_limit)
    return Finding("ok", f"{', '.join(configured.sources.relations)} can be read from where they are declared")


def _key() -> Finding:
    """Sign with the configured key, and compare the public half beside it."""
    from bundle.keyfiles import open_to_others
    from bundle.keys import signer_from_uri
    from cli.offline import check_key

    configured = settings()
    private = key_folder(configured.home) / f"{DEFAULT_KEY}.key"
    if configured.key is None and not private.exists():
        advice = "`export-center keys generate` makes one; else the first export makes one for development."
        return Finding("warning", f"there is no {private} yet", advice)
    check_key(configured.key or "")
    uri = configured.key or own_key_uri(private)
    signer = signer_from_uri(uri)
    if not signer.public.verify(signer.sign(b"doctor"), b"doctor"):
        return Finding("failed", "the key's signature does not verify with its own public half", "Use another key.")
    public = private.with_suffix(".pub")
    if configured.key is None and (not public.exists() or public.read_bytes() != signer.public.pem):
        advice = "Receivers would refuse what you sign: remove it, and run `export-center keys rotate`."
        return Finding("failed", f"{public} is not the public half of {private}", advice)
    if path := open_to_others(uri):
        return Finding("warning", f"others may read or change {path}", f"Run `chmod 600 {shlex.quote(str(path))}`.")
    return Finding("ok", f"{signer.public.algorithm} {signer.public.key_id}")


CHECKS: dict[str, Callable[[], Finding]] = {
    "settings": _settings,
    "home": _home,
    "disk": _disk,
    "profiles": _profiles,
    "packages": _packages,
    "prefect": _prefect,
    "store": _store,
    "sources": _sources,
    "key": _key,
}
"""Every check by its name, in the order they are told."""

ADVICE = {
    "settings": "`export-center config show` tells where each setting comes from.",
    "home": "Set EXPORT_CENTER_HOME to a folder that you may write.",
    "disk": "Set EXPORT_CENTER_HOME to a folder that exists.",
    "profiles": "Install the program again.",
    "packages": "Install requirements/full.txt as it is locked.",
    "prefect": "Install requirements/full.txt as it is locked.",
    "store": "Put it back from a backup, or start a new store and ingest the evidence again.",
    "sources": "Look at the section [sources] of export-center.toml, and at docs/sources.md.",
    "key": "`export-center keys generate` makes a new one.",
}
"""What to do when a check fails that has no better advice of its own."""
