"""What the store holds: counts of everything, and single records with their original bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.current import current_relation
from evidence.database import check_bytes, fetch, open_database
from evidence.documents import TABLES as DOCUMENT_TABLES
from evidence.schema import KIND_OF_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evidence.store import Snapshot, Store

QUARANTINED = (
    "SELECT source, split_part(reason, ':', 1) AS what, count(*) FROM current_quarantine WHERE {whose} GROUP BY ALL"
)
STORED = "SELECT source, format, count(*), tenant FROM current_{table} WHERE {whose} GROUP BY ALL"
KEPT = (
    "SELECT source, '', count(*) FROM current_{table} WHERE {whose} AND (tenant, source, locator) IN "
    "(SELECT (tenant, source, locator) FROM current_quarantine WHERE line_number = 0) GROUP BY ALL"
)
"""Records of documents that are quarantined now: their last good observations."""

REFUSED = ("tenant", "source", "locator", "line_number", "reason", "sha256", "raw")
SHOWN = ("tenant", "source", "kind", "upstream_id", "locator", "format", "sha256", "modified", "revision", "raw")


def stats(store: Store, snapshot: Snapshot, *, tenants: Sequence[str] | None = None) -> dict[str, Any]:
    """Count current records by type, source, format and tenant, and what is quarantined now by source and reason.

    A file that was read is one record, or quarantined; ``kept`` are the records of files that are quarantined now,
    whose last good observation is still current. Per source, files = ``sources`` + ``quarantine`` - ``kept``.

    Args:
        store: Where to look.
        snapshot: Which state.
        tenants: Whose evidence; everybody's when absent.

    Returns:
        ``snapshot``, ``records`` by table, ``sources``, ``formats``, ``tenants``, ``quarantine`` by source,
        ``reasons``, ``kept`` by source, ``documents`` by table.

    Raises:
        StorageError: The store cannot be read.
    """
    whose, parameters = _whose(tenants)
    with open_database() as connection:

        def counted(query: str, table: str = "quarantine") -> list[tuple[Any, ...]]:
            return fetch(connection, query.format(table=table, whose=whose), parameters)

        for table in (*KIND_OF_TABLE, "quarantine"):
            current_relation(connection, store, snapshot, table)
        records = {table: counted(STORED, table) for table in KIND_OF_TABLE}
        kept = [row for table in KIND_OF_TABLE for row in counted(KEPT, table)]
        quarantine = counted(QUARANTINED)
    rows = [row for found in records.values() for row in found]
    return {
        "snapshot": snapshot.id,
        "records": {table: sum(row[2] for row in found) for table, found in records.items()},
        "sources": _sum((row[0], row[2]) for row in rows),
        "formats": _sum((row[1], row[2]) for row in rows),
        "tenants": _sum((row[3], row[2]) for row in rows),
        "quarantine": _sum((row[0], row[2]) for row in quarantine),
        "reasons": _sum((row[1], row[2]) for row in quarantine),
        "kept": _sum((row[0], row[2]) for row in kept),
        "documents": {table: len(_keys(store, snapshot, table, tenants)) for table in DOCUMENT_TABLES.values()},
    }


def policy_snapshot_ids(store: Store, snapshot: Snapshot, *, tenants: Sequence[str] | None = None) -> list[str]:
    """Return the ids of the policy snapshots of some tenants, or of everybody."""
    return sorted({record_id for _, record_id in _keys(store, snapshot, "policy_snapshots", tenants)})


def show(store: Store, record_id: str, *, tenants: Sequence[str]) -> list[dict[str, Any]]:
    """Return the current records of some tenants with an id, in the order of tables; ``raw`` are the original bytes.

    Raises:
        StorageError: The store cannot be read, or bytes are not those that were stored.
    """
    snapshot = store.snapshot()
    found = []
    with open_database() as connection:
        for table in KIND_OF_TABLE:
            relation = current_relation(connection, store, snapshot, table)
            query = (
                f"SELECT {', '.join(SHOWN)} FROM {relation} "  # noqa: S608 - own names
                "WHERE upstream_id = ? AND tenant IN (SELECT unnest(?)) ORDER BY ALL"
            )
            rows = fetch(connection, query, [record_id, list(tenants)])
            found += [dict(zip(SHOWN, row, strict=True)) for row in rows]
    for record in found:
        check_bytes(record["raw"], record["sha256"], record["upstream_id"])
    return found


def quarantined(
    store: Store, *, tenants: Sequence[str] | None = None, source: str | None = None, locator: str | None = None
) -> list[dict[str, Any]]:
    """Return what is quarantined now, by source, locator and line; ``raw`` are the original bytes.

    Args:
        store: Where to look.
        tenants: Whose documents; everybody's when absent.
        source: Of one feed only.
        locator: Of one file only.

    Raises:
        StorageError: The store cannot be read, or bytes are not those that were stored.
    """
    with open_database() as connection:
        current_relation(connection, store, store.snapshot(), "quarantine")
        wanted = {name: value for name, value in (("source", source), ("locator", locator)) if value is not None}
        whose, parameters = _whose(tenants)
        condition = "".join([whose, *(f" AND {name} = ?" for name in wanted)])
        query = f"SELECT {', '.join(REFUSED)} FROM current_quarantine WHERE {condition} ORDER BY ALL"  # noqa: S608
        rows = fetch(connection, query, [*parameters, *wanted.values()])
    found = [dict(zip(REFUSED, row, strict=True)) for row in rows]
    for document in found:
        check_bytes(document["raw"], document["sha256"], document["locator"])
    return found


def _whose(tenants: Sequence[str] | None) -> tuple[str, list[Any]]:
    """Return a condition on the tenant, and its parameters."""
    return ("true", []) if tenants is None else ("tenant IN (SELECT unnest(?))", [list(tenants)])


def _keys(store: Store, snapshot: Snapshot, table: str, tenants: Sequence[str] | None) -> list[tuple[Any, ...]]:
    """Return (tenant, id) of the documents in a table."""
    whose, parameters = _whose(tenants)
    with open_database() as connection:
        connection.register("rows", store.rows(snapshot, table))
        return fetch(connection, f"SELECT DISTINCT tenant, id FROM rows WHERE {whose}", parameters)  # noqa: S608


def _sum(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return dict(sorted(totals.items()))
