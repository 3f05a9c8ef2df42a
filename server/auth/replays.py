"""Proofs that were seen: each may be used once (RFC 9449 11.1)."""

from __future__ import annotations

import hashlib
import threading
from typing import Protocol


class Replays(Protocol):
    """Remembers proofs, for all servers of an installation."""

    def first_time(self, key: bytes, expires_at: int) -> bool:
        """Return whether a key was not seen before, and remember it, in one step.

        Args:
            key: SHA-256 of what makes a proof unique.
            expires_at: From when on it may be forgotten, in seconds since the epoch.
        """


class MemoryReplays:
    """Remembers proofs in this process, without forgetting any: for tests, and for one short-lived server."""

    def __init__(self) -> None:
        """Start with none."""
        self._seen: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def first_time(self, key: bytes, expires_at: int) -> bool:
        """Return whether a key was not seen before; one call of many at once gets True."""
        with self._lock:
            new = key not in self._seen
            self._seen.setdefault(key, expires_at)
        return new


def replay_key(jkt: str, htu: str, jti: str) -> bytes:
    """Return what identifies a proof: 32 bytes. Neither a thumbprint nor a URL holds a line feed."""
    return hashlib.sha256(f"{jkt}\n{htu}\n{jti}".encode()).digest()
