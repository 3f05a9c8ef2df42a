"""The audit table: every mutation of a tenant's things, each row carrying the digest of the one before.

Whoever changes, removes or inserts a row breaks the chain at that row; ``verify`` says where.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, text

from ledger.tables import AUDIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

FIRST = "0" * 64


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was done: by whom, in which tenant, to what."""

    tenant: str
    actor: str
    action: str
    target: str
    data: Mapping[str, Any] = field(default_factory=dict)


def record(connection: Connection, entry: Entry, *, now: int) -> None:
    """Add a row, in the transaction of what it tells."""
    tenant = entry.tenant
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 11))"), {"tenant": tenant})
    query = select(AUDIT.c.seq, AUDIT.c.digest).where(AUDIT.c.tenant == tenant).order_by(AUDIT.c.seq.desc()).limit(1)
    seq, previous = connection.execute(query).one_or_none() or (0, FIRST)
    row = {
        "tenant": tenant,
        "seq": seq + 1,
        "at": now,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "data": json.dumps(dict(entry.data), ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        "previous": previous,
    }
    connection.execute(insert(AUDIT).values(**row, digest=_digest(row)))


def verify(connection: Connection, tenant: str) -> int | None:
    """Return the seq of the first row that is not as it was written, or None when the chain holds."""
    previous, expected = FIRST, 1
    query = select(AUDIT).where(AUDIT.c.tenant == tenant).order_by(AUDIT.c.seq)
    for found in connection.execute(query).mappings():
        row = {name: value for name, value in found.items() if name != "digest"}
        if row["seq"] != expected or row["previous"] != previous or _digest(row) != found["digest"]:
            return expected
        previous, expected = found["digest"], expected + 1
    return None


def _digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(row, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
