"""The current state: per logical key the last observation unless it is a tombstone, and what an ingest adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from evidence.database import open_database
from evidence.errors import StorageError
from evidence.schema import EXPORT_ORDER, KIND_OF_TABLE, RECORDS, STORE_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from evidence.store import Store

BATCH_ROWS = 2_000
ORDER = ", ".join(EXPORT_ORDER)


@dataclass(frozen=True)
class Counts:
    """What an append did to one table."""

    stored: int = 0
    unchanged: int = 0
    superseded: int = 0
    removed: int = 0


@dataclass(frozen=True)
class Removal:
    """Whose missing records become tombstones, how many they are, and how many records there were."""

    tenant: str
    source: str
    count: int
    present: int


def append_new(
    store: Store, table: str, staging: Path, *, revision: int, observed_at: datetime, removed: Removal | None
) -> Counts:
    """Append the staged rows of a table that differ from its current state, in the order of export.

    Two contents for one key are decided by the last locator, line number and SHA-256, never by timing.
    """
    files = sorted(str(path) for path in staging.glob(f"*-{table}.parquet"))
    if not files and removed is None:
        return Counts()
    with open_database(spill=staging / "spill") as connection:
        _views(connection, store, table, files)
        counts = _counts(connection, removed)
        if counts.stored or counts.removed:
            query = _new_rows(table, removed)
            parameters = [revision, observed_at]
            if removed is not None and table in KIND_OF_TABLE:
                parameters += [revision, observed_at, removed.tenant, removed.source]
            reader = connection.execute(query, parameters).to_arrow_reader(BATCH_ROWS)
            store.append(table, _shaped(reader, STORE_TABLES[table]))
    return counts


def removals(store: Store, staging: Path, *, tenant: str, source: str) -> Removal:
    """Count what a sync of a source would remove.

    A file that is present but quarantined keeps its last good observation.
    """
    count = present = 0
    for table in KIND_OF_TABLE:
        files = sorted(str(path) for path in staging.glob(f"*-{table}.parquet"))
        with open_database(spill=staging / "spill") as connection:
            _views(connection, store, table, files)
            row = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE gone) FROM missing WHERE tenant = ? AND source = ?",
                [tenant, source],
            ).fetchone()
            present, count = present + (row or (0, 0))[0], count + (row or (0, 0))[1]
    return Removal(tenant, source, count, present)


def _views(connection: duckdb.DuckDBPyConnection, store: Store, table: str, staged: list[str]) -> None:
    """Define staged, chosen, current and missing: rows read, their last by key, what is stored, what is absent."""
    stored = list(store.files(store.snapshot(), table))
    connection.execute(f"CREATE VIEW stored AS {_read(stored, table)}")
    records = STORE_TABLES[table] is RECORDS
    key = "key_hash" if records else "(tenant, source, locator, sha256)"
    connection.execute(f"CREATE VIEW staged AS {_read(staged, table, staged=True)}")
    connection.execute(
        "CREATE VIEW chosen AS SELECT * EXCLUDE (place) FROM (SELECT *, row_number() OVER "  # noqa: S608 - own names
        f"(PARTITION BY {key} ORDER BY locator DESC, ordinal DESC, sha256 DESC) AS place FROM staged) WHERE place = 1"
    )
    narrow = "key_hash, sha256, tenant, source, locator, tombstone" if records else "tenant, source, locator, sha256"
    connection.execute(
        f"CREATE TABLE current AS SELECT {narrow} FROM stored "  # noqa: S608 - own names
        + ("QUALIFY row_number() OVER (PARTITION BY key_hash ORDER BY revision DESC) = 1" if records else "")
    )
    same = "key_hash, sha256" if records else "tenant, source, locator, sha256"
    alive = "WHERE NOT tombstone" if records else ""
    connection.execute(
        f"CREATE VIEW fresh AS SELECT * FROM chosen ANTI JOIN (SELECT * FROM current {alive}) USING ({same})"  # noqa: S608 - own names
    )
    if records:
        quarantined = sorted(str(path) for path in _quarantine(staged, connection))
        connection.execute(
            "CREATE VIEW missing AS SELECT tenant, source, key_hash, "  # noqa: S608 - own names
            "key_hash NOT IN (SELECT key_hash FROM staged) AND (tenant, source, locator) NOT IN "
            f"(SELECT (tenant, source, locator) FROM ({_read(quarantined, 'quarantine', staged=True)})) AS gone "
            "FROM current WHERE NOT tombstone"
        )


def _quarantine(staged: list[str], connection: duckdb.DuckDBPyConnection) -> list[Path]:
    """Return the staged quarantine files of this ingest: they lie beside DuckDB's own spill folder."""
    from pathlib import Path  # noqa: PLC0415 - only this function makes paths

    row = connection.execute("SELECT current_setting('temp_directory')").fetchone()
    del staged
    return list(Path(row[0] if row else ".").parent.glob("*-quarantine.parquet"))


