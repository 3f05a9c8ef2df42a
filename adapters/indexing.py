"""The record index, written while records stream by: runs of entries are sorted in memory and merged by buckets.

Memory is bounded by one run (29 MB) and one bucket (1/256 of the entries), whatever the number of records.
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
    from adapters.staged import StagedFile

RUN_ENTRIES = 1 << 18
BUCKETS = 256
PAGE_BYTES = PAGE_ENTRIES * ENTRY_BYTES
WORD = ">u8"
"""Rows are compared as big-endian words of 8 bytes, which is how their bytes compare."""

Entries = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


class IndexSpill:
    """Collects index entries in any number, and gives them back sorted."""

    def __init__(self, folder: Path, *, run_entries: int = RUN_ENTRIES) -> None:
        """Spill into an unnamed temporary file inside ``folder``, once there are more than ``run_entries``."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        self._run_entries = run_entries
        self._open: list[Entries] = []
        self._held = 0
        self._runs: list[tuple[int, Sizes]] = []
        self._end = 0

    def add(self, batch: pa.RecordBatch, frames: Sizes, offsets: Sizes) -> None:
        """Add one entry a record.

        Args:
            batch: The records, with id_hash, key_hash, raw_sha256 and line_sha256.
            frames: The number of the frame each record lies in.
            offsets: Where its line begins in the plain bytes of that frame.
        """
        self._open.append(_entries(batch, frames, offsets))
        self._held += len(frames)
        if self._held >= self._run_entries:
            self._spill()

    def sorted_pages(self) -> Iterator[bytes]:
        """Yield the pages of the index in order; all but the last are full."""
        rest = b""
        for part in self._sorted_parts():
            data = rest + part.tobytes()
            whole = len(data) // PAGE_BYTES * PAGE_BYTES
            yield from (data[start : start + PAGE_BYTES] for start in range(0, whole, PAGE_BYTES))
            rest = data[whole:]
        if rest:
            yield rest

    def close(self) -> None:
        """Give the spilled space back."""
        self._file.close()

    def _spill(self) -> None:
        """Write what is held as one sorted run, and remember where each bucket begins in it."""
        run = self._sorted_held()
        bounds = np.searchsorted(run[:, 0], np.arange(BUCKETS + 1))
        self._runs.append((self._end, bounds.astype(np.int64)))
        self._file.write(run.tobytes())
        self._end += run.nbytes

    def _sorted_held(self) -> Entries:
        held = np.concatenate(self._open) if self._open else np.empty((0, ENTRY_BYTES), np.uint8)
        self._open, self._held = [], 0
        return sort_rows(held)

    def _sorted_parts(self) -> Iterator[Entries]:
        """Yield sorted rows, each part after the one before: all at once, or a bucket at a time."""
        if not self._runs:
            yield self._sorted_held()
            return
        self._spill()
        for bucket in range(BUCKETS):
            yield sort_rows(np.concatenate([self._extent(start, bounds, bucket) for start, bounds in self._runs]))

    def _extent(self, start: int, bounds: Sizes, bucket: int) -> Entries:
        first, last = int(bounds[bucket]), int(bounds[bucket + 1])
        self._file.seek(start + first * ENTRY_BYTES)
        data = self._file.read((last - first) * ENTRY_BYTES)
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, ENTRY_BYTES)


def sort_rows(rows: Entries) -> Entries:
    """Return rows of bytes in their order as bytes.

    The first 8 bytes are hashes, nearly always different: they decide, and only rows that share them are compared
    to their end.
    """
    heads = np.ascontiguousarray(rows[:, :8]).view(WORD).ravel().astype(np.uint64)
    order = np.argsort(heads)
    ordered = rows[order]
    heads = heads[order]
    same = np.zeros(len(rows) + 1, dtype=bool)
    same[1:-1] = heads[1:] == heads[:-1]
    tied = same[1:] | same[:-1]
    if tied.any():
        group = ordered[tied]
        ordered[tied] = group[np.lexsort(group.view(WORD).T[::-1])]
    return ordered


def write_index(spill: IndexSpill, pages: StagedFile, root: StagedFile) -> None:
    """Write the two files of a record index (docs/format.md, "Record index")."""
    for page in spill.sorted_pages():
        pages.write(page)
        root.write(page[:8] + hashlib.sha256(page).digest())


def _entries(batch: pa.RecordBatch, frames: Sizes, offsets: Sizes) -> Entries:
    entries = np.empty((len(frames), ENTRY_BYTES), dtype=np.uint8)
    end = 0
    for name in ("id_hash", "key_hash", "raw_sha256", "line_sha256"):
        values = fixed_bytes(batch.column(name))
        entries[:, end : end + values.shape[1]] = values
        end += values.shape[1]
    entries[:, end:] = np.stack([frames, offsets], axis=1).astype("<u4").view(np.uint8)
    return entries
