"""The outbox of webhooks: what is to be sent is written in the transaction of the event it tells.

So a crash loses nothing; what a crash can do is have a message sent twice, with the same id. A message is claimed
before it is sent, and its webhook with it: one sender at a time talks to a webhook, however many servers there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import String, and_, delete, insert, literal, or_, select, true, update

from ledger.dead_letters import PING, disable, record
from ledger.tables import DELIVERIES, EVENTS, RUNS, SUBSCRIPTIONS, WEBHOOKS
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Select

LEASE_SECONDS = 60
"""A server that dies while it sends is replaced after so long; no sending takes longer."""

DEAD_STREAK = 3
"""So many dead letters without a success between them disable a webhook."""

KEPT = 30 * DAY_SECONDS * SECOND
"""How long it is remembered what was delivered, in microseconds."""


class Message(NamedTuple):
    """One message that this process is to send now; ``data`` is the event's JSON, None when it is not kept any more."""

    webhook_id: str
    tenant: str
    target_url: str
    secret: bytes
    message_id: str
    event: str
    run_id: str | None
    attempts: int
    claim: int
    created_at: int
    data: str | None


class Attempt(NamedTuple):
    """How sending went: the status of the answer, None when there was none, and what was wrong."""

    status: int | None
    error: str | None = None


def enqueue(connection: Connection, run_id: str, seq: int, event: str, *, now: int) -> None:
    """Write what is to be sent of an event, for each active webhook of the run's tenant that wants it."""
    wanted = (
        select(
            WEBHOOKS.c.webhook_id,
            literal(f"msg-{run_id}-{seq}", String),
            literal(event, String),
            RUNS.c.run_id,
            literal(seq),
            literal("pending", String),
            literal(0),
            literal(0),
            literal(now, DELIVERIES.c.next_at.type),
            literal(now, DELIVERIES.c.created_at.type),
        )
        .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.webhook_id == WEBHOOKS.c.webhook_id)
        .join(RUNS, RUNS.c.tenant == WEBHOOKS.c.tenant)
        .where(RUNS.c.run_id == run_id, WEBHOOKS.c.status == "active", SUBSCRIPTIONS.c.event == event)
    )
    names = [
        "webhook_id", "message_id", "event", "run_id", "seq", "state", "attempts", "claim", "next_at", "created_at",
    ]  # fmt: skip
    connection.execute(insert(DELIVERIES).from_select(names, wanted))


def _due(now: int) -> ColumnElement[bool]:
    return and_(
        DELIVERIES.c.next_at <= now,
        WEBHOOKS.c.not_before <= now,
        or_(WEBHOOKS.c.status == "active", DELIVERIES.c.event == PING),
    )


