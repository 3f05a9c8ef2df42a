"""Policy snapshots and VEX consensus documents: kept as given, under their own id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from evidence.archives import walk
from evidence.database import open_database
from evidence.errors import ValidationError
from evidence.schema import DOCUMENTS

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.ingest import IngestOptions
    from evidence.store import Snapshot, Store

TABLES = {"policy-snapshot": "policy_snapshots", "vex-consensus": "consensus"}
"""Tables by the ``--kind`` that fills them."""


class Evaluation(msgspec.Struct, frozen=True):
    """What a policy decided about one finding, by which rule; other fields are kept as given."""

    finding: str
    decision: str
    rule: str


class PolicySnapshot(msgspec.Struct, frozen=True, rename="camel"):
    """The fields a policy snapshot must have."""

    id: str
    created_at: str
    policies: list[Any]
    evaluations: list[Evaluation]


@dataclass(frozen=True)
class StoredDocument:
    """A document as stored."""

    id: str
    sha256: str
    document: bytes


def store_documents(store: Store, paths: list[Path], options: IngestOptions) -> dict[str, int]:
    """Store policy snapshots or consensus documents; return the counts of an ingest report.

    Raises:
        ValidationError: The kind is unknown, or a document is not of its schema; nothing is stored then.
    """
    if options.kind not in TABLES:
        raise ValidationError(f"--kind {options.kind!r} is not known", advice=f"Known: {', '.join(TABLES)}.")
    table = TABLES[options.kind]
    with store.lock():
        snapshot = store.snapshot()
        rows = [_row(document.data, document.locator, options) for document in walk(paths, "documents")]
        fresh = [row for row in rows if not _same(find(store, snapshot, table, row["tenant"], row["id"]), row)]
        if fresh:
            revision = snapshot.revision + 1
            full = [{**row, "revision": revision, "observed_at": options.observed_at} for row in fresh]
            store.append(table, pa.Table.from_pylist(full, DOCUMENTS).to_reader())
            snapshot = store.commit(revision=revision, made_at=options.observed_at)
    return {
        "seen": len(rows), "stored": len(fresh), "unchanged": len(rows) - len(fresh), "snapshot": snapshot.id
    }  # fmt: skip


def find(store: Store, snapshot: Snapshot, table: str, tenant: str, document_id: str) -> StoredDocument | None:
    """Return the newest document with an id at a snapshot, or None when there is none."""
    files = list(store.files(snapshot, table))
    if not files:
        return None
    with open_database() as connection:
        row = connection.execute(
            "SELECT id, sha256, raw FROM read_parquet(?) WHERE tenant = ? AND id = ? ORDER BY revision DESC LIMIT 1",
            [files, tenant, document_id],
        ).fetchone()
    return None if row is None else StoredDocument(*row)


def _same(stored: StoredDocument | None, row: dict[str, Any]) -> bool:
    return stored is not None and stored.sha256 == row["sha256"]


def _row(data: bytes, name: str, options: IngestOptions) -> dict[str, Any]:
    return {
        "tenant": options.tenant,
        "id": _id(data, name, str(options.kind)),
        "sha256": hashlib.sha256(data).hexdigest(),
        "raw": data,
    }


def _id(data: bytes, name: str, kind: str) -> str:
    try:
        if kind == "policy-snapshot":
            return msgspec.json.decode(data, type=PolicySnapshot).id
        value = msgspec.json.decode(data)
    except msgspec.MsgspecError as error:
        raise ValidationError(
            f"{name} is no {kind}: {error}",
            advice="A policy snapshot has id, createdAt, policies and evaluations (finding, decision, rule).",
        ) from error
    return str(value["id"]) if isinstance(value, dict) and "id" in value else name
