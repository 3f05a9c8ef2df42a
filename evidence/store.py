"""The evidence store: Delta tables, and snapshots that pin one version of each.

Readers use only snapshots. A snapshot is one row, committed last, so nobody ever sees half an ingest. What a crashed
ingest left in a table is of no snapshot: the next ingest takes it out of the table, and off the disk.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from evidence.errors import DAMAGED, UNWRITABLE, StorageError, reason_of
from evidence.schema import STORE_TABLES
from evidence.tables import NEWEST, Tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

SNAPSHOTS = "snapshots"
PINNED = tuple(name for name in STORE_TABLES if name != SNAPSHOTS)
"""Tables whose versions a snapshot names."""


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
    """A store below one folder of this machine.

    Attributes:
        root: The folder.
    """

    root: str

    @property
    def tables(self) -> Tables:
        """The tables, of whatever version."""
        return Tables(self.root)

    @property
    def folder(self) -> Path:
        """The store's folder, as an absolute path."""
        return self.tables.folder

    def snapshot(self, number: int | None = None) -> Snapshot:
        """Return a snapshot; the newest when no number is given.

        Raises:
            StorageError: There is no such snapshot, or the store cannot be read.
        """
        found = [each for each in self.snapshots() if number is None or each.id == number]
        if found:
            return max(found, key=lambda each: each.id)
        if number in (None, EMPTY.id):
            return EMPTY
        raise StorageError(
            f"the store has no snapshot {number}", advice="`export-center evidence stats` names the newest."
        )

    def files(self, snapshot: Snapshot, table: str) -> tuple[str, ...]:
        """Return the Parquet files of a table at a snapshot, in no particular order."""
        pinned = snapshot.tables.get(table)
        return () if pinned is None else tuple(self.tables.files(table, pinned.version))

    def rows(self, snapshot: Snapshot, table: str) -> ds.Dataset:
        """Return a table at a snapshot as an Arrow dataset, which DuckDB can query; empty when there is none."""
        pinned = snapshot.tables.get(table)
        if pinned is None:
            return ds.dataset(STORE_TABLES[table].empty_table())
        return self.tables.rows(table, pinned.version)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        """Add to the newest snapshot, alone on this machine; nothing is visible unless it is committed."""
        with self.lock():
            yield Writing(self, self.snapshot())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let one process of this machine write at a time; others wait."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / ".lock").open("w")
        except OSError as error:
            raise StorageError(
                f"the store {self.root} cannot be written: {reason_of(error)}", advice=UNWRITABLE
            ) from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def snapshots(self) -> list[Snapshot]:
        """Return all snapshots that there are, in no particular order.

        Raises:
            StorageError: The store cannot be read.
        """
        if self.tables.exists(SNAPSHOTS):
            return [_snapshot_of(row) for row in self.tables.read(SNAPSHOTS)]
        if left := [name for name in PINNED if self.tables.exists(name)]:
            raise StorageError(f"the store {self.root} has tables ({', '.join(left)}) but no snapshots", advice=DAMAGED)
        return []


def _snapshot_of(row: dict[str, Any]) -> Snapshot:
    return Snapshot(row["id"], row["revision"], {name: TableVersion(name, version) for name, version in row["tables"]})


class Writing:
    """What one call adds to a snapshot.

    Attributes:
        previous: The snapshot that it adds to.
        revision: Number of the call, for its rows.
    """

    def __init__(self, store: Store, previous: Snapshot) -> None:
        self.previous = previous
        self.revision = previous.revision + 1
        self._store = store
        self._tables = dict(previous.tables)

    def append(self, table: str, rows: pa.RecordBatchReader) -> None:
        """Append rows of a table's schema, in their order; read as a stream."""
        tables, pinned = self._store.tables, self._tables.get(table)
        # Made before all other tables, so that tables without it are known to be damage and not a beginning.
        if self.previous is EMPTY and not tables.exists(SNAPSHOTS):
            tables.create(SNAPSHOTS)
        version = tables.append(table, rows, after=None if pinned is None else pinned.version)
        self._tables[table] = TableVersion(table, version)

    def commit(self, made_at: datetime) -> Snapshot:
        """Make the tables as they are now a snapshot: this is what readers see from now on."""
        snapshot = Snapshot(self.previous.id + 1, self.revision, self._tables)
        row = {
            "id": snapshot.id,
            "revision": snapshot.revision,
            "made_at": made_at,
            "tables": sorted((name, pinned.version) for name, pinned in self._tables.items()),
        }
        rows = pa.Table.from_pylist([row], STORE_TABLES[SNAPSHOTS]).to_reader()
        self._store.tables.append(SNAPSHOTS, rows, after=NEWEST)
        return snapshot
