"""Digests that the format defines: of records' keys, of frames, and of a bundle's whole content."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

from bundle.canonical import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

ID_HASH_BYTES = 8
"""Length of the id hash that sorts the record index (docs/format.md, "Record index")."""


def sha256_hex(data: bytes | memoryview) -> str:
    """Return the SHA-256 of ``data`` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def key_hash(*, tenant: str, source: str, kind: str, upstream_id: str, locator: str) -> bytes:
    """Return the 32-byte hash of a record's logical key.

    It is the SHA-256 of the canonical JSON array of the five parts in this order; content is never part of it.
    """
    return hashlib.sha256(canonical_json([tenant, source, kind, upstream_id, locator])).digest()


def id_hash(upstream_id: str) -> bytes:
    """Return the first 8 bytes of the SHA-256 of the id's UTF-8 bytes: what the record index is sorted by."""
    return hashlib.sha256(upstream_id.encode()).digest()[:ID_HASH_BYTES]


def observation_id(*, tenant: str, source: str, kind: str, upstream_id: str, locator: str, sha256: str) -> str:
    """Return the id of one observation: SHA-256 of canonical JSON [tenant, source, kind, id, locator, sha256]."""
    return sha256_hex(canonical_json([tenant, source, kind, upstream_id, locator, sha256]))


class FramesDigest:
    """The digest of a framed member's plain content, fed frame by frame.

    It is the SHA-256 over the concatenated (plain size as big-endian u64, SHA-256 of the plain bytes): it changes when
    any record does, and an unchanged frame never has to be read again to compute it.
    """

    def __init__(self) -> None:
        """Start before the first frame."""
        self._digest = hashlib.sha256()

    def add(self, plain_bytes: int, sha256: bytes) -> None:
        """Take the next frame's plain size in bytes, and the SHA-256 (32 bytes) of its plain bytes."""
        self._digest.update(struct.pack(">Q", plain_bytes) + sha256)

    def hexdigest(self) -> str:
        """Return the digest of all frames so far, in hexadecimal."""
        return self._digest.hexdigest()


def frames_sha256(frames: Iterable[tuple[int, bytes]]) -> str:
    """Return the ``FramesDigest`` of frames given as (plain size in bytes, SHA-256 of the plain bytes)."""
    digest = FramesDigest()
    for plain_bytes, sha256 in frames:
        digest.add(plain_bytes, sha256)
    return digest.hexdigest()


def content_digest(members: Iterable[tuple[str, str]]) -> str:
    """Return the digest that two bundles share when they carry the same evidence.

    Args:
        members: (path, content) per evidence member, where content is ``framesSha256`` for framed members and
            the SHA-256 of the plain bytes otherwise. Any order: they are sorted by path here.
    """
    return sha256_hex(canonical_json([[path, content] for path, content in sorted(members)]))
