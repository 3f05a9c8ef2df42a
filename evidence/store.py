"""The evidence store: Delta tables, and snapshots that pin one version of each.

Readers use only snapshots. A snapshot is one row, committed last, so nobody ever sees half an ingest.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from evidence.errors import StorageError
from evidence.schema import EXPORT_ORDER, RECORDS, STORE_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

PROPERTIES = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
"""Versions stay readable for as long as snapshots name them; maintenance is explicit."""

RECORD_STATISTICS = ",".join([*EXPORT_ORDER, "revision", "tombstone"])
PLAIN_COLUMNS = ("line", "raw", "sha256", "key_hash", "id_hash", "raw_sha256", "line_sha256")
"""Columns of which no two values are alike: a dictionary would only cost."""


@dataclass(frozen=True)
class TableVersion:
    """One version of a table."""

    name: str
    version: int


@dataclass(frozen=True)
class Snapshot:
    """A consistent state of all tables; number 0 is the empty store."""

    id: int
    revision: int
    tables: Mapping[str, TableVersion]


EMPTY = Snapshot(0, 0, {})


@dataclass(frozen=True)
class Store:
    """A store below one folder or URL."""

    root: str

    def snapshot(self, number: int | None = None) -> Snapshot:
        """Return a snapshot; the newest when no number is given.

        Raises:
            StorageError: There is no such snapshot, or the store cannot be read.
        """
        rows = [row for row in self._snapshots() if number is None or row["id"] == number]
        if rows:
            row = max(rows, key=lambda row: row["id"])
            tables = {name: TableVersion(name, version) for name, version in row["tables"]}
            return Snapshot(row["id"], row["revision"], tables)
        if number is None:
            return EMPTY
        raise StorageError(
            f"the store has no snapshot {number}", advice="`export-center evidence stats` names the newest."
        )

    def files(self, snapshot: Snapshot, table: str) -> tuple[str, ...]:
        """Return the Parquet files of a table at a snapshot, in no particular order."""
        pinned = snapshot.tables.get(table)
        if pinned is None:
            return ()
        try:
            return tuple(DeltaTable(self.uri(table), version=pinned.version).file_uris())
        except (DeltaError, OSError) as error:
            raise StorageError(f"table {table} of the store cannot be read: {error}") from error

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Append rows to a table, creating it first when needed."""
        try:
            write_deltalake(
                self.uri(table),
                rows,
                mode="append",
                configuration=_configuration(table),
                writer_properties=_writer(table),
            )
        except (DeltaError, OSError) as error:
            raise StorageError(
                f"table {table} of the store cannot be written: {error}", advice="Nothing of this ingest is visible."
            ) from error

    def commit(self, *, revision: int, made_at: datetime) -> Snapshot:
        """Make the present versions of all tables a snapshot; this is what readers see from now on."""
        number = self.snapshot().id + 1
        versions = [(name, version) for name in STORE_TABLES if (version := self._version(name)) is not None]
        row = {"id": number, "revision": revision, "made_at": made_at, "tables": versions}
        schema = STORE_TABLES["snapshots"]
        self.append("snapshots", pa.Table.from_pylist([row], schema).to_reader())
        return self.snapshot(number)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process write at a time; others wait."""
        folder = Path(self.root)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / ".lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise StorageError(f"the store {self.root} cannot be written: {error.strerror or error}") from error

    def uri(self, table: str) -> str:
        """Return where a table lies."""
        return f"{self.root}/{table}"

    def _version(self, table: str) -> int | None:
        try:
            return None if table == "snapshots" else int(DeltaTable(self.uri(table)).version())
        except TableNotFoundError:
            return None

    def _snapshots(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = pa.table(DeltaTable(self.uri("snapshots")).to_pyarrow_table()).to_pylist()
        except TableNotFoundError:
            return []
        except (DeltaError, OSError) as error:
            raise StorageError(f"the store {self.root} cannot be read: {error}") from error
        return found


def _configuration(table: str) -> dict[str, str]:
    if STORE_TABLES[table] is RECORDS:
        return {**PROPERTIES, "delta.dataSkippingStatsColumns": RECORD_STATISTICS}
    return dict(PROPERTIES)


def _writer(table: str) -> WriterProperties:
    plain = {
        name: ColumnProperties(dictionary_enabled=False) for name in PLAIN_COLUMNS if name in STORE_TABLES[table].names
    }
    return WriterProperties(
        compression="ZSTD", compression_level=1, max_row_group_size=20_000, column_properties=plain or None
    )
