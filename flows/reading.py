"""Reading the Parquet files of a pinned table: front to back, or rows by their places.

Batches hold about BATCH_BYTES of lines, however large single lines are. Only the columns and row groups that are asked
for are read, when they are asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evidence.parts import check_footer, cuts
from flows.older import TERMS, with_place_for_terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH_ROWS = 16_384
BATCH_BYTES = 8 << 20
"""Bytes of lines in a batch, about: larger ones cost more in page faults than they save, measured at 2 to 60 MB."""

REPEATED = ("tenant", "source", "kind", "format", "normaliser")
"""Columns of few values: comparing and counting them as dictionaries costs nothing."""

HELD_BYTES = 192 << 20
"""Row groups held while rows are picked out of them; one is always held."""

Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Places:
    """Where rows lie: the position of their file, their row number in it, and the bytes of their lines."""

    files: Numbers
    rows: Numbers
    bytes: Numbers

    def slice(self, start: int, length: int) -> Places:
        """Return some of them."""
        end = start + length
        return Places(self.files[start:end], self.rows[start:end], self.bytes[start:end])


def read_file(path: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file as they lie."""
    with open_parquet(path) as parquet:
        for number in range(parquet.num_row_groups):
            rows = _batch_rows(parquet.metadata.row_group(number))
            yield from parquet.iter_batches(rows, row_groups=[number], columns=list(columns), use_threads=False)


def first_and_last(path: str, columns: Sequence[str]) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    """Return the values of the first and of the last row of a file; None when it has no rows."""
    with open_parquet(path) as parquet:
        groups = [n for n in range(parquet.num_row_groups) if parquet.metadata.row_group(n).num_rows]
        if not groups:
            return None
        first = parquet.read_row_group(groups[0], columns=list(columns), use_threads=False)
        last = parquet.read_row_group(groups[-1], columns=list(columns), use_threads=False)
    return (
        tuple(first.column(name)[0].as_py() for name in columns),
        tuple(last.column(name)[-1].as_py() for name in columns),
    )


def open_parquet(path: str) -> pq.ParquetFile:
    """Open a file for reading no more of it than is asked for; columns of REPEATED come as dictionaries.

    Raises:
        OSError, pa.ArrowException: It cannot be read, or is damaged; pages are checked as they are read.
    """
    check_footer(Path(path))
    return pq.ParquetFile(path, pre_buffer=False, read_dictionary=REPEATED, page_checksum_verification=True)


def _batch_rows(group: Any) -> int:
    """Return how many rows of a row group make a batch."""
    leaf = next(i for i in range(group.num_columns) if group.column(i).path_in_schema == "line")
    mean: int = group.column(leaf).total_uncompressed_size // max(group.num_rows, 1)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(mean, 1)))


class Picker:
    """Fetches rows by their places. Cheap when the rows of each file are asked for in their order there."""

    def __init__(self, paths: Sequence[str], columns: Sequence[str], *, held_bytes: int = HELD_BYTES) -> None:
        """Open every file; ``held_bytes`` bounds what is kept of their row groups."""
        self._columns = list(columns)
        self._files = [open_parquet(path) for path in paths]
        self._starts = [_starts(file) for file in self._files]
        self._held: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._held_bytes = held_bytes

    def pick(self, places: Places) -> Iterator[pa.RecordBatch]:
        """Yield rows in the order of their places, in batches of moderate size."""
        for start, length in cuts(places.bytes, limit=BATCH_BYTES, rows=BATCH_ROWS):
            yield self._fetch(places.slice(start, length))

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def _fetch(self, places: Places) -> pa.RecordBatch:
        groups = np.empty(len(places.rows), dtype=np.int64)
        for file in np.unique(places.files):
            mine = places.files == file
            groups[mine] = np.searchsorted(self._starts[file], places.rows[mine], side="right") - 1
        together = np.stack([places.files, groups], axis=1)
        found, back = np.unique(together, axis=0, return_inverse=True)
        order = np.argsort(back, kind="stable")
        pieces = [
            self._take(file, group, places.rows[back == number]) for number, (file, group) in enumerate(found.tolist())
        ]
        if len(pieces) == 1:
            return _one_batch(pieces[0])
        positions = np.empty(len(order), dtype=np.int64)
        positions[order] = np.arange(len(order))
        return _one_batch(pa.concat_tables(pieces).take(positions))

    def _take(self, file: int, group: int, rows: Numbers) -> pa.Table:
        local = rows - self._starts[file][group]
        table = self._group(file, group)
        contiguous = len(local) == local[-1] - local[0] + 1 and bool((np.diff(local) == 1).all())
        return table.slice(int(local[0]), len(local)) if contiguous else table.take(local)

    def _group(self, file: int, group: int) -> pa.Table:
        key = (file, group)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        table = self._files[file].read_row_group(group, columns=self._columns, use_threads=False)
        if TERMS.name in self._columns:
            table = with_place_for_terms(table).select(self._columns)
        self._held[key] = table
        while len(self._held) > 1 and sum(each.nbytes for each in self._held.values()) > self._held_bytes:
            self._held.popitem(last=False)
        return table


def _starts(file: pq.ParquetFile) -> Numbers:
    """Return the number of the first row of each row group."""
    sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if sizes else np.empty(0, np.int64)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.to_batches()
    return batches[0] if len(batches) == 1 else table.combine_chunks().to_batches()[0]
