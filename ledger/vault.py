"""Secrets at rest: sealed with a key that lies beside the ledger, not in it.

AES-256-GCM, each secret bound to what it belongs to: moved to another row, it does not open.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import VaultError

if TYPE_CHECKING:
    from pathlib import Path

VERSION = b"\x01"
"""Of the form; it is sealed too, so what is read as another form does not open."""

KEY_BYTES = 32
NONCE_BYTES = 12


class Vault:
    """Seals and opens."""

    def __init__(self, key: bytes) -> None:
        """Use a key of KEY_BYTES bytes."""
        self._cipher = AESGCM(key)

    @classmethod
    def of_this_process(cls) -> Vault:
        """Return one whose key nobody else has: what it seals, no other process opens."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def seal(self, secret: bytes, *bound: str) -> bytes:
        """Return a secret sealed: one byte of version, the nonce, ciphertext and tag.

        Args:
            secret: What to seal.
            bound: What it belongs to; it opens with the same words only.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, secret, VERSION + _associated(bound))

    def open(self, sealed: bytes, *bound: str) -> bytes:
        """Return what was sealed.

        Raises:
            VaultError: It was altered, belongs to something else, or was sealed with another key.
        """
        nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, rest, sealed[:1] + _associated(bound))
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                f"the secret of {' '.join(bound)} cannot be opened",
                advice="Bring back the key file it was sealed with, or register it anew.",
            ) from error


def open_vault(path: Path) -> Vault:
    """Return the vault whose key a file holds; the first who asks makes the file, readable to its owner only.

    Raises:
        VaultError: The file cannot be read or made, or holds no key.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error)) from error
    if len(key) != KEY_BYTES:
        raise _unusable(path, f"it holds {len(key)} bytes instead of {KEY_BYTES}")
    return Vault(key)


def _unusable(path: Path, why: str) -> VaultError:
    advice = "Bring the file back from a backup; without it, remove it and register every webhook anew."
    return VaultError(f"the key file {path} cannot be used: {why}", advice=advice)


def _make(path: Path) -> None:
    """Write a new key, whole or not at all; whoever comes second keeps the first one's."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _associated(bound: tuple[str, ...]) -> bytes:
    return json.dumps(bound).encode()
