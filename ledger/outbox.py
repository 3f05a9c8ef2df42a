"""The outbox of webhooks: what is to be sent is written in the transaction of the event it tells.

So a crash loses nothing; what a crash can do is have a message sent twice, with the same id. A message is claimed
before it is sent, and its webhook with it: one sender at a time talks to a webhook, however many servers there are, and
few at a time to those of one tenant, so slow receivers of one do not keep all senders from the others'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import String, and_, delete, func, insert, literal, or_, select, true, update

from ledger.dead_letters import PING, disable, record
from ledger.tables import DELIVERIES, EVENTS, RUNS, SUBSCRIPTIONS, WEBHOOKS
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Select

LEASE_SECONDS = 60
"""A server that dies while it sends is replaced after so long; no sending takes longer."""

MOST_OF_A_TENANT = 2
"""So many webhooks of a tenant are sent to at a time, half of what a server can; one more for each server that claims
in the same instant."""

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
    """What is to be sent now to a webhook of a query around this one: nothing but pings when it is disabled."""
    wanted = or_(WEBHOOKS.c.status == "active", DELIVERIES.c.event == PING)
    return and_(DELIVERIES.c.webhook_id == WEBHOOKS.c.webhook_id, DELIVERIES.c.next_at <= now, wanted)


def _awake(now: int) -> Select[Any]:
    due = select(DELIVERIES.c.message_id).where(_due(now)).correlate(WEBHOOKS).exists()
    free = (WEBHOOKS.c.not_before <= now, WEBHOOKS.c.tenant.not_in(_occupied(now)), due)
    # The one that was sent to longest ago: a long backlog of one does not keep the others waiting.
    return select(WEBHOOKS).where(*free).order_by(WEBHOOKS.c.not_before).limit(1)


def _occupied(now: int) -> Select[Any]:
    """Return the tenants who have as many senders as they may."""
    at_work = WEBHOOKS.alias()
    many = func.count() >= MOST_OF_A_TENANT
    return select(at_work.c.tenant).where(at_work.c.sending_until > now).group_by(at_work.c.tenant).having(many)


def is_due(connection: Connection, *, now: int) -> bool:
    """Whether there is anything to send now; asked often, so it only reads."""
    return connection.execute(_awake(now)).first() is not None


def claim(connection: Connection, *, now: int) -> Message | None:
    """Take a message that is due; nobody else sends to its webhook for LEASE_SECONDS, or until it is noted."""
    query = _awake(now)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True, key_share=True)
    webhook = connection.execute(query).mappings().one_or_none()
    if webhook is None:
        return None
    oldest = (
        select(DELIVERIES)
        .join(WEBHOOKS, _due(now))
        .where(WEBHOOKS.c.webhook_id == webhook["webhook_id"])
        .order_by(DELIVERIES.c.next_at, DELIVERIES.c.created_at, DELIVERIES.c.seq)
        .limit(1)
    )
    row = connection.execute(oldest).mappings().one_or_none()
    if row is None:
        return None
    until, turn = now + LEASE_SECONDS * SECOND, row["claim"] + 1
    mine = _mine(row["webhook_id"], row["message_id"])
    connection.execute(update(DELIVERIES).where(mine).values(next_at=until, claim=turn))
    lease = {"not_before": until, "sending_until": until}
    connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == row["webhook_id"]).values(**lease))
    found = {**webhook, **row, "claim": turn, "data": _data(connection, row["run_id"], row["seq"])}
    return Message(**{name: found[name] for name in Message._fields})


def _data(connection: Connection, run_id: str | None, seq: int | None) -> str | None:
    """Return what an event tells, None when it is not kept any more; a ping tells nothing."""
    if run_id is None:
        return "{}"
    told = select(EVENTS.c.data).where(EVENTS.c.run_id == run_id, EVENTS.c.kind == "run", EVENTS.c.seq == seq)
    found: str | None = connection.execute(told).scalar_one_or_none()
    return found


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
    # Everybody takes the webhook's row before those of its messages, so nobody waits for each other.
    webhook = select(WEBHOOKS.c.webhook_id).where(WEBHOOKS.c.webhook_id == sent.webhook_id)
    connection.execute(webhook.with_for_update(key_share=True))
    # What arrived has arrived, whoever's turn it is; only failures of somebody who is too late count for nothing.
    turn = true() if values.get("state") == "delivered" else DELIVERIES.c.claim == sent.claim
    mine = update(DELIVERIES).where(_mine(sent.webhook_id, sent.message_id), DELIVERIES.c.state == "pending", turn)
    noted = {"attempts": sent.attempts + 1, "last_at": now, "last_status": attempt.status, "last_error": attempt.error}
    return connection.execute(mine.values(**noted, **values)).rowcount == 1


def _release(connection: Connection, sent: Message, attempt: Attempt, *, until: int, now: int, **values: Any) -> None:
    noted = {
        "not_before": until,
        "sending_until": None,
        "last_at": now,
        "last_message": sent.message_id,
        "last_status": attempt.status,
        "last_error": attempt.error,
    }
    connection.execute(update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == sent.webhook_id).values(**noted, **values))
