"""Reading declared sources for a plan: every relation once, all in one transaction, before anything else is done.

A relation has no versions that a plan could pin. So its current records are copied when the run is planned; the plan
pins the copy, and names it by a digest of what was read. The copy goes when nothing refers to it any more.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from flows.conditions import Where, where
from flows.criteria import Selectors
from flows.errors import AdapterError, StorageError
from flows.planning import PinnedTable
from flows.sources.connecting import connected
from flows.sources.copying import Workshop, copy
from flows.sources.relations import LargeDocumentsError, Relation, found, run, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flows.sources.declared import Sources

BATCH_ROWS = 1_024
SLICES = (0, 256, 16)
"""How many keys are read at a time, tried one after another; 0 is all of them in one pass.

DuckDB holds 2,048 rows at once, whatever is in them. Where these exceed its memory, everything is read again in slices,
each a query of its own in the same transaction.
"""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is needed to read sources.

    Attributes:
        sources: What the settings declare.
        selectors: What the run takes; tenants in it are already checked against the caller.
        folder: Where copies are made, each in a folder of its own.
        workers: Processes that make records of rows.
        memory_limit: DuckDB's memory, as in "512MB".
        progress: Called with (label, records, plain bytes); it may raise to cancel.
    """

    sources: Sources
    selectors: Selectors
    folder: Path
    workers: int
    memory_limit: str
    progress: Callable[[str, int, int], None]


def read_tables(reading: Reading, tables: Sequence[str]) -> dict[str, PinnedTable]:
    """Copy the relations of some record types, and pin the copies.

    Raises:
        AdapterError: A source cannot be reached or read, lacks a column, has one of a wrong type, or rows that are no
            evidence; the message says which and why.
        StorageError: A copy cannot be written.
    """
    for keys in SLICES[:-1]:
        with suppress(LargeDocumentsError):
            return _read(reading, tables, keys)
    return _read(reading, tables, SLICES[-1])


def check(sources: Sources, *, memory_limit: str) -> int:
    """Reach every declared relation and look at its columns; return how many there are.

    Raises:
        AdapterError: As ``read_tables``, as far as it shows without reading rows.
    """
    with (
        tempfile.TemporaryDirectory(prefix="export-center-sources-") as spill,
        connected(sources, tuple(sources.relations), spill=Path(spill), memory_limit=memory_limit) as connection,
    ):
        return len([found(connection, relation, table) for table, relation in sources.relations.items()])


def _read(reading: Reading, tables: Sequence[str], keys: int) -> dict[str, PinnedTable]:
    """Copy relations in one transaction, so many keys at a time."""
    sources, memory_limit = reading.sources, reading.memory_limit
    with (
        _scratch(reading.folder) as spill,
        connected(sources, tables, spill=Path(spill), memory_limit=memory_limit, threads=reading.workers) as connection,
    ):
        relations = [found(connection, sources.relations[table], table) for table in tables]
        return {
            relation.table: _pinned(relation.table, _rows(connection, relation, reading.selectors, keys), reading)
            for relation in relations
        }


def _scratch(folder: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".export-", dir=folder)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error


def _rows(
    connection: duckdb.DuckDBPyConnection, relation: Relation, selectors: Selectors, keys: int
) -> Iterator[pa.RecordBatch]:
    """Yield the current rows of what may be seen of a relation, in no order."""
    _refuse_without_owner(connection, relation)
    for condition in relation.slices(connection, _condition(selectors), keys):
        result = run(connection, relation.table, relation.current(condition), condition.parameters)
        try:
            yield from result.to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            # A server that is gone shows as OSError, as do all failures of a stream on its way through Arrow.
            raise unreadable(relation.table, error) from error


def _refuse_without_owner(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Refuse rows that belong to nobody: no condition on tenants would ever take them, and nobody would notice."""
    ((rows,),) = run(connection, relation.table, relation.without_owner()).fetchall()
    if rows:
        raise AdapterError(f"source {relation.table}: {rows:,} rows have no tenant, no source or no revision")


def _condition(selectors: Selectors) -> Where:
    """Return what can be asked of a source itself; everything else is asked of the copy, when all is derived."""
    return where(Selectors(tenants=selectors.tenants, shared=selectors.shared, sources=selectors.sources))


def _pinned(table: str, rows: Iterator[pa.RecordBatch], reading: Reading) -> PinnedTable:
    """Copy rows, and pin the copy; it goes when nothing refers to the table any more."""
    folder = Path(tempfile.mkdtemp(prefix=".export-", dir=reading.folder))
    try:
        shop = Workshop(
            table=table,
            folder=folder,
            workers=reading.workers,
            memory_limit=reading.memory_limit,
            progress=reading.progress,
        )
        read = copy(rows, shop)
        shutil.rmtree(shop.pieces)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    files = tuple(sorted(str(file) for file in folder.glob("*.parquet")))
    digest = hashlib.sha256(f"{read.records} {read.digest:x}".encode()).hexdigest()
    pinned = PinnedTable(table, 0, files, digest)
    weakref.finalize(pinned, shutil.rmtree, folder, ignore_errors=True)
    return pinned
