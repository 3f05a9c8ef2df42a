"""What becomes of a run: every change of state with the event that tells it, in one transaction.

The first terminal event wins. Whoever comes later, a worker that finished, a reconciler, somebody who cancels, changes
nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from ledger import distributions, events, tallies
from ledger.errors import FinishedError
from ledger.runs import find
from ledger.tables import ACTIVE, RUNS, TERMINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

SYSTEM = "system"
"""Who cancels when Prefect does, and nobody has asked here."""


def start(connection: Connection, run_id: str, *, flow_run_id: str | None, attempt: int = 0, now: int) -> bool:
    """Say that a run's process is at work; return False when the run is over already, or another process's.

    ``attempt`` is how often the run had been lost when the process was asked for: one that begins late finds that the
    run was lost once more meanwhile.
    """
    values: dict[str, Any] = {"status": "running", "started_at": now, "heartbeat_at": now, "dispatch_at": None}
    mine = (RUNS.c.run_id == run_id) & RUNS.c.status.in_(ACTIVE) & (RUNS.c.losses == attempt)
    if flow_run_id is not None:
        values["flow_run_id"] = flow_run_id
        # Whoever copies a flow run in Prefect copies the run's id with it.
        mine &= RUNS.c.flow_run_id.is_(None) | (RUNS.c.flow_run_id == flow_run_id)
    return connection.execute(update(RUNS).where(mine).values(**values)).rowcount == 1


def heartbeat(connection: Connection, run_id: str, *, now: int) -> bool:
    """Say that a run's process is alive; return False when the run is over, and the process need not go on."""
    return _change(connection, run_id, ACTIVE, {"heartbeat_at": now})


def release(connection: Connection, run_id: str) -> bool:
    """Say that a run's process was made to end, left nothing, and could begin anew; return False when it is over."""
    return _change(connection, run_id, ACTIVE, {"heartbeat_at": None})


def is_released(row: Mapping[str, Any]) -> bool:
    """Whether a run has begun, and nobody is at work at it any more."""
    return row["status"] == "running" and row["heartbeat_at"] is None


def progress(
    connection: Connection, run_id: str, state: Mapping[str, Any], event: Mapping[str, Any], *, now: int
) -> bool:
    """Keep how far a run is, and tell it; return False when the run is over."""
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"))
    if not _change(connection, run_id, ACTIVE, {"progress": text, "heartbeat_at": now}):
        return False
    events.append(connection, run_id, events.PROGRESS, event, now=now)
    return True


def tell(connection: Connection, run_id: str, kind: str, event: Mapping[str, Any], *, now: int) -> bool:
    """Add an event that changes no state; return False when the run is over."""
    if not _change(connection, run_id, ACTIVE, {"heartbeat_at": now}):
        return False
    events.append(connection, run_id, kind, event, now=now)
    return True


def succeed(  # noqa: PLR0913 - what is to be known of a run that went well
    connection: Connection,
    run_id: str,
    *,
    records: int,
    content_digest: str,
    event: Mapping[str, Any],
    now: int,
    as_of: str | None = None,
) -> bool:
    """End a run well; ``as_of`` is that of its bundle."""
    values = {"status": "success", "ended_at": now, "records": records, "content_digest": content_digest}
    values["as_of"] = as_of
    return _end(connection, run_id, values, events.SUCCEEDED, event, now)


def fail(connection: Connection, run_id: str, *, error_code: str, error: Mapping[str, Any], now: int) -> bool:
    """End a run that failed.

    Args:
        connection: A transaction that writes.
        run_id: The run.
        error_code: As the API states it, such as "signing".
        error: ``code``, ``message`` and ``details`` of the error model.
        now: The time.
    """
    text = json.dumps(error, ensure_ascii=False, separators=(",", ":"))
    values = {"status": "failed", "ended_at": now, "error_code": error_code, "error": text}
    return _end(connection, run_id, values, events.FAILED, {"errorCode": error_code, "error": error}, now)


def request_cancel(connection: Connection, run_id: str, *, tenant: str, by: str, reason: str | None, now: int) -> bool:
    """Note that somebody wants a run to end; return whether that was news.

    A run that no engine knows yet ends here and now. Any other ends when its process has.

    Raises:
        UnknownRunError: There is no such run, or none of this tenant.
        FinishedError: It is over.
    """
    row = find(connection, run_id, tenant=tenant)
    if row["status"] in TERMINAL:
        raise FinishedError(run_id, row["status"])
    if row["cancel_requested_at"] is not None:
        return False
    values = {"cancel_requested_at": now, "canceled_by": by, "cancel_reason": reason}
    if not _change(connection, run_id, ACTIVE, values):
        raise FinishedError(run_id, find(connection, run_id, tenant=tenant)["status"])
    # Nothing is dispatched from now on; a dispatcher that is just at it finds the run over, and cancels there.
    undispatched = update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.status == "pending", RUNS.c.flow_run_id.is_(None))
    if connection.execute(undispatched.values(dispatch_at=None)).rowcount:
        cancel(connection, run_id, now=now)
    return True


def cancel(connection: Connection, run_id: str, *, now: int) -> bool:
    """End a run that was canceled, in the name of whoever asked for it."""
    row = find(connection, run_id, tenant=None)
    by, reason = row["canceled_by"] or SYSTEM, row["cancel_reason"]
    values = {"status": "canceled", "ended_at": now, "canceled_by": by, "cancel_reason": reason}
    return _end(connection, run_id, values, events.CANCELED, {"canceledBy": by, "reason": reason}, now)


def _end(
    connection: Connection, run_id: str, values: Mapping[str, Any], kind: str, event: Mapping[str, Any], now: int
) -> bool:
    if not _change(connection, run_id, ACTIVE, {**values, "dispatch_at": None}):
        return False
    if values["status"] != "success":
        distributions.withdraw(connection, run_id)
    events.append(connection, run_id, kind, event, now=now)
    tallies.ended(connection, run_id, size=event.get("bytes"), now=now)
    return True


def _change(connection: Connection, run_id: str, before: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    changed = update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.status.in_(before)).values(**values)
    return connection.execute(changed).rowcount == 1
