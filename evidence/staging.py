"""Staging: one chunk of documents becomes files of rows, in a worker process; only counts come back.

A piece is an Arrow IPC file, not compressed, so that single rows can be fetched from it through a memory map. Beside
it lies a small Parquet file of its rows' keys: all comparing and sorting is done on those.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from bundle.canonical import canonical_json
from evidence.affected import AFFECTED
from evidence.line import Identity, Rejected, derive
from evidence.schema import KIND_OF_TABLE, QUARANTINE, RECORDS, TABLE_OF_KIND

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evidence.found import Document
    from evidence.line import Row

HISTORY = ("revision", "observed_at")
"""Columns that the committing process fills in."""

STAGED_RECORDS = pa.schema([each for each in RECORDS if each.name not in HISTORY])
STAGED_QUARANTINE = pa.schema([each for each in QUARANTINE if each.name not in HISTORY])
STAGED = {**dict.fromkeys(KIND_OF_TABLE, STAGED_RECORDS), "quarantine": STAGED_QUARANTINE}
"""What is staged of a row, by table."""

_DERIVED = [name for name in STAGED_RECORDS.names if name != "tombstone"]

PLACE = pa.schema([pa.field("piece", pa.int64()), pa.field("row", pa.int64())])
KEYS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("tenant", "source", "kind", "upstream_id", "locator", "sha256")),
        pa.field("key_hash", pa.binary()),
        pa.field("origin", pa.string()),  # file within its path or archive
        pa.field("file", pa.int64()),  # number of that file in this call
        pa.field("line", pa.int64()),  # number of the line in a file of JSON lines, else 0
        pa.field("bytes", pa.int64()),  # size of the row's content
        *PLACE,
    ]
)
"""What is compared and sorted of a staged row, and where the rest of it lies."""

STAGED_AFFECTED = pa.schema([*AFFECTED, *PLACE])


class Origin(NamedTuple):
    """Where a staged row comes from, for deciding between two of one key."""

    origin: str
    file: int
    line: int


class Refused(NamedTuple):
    """A document that goes to quarantine: columns of STAGED_QUARANTINE, without the tombstone."""

    tenant: str
    source: str
    locator: str
    line_number: int
    sha256: str
    key_hash: bytes
    reason: str
    raw: bytes


@dataclass
class Staged:
    """What became of one chunk."""

    seen: int = 0
    bytes: int = 0
    quarantined: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def stage_chunk(documents: list[Document], tenant: str, folder: Path, number: int) -> Staged:
    """Derive every document of a chunk, and write its pieces under the chunk's number."""
    staged = Staged(seen=len(documents), bytes=sum(len(document.data) for document in documents))
    rows: dict[str, list[tuple[Row, Origin]]] = defaultdict(list)
    refused: list[tuple[Refused, Origin]] = []
    for document in documents:
        staged.sources[document.source] += 1
        origin = Origin(document.origin, document.file, document.line)
        made = _made(document, tenant)
        if isinstance(made, Refused):
            refused.append((made, origin))
            staged.reasons[made.reason.partition(":")[0]] += 1
        else:
            rows[TABLE_OF_KIND[made.kind]].append((made, origin))
            staged.formats[made.format] += 1
    staged.quarantined = len(refused)
    write_rows(rows, folder, number)
    _write_refused(refused, folder, number)
    return staged


def _made(document: Document, tenant: str) -> Row | Refused:
    reason = document.problem
    if not reason:
        made = _derived(document.data, Identity(tenant, document.source, document.locator))
        if not isinstance(made, Rejected):
            return made
        reason = made.reason
    digest = hashlib.sha256(document.data).hexdigest()
    place = (tenant, document.source, document.origin, document.line, digest)
    key_hash = hashlib.sha256(canonical_json([*place])).digest()
    return Refused(*place, key_hash, reason, document.data)


def _derived(data: bytes, identity: Identity) -> Row | Rejected:
    """Derive a row; a document that takes more memory than there is must not end the whole ingest."""
    try:
        return derive(data, identity)
    except MemoryError:
        return Rejected("there is not enough memory to read the document")


def write_rows(tables: dict[str, list[tuple[Row, Origin]]], folder: Path, number: int) -> None:
    """Write the rows of a chunk: a piece and its keys for every table, and what the advisories affect."""
    for table, pairs in tables.items():
        rows = [row for row, _ in pairs]
        columns: dict[str, Any] = {name: [getattr(row, name) for row in rows] for name in _DERIVED}
        columns["tombstone"] = [False] * len(rows)
        piece = pa.Table.from_pydict(columns, STAGED_RECORDS)
        sizes = [len(row.line) + len(row.raw) for row in rows]
        write_piece(piece, (folder, table, number), [origin for _, origin in pairs], sizes)
        affected = [{**each, "piece": number, "row": place} for place, row in enumerate(rows) for each in row.affected]
        if affected:
            path = folder / f"{number:08d}-{table}.affected.parquet"
            pq.write_table(pa.Table.from_pylist(affected, STAGED_AFFECTED), path, compression="lz4")


def _write_refused(pairs: list[tuple[Refused, Origin]], folder: Path, number: int) -> None:
    if pairs:
        piece = pa.Table.from_pylist([{**row._asdict(), "tombstone": False} for row, _ in pairs], STAGED_QUARANTINE)
        sizes = [len(row.raw) for row, _ in pairs]
        write_piece(piece, (folder, "quarantine", number), [origin for _, origin in pairs], sizes)


def write_piece(piece: pa.Table, place: tuple[Path, str, int], origins: Iterable[Origin], sizes: list[int]) -> None:
    """Write a piece and its keys.

    Args:
        piece: Rows of STAGED_RECORDS or STAGED_QUARANTINE.
        place: Folder, table and number of the piece.
        origins: Where each row comes from.
        sizes: Bytes of each row's content.
    """
    folder, table, number = place
    path = folder / f"{number:08d}-{table}"
    with pa.OSFile(f"{path}.arrow", "wb") as file, pa.ipc.new_file(file, piece.schema) as writer:
        writer.write_table(piece)
    columns: dict[str, Any] = {name: piece.column(name) for name in KEYS.names if name in piece.schema.names}
    made = [*zip(*origins, strict=True)]
    columns |= {name: list(made[index]) for index, name in enumerate(Origin._fields)}
    columns |= {"bytes": sizes, "piece": [number] * piece.num_rows, "row": list(range(piece.num_rows))}
    filled = {name: columns.get(name, pa.nulls(piece.num_rows, KEYS.field(name).type)) for name in KEYS.names}
    pq.write_table(pa.Table.from_pydict(filled, KEYS), f"{path}.keys.parquet", compression="lz4")
