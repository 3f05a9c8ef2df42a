"""The current state: per logical key the last observation unless it is a tombstone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from evidence.store import Snapshot, Store

LATEST = """
    SELECT key_hash, arg_max(sha256, revision) AS sha256, arg_max(tombstone, revision) AS tombstone,
        any_value(tenant) AS tenant, any_value(source) AS source, any_value(locator) AS locator
    FROM {rows} GROUP BY key_hash
"""
"""What is compared of every key's last observation; narrow, because it is held for all keys of a table."""


def current_relation(connection: duckdb.DuckDBPyConnection, store: Store, snapshot: Snapshot, table: str) -> str:
    """Make the current rows of a table at a snapshot a view, and return its name: ``current_<table>``.

    Args:
        connection: Where to make it.
        store: Where the rows lie.
        snapshot: Which state.
        table: One with keys and tombstones: of records, or the quarantine.

    Returns:
        Name of a view with the columns of the table's schema, without tombstones. Rows come in no particular order.
    """
    connection.register(f"rows_{table}", store.rows(snapshot, table))
    connection.execute(
        f"CREATE OR REPLACE VIEW current_{table} AS SELECT * FROM rows_{table} SEMI JOIN "  # noqa: S608 - own names
        f"(SELECT key_hash, max(revision) AS revision FROM rows_{table} GROUP BY key_hash) USING (key_hash, revision) "
        "WHERE NOT tombstone"
    )
    return f"current_{table}"
