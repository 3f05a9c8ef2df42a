"""Where the service keeps things, found in the environment: server, workers and command line agree on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.recorded import Installation
from flows.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
    )
