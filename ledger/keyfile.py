"""Files of secret keys: one key a line, in hexadecimal. The first is the one in use; the others open what is older."""

from __future__ import annotations

import fcntl
import os
import secrets
from typing import TYPE_CHECKING

from ledger.errors import VaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

KEY_BYTES = 32


def read_keys(path: Path) -> tuple[bytes, ...]:
    """Return the keys of a file; the first who asks makes it, with one key, readable to its owner only.

    Raises:
        VaultError: The file cannot be read or made, or holds something else than keys.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        keys = tuple(bytes.fromhex(line) for line in path.read_text(encoding="ascii").split("\n") if line.strip())
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise _unusable(path, f"it does not hold keys of {KEY_BYTES} bytes, one a line")
    return keys


def change_keys(path: Path, change: Callable[[tuple[bytes, ...]], Sequence[bytes]]) -> None:
    """Put other keys into a file, the one to use first; whoever reads meanwhile finds the old file or the new.

    Raises:
        VaultError: The file cannot be written.
    """
    try:
        # One at a time: a key that somebody else has added must not get lost, for something is sealed with it.
        with path.with_name(f"{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _draft(path, change(read_keys(path))).replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _unusable(path, str(error)) from error


def new_key() -> bytes:
    """Return a key that nobody has."""
    return secrets.token_bytes(KEY_BYTES)


def _unusable(path: Path, why: str) -> VaultError:
    advice = "Bring the file back from a backup; without it, remove it and register every webhook anew."
    return VaultError(f"the key file {path} cannot be used: {why}", advice=advice)


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; whoever comes second keeps the first one's."""
    draft = _draft(path, [new_key()])
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _draft(path: Path, keys: Sequence[bytes]) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write("".join(f"{key.hex()}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync(folder: Path) -> None:
    """Let a new name outlive a power cut: what is sealed with a key that is gone is gone too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
