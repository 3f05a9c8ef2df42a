"""The current state: per logical key the last observation unless it is a tombstone, and what an ingest adds to it.

Everything here is done on narrow columns: keys, hashes and places of rows. Documents are fetched by place afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from evidence.errors import StorageError
from evidence.schema import EXPORT_ORDER, KIND_OF_TABLE, RECORDS, STORE_TABLES
from evidence.staging import KEYS, PLACE, STAGED_AFFECTED

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.store import Snapshot, Store

FETCH_ROWS = 100_000
SHOWN = 20
ORDER = ", ".join(EXPORT_ORDER)
LINE_LOCATORS = "(locator = '' OR starts_with(locator, '#'))"
"""Locators that lines of JSON lines files have."""

LATEST = """
    SELECT key_hash, arg_max(sha256, revision) AS sha256, arg_max(tombstone, revision) AS tombstone,
        any_value(tenant) AS tenant, any_value(source) AS source, any_value(locator) AS locator
    FROM {rows} GROUP BY key_hash
"""


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


def current_relation(connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot, table: str) -> str:
    """Make the current records of a table at a snapshot a view, and return its name: ``current_<table>``.

    Returns:
        Name of a view with the columns of :data:`evidence.schema.RECORDS`, without tombstones. Rows come in no
        particular order.
    """
    connection.register(f"rows_{table}", store.rows(snapshot, table))
    connection.execute(
        f"CREATE OR REPLACE VIEW current_{table} AS SELECT * FROM rows_{table} SEMI JOIN "  # noqa: S608 - own names
        f"(SELECT key_hash, max(revision) AS revision FROM rows_{table} GROUP BY key_hash) USING (key_hash, revision) "
        "WHERE NOT tombstone"
    )
    return f"current_{table}"


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
        for table in (*KIND_OF_TABLE, "quarantine"):
            self._load(f"staged_{table}", f"*-{table}.keys.parquet", KEYS)

    def repeated(self, table: str) -> list[tuple[Any, ...]]:
        """Return (piece, row, source, origin, file, line, n) of lines whose id occurs for the nth time in their file.

        They are no longer part of what is compared: each has to be staged again under the locator "#n".
        """
        found = self._all(
            f"SELECT piece, row, source, origin, file, line, n FROM (SELECT *, row_number() OVER "  # noqa: S608 - own names
            f"(PARTITION BY file, source, upstream_id ORDER BY line) AS n FROM staged_{table} "
            "WHERE line > 0 AND locator = '') WHERE n > 1 ORDER BY piece, row"
        )
        again = pa.table({"piece": [each[0] for each in found], "row": [each[1] for each in found]}, PLACE)
        self._connection.register("again", again)
        self._run(f"DELETE FROM staged_{table} WHERE (piece, row) IN (SELECT (piece, row) FROM again)")  # noqa: S608
        return found

    def add(self, table: str, piece: int) -> None:
        """Take a piece that was written later into the comparison."""
        path = self._folder / f"{piece:08d}-{table}.keys.parquet"
        self._run(f"INSERT INTO staged_{table} SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608

    def compare(self, table: str) -> Counts:
        """Find the rows of a table that differ from its current state: they are ``fresh_<table>``.

        Two contents for one key are decided by the last file, line number and SHA-256, never by timing.
        """
        records = STORE_TABLES[table] is RECORDS
        key = "key_hash" if records else "tenant, source, locator, sha256"
        same = "key_hash, sha256" if records else key
        self._connection.register(f"stored_{table}", self._store.rows(self._snapshot, table))
        current = LATEST.format(rows=f"stored_{table}") if records else f"SELECT {key} FROM stored_{table}"  # noqa: S608
        self._run(f"CREATE TABLE current_{table} AS {current}")
        alive = "WHERE NOT tombstone" if records else ""
        self._run(
            f"CREATE TABLE chosen_{table} AS SELECT * FROM staged_{table} "  # noqa: S608 - own names
            f"QUALIFY row_number() OVER (PARTITION BY {key} "
            "ORDER BY origin DESC, line DESC, sha256 DESC, piece DESC, row DESC) = 1"
        )
        self._run(
            f"CREATE TABLE fresh_{table} AS SELECT * FROM chosen_{table} "  # noqa: S608 - own names
            f"ANTI JOIN (SELECT * FROM current_{table} {alive}) USING ({same})"
        )
        staged, chosen, fresh = (self._count(f"{name}_{table}") for name in ("staged", "chosen", "fresh"))
        return Counts(stored=fresh, unchanged=chosen - fresh, superseded=staged - chosen)

    def missing(self, table: str, tenant: str, source: str) -> Removal:
        """Find the current records of a source that were not seen: they are ``missing_<table>``.

        A file that is present but quarantined keeps its last good observation. Which records a quarantined line
        stands for cannot be known, so one such line keeps all records that came from lines.
        """
        self._run(
            f"CREATE TABLE missing_{table} AS SELECT key_hash FROM current_{table} AS gone "  # noqa: S608 - own names
            f"ANTI JOIN staged_{table} USING (key_hash) WHERE NOT gone.tombstone AND tenant = ? AND source = ? "
            "AND locator NOT IN (SELECT locator FROM staged_quarantine WHERE tenant = ? AND source = ?) "
            f"AND NOT ({LINE_LOCATORS} AND EXISTS (SELECT 1 FROM staged_quarantine WHERE line > 0 AND source = ?))",
            [tenant, source, tenant, source, source],
        )
        present = self._all(
            f"SELECT count(*) FROM current_{table} WHERE NOT tombstone AND tenant = ? AND source = ?",  # noqa: S608
            [tenant, source],
        )
        return Removal(self._count(f"missing_{table}"), present[0][0])

    def last_rows(self, table: str) -> Any:
        """Return a reader of the identities of the records in ``missing_<table>``, to make tombstones of."""
        kept = "tenant, source, kind, upstream_id, locator, key_hash, id_hash, format, media_type"
        self._run(
            f"CREATE TABLE last_{table} AS SELECT {kept} FROM stored_{table} SEMI JOIN missing_{table} "  # noqa: S608 - own names
            "USING (key_hash) QUALIFY row_number() OVER (PARTITION BY key_hash ORDER BY revision DESC) = 1"
        )
        return self._stream(f"SELECT * FROM last_{table}")  # noqa: S608 - own names

    def add_fresh(self, table: str, piece: int) -> None:
        """Take a piece whose rows are new by nature, such as tombstones."""
        path = self._folder / f"{piece:08d}-{table}.keys.parquet"
        self._run(f"INSERT INTO fresh_{table} SELECT * FROM read_parquet(?)", [str(path)])  # noqa: S608

    def places(self, table: str) -> Any:
        """Return a reader of (piece, row, bytes) of the fresh rows, in the order of export."""
        return self._stream(f"SELECT piece, row, bytes FROM fresh_{table} ORDER BY {ORDER}")  # noqa: S608 - own names

    def fresh(self, table: str) -> int:
        """Return how many rows of a table are to be appended."""
        return self._count(f"fresh_{table}")

    def conflicts(self, table: str) -> list[str]:
        """Name some keys that occurred in this call with more than one content."""
        found = self._all(
            "SELECT any_value(source), any_value(upstream_id), any_value(locator) "  # noqa: S608 - own names
            f"FROM staged_{table} GROUP BY key_hash HAVING count(DISTINCT sha256) > 1 ORDER BY ALL LIMIT {SHOWN}"
        )
        return [" ".join(part for part in each if part) for each in found]

    def affected(self) -> tuple[int, Any]:
        """Return what the fresh advisories affect, in the order of their export: how many rows, and a reader."""
        self._load("staged_affected", "*-advisories.affected.parquet", STAGED_AFFECTED)
        self._run(
            "CREATE VIEW fresh_affected AS SELECT * EXCLUDE (piece, row) "
            "FROM staged_affected SEMI JOIN fresh_advisories USING (piece, row)"
        )
        order = "tenant, source, upstream_id, locator, sha256, position"
        return self.fresh("affected"), self._stream(f"SELECT * FROM fresh_affected ORDER BY {order}")  # noqa: S608

    def _stream(self, query: str) -> Any:
        """Return a reader over tables of this database that outlives later queries on the connection."""
        try:
            return self._connection.cursor().execute(query).to_arrow_reader(FETCH_ROWS)
        except duckdb.Error as error:
            raise StorageError(f"the new rows cannot be sorted: {error}", advice="Is the disk full?") from error

    def _load(self, name: str, pattern: str, schema: pa.Schema) -> None:
        """Make a table, or for what is large a view, of the Parquet files that match a pattern, if any do."""
        if not any(self._folder.glob(pattern)):
            pq.write_table(schema.empty_table(), self._folder / pattern.replace("*", "00000000"))
        kind = "VIEW" if schema is STAGED_AFFECTED else "TABLE"
        files = str(self._folder / pattern).replace("'", "''")
        self._run(f"CREATE {kind} {name} AS SELECT * FROM read_parquet('{files}')")  # noqa: S608 - a path of our own

    def _run(self, query: str, parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(query, parameters or [])
        except duckdb.Error as error:
            raise StorageError(f"the new rows cannot be compared: {error}", advice="Is the disk full?") from error

    def _all(self, query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        return self._run(query, parameters).fetchall()

    def _count(self, name: str) -> int:
        return int(self._all(f"SELECT count(*) FROM {name}")[0][0])  # noqa: S608 - own names
