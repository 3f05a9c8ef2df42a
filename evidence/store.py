"""The evidence store: Delta tables, and snapshots that pin one version of each.

Readers use only snapshots. A snapshot is one row, committed last, so nobody ever sees half an ingest; what a crashed
ingest left in a table without a snapshot is taken out of its next version by ``recover``.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError

from evidence.errors import StorageError
from evidence.parts import write_parts
from evidence.schema import EXPORT_ORDER, RECORDS, STORE_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

PROPERTIES = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
"""Versions stay readable for as long as snapshots name them; maintenance is explicit."""

STATISTICS = {
    **{name: (*EXPORT_ORDER, "revision", "tombstone") for name, schema in STORE_TABLES.items() if schema is RECORDS},
    "policy_snapshots": ("tenant", "id", "revision"),
    "consensus": ("tenant", "id", "revision"),
    "quarantine": ("tenant", "source", "locator", "revision"),
    "affected": ("tenant", "source", "upstream_id", "revision"),
    "snapshots": ("id", "revision"),
}
"""Columns whose smallest and largest values the log keeps, by table: never content."""


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
    """A store below one folder or URL.

    Attributes:
        root: The folder, or a URL that delta-rs understands ("s3://bucket/prefix").
        storage_options: Passed to delta-rs as they are: region, endpoint, credentials.
    """

    root: str
    storage_options: Mapping[str, str] | None = field(default=None, hash=False)

    @property
    def folder(self) -> Path | None:
        """The store's folder on this machine; None when it lies elsewhere."""
        return None if "://" in self.root else Path(self.root)

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
        with _reading(table):
            return tuple(self._open(table, pinned.version).file_uris())

    def rows(self, snapshot: Snapshot, table: str) -> ds.Dataset:
        """Return a table at a snapshot as an Arrow dataset, which DuckDB can query; empty when there is none."""
        pinned = snapshot.tables.get(table)
        if pinned is None:
            return ds.dataset(STORE_TABLES[table].empty_table())
        with _reading(table):
            return self._dataset(self._open(table, pinned.version), STORE_TABLES[table])

    def _dataset(self, table: DeltaTable, schema: pa.Schema) -> ds.Dataset:
        """Return an Arrow dataset of a version of a table.

        On this machine Arrow opens the files itself. Through delta-rs' file system, which is Python, one of Arrow's
        threads may give a buffer back while the interpreter is ending, and that aborts the whole process.
        """
        if self.folder is None:
            return table.to_pyarrow_dataset()
        files = table.file_uris()
        return ds.dataset(files, schema=schema, format="parquet") if files else ds.dataset(schema.empty_table())

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Append rows to a table in their order, creating it first when needed; one commit.

        Args:
            table: Name of the table.
            rows: Rows of its schema; read as a stream on this machine.
        """
        try:
            if self.folder is None:
                self._append_elsewhere(table, rows)
            else:
                self._append_parts(table, rows)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StorageError(
                f"table {table} of the store cannot be written: {error}", advice="Nothing of this ingest is visible."
            ) from error

    def _append_parts(self, table: str, rows: pa.RecordBatchReader) -> None:
        folder = Path(self.root) / table
        if not DeltaTable.is_deltatable(self.uri(table)):
            DeltaTable.create(self.uri(table), rows.schema, configuration=_configuration(table))
        made = write_parts(folder, rows, statistics=STATISTICS[table])
        self._open(table).create_write_transaction(made, "append", rows.schema)

    def _append_elsewhere(self, table: str, rows: pa.RecordBatchReader) -> None:
        write_deltalake(
            self.uri(table), rows, mode="append", configuration=_configuration(table), storage_options=self._options
        )

    def recover(self, snapshot: Snapshot) -> None:
        """Take out of every table what was written after a snapshot; its files stay, as every version does.

        Call it under the lock and before appending: such rows are of an ingest that ended before its snapshot row.
        """
        for name in STORE_TABLES:
            version, pinned = self._version(name), snapshot.tables.get(name)
            if version is None or (pinned is not None and version == pinned.version):
                continue
            try:
                table = self._open(name)
                if pinned is not None:
                    table.restore(pinned.version)
                elif table.file_uris():
                    table.delete()
            except (DeltaError, OSError) as error:
                raise StorageError(f"table {name} of the store cannot be put back: {error}") from error

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
        """Let one process of this machine write at a time; others wait.

        A store that lies elsewhere has no such lock: there, one writer at a time is the operator's to see to.
        """
        if self.folder is None:
            yield
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("w")
        except OSError as error:
            raise StorageError(f"the store {self.root} cannot be written: {error.strerror or error}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def uri(self, table: str) -> str:
        """Return where a table lies."""
        return f"{self.root}/{table}"

    @property
    def _options(self) -> dict[str, str] | None:
        return None if self.storage_options is None else dict(self.storage_options)

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.uri(table), version=version, storage_options=self._options)

    def _version(self, table: str) -> int | None:
        try:
            return None if table == "snapshots" else int(self._open(table).version())
        except TableNotFoundError:
            return None

    def _snapshots(self) -> list[dict[str, Any]]:
        try:
            with _reading("snapshots"):
                rows = self._dataset(self._open("snapshots"), STORE_TABLES["snapshots"]).to_table()
                found: list[dict[str, Any]] = rows.to_pylist()
        except TableNotFoundError:
            return []
        return found


@contextmanager
def _reading(table: str) -> Iterator[None]:
    """Turn errors of reading a table into ours; that a table does not exist yet is none."""
    try:
        yield
    except TableNotFoundError:
        raise
    except (DeltaError, OSError) as error:
        raise StorageError(f"table {table} of the store cannot be read: {error}") from error


def _configuration(table: str) -> dict[str, str | None]:
    return {**PROPERTIES, "delta.dataSkippingStatsColumns": ",".join(STATISTICS[table])}
