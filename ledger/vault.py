"""Secrets at rest: sealed with a key that lies beside the ledger, not in it.

AES-256-GCM, each secret bound to what it belongs to: moved to another row, it does not open. Keys can be exchanged: the
first seals, all of them open.
"""

from __future__ import annotations

import json
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.errors import VaultError
from ledger.keyfile import new_key, read_keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = b"\x01"
"""Of the form; it is sealed too, so what is read as another form does not open."""

NONCE_BYTES = 12


class Vault:
    """Seals and opens."""

    def __init__(self, *keys: bytes) -> None:
        """Use keys of KEY_BYTES bytes, of which the first seals."""
        self.keys: Callable[[], tuple[bytes, ...]] = lambda: keys

    @classmethod
    def of_this_process(cls) -> Vault:
        """Return one whose key nobody else has: what it seals, no other process opens."""
        return cls(new_key())

    def seal(self, secret: bytes, *bound: str) -> bytes:
        """Return a secret sealed: one byte of version, the nonce, ciphertext and tag.

        Args:
            secret: What to seal.
            bound: What it belongs to; it opens with the same words only.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return VERSION + nonce + AESGCM(self.keys()[0]).encrypt(nonce, secret, VERSION + _associated(bound))

    def open(self, sealed: bytes, *bound: str) -> bytes:
        """Return what was sealed.

        Raises:
            VaultError: It was altered, belongs to something else, or was sealed with another key.
        """
        for key in self.keys():
            found = _opened(key, sealed, bound)
            if found is not None:
                return found
        raise VaultError(
            f"the secret of {' '.join(bound)} cannot be opened",
            advice="Bring back the key file it was sealed with, or register it anew.",
        )

    def opener(self, sealed: bytes, *bound: str) -> int | None:
        """Return which key opens something, 0 for the one that seals; None when none does."""
        opens = (number for number, key in enumerate(self.keys()) if _opened(key, sealed, bound) is not None)
        return next(opens, None)


def open_vault(path: Path) -> Vault:
    """Return the vault whose keys a file holds; the first who asks makes the file, readable to its owner only.

    Keys that are exchanged while it is open are used at once: nobody seals with a key that is about to be forgotten.

    Raises:
        VaultError: The file cannot be read or made, or holds no keys.
    """
    vault = Vault(*read_keys(path))
    vault.keys = _Followed(path)
    return vault


class _Followed:
    """The keys of a file as it is now; when it cannot be read, as it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = (self._state(), read_keys(path))

    def __call__(self) -> tuple[bytes, ...]:
        state, keys = self._read
        now = self._state()
        if now is not None and now != state:
            with suppress(VaultError):
                keys = read_keys(self._path)
                self._read = (now, keys)
        return keys

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _opened(key: bytes, sealed: bytes, bound: tuple[str, ...]) -> bytes | None:
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, rest, sealed[:1] + _associated(bound))
    except (InvalidTag, ValueError):
        return None


def _associated(bound: tuple[str, ...]) -> bytes:
    return json.dumps(bound).encode()