def _joined(query: Select[Any]) -> Select[Any]:
    return query.join_from(DELIVERIES, WEBHOOKS, WEBHOOKS.c.webhook_id == DELIVERIES.c.webhook_id)


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether there is anything to send now; asked often, so it only reads."""
    return connection.execute(_joined(select(DELIVERIES.c.message_id)).where(_due(now)).limit(1)).first() is not None


def claim(connection: Connection, *, now: int) -> Message | None:
    """Take the message that waits longest; nobody else sends to its webhook for LEASE_SECONDS, or until it is noted."""
    query = (
        _joined(select(DELIVERIES, WEBHOOKS.c.tenant, WEBHOOKS.c.target_url, WEBHOOKS.c.secret))
        .where(_due(now))
        .order_by(DELIVERIES.c.next_at, DELIVERIES.c.created_at, DELIVERIES.c.seq)
        .limit(1)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, key_share=True)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    until = now + LEASE_SECONDS * SECOND
    turn = row["claim"] + 1
    connection.execute(
        update(DELIVERIES).where(_mine(row["webhook_id"], row["message_id"])).values(next_at=until, claim=turn)
    )
    connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == row["webhook_id"]).values(not_before=until))
    told = select(EVENTS.c.data).where(
        EVENTS.c.run_id == row["run_id"], EVENTS.c.kind == "run", EVENTS.c.seq == row["seq"]
    )
    data = "{}" if row["event"] == PING else connection.execute(told).scalar_one_or_none()
    found = {name: row[name] for name in Message._fields if name != "data"}
    return Message(**{**found, "claim": turn, "data": data})


def succeed(connection: Connection, sent: Message, attempt: Attempt, *, now: int) -> bool:
    """Note that a message arrived; return False when that was known, or nobody wants to know any more."""
    values = {"state": "delivered", "next_at": None, "ended_at": now}
    if not _note(connection, sent, attempt, values, now):
        return False
    _release(connection, sent, attempt, until=now, now=now, dead_streak=0)
    return True


def retry(connection: Connection, sent: Message, attempt: Attempt, *, delay: int, rest: int, now: int) -> bool:
    """Note that a message did not arrive, and is to be sent again; return False when it is another's turn.

    Args:
        connection: A transaction that writes.
        sent: The message.
        attempt: How it went.
        delay: When to try again, in microseconds from now.
        rest: How long to send nothing at all to this webhook, in microseconds.
        now: The time.
    """
    if not _note(connection, sent, attempt, {"next_at": now + delay}, now):
        return False
    _release(connection, sent, attempt, until=now + rest, now=now)
    return True


def give_up(connection: Connection, sent: Message, attempt: Attempt, *, disable_for: str | None, now: int) -> bool:
    """Note that a message will not arrive: a dead letter, unless it was a ping; return False when it is another's turn.

    Args:
        connection: A transaction that writes.
        sent: The message.
        attempt: How the last attempt went.
        disable_for: Why its webhook gets nothing any more; None leaves that to the streak of dead letters.
        now: The time.
    """
    is_ping = sent.event == PING
    values = {"state": "failed" if is_ping else "dead", "next_at": None, "ended_at": now}
    if not _note(connection, sent, attempt, values, now):
        return False
    streak = {} if is_ping else {"dead_streak": WEBHOOKS.c.dead_streak + 1}
    _release(connection, sent, attempt, until=now, now=now, **streak)
    if not is_ping:
        record(connection, sent.webhook_id, sent.message_id, now)
    reached = select(WEBHOOKS.c.dead_streak).where(WEBHOOKS.c.webhook_id == sent.webhook_id)
    if disable_for is None and not is_ping and connection.execute(reached).scalar_one() >= DEAD_STREAK:
        disable_for = "dead-letters"
    if disable_for is not None:
        disable(connection, sent.webhook_id, disable_for, now=now)
    return True


def forget_old(connection: Connection, *, now: int) -> int:
    """Remove what was delivered long ago, and what belongs to no webhook any more; return how many messages."""
    known = select(WEBHOOKS.c.webhook_id)
    ended = DELIVERIES.c.state.in_(("delivered", "failed")) & (DELIVERIES.c.ended_at < now - KEPT)
    gone = delete(DELIVERIES).where(or_(ended, DELIVERIES.c.webhook_id.not_in(known)))
    return connection.execute(gone).rowcount


def _mine(webhook_id: str, message_id: str) -> ColumnElement[bool]:
    return and_(DELIVERIES.c.webhook_id == webhook_id, DELIVERIES.c.message_id == message_id)


def _note(connection: Connection, sent: Message, attempt: Attempt, values: Mapping[str, Any], now: int) -> bool:
    # What arrived has arrived, whoever's turn it is; only failures of somebody who is too late count for nothing.
    turn = true() if values.get("state") == "delivered" else DELIVERIES.c.claim == sent.claim
    mine = update(DELIVERIES).where(_mine(sent.webhook_id, sent.message_id), DELIVERIES.c.state == "pending", turn)
    noted = {"attempts": sent.attempts + 1, "last_at": now, "last_status": attempt.status, "last_error": attempt.error}
    return connection.execute(mine.values(**noted, **values)).rowcount == 1


def _release(connection: Connection, sent: Message, attempt: Attempt, *, until: int, now: int, **values: Any) -> None:
    noted = {
        "not_before": until,
        "last_at": now,
        "last_message": sent.message_id,
        "last_status": attempt.status,
        "last_error": attempt.error,
    }
    connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == sent.webhook_id).values(**noted, **values))
