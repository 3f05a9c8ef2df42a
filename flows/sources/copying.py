"""Copying a relation: its current records, in the order of export, in files of the store's own form.

Processes make records of rows and write them as pieces; DuckDB sorts the keys of the pieces, spilling when memory is
short; the records are fetched in that order and written once. Memory does not grow with the relation.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from evidence.database import open_database
from evidence.errors import reason_of
from evidence.parts import write_parts
from evidence.pieces import History, in_order, observed
from evidence.schema import EXPORT_ORDER, RECORDS
from evidence.workers import worker_pool
from flows.errors import AdapterError, StorageError
from flows.sources.rows import Chunk, stage_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future
    from pathlib import Path

CHUNK_BYTES = 4 << 20
CHUNK_ROWS = 1_000
SHOWN = 3
NO_HISTORY = History(1, datetime(1970, 1, 1, tzinfo=UTC))
"""A copy holds the current state alone; what the source's own history was stays with the source."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where a copy is made, and with what.

    Attributes:
        table: Record type.
        folder: An empty folder; the copy remains in it, as Parquet files.
        workers: Processes that make records of rows; with one, it happens here.
        memory_limit: DuckDB's memory while sorting.
        progress: Called with (label, records, plain bytes); it may raise to cancel.
    """

    table: str
    folder: Path
    workers: int
    memory_limit: str
    progress: Callable[[str, int, int], None]

    @property
    def pieces(self) -> Path:
        """Where the pieces lie that the copy is made of."""
        return self.folder / "pieces"


def copy(batches: Iterator[pa.RecordBatch], shop: Workshop) -> Chunk:
    """Write the records of a relation's rows into files, sorted, and return what they were.

    Raises:
        AdapterError: Rows that are no evidence, or that share one key; nothing is skipped.
        StorageError: The copy cannot be written.
    """
    shop.pieces.mkdir()
    with _writing(shop), closing(_staged(batches, shop)) as chunks:
        total = Chunk()
        for chunk in chunks:
            total.add(chunk)
            shop.progress(f"reading {shop.table}", total.records, total.bytes)
        _refuse(total, shop.table)
        if total.records:
            _sort(total.records, shop)
    return total


@contextmanager
def _writing(shop: Workshop) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error, pa.ArrowException) as error:
        raise StorageError(
            f"the copy of source {shop.table} cannot be written in {shop.folder}: {reason_of(error)}",
            advice="Make room there, or choose another place with --out; `plan` uses TMPDIR.",
        ) from error
    except BrokenProcessPool as error:
        raise StorageError(
            f"a process that reads source {shop.table} ended unexpectedly",
            advice="Is there enough memory? Fewer workers need less.",
        ) from error


def _staged(batches: Iterator[pa.RecordBatch], shop: Workshop) -> Generator[Chunk, None, None]:
    """Stage all chunks: here when there is one, else in processes, a few chunks ahead of their results."""
    chunks = _chunks(batches, shop.table)
    first = list(islice(chunks, 2))
    jobs = ((rows, shop.table, shop.pieces, number) for number, rows in enumerate(chain(first, chunks), start=1))
    if shop.workers < 2 or len(first) < 2:  # noqa: PLR2004 - one worker is this process
        yield from (stage_rows(*job) for job in jobs)
        return
    with worker_pool(shop.workers) as pool:
        waiting: deque[Future[Chunk]] = deque()
        for job in jobs:
            waiting.append(pool.submit(stage_rows, *job))
            if len(waiting) > 2 * shop.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(batches: Iterator[pa.RecordBatch], table: str) -> Iterator[list[dict[str, Any]]]:
    for batch in batches:
        fitting = CHUNK_BYTES * batch.num_rows // max(1, batch.nbytes)
        size = max(1, min(CHUNK_ROWS, fitting))
        for start in range(0, batch.num_rows, size):
            yield _values(batch.slice(start, size), table)


def _values(batch: pa.RecordBatch, table: str) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError as error:
        raise AdapterError(f"source {table}: a text is not UTF-8: {error.object!r}") from error
    return rows


def _refuse(total: Chunk, table: str) -> None:
    if total.refused:
        raise AdapterError(
            f"source {table}: {total.refused:,} rows are no evidence that can be exported: {'; '.join(total.named)}",
            advice="Correct them, or leave them out in the relation's WHERE; a bundle is never made of a part.",
        )


def _sort(records: int, shop: Workshop) -> None:
    # A list, as the folder is the user's: DuckDB takes brackets in a path for a pattern.
    keys = sorted(str(path) for path in shop.pieces.glob(f"*-{shop.table}.keys.parquet"))
    with open_database(spill=shop.pieces / "spill", memory_limit=shop.memory_limit, threads=shop.workers) as connection:
        _refuse_repeated(connection, keys, shop.table)
        order = ", ".join(EXPORT_ORDER)
        places = connection.execute(f"SELECT piece, row, bytes FROM read_parquet(?) ORDER BY {order}", [keys])  # noqa: S608 - own names
        rows = in_order(places.to_arrow_reader(CHUNK_ROWS), shop.pieces, shop.table)
        write_parts(shop.folder, observed(rows, RECORDS, NO_HISTORY, count=records), statistics=EXPORT_ORDER)


def _refuse_repeated(connection: duckdb.DuckDBPyConnection, keys: list[str], table: str) -> None:
    """Refuse two rows of one key: none of them is more current than the other."""
    query = (
        "SELECT tenant, source, upstream_id, locator FROM read_parquet(?) GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL"
    )
    repeated = connection.execute(query, [keys]).fetchmany(SHOWN)
    if repeated:
        named = "; ".join("/".join(part for part in key if part) for key in repeated)
        raise AdapterError(
            f"source {table}: several rows share one key (tenant, source, id, locator), such as {named}",
            advice="Tell them apart by a column locator, or say which is current by a column revision.",
        )
