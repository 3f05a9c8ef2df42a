"""From what stands on the command line to what it names: bundles, keys, standard input."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bundle.keys import PublicKey
    from bundle.source import BundleReader

STANDARD_INPUT = "-"


def source_of(bundle: str) -> Path | BinaryIO:
    """Return what a bundle is read from once, from beginning to end."""
    return _standard_input() if bundle == STANDARD_INPUT else Path(bundle)


@contextmanager
def on_disk(bundle: str) -> Iterator[Path]:
    """Yield the path of a bundle; one from standard input lies in a temporary file for as long as the block lasts."""
    if bundle != STANDARD_INPUT:
        yield Path(bundle)
        return
    with tempfile.NamedTemporaryFile(prefix="export-center-") as file:
        shutil.copyfileobj(_standard_input(), file, 1 << 20)
        file.flush()
        yield Path(file.name)


@contextmanager
def opened(bundle: str) -> Iterator[BundleReader]:
    """Open a bundle for reading in ranges; nothing of it is verified.

    Raises:
        UnreadableError: It is missing, or no bundle.
    """
    from bundle.errors import UnreadableError
    from bundle.source import open_bundle

    with on_disk(bundle) as path:
        try:
            reader = open_bundle(path)
        except UnreadableError as error:
            said = error.message if bundle != STANDARD_INPUT else error.message.replace(str(path), "standard input")
            raise UnreadableError(said, advice=error.advice) from error
        yield reader


def trusted_keys(paths: Sequence[Path]) -> list[PublicKey]:
    """Read the keys a caller trusts; a key from inside the bundle is never one of them.

    Raises:
        UsageError: There is none, or one is no public key.
    """
    if not paths:
        raise UsageError(
            "--key is missing: a bundle cannot vouch for itself",
            advice="Pass the public key you got from whoever makes the bundles; `export-center keys show` lists yours.",
        )
    return [_public_key(path) for path in paths]


def _public_key(path: Path) -> PublicKey:
    from bundle.errors import FormatError
    from bundle.keys import load_public_key

    try:
        return load_public_key(path.read_bytes())
    except OSError as error:
        raise UsageError(f"--key {path} cannot be read: {error.strerror}") from error
    except FormatError as error:
        raise UsageError(f"--key {path}: {error.message}", advice=error.advice) from error


def _standard_input() -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no bundle on standard input", advice="Pipe one into it, or name a file.")
    return sys.stdin.buffer
