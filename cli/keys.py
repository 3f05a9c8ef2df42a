"""``keys``: making, showing and rotating signing keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from cli.errors import UsageError
from cli.options import format_option
from cli.output import note, show
from cli.rim import DEFAULT_KEY, key_folder, made_home, now, own_key_uri, settings

if TYPE_CHECKING:
    from pathlib import Path

ALGORITHMS = {"ecdsa": "ecdsa-p256-sha256", "ed25519": "ed25519"}
SUFFIXES = ("key", "pub")

name_option = click.option(
    "--name", metavar="NAME", default=DEFAULT_KEY, help=f"Name of the key's files, by default {DEFAULT_KEY}."
)


@click.group()
def keys() -> None:
    """Make, show and rotate signing keys.

    Example: export-center keys show
    """


@keys.command()
@name_option
@click.option(
    "--algorithm",
    type=click.Choice(list(ALGORITHMS)),
    default="ecdsa",
    help="ecdsa, the default, is what stock cosign reads.",
)
@format_option
def generate(name: str, algorithm: str, wanted: str | None) -> None:
    """Make a key pair; an existing one is never overwritten.

    Example: export-center keys generate --name release --algorithm ed25519
    """
    from bundle.keyfiles import save_key_pair
    from bundle.keys import generate_key_pair

    folder = key_folder(made_home(settings().home))
    save_key_pair(folder, name, generate_key_pair(ALGORITHMS[algorithm]))
    show(_described(folder / f"{name}.pub"), wanted)


@keys.command("show")
@format_option
def show_keys(wanted: str | None) -> None:
    """List the keys of this home.

    Example: export-center keys show
    """
    described = [_described(path) for path in sorted(key_folder(settings().home).glob("*.pub"))]

    def table() -> Any:
        from cli.tables import rows

        columns = ("name", "algorithm", "keyId", "public")
        return rows(columns, ([key[column] for column in columns] for key in described))

    show(described, wanted, table=table)


@keys.command()
@name_option
@format_option
def rotate(name: str, wanted: str | None) -> None:
    """Replace a key by a new one of the same kind.

    The old pair stays beside it under its date. Receivers must trust both public keys until the last bundle of the
    old one is gone.

    Example: export-center keys rotate
    """
    from bundle.keyfiles import save_key_pair
    from bundle.keys import generate_key_pair, signer_from_uri

    folder = key_folder(settings().home)
    private = folder / f"{name}.key"
    if not private.exists():
        raise UsageError(f"there is no key {name!r} in {folder}", advice="`export-center keys show` lists them.")
    algorithm = signer_from_uri(own_key_uri(private)).public.algorithm
    old, new = f"{name}-{now():%Y%m%dT%H%M%SZ}", f"{name}.next"
    for suffix in SUFFIXES:  # of a rotation that was cut off; nothing was ever signed with it
        (folder / f"{new}.{suffix}").unlink(missing_ok=True)
    save_key_pair(folder, new, generate_key_pair(algorithm))
    _exchange(folder, name, old, new)
    note(f"the old pair is now {old}")
    show(_described(folder / f"{name}.pub"), wanted)


def _exchange(folder: Path, name: str, old: str, new: str) -> None:
    """Give a pair the name ``old``, and the new one its name; at no time is there no pair of that name."""
    for suffix in SUFFIXES:
        present = folder / f"{name}.{suffix}"
        if present.exists():
            os.link(present, folder / f"{old}.{suffix}")
    for suffix in SUFFIXES:
        (folder / f"{new}.{suffix}").replace(folder / f"{name}.{suffix}")


def _described(path: Path) -> dict[str, Any]:
    """Return what a public key is.

    Raises:
        UsageError: The file holds none.
    """
    from bundle.errors import FormatError
    from bundle.keys import load_public_key

    try:
        key = load_public_key(path.read_bytes())
    except FormatError as error:
        raise UsageError(f"{path}: {error.message}", advice="Remove it, or put the right one there.") from error
    return {"name": path.stem, "algorithm": key.algorithm, "keyId": key.key_id, "public": str(path)}
