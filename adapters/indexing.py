"""The record index, written while records stream by: entries are spilled in buckets and sorted bucket by bucket.

Memory is bounded by one batch and one bucket (1/256 of the entries), whatever the number of records.
"""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from adapters.tally import fixed_bytes
from bundle.index import ENTRY_BYTES, PAGE_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from adapters.framing import Sizes

BUCKETS = 256
PAGE_BYTES = PAGE_ENTRIES * ENTRY_BYTES
SORTED_WORDS = 5
"""Words of 8 bytes that an entry is sorted by: the id hash and the key hash."""

Entries = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


class IndexSpill:
    """Collects index entries in any number, and gives them back sorted."""

    def __init__(self, folder: Path) -> None:
        """Spill into an unnamed temporary file inside ``folder``."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._extents: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._end = 0

    def add(self, batch: pa.RecordBatch, frames: Sizes, offsets: Sizes) -> None:
        """Add one entry a record.

        Args:
            batch: The records, with id_hash, key_hash, raw_sha256 and line_sha256.
            frames: The number of the frame each record lies in.
            offsets: Where its line begins in the plain bytes of that frame.
        """
        entries = _entries(batch, frames, offsets)
        heads = entries[:, 0]
        ordered = entries[np.argsort(heads, kind="stable")]
        bounds = np.concatenate([[0], np.cumsum(np.bincount(heads, minlength=BUCKETS))])
        for bucket in np.flatnonzero(np.diff(bounds)):
            first, last = int(bounds[bucket]), int(bounds[bucket + 1])
            self._extents[bucket].append((self._end + first * ENTRY_BYTES, (last - first) * ENTRY_BYTES))
        self._file.write(ordered.tobytes())
        self._end += ordered.nbytes

    def sorted_pages(self) -> Iterator[bytes]:
        """Yield the pages of the index in order; all but the last are full."""
        rest = b""
        for bucket in range(BUCKETS):
            rest += self._sorted_bucket(bucket)
            whole = len(rest) // PAGE_BYTES * PAGE_BYTES
            for start in range(0, whole, PAGE_BYTES):
                yield rest[start : start + PAGE_BYTES]
            rest = rest[whole:]
        if rest:
            yield rest

    def close(self) -> None:
        """Give the spilled space back."""
        self._file.close()

    def _sorted_bucket(self, bucket: int) -> bytes:
        pieces = []
        for offset, size in self._extents[bucket]:
            self._file.seek(offset)
            pieces.append(self._file.read(size))
        entries = np.frombuffer(b"".join(pieces), dtype=np.uint8).reshape(-1, ENTRY_BYTES)
        words = np.ascontiguousarray(entries[:, : SORTED_WORDS * 8]).view(">u8")
        return entries[np.lexsort(words.T[::-1])].tobytes()


def write_index(spill: IndexSpill, pages: Path, root: Path) -> None:
    """Write the two files of a record index (docs/format.md, "Record index")."""
    with pages.open("wb") as pages_file, root.open("wb") as root_file:
        for page in spill.sorted_pages():
            pages_file.write(page)
            root_file.write(page[:8] + hashlib.sha256(page).digest())


def _entries(batch: pa.RecordBatch, frames: Sizes, offsets: Sizes) -> Entries:
    places = np.stack([frames, offsets], axis=1).astype("<u4").view(np.uint8)
    digests = [fixed_bytes(batch.column(name)) for name in ("id_hash", "key_hash", "raw_sha256", "line_sha256")]
    return np.concatenate([*digests, places], axis=1)
