"""Staging: one chunk of documents becomes Parquet files of rows, in a worker process; only counts come back."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from evidence.line import Identity, Rejected, derive
from evidence.schema import QUARANTINE, RECORDS, TABLE_OF_KIND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence.archives import Document

HISTORY = ("revision", "observed_at", "tombstone")
"""Columns that the committing process fills in."""

ORDINAL = pa.field("ordinal", pa.int64(), nullable=False)
"""Number of the line in a file of JSON lines; it decides between two documents with one key in one call."""

STAGED_RECORDS = pa.schema([each for each in RECORDS if each.name not in HISTORY]).append(ORDINAL)
STAGED_QUARANTINE = pa.schema([each for each in QUARANTINE if each.name not in HISTORY]).append(ORDINAL)


@dataclass
class Staged:
    """What became of one chunk."""

    seen: int = 0
    bytes: int = 0
    quarantined: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def stage_chunk(documents: list[Document], tenant: str, prefix: str) -> Staged:
    """Derive every document of a chunk, and write ``<prefix>-<table>.parquet`` for each table that got rows."""
    staged = Staged()
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        for table, row in _rows(document, tenant):
            _count(staged, table, row)
            tables[table].append(row)
    for table, rows in tables.items():
        schema = STAGED_QUARANTINE if table == "quarantine" else STAGED_RECORDS
        pq.write_table(pa.Table.from_pylist(rows, schema), f"{prefix}-{table}.parquet", compression="lz4")
    return staged


def _count(staged: Staged, table: str, row: dict[str, Any]) -> None:
    staged.seen += 1
    staged.bytes += len(row["raw"])
    staged.sources[row["source"]] += 1
    if table == "quarantine":
        staged.quarantined += 1
        staged.reasons[_class_of(row["reason"])] += 1
    else:
        staged.formats[row["format"]] += 1


def _class_of(reason: str) -> str:
    """Return the part of a reason that many documents share: what stands before the first colon."""
    return reason.partition(":")[0]


def _rows(document: Document, tenant: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if document.problem:
        yield "quarantine", _rejected(document, tenant, document.problem, locator=document.locator)
    elif document.lines:
        yield from _line_rows(document, tenant)
    else:
        yield _derived(document, tenant, document.data, locator=document.locator)


def _line_rows(document: Document, tenant: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Derive every line; the locator is empty, and "#n" for the second and later lines with one id."""
    seen: Counter[tuple[str, str]] = Counter()
    for number, line in enumerate(document.data.split(b"\n"), start=1):
        if not line.strip():
            continue
        table, row = _derived(document, tenant, line, locator="")
        if table == "quarantine":
            yield table, {**row, "locator": f"{document.locator}#{number}", "ordinal": number}
            continue
        seen[table, row["upstream_id"]] += 1
        times = seen[table, row["upstream_id"]]
        if times > 1:
            table, row = _derived(document, tenant, line, locator=f"#{times}")
        yield table, {**row, "ordinal": number}


def _derived(document: Document, tenant: str, data: bytes, *, locator: str) -> tuple[str, dict[str, Any]]:
    derived = derive(data, Identity(tenant, document.source, locator))
    if isinstance(derived, Rejected):
        return "quarantine", _rejected(document, tenant, derived.reason, locator=locator, data=data)
    row = derived._asdict()
    row["ordinal"] = 0
    return TABLE_OF_KIND[row["kind"]], row


def _rejected(
    document: Document, tenant: str, reason: str, *, locator: str, data: bytes | None = None
) -> dict[str, Any]:
    raw = document.data if data is None else data
    return {
        "tenant": tenant,
        "source": document.source,
        "locator": locator,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "reason": reason,
        "raw": raw,
        "ordinal": 0,
    }
