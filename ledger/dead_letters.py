"""Dead letters: messages that a webhook did not take, kept in the event log beside the events of their runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select, update

from ledger import audit
from ledger.tables import DELIVERIES, EVENTS, RUNS, WEBHOOKS
from ledger.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlalchemy import Connection

PING = "webhook.ping"
DEAD_LETTER = "webhook.dead-letter"
SYSTEM = "system"


def disable(connection: Connection, webhook_id: str, reason: str, *, now: int) -> None:
    """Send nothing to a webhook any more; what waits becomes dead letters, which can be replayed later."""
    mine = (WEBHOOKS.c.webhook_id == webhook_id) & (WEBHOOKS.c.status == "active")
    values = {"status": "disabled", "disabled_at": now, "disabled_reason": reason}
    tenant = connection.execute(update(WEBHOOKS).where(mine).values(**values).returning(WEBHOOKS.c.tenant))
    found = tenant.scalar_one_or_none()
    if found is None:
        return
    waiting = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.state == "pending") & (DELIVERIES.c.event != PING)
    ended = {"state": "dead", "next_at": None, "ended_at": now, "last_error": f"the webhook was disabled: {reason}"}
    dead = update(DELIVERIES).where(waiting).values(**ended).returning(DELIVERIES.c.message_id)
    for message_id in sorted(connection.execute(dead).scalars()):
        record(connection, webhook_id, message_id, now)
    entry = audit.Entry(
        tenant=found, actor=SYSTEM, action="webhook.disable", target=webhook_id, data={"reason": reason}
    )
    audit.record(connection, entry, now=now)


def record(connection: Connection, webhook_id: str, message_id: str, now: int) -> None:
    """Keep a dead letter in the event log, beside its run's events and in none of its streams."""
    mine = (DELIVERIES.c.webhook_id == webhook_id) & (DELIVERIES.c.message_id == message_id)
    row = dict(connection.execute(select(DELIVERIES).where(mine)).mappings().one())
    # Locking the run's row lets one dead letter of a run take its number at a time.
    run = select(RUNS.c.run_id).where(RUNS.c.run_id == row["run_id"]).with_for_update()
    if connection.execute(run).first() is None:
        return
    letters = (EVENTS.c.run_id == row["run_id"]) & (EVENTS.c.kind == "webhook")
    last = connection.execute(select(func.coalesce(func.max(EVENTS.c.seq), 0)).where(letters)).scalar_one()
    text = json.dumps(_told(row, now), ensure_ascii=False, separators=(",", ":"))
    values = {"run_id": row["run_id"], "seq": last + 1, "kind": "webhook", "type": DEAD_LETTER, "data": text, "at": now}
    connection.execute(insert(EVENTS).values(**values))


def _told(row: Mapping[str, Any], now: int) -> dict[str, Any]:
    return {
        "runId": row["run_id"],
        "webhookId": row["webhook_id"],
        "messageId": row["message_id"],
        "event": row["event"],
        "attempts": row["attempts"],
        "lastStatus": row["last_status"],
        "lastError": row["last_error"],
        "timestamp": format_time(now),
    }
