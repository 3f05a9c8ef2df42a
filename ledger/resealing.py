"""Exchanging the key that seals secrets: what is sealed with an older one is sealed anew, while servers go on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, update

from ledger.idempotency import SEALED
from ledger.tables import IDEMPOTENCY, WEBHOOKS

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table

    from ledger.database import Ledger
    from ledger.vault import Vault


class Sealed(NamedTuple):
    """One sealed thing: where it lies, what it is bound to, and its bytes."""

    table: Table
    column: str
    row: ColumnElement[bool]
    bound: tuple[str, ...]
    sealed: bytes


def everything(connection: Connection) -> list[Sealed]:
    """Return all that is sealed: secrets of webhooks, and answers that tell one, kept for repeated requests."""
    hooks = select(WEBHOOKS.c.tenant, WEBHOOKS.c.webhook_id, WEBHOOKS.c.secret)
    found = [
        Sealed(WEBHOOKS, "secret", WEBHOOKS.c.webhook_id == webhook_id, (tenant, webhook_id), secret)
        for tenant, webhook_id, secret in connection.execute(hooks)
    ]
    answers = select(IDEMPOTENCY.c.scope, IDEMPOTENCY.c.headers, IDEMPOTENCY.c.body)
    marked = answers.where(IDEMPOTENCY.c.headers.like(f'%"{SEALED}"%'))
    return found + [
        Sealed(IDEMPOTENCY, "body", IDEMPOTENCY.c.scope == scope, (scope,), body)
        for scope, headers, body in connection.execute(marked)
        if SEALED in json.loads(headers)
    ]


def openers(ledger: Ledger, vault: Vault) -> list[int | None]:
    """Return for all that is sealed which key opens it, 0 for the one that seals; None for what none opens."""
    with ledger.reading() as connection:
        return [vault.opener(each.sealed, *each.bound) for each in everything(connection)]


def reseal(ledger: Ledger, vault: Vault) -> int:
    """Seal with the first key what an older one opens; return how much that was."""
    with ledger.reading() as connection:
        old = [each for each in everything(connection) if vault.opener(each.sealed, *each.bound)]
    for each in old:
        _replace(ledger, each, vault.seal(vault.open(each.sealed, *each.bound), *each.bound))
    return len(old)


def _replace(ledger: Ledger, old: Sealed, anew: bytes) -> None:
    # Nothing happens to what was removed or replaced meanwhile.
    same = old.row & (old.table.c[old.column] == old.sealed)
    with ledger.writing() as connection:
        connection.execute(update(old.table).where(same).values({old.column: anew}))
