"""DuckDB: an embedded database that lives as long as one question."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from evidence.errors import DAMAGED, StorageError, reason_of

if TYPE_CHECKING:
    from pathlib import Path


def open_database(
    *, spill: Path | None = None, memory_limit: str = "1GB", threads: int = 2
) -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory.

    Args:
        spill: Folder for what does not fit into memory; without one, nothing is spilled.
        memory_limit: What DuckDB may use, as in "512MB".
        threads: How many threads it may use.
    """
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        # Nothing here ever needs an extension from elsewhere.
        "autoinstall_known_extensions": False,
    }
    if spill is not None:
        options["temp_directory"] = str(spill)
    connection = duckdb.connect(config=options)
    # Its progress bar would go to standard output, into whatever the caller pipes.
    connection.execute("SET enable_progress_bar = false")
    return connection


def fetch(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Return the rows that a query over the store's tables finds.

    Raises:
        StorageError: The store cannot be read.
    """
    try:
        return connection.execute(query, parameters or []).fetchall()
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise StorageError(f"the store cannot be read: {reason_of(error)}", advice=DAMAGED) from error


def check_bytes(raw: bytes, sha256: str, name: str) -> None:
    """Compare bytes from the store with the digest that was stored with them.

    Raises:
        StorageError: They are others.
    """
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise StorageError(f"the bytes of {name!r} in the store are not those that were stored", advice=DAMAGED)
