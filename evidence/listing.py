"""Listing the current records of a snapshot, without their content, in the order of export."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from evidence.current import current_relation
from evidence.database import open_database
from evidence.errors import DAMAGED, StorageError, reason_of
from evidence.schema import KIND_OF_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from evidence.store import Snapshot, Store

LISTED = ("tenant", "source", "kind", "upstream_id", "locator", "format", "modified", "sha256")
AT_ONCE = 10_000


def listed_records(
    store: Store, snapshot: Snapshot, *, tenants: Sequence[str], source: str | None = None, kind: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the current records of some tenants, table by table, each as its columns LISTED.

    Args:
        store: Where to look.
        snapshot: Which state.
        tenants: Whose records.
        source: Of one feed only.
        kind: "advisory", "vex", "sbom" or "finding"; all of them when absent.

    Raises:
        StorageError: The store cannot be read.
    """
    wanted = [table for table, each in KIND_OF_TABLE.items() if kind in (None, each)]
    with tempfile.TemporaryDirectory(prefix="export-center-list-") as spill:
        for table in wanted:
            yield from _of_table(store, snapshot, table, (list(tenants), source, Path(spill)))


def _of_table(
    store: Store, snapshot: Snapshot, table: str, wanted: tuple[list[str], str | None, Path]
) -> Iterator[dict[str, Any]]:
    tenants, source, spill = wanted
    with open_database(spill=spill, memory_limit="512MB") as connection:
        relation = current_relation(connection, store, snapshot, table)
        query = (
            f"SELECT {', '.join(LISTED)} FROM {relation} WHERE tenant IN (SELECT unnest(?)) "  # noqa: S608 - own names
            "AND (? IS NULL OR source = ?) ORDER BY tenant, source, kind, upstream_id, locator, sha256"
        )
        try:
            result = connection.execute(query, [tenants, source, source])
            while rows := result.fetchmany(AT_ONCE):
                yield from (dict(zip(LISTED, row, strict=True)) for row in rows)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise StorageError(f"the store cannot be read: {reason_of(error)}", advice=DAMAGED) from error
