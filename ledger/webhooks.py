"""Webhooks of tenants: where they are told what their runs do."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from ledger.dead_letters import PING
from ledger.errors import PendingPingError, TooManyWebhooksError, UnknownWebhookError
from ledger.runs import lock_tenant
from ledger.tables import DELIVERIES, SUBSCRIPTIONS, WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MOST = 100
"""So many webhooks a tenant may have."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What somebody wants to be told, and where; ``secret`` is sealed already."""

    tenant: str
    webhook_id: str
    target_url: str
    events: Sequence[str]
    secret: bytes
    created_by: str
    description: str | None = None


def make_id() -> str:
    """Return an id that no webhook has."""
    return f"wh-{secrets.token_hex(10)}"


def create(connection: Connection, asked: Registration, *, now: int) -> None:
    """Add a webhook; it is told what happens from now on.

    Raises:
        TooManyWebhooksError: The tenant has MOST.
    """
    lock_tenant(connection, asked.tenant)
    mine = select(func.count()).select_from(WEBHOOKS).where(WEBHOOKS.c.tenant == asked.tenant)
    if connection.execute(mine).scalar_one() >= MOST:
        raise TooManyWebhooksError(f"tenant {asked.tenant} has {MOST} webhooks, which is all it may have")
    connection.execute(
        insert(WEBHOOKS).values(
            webhook_id=asked.webhook_id,
            tenant=asked.tenant,
            target_url=asked.target_url,
            description=asked.description,
            secret=asked.secret,
            status="active",
            created_at=now,
            created_by=asked.created_by,
            dead_streak=0,
            not_before=0,
        )
    )
    rows = [{"webhook_id": asked.webhook_id, "event": event} for event in sorted(set(asked.events))]
    connection.execute(insert(SUBSCRIPTIONS), rows)


def find(connection: Connection, webhook_id: str, *, tenant: str) -> Mapping[str, Any]:
    """Return a webhook's row, with its ``events`` and how many messages it has ``pending`` and ``dead``.

    Raises:
        UnknownWebhookError: There is no such webhook, or none of this tenant.
    """
    query = select(WEBHOOKS).where(WEBHOOKS.c.webhook_id == webhook_id, WEBHOOKS.c.tenant == tenant)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownWebhookError(f"there is no webhook {webhook_id}")
    return _complete(connection, [dict(row)])[0]


def page(connection: Connection, tenant: str, *, offset: int, limit: int) -> tuple[list[Mapping[str, Any]], int]:
    """Return some webhooks of a tenant as ``find`` does, newest first, and how many there are in all."""
    total = select(func.count()).select_from(WEBHOOKS).where(WEBHOOKS.c.tenant == tenant)
    query = (
        select(WEBHOOKS)
        .where(WEBHOOKS.c.tenant == tenant)
        .order_by(WEBHOOKS.c.created_at.desc(), WEBHOOKS.c.webhook_id.desc())
        .offset(offset)
        .limit(limit)
    )
    rows = [dict(row) for row in connection.execute(query).mappings()]
    return _complete(connection, rows), connection.execute(total).scalar_one()


def remove(connection: Connection, webhook_id: str) -> None:
    """Forget a webhook, its secret, and what waits to be sent to it."""
    for table in (WEBHOOKS, SUBSCRIPTIONS, DELIVERIES):
        connection.execute(delete(table).where(table.c.webhook_id == webhook_id))


def enable(connection: Connection, webhook_id: str) -> None:
    """Send to a webhook again."""
    values = {"status": "active", "disabled_at": None, "disabled_reason": None, "dead_streak": 0, "not_before": 0}
    connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == webhook_id).values(**values))


def ping(connection: Connection, webhook_id: str, *, now: int) -> str:
    """Write one message that tells nothing, to be sent once; return its id.

    Raises:
        PendingPingError: The last one was not sent yet.
    """
    # Whoever pings has the webhook's row: of two at once, one sees the other's.
    connection.execute(select(WEBHOOKS.c.webhook_id).where(WEBHOOKS.c.webhook_id == webhook_id).with_for_update())
    waiting = (DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.event == PING, DELIVERIES.c.state == "pending")
    if connection.execute(select(DELIVERIES.c.message_id).where(*waiting)).first() is not None:
        raise PendingPingError(f"the last ping of webhook {webhook_id} is still to be sent")
    message_id = f"msg-ping-{secrets.token_hex(10)}"
    values = {"webhook_id": webhook_id, "message_id": message_id, "event": PING, "state": "pending"}
    connection.execute(insert(DELIVERIES).values(**values, attempts=0, claim=0, next_at=now, created_at=now))
    return message_id


def dead_letters(
    connection: Connection, webhook_id: str, *, offset: int, limit: int
) -> tuple[list[Mapping[str, Any]], int]:
    """Return some messages that a webhook did not take, newest first, and how many there are in all."""
    dead = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.state == "dead")
    total = connection.execute(select(func.count()).select_from(DELIVERIES).where(dead)).scalar_one()
    order = (DELIVERIES.c.ended_at.desc(), DELIVERIES.c.message_id.desc())
    query = select(DELIVERIES).where(dead).order_by(*order).offset(offset).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()], total


def replay(connection: Connection, webhook_id: str, message_id: str | None, *, now: int) -> int:
    """Send dead letters again, one or all of them, under their old ids; return how many.

    Raises:
        UnknownWebhookError: The one that was named is none.
    """
    dead = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.state == "dead")
    if message_id is not None:
        dead &= DELIVERIES.c.message_id == message_id
    again = {"state": "pending", "attempts": 0, "next_at": now, "ended_at": None}
    count = connection.execute(update(DELIVERIES).where(dead).values(**again)).rowcount
    if message_id is not None and not count:
        raise UnknownWebhookError(f"webhook {webhook_id} has no dead letter {message_id}")
    return count


def _complete(connection: Connection, rows: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    ids = [row["webhook_id"] for row in rows]
    wanted = select(SUBSCRIPTIONS).where(SUBSCRIPTIONS.c.webhook_id.in_(ids)).order_by(SUBSCRIPTIONS.c.event)
    subscribed = [tuple(row) for row in connection.execute(wanted)]
    counted = (
        select(DELIVERIES.c.webhook_id, DELIVERIES.c.state, func.count())
        .where(DELIVERIES.c.webhook_id.in_(ids), DELIVERIES.c.state.in_(("pending", "dead")))
        .group_by(DELIVERIES.c.webhook_id, DELIVERIES.c.state)
    )
    counts = {(webhook_id, state): count for webhook_id, state, count in connection.execute(counted)}
    return [
        {
            **row,
            "events": [event for webhook_id, event in subscribed if webhook_id == row["webhook_id"]],
            "pending": counts.get((row["webhook_id"], "pending"), 0),
            "dead": counts.get((row["webhook_id"], "dead"), 0),
        }
        for row in rows
    ]
