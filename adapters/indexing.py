"""The record index, written while records stream by: runs of entries are sorted in memory and merged by buckets.

Memory is bounded by one run (118 MB) and one bucket (1/256 of the entries), whatever the number of records.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from adapters.tally import fixed_bytes
from bundle.index import ENTRY_BYTES, PAGE_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future
    from pathlib import Path

    import pyarrow as pa

    from adapters.framing import Sizes
    from adapters.staged import StagedFile

RUN_ENTRIES = 1 << 20
BUCKETS = 256
PAGE_BYTES = PAGE_ENTRIES * ENTRY_BYTES
ROWS_AT_ONCE = 8 * PAGE_ENTRIES
BLOCKS_UNDER_WAY = 16
WORD = ">u8"
"""Rows are compared as big-endian words of 8 bytes, which is how their bytes compare."""

Entries = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


class IndexSpill:
    """Collects index entries in any number, and gives them back sorted."""

    def __init__(self, folder: Path, *, run_entries: int = RUN_ENTRIES) -> None:
        """Spill into an unnamed temporary file inside ``folder``, once there are more than ``run_entries``."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        # Memory that is never written to costs nothing, and what is written to is used again for the next run.
        self._run = np.empty((run_entries, ENTRY_BYTES), dtype=np.uint8)
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
        done = 0
        while done < len(frames):
            if self._held == len(self._run):
                self._spill()
            count = min(len(frames) - done, len(self._run) - self._held)
            target = self._run[self._held : self._held + count]
            _fill(target, batch.slice(done, count), frames[done : done + count], offsets[done : done + count])
            self._held += count
            done += count

    def sorted_pages(self) -> Iterator[bytes]:
        """Yield the pages of the index in order, several at a time; all but the last are full."""
        rest = b""
        for part in self._sorted_parts():
            data = rest + part.tobytes() if rest else part.tobytes()
            whole = len(data) // PAGE_BYTES * PAGE_BYTES
            rest = data[whole:]
            if whole:
                yield data[:whole]
        if rest:
            yield rest

    def close(self) -> None:
        """Give the spilled space back."""
        self._file.close()

    def _spill(self) -> None:
        """Write what is held as one sorted run, and remember where each bucket begins in it."""
        counts = np.bincount(self._run[: self._held, 0], minlength=BUCKETS)
        self._runs.append((self._end, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)))
        for part in self._sorted_held():
            self._file.write(part.data)
            self._end += part.nbytes

    def _sorted_held(self) -> Iterator[Entries]:
        held, self._held = self._run[: self._held], 0
        return sorted_rows(held)

    def _sorted_parts(self) -> Iterator[Entries]:
        """Yield sorted rows, each part after the one before: all at once, or a bucket at a time."""
        if not self._runs:
            yield from self._sorted_held()
            return
        self._spill()
        for bucket in range(BUCKETS):
            extents = [self._extent(start, bounds, bucket) for start, bounds in self._runs]
            yield from sorted_rows(np.concatenate(extents))

    def _extent(self, start: int, bounds: Sizes, bucket: int) -> Entries:
        first, last = int(bounds[bucket]), int(bounds[bucket + 1])
        self._file.seek(start + first * ENTRY_BYTES)
        data = self._file.read((last - first) * ENTRY_BYTES)
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, ENTRY_BYTES)


def sorted_rows(rows: Entries) -> Iterator[Entries]:
    """Yield rows of bytes in their order as bytes, some thousands at a time.

    The first 8 bytes are hashes, nearly always different: they decide, and only rows that share them are compared
    to their end.
    """
    heads = rows[:, :8].copy().view(WORD).ravel().astype(np.uint64)
    order = np.argsort(heads)
    heads = heads[order]
    same = np.zeros(len(rows) + 1, dtype=bool)
    same[1:-1] = heads[1:] == heads[:-1]
    tied = same[1:] | same[:-1]
    if tied.any():
        group = rows[order[tied]]
        order[tied] = order[tied][np.lexsort(group.view(WORD).T[::-1])]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield rows.take(order[start : start + ROWS_AT_ONCE], axis=0)


def write_index(
    blocks: Iterator[bytes], pages: StagedFile, root: StagedFile, pool: Executor, *, page_bytes: int = PAGE_BYTES
) -> None:
    """Write the two files of an index (docs/format.md, "Record index"), hashing pages in a pool's threads.

    Args:
        blocks: The rows in order, some whole pages at a time.
        pages: Where they go.
        root: Where the digest of each page goes.
        pool: Threads.
        page_bytes: The size of a page.
    """
    under_way: deque[Future[bytes]] = deque()
    for block in blocks:
        under_way.append(pool.submit(_root_entries, block, page_bytes))
        pages.write(block)
        if len(under_way) > BLOCKS_UNDER_WAY:
            root.write(under_way.popleft().result())
    for entries in under_way:
        root.write(entries.result())


def _root_entries(block: bytes, page_bytes: int) -> bytes:
    view = memoryview(block)
    found = (view[start : start + page_bytes] for start in range(0, len(view), page_bytes))
    return b"".join(bytes(page[:8]) + hashlib.sha256(page).digest() for page in found)


def _fill(entries: Entries, batch: pa.RecordBatch, frames: Sizes, offsets: Sizes) -> None:
    """Write the entries of a batch."""
    end = 0
    for name in ("id_hash", "key_hash", "raw_sha256", "line_sha256"):
        values = fixed_bytes(batch.column(name))
        entries[:, end : end + values.shape[1]] = values
        end += values.shape[1]
    entries[:, end:] = np.stack([frames, offsets], axis=1).astype("<u4").view(np.uint8)
