"""Policy snapshots and VEX consensus documents: kept as given, under their own id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from bundle.lines import Evaluation
from evidence.database import check_bytes, fetch, open_database
from evidence.document import JSON, Unreadable, parse
from evidence.errors import ValidationError
from evidence.schema import DOCUMENTS
from evidence.times import parse_time
from evidence.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.found import Document
    from evidence.ingest import IngestOptions
    from evidence.store import Snapshot, Store

TABLES = {"policy-snapshot": "policy_snapshots", "vex-consensus": "consensus"}
"""Tables by the ``--kind`` that fills them."""

ADVICE = {
    "policy-snapshot": "It is a JSON object with id, createdAt (a time), policies (a list) and evaluations (a list of"
    " objects with finding, decision and rule).",
    "vex-consensus": "It is a JSON document; its id is a text in the field id or @id, else the file's name.",
}


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
        StorageError: The store cannot be read or written; nothing new is visible.
    """
    if options.kind not in TABLES:
        raise ValidationError(f"--kind {options.kind!r} is not known", advice=f"Known: {', '.join(TABLES)}.")
    table = TABLES[options.kind]
    given = [(document, _id(document, options.kind)) for document in walk(paths, "documents")]
    chosen = {name: document.data for document, name in sorted(given, key=_last)}
    with store.writing() as writing:
        snapshot = writing.previous
        present = _digests(store, snapshot, table, options.tenant)
        fresh = {name: data for name, data in chosen.items() if present.get(name) != _digest(data)}
        if fresh:
            history = {"tenant": options.tenant, "revision": writing.revision, "observed_at": options.observed_at}
            rows = [{**history, "id": name, "sha256": _digest(data), "raw": data} for name, data in fresh.items()]
            writing.append(table, pa.Table.from_pylist(rows, DOCUMENTS).to_reader())
            snapshot = writing.commit(options.observed_at)
    superseded = sum(document.data != chosen[name] for document, name in given)
    counts = {"seen": len(given), "stored": len(fresh), "superseded": superseded, "snapshot": snapshot.id}
    return {**counts, "unchanged": len(given) - len(fresh) - superseded}


def find(store: Store, snapshot: Snapshot, table: str, tenant: str, document_id: str) -> StoredDocument | None:
    """Return the newest document with an id at a snapshot, or None when there is none.

    Raises:
        StorageError: The store cannot be read, or the document's bytes are not those that were stored.
    """
    query = "SELECT id, sha256, raw FROM rows WHERE tenant = ? AND id = ? ORDER BY revision DESC LIMIT 1"
    with open_database() as connection:
        connection.register("rows", store.rows(snapshot, table))
        rows = fetch(connection, query, [tenant, document_id])
    if not rows:
        return None
    document = StoredDocument(*rows[0])
    check_bytes(document.document, document.sha256, document.id)
    return document


def _digests(store: Store, snapshot: Snapshot, table: str, tenant: str) -> dict[str, str]:
    """Return the SHA-256 of a tenant's current documents by id."""
    query = "SELECT id, arg_max(sha256, revision) FROM rows WHERE tenant = ? GROUP BY id"
    with open_database() as connection:
        connection.register("rows", store.rows(snapshot, table))
        return dict(fetch(connection, query, [tenant]))


def _last(given: tuple[Document, str]) -> tuple[bytes, int, str]:
    """Order two documents of one id: the last file, line and SHA-256 counts."""
    document = given[0]
    return document.origin.encode(), document.line, _digest(document.data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _id(document: Document, kind: str) -> str:
    """Return the id that a document is kept under.

    Raises:
        ValidationError: It is not of its kind; where and why.
    """
    name = f"{document.origin}#{document.line}" if document.line else document.origin
    if document.problem:
        raise ValidationError(f"{name}: {document.problem}", advice="Nothing was stored.")
    parsed = parse(document.data)
    if isinstance(parsed, Unreadable):
        raise ValidationError(f"{name} is no {kind}: {parsed.reason}", advice=ADVICE[kind])
    if parsed.media_type != JSON:
        raise ValidationError(f"{name} is no {kind}: it is no JSON", advice=ADVICE[kind])
    try:
        return _policy_id(document.data) if kind == "policy-snapshot" else _consensus_id(parsed.value, name)
    except msgspec.MsgspecError as error:
        raise ValidationError(f"{name} is no {kind}: {error}", advice=ADVICE[kind]) from error


def _policy_id(data: bytes) -> str:
    """Return a policy snapshot's id once all of it is as it should be."""
    policy = msgspec.json.decode(data, type=PolicySnapshot)
    if not policy.id:
        raise msgspec.ValidationError("the id is empty - at `$.id`")
    if parse_time(policy.created_at) is None:
        raise msgspec.ValidationError(f"{policy.created_at!r} is no time - at `$.createdAt`")
    return policy.id


def _consensus_id(value: Any, name: str) -> str:
    stated = (value.get("id"), value.get("@id")) if isinstance(value, dict) else ()
    return next((each for each in stated if isinstance(each, str) and each), name)
