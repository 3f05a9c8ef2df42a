"""The Delta tables of a store: reading a version, appending rows, putting a version back.

Every error of the libraries below comes out as a StorageError that says what to do.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from evidence.errors import DAMAGED, UNWRITABLE, StorageError, reason_of
from evidence.parts import check_footer, write_parts
from evidence.schema import EXPORT_ORDER, RECORDS, STORE_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake.transaction import AddAction, RemoveAction

PROPERTIES = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
"""Versions stay readable for as long as snapshots name them; maintenance is explicit."""

STATISTICS = {
    **{name: (*EXPORT_ORDER, "revision", "tombstone") for name, schema in STORE_TABLES.items() if schema is RECORDS},
    "policy_snapshots": ("tenant", "id", "revision"),
    "consensus": ("tenant", "id", "revision"),
    "quarantine": ("tenant", "source", "locator", "revision", "tombstone"),
    "affected": ("tenant", "source", "upstream_id", "revision"),
    "snapshots": ("id", "revision"),
}
"""Columns whose smallest and largest values the log keeps, by table: never content."""

_CHECKED = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)
"""Parquet whose pages are compared with their checksums when they are read; by itself Arrow reads over damage."""

NEWEST = -1
"""Stands for the present version of a table, whatever it is."""

_MISREAD = re.compile(r"[\x00-\x1f\x7f\\\[\]^|\ud800-\udfff]|%[0-9A-Fa-f]{2}")
"""What delta-rs takes for something else in the path of a folder: it reads paths as addresses."""


@dataclass(frozen=True)
class Tables:
    """The tables below one folder of this machine.

    Attributes:
        root: The folder.
    """

    root: str

    @property
    def folder(self) -> Path:
        """The folder as an absolute path.

        Raises:
            StorageError: It is an address.
        """
        if "://" in self.root:
            raise StorageError(
                f"the store cannot lie in {self.root!r}: only folders of this machine hold stores",
                advice="Name a folder; what lies elsewhere can be declared as a source, docs/sources.md says how.",
            )
        return Path(self.root).absolute()

    def uri(self, table: str) -> str:
        """Return where a table lies.

        Raises:
            StorageError: The folder's path has characters that would be read as another path.
        """
        path = str(self.folder / table)
        if misread := _MISREAD.search(path):
            raise StorageError(
                f"the store cannot lie in {self.root!r}: {misread[0]!r} in its path would be misread",
                advice="Set EXPORT_CENTER_HOME to a folder without such characters.",
            )
        return path

    def exists(self, table: str) -> bool:
        """Whether a table was made already."""
        with _reading(table):
            return DeltaTable.is_deltatable(self.uri(table))

    def files(self, table: str, version: int | None = None) -> list[str]:
        """Return the Parquet files of a version of a table; of the present one when none is named."""
        with _reading(table):
            found = self._open(table, version).file_uris()
        # delta-rs spells them as in addresses ("%20"); below one folder, their last parts are plain.
        return [str(self.folder / table / name.rpartition("/")[2]) for name in found]

    def rows(self, table: str, version: int | None = None) -> ds.Dataset:
        """Return a version of a table as an Arrow dataset. Its footers are checked here, its pages as they are read.

        Arrow opens the files itself. Through delta-rs' file system, which is Python, one of Arrow's
        threads may give a buffer back while the interpreter is ending, and that aborts the whole process.
        """
        with _reading(table):
            files = self.files(table, version)
            schema = STORE_TABLES[table]
            for file in files:
                check_footer(Path(file))
            return ds.dataset(files, schema=schema, format=_CHECKED) if files else ds.dataset(schema.empty_table())

    def read(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a small table."""
        rows = self.rows(table)
        with _reading(table):
            found: list[dict[str, Any]] = rows.to_table().to_pylist()
        return found

    def create(self, table: str) -> None:
        """Make a table without rows."""
        with _writing(table):
            DeltaTable.create(
                self.uri(table),
                STORE_TABLES[table],
                configuration={**PROPERTIES, "delta.dataSkippingStatsColumns": ",".join(STATISTICS[table])},
            )

    def append(self, table: str, rows: pa.RecordBatchReader, *, after: int | None) -> int:
        """Append rows, in their order and in one commit, to a table as it was at a version; return its new version.

        What was written after that version is taken out first. Files stay, as every version does.

        Args:
            table: Name of the table.
            rows: Rows of its schema; read as a stream.
            after: The version; None when the table was not there, or had no rows; NEWEST to keep all that is there.
        """
        if not self.exists(table):
            self.create(table)
        opened = self._open(table)
        with _writing(table):
            _put_back(opened, after)
            made = write_parts(self.folder / table, rows, statistics=STATISTICS[table])
            with self._kept_if_committed(table, made):
                opened.create_write_transaction(made, "append", rows.schema)
            opened.update_incremental()
            return int(opened.version())

    def put_back(self, table: str, version: int | None) -> None:
        """Make a version the present one again; None stands for a table without rows. Files stay."""
        opened = self._open(table)
        with _writing(table):
            _put_back(opened, version)

    @contextmanager
    def _kept_if_committed(self, table: str, parts: list[AddAction | RemoveAction]) -> Iterator[None]:
        """Remove parts when their commit fails; a commit that failed after it was made keeps them."""
        try:
            yield
        except BaseException:
            # Where that cannot be told, they stay: a table that lacks its parts is worse than parts without a table.
            with suppress(StorageError):
                committed = {Path(file).name for file in self.files(table)}
                for part in parts:
                    if part.path not in committed:
                        (self.folder / table / part.path).unlink(missing_ok=True)
            raise

    def _open(self, table: str, version: int | None = None) -> DeltaTable:
        with _reading(table):
            return DeltaTable(self.uri(table), version=version)


def _put_back(opened: DeltaTable, version: int | None) -> None:
    """Make a version the present one again."""
    if version is None:
        if opened.file_uris():
            opened.delete()
    elif version not in (NEWEST, opened.version()):
        opened.restore(version)
        opened.update_incremental()


@contextmanager
def _reading(table: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StorageError(f"table {table} of the store cannot be read: {reason_of(error)}", advice=DAMAGED) from error


@contextmanager
def _writing(table: str) -> Iterator[None]:
    try:
        yield
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StorageError(
            f"table {table} of the store cannot be written: {reason_of(error)}", advice=UNWRITABLE
        ) from error
