"""``keys``: making, showing and rotating signing keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.output import Format, UsageError, note, rows, show
from cli.rim import DEFAULT_KEY, key_folder, now, settings

app = typer.Typer(help="Signing keys.", no_args_is_help=True, rich_markup_mode=None)

FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]
ALGORITHMS = {"ecdsa": "ecdsa-p256-sha256", "ed25519": "ed25519"}


@app.command()
def generate(
    name: Annotated[str, typer.Option(help="Name of the key's files.")] = DEFAULT_KEY,
    algorithm: Annotated[str, typer.Option(help="ecdsa (what stock cosign reads) or ed25519.")] = "ecdsa",
    wanted: FormatOption = None,
) -> None:
    """Make a key pair; an existing one is never overwritten.

    Example: export-center keys generate --name release --algorithm ed25519
    """
    from bundle.keys import generate_key_pair, save_key_pair

    if algorithm not in ALGORITHMS:
        raise UsageError(f"--algorithm {algorithm!r} is not known", advice="Use ecdsa or ed25519.")
    folder = key_folder(settings().home)
    save_key_pair(folder, name, generate_key_pair(ALGORITHMS[algorithm]))
    show(_described(name), wanted)


@app.command("show")
def show_keys(wanted: FormatOption = None) -> None:
    """List the keys of this home, with the ids that bundles name.

    Example: export-center keys show
    """
    folder = key_folder(settings().home)
    described = [_described(path.stem) for path in sorted(folder.glob("*.pub"))]
    listed = [(key["name"], key["algorithm"], key["keyId"], key["public"]) for key in described]
    show(described, wanted, table=rows(("name", "algorithm", "key id", "public key"), listed))


@app.command()
def rotate(
    name: Annotated[str, typer.Option(help="Name of the key.")] = DEFAULT_KEY,
    wanted: FormatOption = None,
) -> None:
    """Replace a key by a new one of the same kind; the old pair stays beside it under its date.

    Receivers must trust both public keys until the last bundle of the old one is gone.

    Example: export-center keys rotate
    """
    from bundle.keys import generate_key_pair, load_public_key, save_key_pair

    folder = key_folder(settings().home)
    old = folder / f"{name}.pub"
    if not old.exists():
        raise UsageError(f"there is no key {name!r} in {folder}", advice="`export-center keys show` lists them.")
    algorithm = load_public_key(old.read_bytes()).algorithm
    stamp = now().strftime("%Y%m%dT%H%M%SZ")
    for suffix in ("key", "pub"):
        (folder / f"{name}.{suffix}").rename(folder / f"{name}-{stamp}.{suffix}")
    save_key_pair(folder, name, generate_key_pair(algorithm))
    note(f"the old pair is now {name}-{stamp}")
    show(_described(name), wanted)


def _described(name: str) -> dict[str, Any]:
    from bundle.keys import load_public_key

    path = key_folder(settings().home) / f"{name}.pub"
    key = load_public_key(path.read_bytes())
    return {"name": name, "algorithm": key.algorithm, "keyId": key.key_id, "public": str(path)}
