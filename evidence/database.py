"""Opening DuckDB: an embedded database that lives as long as one question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

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
