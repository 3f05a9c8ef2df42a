"""Files of keys: pairs that appear together or not at all, are never overwritten, and are nobody else's to read."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bundle.durable import make_durable
from bundle.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHERS = 0o066
"""Bits of a file's mode that let its group or everybody read or write it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def save_key_pair(folder: Path, name: str, pair: tuple[bytes, bytes]) -> None:
    """Write ``<name>.key`` (mode 0600) and ``<name>.pub`` into a folder: both, each whole, or neither.

    Raises:
        SigningError: One of them exists (a key is never overwritten), the name is not a plain file name, or the
            folder cannot be written to.
    """
    if not _NAME.fullmatch(name):
        raise SigningError(f"{name!r} cannot name a key", advice="Use letters, digits, dots, dashes and underscores.")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as aside:
            made = [Path(aside, f"{name}.{suffix}") for suffix in ("key", "pub")]
            for path, data, mode in zip(made, pair, (0o600, 0o644), strict=True):
                _write(path, data, mode)
            _appear(made, folder)
    except FileExistsError as error:
        raise SigningError(f"key {name!r} exists in {folder}", advice="Choose another name, or rotate it.") from error
    except OSError as error:
        raise SigningError(f"key {name!r} cannot be written to {folder}: {error.strerror}") from error


def open_to_others(uri: str) -> Path | None:
    """Return the file of a private key whose mode lets others read or write it; None when it is in order, or absent."""
    scheme, _, rest = uri.partition(":")
    if scheme != "file":
        return None
    try:
        path = Path(path_of(rest))
        return path if path.stat().st_mode & OTHERS else None
    except (OSError, ValueError, SigningError):  # whoever opens it will say why
        return None


def path_of(rest: str) -> str:
    """Return the path of a file URI: ``/abs``, ``///abs`` and ``//localhost/abs`` are the same, ``rel`` is relative."""
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in {"", "localhost"}:
            raise SigningError(f"file URI names the host {host!r}", advice="Write file: and the path on this machine.")
        rest = slash + path
    return unquote(rest)


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole onto the disk, with its mode from the beginning."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def _appear(made: Sequence[Path], folder: Path) -> None:
    """Give files their names in a folder: all of them or none."""
    given = []
    try:
        for path in made:
            # A hard link, because a rename would replace a key that appeared meanwhile.
            os.link(path, folder / path.name)
            given.append(folder / path.name)
        make_durable(folder)
    except BaseException:
        for path in given:
            path.unlink()
        raise
