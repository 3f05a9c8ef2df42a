"""Selecting records: DuckDB filters and orders one pinned snapshot, Arrow batches carry it away.

Two ways lead to the same batches. When the files of a table follow one another in the order of export, which ingest
takes care of, they are streamed as they lie and the order is checked on the way. Otherwise DuckDB finds the current
observation of every key and sorts, on narrow columns alone, and the rows are picked from the files one after another.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from adapters.adapter import BATCH_COLUMNS
from evidence.database import open_database
from evidence.schema import EXPORT_ORDER, RECORDS
from flows.ahead import ahead
from flows.conditions import of_tenants_and_sources, where
from flows.errors import StorageError
from flows.older import with_terms
from flows.order import KEY_COLUMNS, checked
from flows.reading import Picker, Places, first_and_last, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from flows.criteria import Selectors

STREAMED_COLUMNS = (*BATCH_COLUMNS, "tombstone")
JUDGED_COLUMNS = tuple(name for name in RECORDS.names if name not in ("terms", "line", "raw", "observed_at"))
PLACES_A_BATCH = 65_536

CURRENT = """
    read_parquet(?, file_row_number=true)
    SEMI JOIN (SELECT key_hash, max(revision) AS revision FROM read_parquet(?) GROUP BY key_hash)
    USING (key_hash, revision)
    WHERE NOT tombstone
"""
"""The current records of the files that two parameters name: of every key the last observation, unless it is gone."""

UNREADABLE = "Run `export-center doctor`; a damaged store can be rebuilt by ingesting again."


@dataclass(frozen=True)
class Scan:
    """One table of a pinned snapshot, and what to take from it.

    Attributes:
        files: Parquet files of the pinned version.
        selectors: What to take; tenants in it are already checked against the caller.
        spill: Folder for DuckDB's temporary files.
        memory_limit: DuckDB's memory, as in "512MB".
        threads: DuckDB's threads.
    """

    files: tuple[str, ...]
    selectors: Selectors
    spill: Path
    memory_limit: str = "384MB"
    threads: int = 2


def batches(scan: Scan) -> Iterator[pa.RecordBatch]:
    """Yield the selected records of a table in the order of export, as columns BATCH_COLUMNS.

    Raises:
        DisorderError: Only while streaming files that turned out not to be in order; see ``select``.
        StorageError: The files cannot be read.
    """
    if not scan.files:
        return
    ordered = _in_order(scan) if _takes_whole_sources(scan.selectors) else None
    yield from checked(ahead(with_terms(_stream(scan, ordered)))) if ordered is not None else _sorted(scan)


def sorted_batches(scan: Scan) -> Iterator[pa.RecordBatch]:
    """Like ``batches``, never trusting the order of files."""
    if scan.files:
        yield from _sorted(scan)


def _connect(scan: Scan) -> duckdb.DuckDBPyConnection:
    scan.spill.mkdir(parents=True, exist_ok=True)
    return open_database(spill=scan.spill, memory_limit=scan.memory_limit, threads=scan.threads)


def _takes_whole_sources(selectors: Selectors) -> bool:
    """Whether nothing but tenants and sources is chosen.

    Then all observations of a key are selected together, and an older one is noticed by the order; a time window
    could take an older observation and leave the current one out of sight.
    """
    others = (
        selectors.ecosystems,
        selectors.severities,
        selectors.products,
        selectors.time_window,
        selectors.ids,
        selectors.sboms,
    )
    return not any(others) and selectors.missing_modified == "include"


def _in_order(scan: Scan) -> tuple[str, ...] | None:
    """Return the files in the order of export when no two of them overlap, judged by their first and last rows."""
    with _reading():
        found = [(first_and_last(file, KEY_COLUMNS), file) for file in scan.files]
    ends = sorted((_bytes(ends[0]), _bytes(ends[1]), file) for ends, file in found if ends is not None)
    if any(earlier[1] >= later[0] for earlier, later in itertools.pairwise(ends)):
        return None
    return tuple(file for _, _, file in ends)


def _bytes(key: Sequence[str]) -> tuple[bytes, ...]:
    """Return a key as UTF-8 bytes, which is how the order of export compares."""
    return tuple(part.encode() for part in key)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise StorageError(f"the evidence store cannot be read: {error}", advice=UNREADABLE) from error


def _stream(scan: Scan, files: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Read files as they lie, and take the rows of whole tenants and sources."""
    for file in files:
        with _reading():
            for batch in read_file(file, STREAMED_COLUMNS):
                yield of_tenants_and_sources(batch, scan.selectors)


def _sorted(scan: Scan) -> Iterator[pa.RecordBatch]:
    """Find and sort the places of current records on narrow columns, then pick the wide ones from there."""
    with _reading():
        for file in scan.files:
            # DuckDB looks at no checksums: what it will judge by is read once more, only to be checked.
            for _ in read_file(file, JUDGED_COLUMNS):
                pass
        picker = Picker(scan.files, BATCH_COLUMNS)
        try:
            for places in _places(scan):
                yield from with_terms(picker.pick(places))
        finally:
            picker.close()


def _places(scan: Scan) -> Iterator[Places]:
    """Yield where the selected records lie, in the order of export."""
    condition = where(scan.selectors)
    query = f"""
        SELECT file_index::BIGINT, file_row_number, line_bytes
        FROM {CURRENT} AND {condition.sql}
        ORDER BY {", ".join(EXPORT_ORDER)}
    """  # noqa: S608 - parameters carry all texts
    with _connect(scan) as connection:
        result = _run(connection, query, [list(scan.files)] * 2 + list(condition.parameters))
        for batch in _batches(result):
            yield Places(*(column.to_numpy() for column in batch.columns))


def totals(scan: Scan) -> list[tuple[str, int, int]]:
    """Return (source, records, plain bytes) of what a scan selects, in the order of sources."""
    if not scan.files:
        return []
    condition = where(scan.selectors)
    query = f"""
        SELECT source, count(*), sum(line_bytes)::BIGINT
        FROM {CURRENT} AND {condition.sql}
        GROUP BY source ORDER BY source
    """  # noqa: S608 - parameters carry all texts
    rows = fetched(scan, query, [list(scan.files)] * 2 + list(condition.parameters))
    return [(source, records, size) for source, records, size in rows]


def fetched(scan: Scan, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    """Return all rows of a query whose result is small.

    Raises:
        StorageError: The files cannot be read.
    """
    with _connect(scan) as connection:
        return _run(connection, query, parameters).fetchall()


def _run(connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any]) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(query, parameters)
    except duckdb.Error as error:
        raise StorageError(f"the evidence store cannot be read: {error}", advice=UNREADABLE) from error


def _batches(result: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    try:
        yield from result.to_arrow_reader(PLACES_A_BATCH)
    except (duckdb.Error, pa.ArrowException) as error:
        raise StorageError(f"the evidence store cannot be read: {error}", advice=UNREADABLE) from error
