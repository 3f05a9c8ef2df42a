"""The order of export, checked while rows stream by: it is what makes a stream current and free of repetition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evidence.schema import EXPORT_ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_COLUMNS = EXPORT_ORDER[:5]
"""The logical key: strictly increasing in a stream that needs neither sorting nor a look at older observations."""


class DisorderError(Exception):
    """Rows came out of order: the caller starts again and sorts."""


def checked(stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pass batches on while keys strictly increase, without tombstones."""
    last: pa.RecordBatch | None = None
    for batch in stream:
        if not batch.num_rows:
            continue
        if not _increasing(batch, last):
            raise DisorderError
        last = batch.slice(batch.num_rows - 1)
        dead = batch.column("tombstone")
        yield batch.filter(pc.invert(dead)) if pc.any(dead).as_py() else batch


def _increasing(batch: pa.RecordBatch, last: pa.RecordBatch | None) -> bool:
    """Whether every key is greater than the one before it, the last one of the previous batch included."""
    rows = batch.num_rows - (0 if last is not None else 1)
    undecided = np.ones(rows, dtype=bool)
    for column in KEY_COLUMNS:
        if _constant(batch.column(column)) and (
            last is None or last.column(column)[0].as_py() == batch.column(column)[0].as_py()
        ):
            continue
        values = plain(batch.column(column))
        if last is not None:
            values = pa.concat_arrays([plain(last.column(column)), values])
        before, after = values[:-1], values[1:]
        if _numpy(pc.less(after, before))[undecided].any():
            return False
        undecided &= _numpy(pc.equal(after, before))
        if not undecided.any():
            return True
    return not rows


def _constant(column: pa.Array) -> bool:
    """Whether a column is known to hold one value only."""
    return pa.types.is_dictionary(column.type) and len(column.dictionary) == 1


def plain(column: pa.Array) -> pa.Array:
    """Return a column of strings that may have been read as a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _numpy(values: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    flags: np.ndarray[tuple[int], np.dtype[np.bool_]] = values.to_numpy(zero_copy_only=False)
    return flags