def _read(files: list[str], table: str, *, staged: bool = False) -> str:
    """Return a query over Parquet files; over none, one with the right columns and no rows."""
    if files:
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
        return f"SELECT * FROM read_parquet([{names}])"  # noqa: S608 - file names of our own, quoted
    schema = STORE_TABLES[table]
    columns = [name for name in schema.names if not staged or name not in ("revision", "observed_at", "tombstone")]
    types = {"revision": "BIGINT", "tombstone": "BOOLEAN", "line_bytes": "BIGINT"}
    selected = [f"NULL::{types.get(name, _duck(schema, name))} AS {name}" for name in columns]
    return f"SELECT {', '.join([*selected, 'NULL::BIGINT AS ordinal'] if staged else selected)} WHERE false"


def _duck(schema: pa.Schema, name: str) -> str:
    kind = schema.field(name).type
    if pa.types.is_binary(kind):
        return "BLOB"
    if pa.types.is_list(kind):
        return "VARCHAR[]"
    return "TIMESTAMPTZ" if pa.types.is_timestamp(kind) else "VARCHAR"


def _counts(connection: duckdb.DuckDBPyConnection, removed: Removal | None) -> Counts:
    def number(query: str, parameters: list[Any] | None = None) -> int:
        row = connection.execute(query, parameters or []).fetchone()
        return int(row[0]) if row else 0

    staged, chosen = number("SELECT count(*) FROM staged"), number("SELECT count(*) FROM chosen")
    fresh = number("SELECT count(*) FROM fresh")
    gone = 0
    if removed is not None:
        gone = number(
            "SELECT count(*) FROM missing WHERE gone AND tenant = ? AND source = ?", [removed.tenant, removed.source]
        )
    return Counts(stored=fresh, unchanged=chosen - fresh, superseded=staged - chosen, removed=gone)


def _new_rows(table: str, removed: Removal | None) -> str:
    schema = STORE_TABLES[table]
    if schema is not RECORDS:
        history = {"revision": "?::BIGINT", "observed_at": "?::TIMESTAMPTZ"}
        columns = ", ".join(f"{history.get(name, name)} AS {name}" for name in schema.names)
        return f"SELECT {columns} FROM fresh ORDER BY tenant, source, locator, sha256"  # noqa: S608 - own names
    history = {"revision": "?::BIGINT", "observed_at": "?::TIMESTAMPTZ", "tombstone": "false"}
    columns = ", ".join(f"{history.get(name, name)} AS {name}" for name in schema.names)
    fresh = f"SELECT {columns} FROM fresh"  # noqa: S608 - own names
    if removed is None:
        return f"{fresh} ORDER BY {ORDER}"
    return f"SELECT * FROM ({fresh} UNION ALL BY NAME {_tombstones()}) ORDER BY {ORDER}"  # noqa: S608 - own names


def _tombstones() -> str:
    """Return a query for tombstones of what is missing: the identity stays, the content goes."""
    kept = ("tenant", "source", "kind", "upstream_id", "locator", "key_hash", "id_hash", "format", "media_type")
    made = {
        "revision": "?::BIGINT",
        "observed_at": "?::TIMESTAMPTZ",
        "tombstone": "true",
        "sha256": "''",
        "line_bytes": "0",
        "normaliser": "''",
    }
    columns = []
    for name in RECORDS.names:
        kind = _duck(RECORDS, name)
        empty = {"BLOB": "''::BLOB", "VARCHAR[]": "[]::VARCHAR[]"}.get(kind, f"NULL::{kind}")
        columns.append(f"{name if name in kept else made.get(name, empty)} AS {name}")
    return (
        f"SELECT {', '.join(columns)} FROM stored SEMI JOIN "  # noqa: S608 - own names
        "(SELECT key_hash FROM missing WHERE gone AND tenant = ? AND source = ?) USING (key_hash) "
        "QUALIFY row_number() OVER (PARTITION BY key_hash ORDER BY stored.revision DESC) = 1"
    )


def _shaped(reader: Any, schema: pa.Schema) -> pa.RecordBatchReader:
    """Give DuckDB's batches the exact types of a table."""

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in reader:
                columns = [batch.column(field.name).cast(field.type) for field in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
        except duckdb.Error as error:
            raise StorageError(f"the new rows could not be sorted: {error}", advice="Is the disk full?") from error

    return pa.RecordBatchReader.from_batches(schema, batches())
