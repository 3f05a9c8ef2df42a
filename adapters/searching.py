"""The search index of a member, written while records stream by: which terms each frame holds.

A pair of a term and a frame is one number of 64 bits. Pairs are collected in runs, dealt out to buckets by their first
bytes, and sorted a bucket at a time: memory is bounded by one run (32 MB, and twice as much while it is dealt out) and
one bucket (1/256 of all pairs), whatever the number of records.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import numpy as np

from adapters.indexing import write_index
from bundle.search import PAGE_BYTES, PAGE_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor
    from pathlib import Path

    import pyarrow as pa

    from adapters.framing import Sizes
    from adapters.staged import StagedFile

RUN_PAIRS = 1 << 22
BLOCK_PAIRS = 16 * PAGE_ROWS
BUCKETS = 256
SLOTS = 1 << 16

Hashes = np.ndarray[tuple[int], np.dtype[np.uint32]]
Pairs = np.ndarray[tuple[int], np.dtype[np.uint64]]


class SearchWriter:
    """Takes the terms of records as frames fill up, and writes the search index of the member."""

    def __init__(self, folder: Path, *, run_pairs: int = RUN_PAIRS) -> None:
        """Start before the first record; ``folder`` is where pairs are spilled."""
        self._spill = TermSpill(folder, run_pairs=run_pairs)
        self._sieve = Sieve()
        self._open: list[Hashes] = []
        self._frame = 0

    def add(self, column: pa.ListArray, start: int, end: int) -> None:
        """Put records ``start`` to ``end`` of a batch into the open frame, by their column ``terms``."""
        ends = column.offsets
        self._open.append(column.values.to_numpy().view(np.uint32)[ends[start].as_py() : ends[end].as_py()])

    def end_frame(self) -> None:
        """Go on with the next frame."""
        if self._open:
            self._spill.add(self._sieve.sifted(np.concatenate(self._open)), self._frame)
        self._open = []
        self._frame += 1

    def write(self, terms: StagedFile, root: StagedFile, pool: Executor) -> None:
        """Write both files, after the last frame."""
        write_index(self._spill.sorted_blocks(), terms, root, pool, page_bytes=PAGE_BYTES)

    def close(self) -> None:
        """Give the spilled space back."""
        self._spill.close()


class Sieve:
    """Leaves out what is repeated, nearly all of it, in half the time that sorting would take."""

    def __init__(self) -> None:
        self._last = np.zeros(SLOTS, dtype=np.int32)

    def sifted(self, hashes: Hashes) -> Hashes:
        """Return each hash at least once; of those that share a slot, more may be left."""
        slots = (hashes & np.uint32(SLOTS - 1)).astype(np.intp)
        places = np.arange(len(hashes), dtype=np.int32)
        self._last[slots] = places
        last = self._last.take(slots)
        kept: Hashes = hashes[(last == places) | (hashes.take(last) != hashes)]
        return kept


class TermSpill:
    """Collects the terms of frames in any number, and gives them back sorted by term, each pair once."""

    def __init__(self, folder: Path, *, run_pairs: int = RUN_PAIRS) -> None:
        """Spill into an unnamed temporary file inside ``folder``, once there are more than ``run_pairs``."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        # Memory that is never written to costs nothing.
        self._run: Pairs = np.empty(run_pairs, dtype=np.uint64)
        self._held = 0
        self._runs: list[tuple[int, Sizes]] = []
        self._end = 0

    def add(self, hashes: Hashes, frame: int) -> None:
        """Add terms of a frame, each once or more often."""
        done = 0
        while done < len(hashes):
            if self._held == len(self._run):
                self._spill()
            count = min(len(hashes) - done, len(self._run) - self._held)
            target = self._run[self._held : self._held + count]
            np.left_shift(hashes[done : done + count], np.uint64(32), out=target, dtype=np.uint64)
            target |= np.uint64(frame)
            self._held += count
            done += count

    def sorted_blocks(self) -> Iterator[bytes]:
        """Yield the rows of the index in order, some whole pages at a time; only the last may be shorter."""
        rest = np.empty(0, dtype=np.uint64)
        for bucket in self._buckets():
            bucket.sort()
            pairs = np.concatenate([rest, _each_once(bucket)])
            whole = len(pairs) // BLOCK_PAIRS * BLOCK_PAIRS
            for start in range(0, whole, BLOCK_PAIRS):
                yield _rows(pairs[start : start + BLOCK_PAIRS])
            rest = pairs[whole:]
        if len(rest):
            yield _rows(rest)

    def close(self) -> None:
        """Give the spilled space back."""
        self._file.close()

    def _buckets(self) -> Iterator[Pairs]:
        """Yield the pairs that begin with each byte, in no order."""
        held, held_bounds = _dealt_out(self._run[: self._held])
        for bucket in range(BUCKETS):
            spilled = [self._extent(start, bounds, bucket) for start, bounds in self._runs]
            yield np.concatenate([*spilled, held[held_bounds[bucket] : held_bounds[bucket + 1]]])

    def _spill(self) -> None:
        """Write what is held, bucket by bucket, and remember where each begins."""
        pairs, bounds = _dealt_out(self._run)
        self._runs.append((self._end, bounds))
        self._file.write(pairs.data)
        self._end += pairs.nbytes
        self._held = 0

    def _extent(self, start: int, bounds: Sizes, bucket: int) -> Pairs:
        first, last = int(bounds[bucket]), int(bounds[bucket + 1])
        self._file.seek(start + 8 * first)
        return np.frombuffer(self._file.read(8 * (last - first)), dtype=np.uint64)


def _dealt_out(pairs: Pairs) -> tuple[Pairs, Sizes]:
    """Return pairs in the order of their first bytes, and where those of each begin: cheaper than to sort them."""
    first = (pairs >> np.uint64(56)).astype(np.uint8)
    counts = np.bincount(first, minlength=BUCKETS)
    return pairs[np.argsort(first, kind="stable")], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _each_once(pairs: Pairs) -> Pairs:
    """Return sorted pairs without repetitions."""
    first = np.ones(len(pairs), dtype=bool)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    return pairs[first]


def _rows(pairs: Pairs) -> bytes:
    return pairs.astype(">u8").tobytes()
