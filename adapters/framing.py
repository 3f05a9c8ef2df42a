"""Cutting a stream of records into frames, by columns instead of record by record.

Law: the cuts are those of ``bundle.frames.cut``, however the stream is divided into batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adapters.tally import fixed_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from bundle.frames import FrameParameters

Sizes = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Cut:
    """Records ``start`` to ``end`` of a batch belong to the open frame; ``closes`` says whether it ends there."""

    start: int
    end: int
    closes: bool


class FrameCutter:
    """Decides where frames end; it remembers only how many bytes the open frame holds."""

    def __init__(self, parameters: FrameParameters) -> None:
        """Start with no frame open."""
        self._parameters = parameters
        self._open = 0

    def cuts(self, sizes: Sizes, keys: pa.Array) -> Iterator[Cut]:
        """Yield the pieces of one batch.

        Args:
            sizes: Bytes of each line, its newline included.
            keys: The key hashes of the same records.
        """
        ends = np.cumsum(sizes)
        candidates = self._candidates(sizes, keys)
        start = 0
        while start < len(sizes):
            base = int(ends[start - 1]) if start else 0
            end, closes = self._next(ends, candidates, start=start, base=base)
            yield Cut(start, end, closes)
            grown = (int(ends[end - 1]) if end else 0) - base
            self._open = 0 if closes else self._open + max(grown, 0)
            start = end

    def _candidates(self, sizes: Sizes, keys: pa.Array) -> Sizes:
        """Return the positions after which the key and size of a record allow a cut."""
        heads = np.ascontiguousarray(fixed_bytes(keys)[:, :4]).view(">u4").ravel().astype(np.uint64)
        spread = np.uint64(self._parameters.mean - self._parameters.minimum)
        # Beyond 2**31 a record always ends its frame; the clip only keeps the shift inside 64 bits.
        scaled = np.minimum(sizes, 2**31 - 1).astype(np.uint64) << np.uint64(32)
        return np.flatnonzero(heads * spread < scaled)

    def _next(self, ends: Sizes, candidates: Sizes, *, start: int, base: int) -> tuple[int, bool]:
        """Return where the piece that begins at ``start`` ends, and whether the frame ends with it."""
        forced = int(np.searchsorted(ends, base + self._parameters.maximum - self._open, side="right"))
        if forced <= start:
            if self._open:
                return start, True
            forced = start + 1
        earliest = int(np.searchsorted(ends, base + self._parameters.minimum - self._open, side="left"))
        position = int(np.searchsorted(candidates, max(earliest, start)))
        chosen = int(candidates[position]) if position < len(candidates) else len(ends)
        if chosen < forced:
            return chosen + 1, True
        return (forced, True) if forced < len(ends) else (len(ends), False)
