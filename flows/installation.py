"""Where the service keeps things, found in the environment: server, workers and command line agree on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows import keeping
from flows.recorded import Installation
from flows.settings import PREFIX, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flows.settings import Settings

LEDGER = "EXPORT_CENTER_LEDGER"


def ledger_url(environ: Mapping[str, str]) -> str:
    """Return the ledger's address: what EXPORT_CENTER_LEDGER says, else a file of the home."""
    return environ.get(LEDGER) or f"sqlite:///{load_settings({}, environ=environ).home / 'ledger.db'}"


def installation(environ: Mapping[str, str], *, clock: Callable[[], int]) -> Installation:
    """Return what runs need of this machine.

    Raises:
        ValidationError: A setting is not as it should be.
    """
    settings = load_settings({}, environ=environ)
    return Installation(
        store=str(settings.home / "evidence"),
        key=settings.key_uri,
        bundles=settings.home / "bundles",
        clock=clock,
        workers=settings.workers,
        memory_limit=settings.memory_limit,
        profiles=settings.profiles_path,
        at_work=settings.home / keeping.AT_WORK,
    )


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which every process finds this installation, whatever folder it works in.

    ``[sources]`` of export-center.toml cannot be said in an environment: runs of the service read the store.
    """
    said = {
        "HOME": str(settings.home.resolve()),
        "TENANT": settings.tenant,
        "KEY": _absolute(settings.key_uri, "file:"),
        "WORKERS": str(settings.workers),
        "MEMORY_LIMIT": settings.memory_limit,
        "PROFILES": str(settings.profiles_path.resolve()),
    }
    made = {**environ, **{f"{PREFIX}{name}": value for name, value in said.items()}}
    return {**made, LEDGER: _absolute(ledger_url(made), "sqlite:///")}


def _absolute(address: str, kind: str) -> str:
    """Return an address of a file with the whole path; others as they are."""
    return f"{kind}{Path(address.removeprefix(kind)).resolve()}" if address.startswith(kind) else address
