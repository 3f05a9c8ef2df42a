"""Idempotency keys: the same request twice is done once, and answered twice alike.

A key's row is written in the same transaction as what the work changes. So a crash leaves either both or none of them,
and a second request with the key, which waits for the first, finds either the stored answer or nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, text

from ledger.errors import KeyReusedError
from ledger.tables import IDEMPOTENCY
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

KEPT = 2 * DAY_SECONDS * SECOND
"""How long an answer is kept, in microseconds."""

SEALED = "sealed"
"""Header of a kept answer that tells a secret, and so lies here sealed, bound to its key's scope; it never leaves."""


@dataclass(frozen=True)
class Key:
    """A key in its scope, and what the request with it asks.

    Attributes:
        scope: SHA-256 of tenant, client, route and key.
        fingerprint: SHA-256 of method, path and canonical body.
    """

    scope: str
    fingerprint: str


@dataclass(frozen=True)
class Answer:
    """A stored answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def make_key(*, tenant: str, client: str, method: str, path: str, key: str, body: bytes) -> Key:
    """Return a key; ``body`` is canonical already."""
    scope = json.dumps([tenant, client, method, path, key.lower()]).encode()
    return Key(
        hashlib.sha256(scope).hexdigest(),
        hashlib.sha256(method.encode() + b" " + path.encode() + b"\n" + body).hexdigest(),
    )


def take(connection: Connection, key: Key) -> None:
    """Let one request with a key be at work at a time, until its transaction ends; SQLite has one writer anyway.

    Raises:
        sqlalchemy.exc.OperationalError: The one before takes too long (`ledger.database.is_busy`).
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:scope, 11))"), {"scope": key.scope})


def stored(connection: Connection, key: Key) -> Answer | None:
    """Return the answer to an earlier request with this key.

    Raises:
        KeyReusedError: That was another request.
    """
    query = select(IDEMPOTENCY).where(IDEMPOTENCY.c.scope == key.scope)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        raise KeyReusedError("this Idempotency-Key was used for another request")
    return Answer(row["status"], json.loads(row["headers"]), row["body"])


def store(connection: Connection, key: Key, answer: Answer, *, now: int) -> None:
    """Keep an answer, in the transaction of what it tells.

    Raises:
        sqlalchemy.exc.IntegrityError: Another request with this key was faster; nothing of this one may be kept.
    """
    connection.execute(
        insert(IDEMPOTENCY).values(
            scope=key.scope,
            fingerprint=key.fingerprint,
            status=answer.status,
            headers=json.dumps(dict(answer.headers)),
            body=answer.body,
            created_at=now,
        )
    )


def forget_old(connection: Connection, *, now: int) -> int:
    """Remove answers that are no longer kept; return how many."""
    return connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.created_at < now - KEPT)).rowcount
