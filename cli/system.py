"""``config`` and ``doctor``: what this installation is set to, and whether it can work."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import Format, rows, show
from cli.rim import key_folder, settings, store_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.settings import Settings

config_app = typer.Typer(help="Settings.", no_args_is_help=True, rich_markup_mode=None)

FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]


@config_app.command("show")
def show_config(wanted: FormatOption = None) -> None:
    """Show every setting and where it came from; secrets are masked.

    Example: export-center config show
    """
    described = settings().describe()
    listed = [(item["name"], item["value"], item["origin"]) for item in described]
    show(described, wanted, table=rows(("setting", "value", "from"), listed))


def doctor(wanted: FormatOption = None) -> None:
    """Check settings, store, keys and disk, and say what is wrong. Exit 1 when something is.

    Example: export-center doctor
    """
    configured = settings()
    checks = [_check(name, check, configured) for name, check in CHECKS.items()]
    listed = [(item["check"], item["ok"], item["finding"]) for item in checks]
    show(checks, wanted, table=rows(("check", "ok", "finding"), listed))
    if not all(item["ok"] for item in checks):
        raise typer.Exit(1)


def _check(name: str, check: Callable[[Settings], str], configured: Settings) -> dict[str, str | bool]:
    try:
        return {"check": name, "ok": True, "finding": check(configured)}
    except Exception as error:  # noqa: BLE001 - the doctor reports whatever ails
        advice = getattr(error, "advice", "")
        return {"check": name, "ok": False, "finding": f"{error} {advice}".strip()}


def _home(configured: Settings) -> str:
    configured.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=configured.home) as file:
        file.write(b"x")
        os.fsync(file.fileno())
    return f"{configured.home} can be written"


def _store(configured: Settings) -> str:
    from evidence.store import Store

    snapshot = Store(store_root(configured.home)).snapshot()
    return f"snapshot {snapshot.id} with {len(snapshot.tables)} tables"


def _keys(configured: Settings) -> str:
    from bundle.keys import signer_from_uri

    private = key_folder(configured.home) / "default.key"
    signer = signer_from_uri(configured.key or f"file:{private}")
    if not signer.public.verify(signer.sign(b"doctor"), b"doctor"):
        raise RuntimeError("the key's signature does not verify with its own public half")
    return f"{signer.public.algorithm} {signer.public.key_id}"


def _profiles(_: Settings) -> str:
    from flows.profiles import builtin_profiles

    return f"{len(builtin_profiles())} built-in profiles"


def _engine(_: Settings) -> str:
    from importlib.metadata import version

    return f"Prefect {version('prefect')}, DuckDB {version('duckdb')}, Delta {version('deltalake')}"


CHECKS = {"home": _home, "profiles": _profiles, "engine": _engine, "store": _store, "keys": _keys}
