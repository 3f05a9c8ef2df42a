"""``vault``: the keys that the secrets of webhooks are sealed with."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from cli.errors import UsageError
from cli.options import format_option
from cli.output import note, show
from cli.rim import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database import Ledger

VAULT_KEY = "webhooks.key"
ID_DIGITS = 12


@click.group()
def vault() -> None:
    """Exchange the keys that secrets of webhooks are sealed with.

    Example: export-center vault show
    """


@vault.command("show")
@format_option
def show_vault(wanted: str | None) -> None:
    """List the keys, and how many secrets each of them opens.

    Example: export-center vault show
    """
    with _ledger() as ledger:
        described = _described(_file(), ledger)

    def table() -> Any:
        from cli.tables import rows

        return rows(
            ("key", "seals", "opens"), ([each["id"], each["seals"], each["opens"]] for each in described["keys"])
        )

    show(described, wanted, table=table)


@vault.command()
def rotate() -> None:
    """Make a new key, and seal every secret with it; the old key stays, and opens what is older.

    The service goes on meanwhile, and uses the new key from its next secret on.

    Example: export-center vault rotate
    """
    from ledger.keyfile import change_keys, new_key
    from ledger.resealing import reseal
    from ledger.vault import open_vault

    path = _file()
    with _ledger() as ledger:
        change_keys(path, lambda keys: [new_key(), *keys])
        count = reseal(ledger, open_vault(path))
    note(f"{path} has a new key; {count} secrets were sealed anew")


@vault.command()
def forget() -> None:
    """Remove old keys from the file; refused as long as one of them is needed.

    Example: export-center vault forget
    """
    from ledger.keyfile import change_keys
    from ledger.resealing import openers, reseal
    from ledger.vault import open_vault

    path = _file()
    with _ledger() as ledger:
        vault = open_vault(path)
        reseal(ledger, vault)
        found = openers(ledger, vault)
    if any(found):
        raise UsageError(
            "an old key is still needed", advice="Try again; `export-center vault show` says for how much."
        )
    old = vault.keys()[1:]
    change_keys(path, lambda keys: [key for key in keys if key not in old])
    note(f"{len(old)} old keys were removed from {path}")


def _file() -> Path:
    """Return the file of keys.

    Raises:
        UsageError: There is none: nothing was ever sealed here.
    """
    path = settings().home / VAULT_KEY
    if not path.exists():
        raise UsageError(f"there is no {path}", advice="`export-center serve` makes it on first use.")
    return path


@contextmanager
def _ledger() -> Iterator[Ledger]:
    from flows.installation import LEDGER, environment
    from ledger.database import open_ledger

    ledger = open_ledger(environment(settings(), os.environ)[LEDGER])
    try:
        yield ledger
    finally:
        ledger.close()


def _described(path: Path, ledger: Ledger) -> dict[str, Any]:
    from ledger.keyfile import read_keys
    from ledger.resealing import openers
    from ledger.vault import open_vault

    found = openers(ledger, open_vault(path))
    keys = [
        {
            "id": hashlib.sha256(key).hexdigest()[:ID_DIGITS],
            "seals": number == 0,
            "opens": found.count(number),
        }
        for number, key in enumerate(read_keys(path))
    ]
    return {"file": str(path), "keys": keys, "unreadable": found.count(None)}
