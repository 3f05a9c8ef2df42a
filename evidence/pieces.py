"""Fetching staged rows from their pieces in any order, a few megabytes at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from evidence.errors import UNWRITABLE, StorageError, reason_of
from evidence.parts import cuts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

BATCH_BYTES = 16 << 20
BATCH_ROWS = 8_192
OPEN_PIECES = 64
"""Memory maps held at a time."""


@dataclass(frozen=True)
class History:
    """What all rows of one ingest call share."""

    revision: int
    observed_at: datetime


def in_order(places: Any, folder: Path, table: str) -> Iterator[pa.RecordBatch]:
    """Yield staged rows in a given order, in batches of moderate size.

    Args:
        places: Reader of batches (piece, row, bytes), in the order wanted.
        folder: Where the pieces lie.
        table: Whose pieces.
    """

    @lru_cache(maxsize=OPEN_PIECES)
    def opened(piece: int) -> pa.Table:
        return pa.ipc.open_file(pa.memory_map(str(folder / f"{piece:08d}-{table}.arrow"))).read_all()

    try:
        for batch in places:
            for start, length in cuts(batch.column("bytes").to_numpy(), limit=BATCH_BYTES, rows=BATCH_ROWS):
                yield _fetched(batch.slice(start, length), opened)
    except duckdb.Error as error:
        raise StorageError(f"the new rows cannot be sorted: {reason_of(error)}", advice=UNWRITABLE) from error


def observed(
    rows: Iterator[pa.RecordBatch], schema: pa.Schema, history: History, *, count: int
) -> pa.RecordBatchReader:
    """Return staged rows with the columns that the call gives all of them, as a stream of a table's schema.

    The stream fails when it is not of ``count`` rows: a commit must never be short without anybody noticing.
    """
    values = {"revision": history.revision, "observed_at": history.observed_at}

    def completed() -> Iterator[pa.RecordBatch]:
        passed = 0
        for batch in rows:
            passed += batch.num_rows
            columns = [
                batch.column(field.name).cast(field.type)
                if field.name in batch.schema.names
                else pa.repeat(pa.scalar(values[field.name], field.type), batch.num_rows)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)
        if passed != count:
            raise StorageError(f"{passed:,} rows came out of sorting instead of {count:,}")

    return pa.RecordBatchReader.from_batches(schema, completed())


def _fetched(places: pa.RecordBatch, opened: Callable[[int], pa.Table]) -> pa.RecordBatch:
    """Return rows in the order of their places; each piece is visited once."""
    pieces, rows = places.column("piece").to_numpy(), places.column("row").to_numpy()
    by_piece = np.argsort(pieces, kind="stable")
    found = [opened(int(piece)).take(rows[by_piece[pieces[by_piece] == piece]]) for piece in np.unique(pieces)]
    together = pa.concat_tables(found)
    back = np.empty(len(by_piece), dtype=np.int64)
    back[by_piece] = np.arange(len(by_piece))
    ordered = together if len(found) == 1 else together.take(back)
    return ordered.combine_chunks().to_batches()[0]
