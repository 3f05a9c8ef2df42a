"""What one ingest call adds to the current state: which of its rows are new, and what it says is gone.

Everything here is done on narrow columns: keys, hashes and places of rows. Documents are fetched by place afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from evidence.current import LATEST
from evidence.errors import DAMAGED, StorageError, reason_of
from evidence.names import LINES_SUFFIXES
from evidence.schema import EXPORT_ORDER, KIND_OF_TABLE
from evidence.staging import KEYS, PLACE, STAGED_AFFECTED

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.store import Snapshot, Store

STAGED_TABLES = (*KIND_OF_TABLE, "quarantine")
"""Tables whose rows are staged and compared."""

FETCH_ROWS = 100_000
SHOWN = 20
ORDER = ", ".join(EXPORT_ORDER)
IDENTITY = {
    **dict.fromkeys(KIND_OF_TABLE, (*EXPORT_ORDER[:5], "key_hash", "id_hash", "format", "media_type")),
    "quarantine": ("tenant", "source", "locator", "line_number", "sha256", "key_hash"),
}
"""What a tombstone keeps, by table."""

LINE_LOCATORS = "(locator = '' OR regexp_matches(locator, '#[0-9]+$'))"
"""Locators that lines of JSON lines files have."""

UNREAD_LINES = " OR ".join(["line > 0", *(f"ends_with(lower(origin), '{suffix}')" for suffix in LINES_SUFFIXES)])
"""Quarantined lines, and quarantined files of lines."""


@dataclass(frozen=True)
class Counts:
    """What an ingest call means to one table."""

    stored: int = 0
    unchanged: int = 0
    superseded: int = 0


@dataclass(frozen=True)
class Removal:
    """How many records a sync removes, and of how many."""

    count: int
    present: int


class Comparison:
    """The staged rows of one ingest call against the state at a snapshot."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot, folder: Path) -> None:
        """Read the keys of all staged rows.

        Args:
            connection: A database of its own; see ``evidence.database.open_database``.
            store: Where the stored rows are.
            snapshot: The state to compare with.
            folder: Where the pieces lie.
        """
        self._connection, self._store, self._snapshot, self._folder = connection, store, snapshot, folder
        self._staged = {table for table in STAGED_TABLES if any(folder.glob(f"*-{table}.keys.parquet"))}
        self._compared: set[str] = set()
        for table in STAGED_TABLES:
            self._load("keys", f"*-{table}.keys.parquet", KEYS)
            self._run(f"CREATE TABLE staged_{table} AS SELECT * FROM keys")  # noqa: S608 - own names

    def repeated(self, table: str) -> list[tuple[Any, ...]]:
        """Return (piece, row, source, origin, file, line, locator) of lines that need a locator.

        The nth line with one id in its file gets "#n", from the second on. The nth line without an id gets its
        file's locator and "#n": that is its id. They are no longer part of what is compared: each has to be staged
        again under its locator.
        """
        if table not in self._staged:
            return []
        found = self._all(
            "SELECT piece, row, source, origin, file, line, "  # noqa: S608 - own names
            "CASE WHEN upstream_id = '' THEN origin ELSE '' END || '#' || n FROM (SELECT *, row_number() OVER "
            f"(PARTITION BY file, source, upstream_id ORDER BY line) AS n FROM staged_{table} "
            "WHERE line > 0 AND locator = '') WHERE n > 1 OR upstream_id = '' ORDER BY piece, row"
        )
        again = pa.table({"piece": [each[0] for each in found], "row": [each[1] for each in found]}, PLACE)
        self._connection.register("again", again)
        self._run(f"DELETE FROM staged_{table} WHERE (piece, row) IN (SELECT (piece, row) FROM again)")  # noqa: S608
        return found

    def add(self, table: str, piece: int) -> None:
        """Take a piece that was written later into the comparison."""
        self._insert(f"staged_{table}", table, piece)

    def compare(self, table: str, *, whole: bool) -> Counts:
        """Find the rows of a table that differ from its current state: they are ``fresh_<table>``.

        Two contents for one key are decided by the last file, line number and SHA-256, never by timing.

        Args:
            table: Name of the table.
            whole: Whether it will be asked too what was not staged.
        """
        if table not in self._staged and not (whole and table in self._snapshot.tables):
            return Counts()
        self._compared.add(table)
        self._connection.register(f"stored_{table}", self._store.rows(self._snapshot, table))
        self._run(f"CREATE TABLE current_{table} AS {LATEST.format(rows=f'stored_{table}')}")
        self._run(
            f"CREATE TABLE chosen_{table} AS SELECT * FROM staged_{table} "  # noqa: S608 - own names
            "QUALIFY row_number() OVER (PARTITION BY key_hash "
            "ORDER BY origin DESC, line DESC, sha256 DESC, piece DESC, row DESC) = 1"
        )
        self._run(
            f"CREATE TABLE fresh_{table} AS SELECT * FROM chosen_{table} "  # noqa: S608 - own names
            f"ANTI JOIN (SELECT * FROM current_{table} WHERE NOT tombstone) USING (key_hash, sha256)"
        )
        self._run(
            f"CREATE TABLE superseded_{table} AS SELECT source, upstream_id, locator FROM staged_{table} "  # noqa: S608 - own names
            f"ANTI JOIN chosen_{table} USING (key_hash, sha256)"
        )
        staged, fresh, superseded = self._counts(f"staged_{table}", f"fresh_{table}", f"superseded_{table}")
        return Counts(stored=fresh, unchanged=staged - fresh - superseded, superseded=superseded)

    def missing(self, table: str, tenant: str, source: str) -> Removal:
        """Find the current records of a source that were not seen: they are ``missing_<table>``.

        A file that is present but quarantined keeps its last good observation. Which records a quarantined line
        stands for cannot be known, so one such line keeps all records that came from lines.
        """
        if table not in self._compared:
            return Removal(0, 0)
        own = [tenant, source]
        self._run(
            f"CREATE TABLE missing_{table} AS SELECT key_hash FROM current_{table} "  # noqa: S608 - own names
            f"ANTI JOIN staged_{table} USING (key_hash) WHERE NOT tombstone AND tenant = ? AND source = ? "
            "AND locator NOT IN (SELECT locator FROM staged_quarantine WHERE tenant = ? AND source = ? AND line = 0) "
            f"AND NOT ({LINE_LOCATORS} AND EXISTS "
            f"(SELECT 1 FROM staged_quarantine WHERE tenant = ? AND source = ? AND ({UNREAD_LINES})))",
            [*own, *own, *own],
        )
        counts = (
            f"SELECT (SELECT count(*) FROM missing_{table}), count(*) FROM current_{table} "  # noqa: S608 - own names
            "WHERE NOT tombstone AND tenant = ? AND source = ?"
        )
        return Removal(*self._all(counts, own)[0])

    def released(self, tenant: str, whole_source: str | None) -> int:
        """Find what is quarantined no longer: it is ``missing_quarantine``; return how many documents.

        Whatever was quarantined in a file that this call read, and was not quarantined again. Of a source that was
        given as a whole, also what lay in files that are there no longer.
        """
        if "quarantine" not in self._compared:
            return 0
        seen = " UNION ".join(f"SELECT source, origin AS locator FROM staged_{table}" for table in STAGED_TABLES)  # noqa: S608
        self._run(
            f"CREATE TABLE missing_quarantine AS WITH seen AS ({seen}) SELECT key_hash FROM current_quarantine "  # noqa: S608 - own names
            "ANTI JOIN staged_quarantine USING (key_hash) WHERE NOT tombstone AND tenant = ? "
            "AND (source = ? OR (source, locator) IN (SELECT (source, locator) FROM seen))",
            [tenant, whole_source],
        )
        return self._counts("missing_quarantine")[0]

    def last_rows(self, table: str) -> Any:
        """Return a reader of the identities of the rows in ``missing_<table>``, to make tombstones of."""
        kept = ", ".join(IDENTITY[table])
        self._run(
            f"CREATE TABLE last_{table} AS SELECT {kept} FROM stored_{table} SEMI JOIN missing_{table} "  # noqa: S608 - own names
            "USING (key_hash) QUALIFY row_number() OVER (PARTITION BY key_hash ORDER BY revision DESC) = 1"
        )
        return self._stream(f"SELECT * FROM last_{table}")  # noqa: S608 - own names

    def add_fresh(self, table: str, piece: int) -> None:
        """Take a piece whose rows are new by nature, such as tombstones."""
        self._insert(f"fresh_{table}", table, piece)

    def places(self, table: str) -> Any:
        """Return a reader of (piece, row, bytes) of the fresh rows, in the order of export."""
        return self._stream(f"SELECT piece, row, bytes FROM fresh_{table} ORDER BY {ORDER}")  # noqa: S608 - own names

    def fresh(self, table: str) -> int:
        """Return how many rows of a table are to be appended."""
        return self._counts(f"fresh_{table}")[0] if table in self._compared else 0

    def conflicts(self, table: str) -> list[str]:
        """Name some keys that occurred in this call with more than one content."""
        if table not in self._staged:
            return []
        found = self._all(f"SELECT DISTINCT * FROM superseded_{table} ORDER BY ALL LIMIT {SHOWN}")  # noqa: S608
        return [" ".join(part for part in each if part) for each in found]

    def affected(self) -> tuple[int, Any]:
        """Return what the fresh advisories affect, in the order of their export: how many rows, and a reader."""
        self._load("staged_affected", "*-advisories.affected.parquet", STAGED_AFFECTED)
        rows = "FROM staged_affected SEMI JOIN fresh_advisories USING (piece, row)"
        count = self._all(f"SELECT count(*) {rows}")[0][0]
        order = "tenant, source, upstream_id, locator, sha256, position"
        return count, self._stream(f"SELECT * EXCLUDE (piece, row) {rows} ORDER BY {order}", self._connection)

    def _stream(self, query: str, connection: duckdb.DuckDBPyConnection | None = None) -> Any:
        """Return a reader over tables of this database that outlives later queries, unless on the connection given."""
        try:
            return (connection or self._connection.cursor()).execute(query).to_arrow_reader(FETCH_ROWS)
        except (duckdb.Error, pa.ArrowException) as error:
            raise _failed(error) from error

    def _insert(self, into: str, table: str, piece: int) -> None:
        path = self._folder / f"{piece:08d}-{table}.keys.parquet"
        self._run(f"INSERT INTO {into} SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608 - own names

    def _load(self, name: str, pattern: str, schema: pa.Schema) -> None:
        """Make a view of the Parquet files that match a pattern, if any do."""
        files = [str(path) for path in self._folder.glob(pattern)]
        rows = ds.dataset(files, schema=schema) if files else schema.empty_table()
        self._connection.register(name, rows)

    def _run(self, query: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(query, parameters or [])
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise _failed(error) from error

    def _all(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        result = self._run(query, parameters)
        try:
            return result.fetchall()
        except (duckdb.Error, pa.ArrowException) as error:
            raise _failed(error) from error

    def _counts(self, *names: str) -> tuple[int, ...]:
        return self._all("SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in names))[0]  # noqa: S608


def _failed(error: BaseException) -> StorageError:
    return StorageError(
        f"the new rows cannot be compared with the store: {reason_of(error)}", advice=f"Is the disk full? {DAMAGED}"
    )
