"""What the store holds: counts of everything, and single records with their original bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.database import open_database
from evidence.schema import KIND_OF_TABLE

if TYPE_CHECKING:
    from evidence.store import Snapshot, Store

CURRENT = """
    SELECT {columns} FROM read_parquet(?)
    QUALIFY row_number() OVER (PARTITION BY key_hash ORDER BY revision DESC) = 1 AND NOT tombstone
"""


def stats(store: Store, snapshot: Snapshot) -> dict[str, Any]:
    """Count current records by type, source and format, and quarantined documents by source and reason.

    Returns:
        ``snapshot``, ``records`` by table, ``sources``, ``formats``, ``quarantine`` by source, ``reasons``.
    """
    records = {table: _records(store, snapshot, table) for table in KIND_OF_TABLE}
    rows = [row for found in records.values() for row in found]
    quarantine = _quarantine(store, snapshot)
    return {
        "snapshot": snapshot.id,
        "records": {table: sum(row[2] for row in found) for table, found in records.items()},
        "sources": _sum((row[0], row[2]) for row in rows),
        "formats": _sum((row[1], row[2]) for row in rows),
        "quarantine": _sum((row[0], row[2]) for row in quarantine),
        "reasons": _sum((row[1], row[2]) for row in quarantine),
    }


def show(store: Store, record_id: str) -> list[dict[str, Any]]:
    """Return the current records with an id, in the order of tables; ``raw`` are the original bytes."""
    snapshot = store.snapshot()
    names = ("tenant", "source", "kind", "upstream_id", "locator", "format", "sha256", "modified", "revision", "raw")
    found = []
    for table in KIND_OF_TABLE:
        files = list(store.files(snapshot, table))
        if files:
            query = f"SELECT {', '.join(names)} FROM ({CURRENT.format(columns='*')}) WHERE upstream_id = ? ORDER BY ALL"  # noqa: S608 - own names
            found += [dict(zip(names, row, strict=True)) for row in _run(query, [files, record_id])]
    return found


def _records(store: Store, snapshot: Snapshot, table: str) -> list[tuple[str, str, int]]:
    files = list(store.files(snapshot, table))
    current = CURRENT.format(columns="source, format")
    query = f"SELECT source, format, count(*) FROM ({current}) GROUP BY ALL ORDER BY ALL"  # noqa: S608 - own names
    return _run(query, [files]) if files else []


def _quarantine(store: Store, snapshot: Snapshot) -> list[tuple[str, str, int]]:
    files = list(store.files(snapshot, "quarantine"))
    query = (
        "SELECT source, split_part(reason, ':', 1), count(DISTINCT (tenant, source, locator)) "
        "FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
    )
    return _run(query, [files]) if files else []


def _run(query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with open_database() as connection:
        return connection.execute(query, parameters).fetchall()


def _sum(pairs: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return dict(sorted(totals.items()))
