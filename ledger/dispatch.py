"""What is to be handed to the engine: rows are claimed for a while, so that several servers never do the same twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from ledger.tables import ACTIVE, RUNS
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

CLAIM_SECONDS = 30
"""A server that dies while it dispatches is replaced after so long."""

SLOWEST_SECONDS = 5

MOST_LOSSES = 3
"""A run whose process ends so often before it begins is not handed over again."""

MOST_RESTARTS = 30
"""Nor is one that was lost so often because the service, or what stands beside it, was started again."""


def claim(connection: Connection, *, now: int, limit: int = 20) -> list[Mapping[str, Any]]:
    """Take runs that are to be dispatched now, the oldest first; nobody else gets them for CLAIM_SECONDS."""
    query = (
        select(RUNS)
        .where(RUNS.c.dispatch_at <= now, RUNS.c.status == "pending")
        .order_by(RUNS.c.created_at, RUNS.c.run_id)
        .limit(limit)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    rows: list[Mapping[str, Any]] = [dict(row) for row in connection.execute(query).mappings()]
    for row in rows:
        claimed = {"dispatch_at": now + CLAIM_SECONDS * SECOND, "dispatch_tries": row["dispatch_tries"] + 1}
        connection.execute(update(RUNS).where(RUNS.c.run_id == row["run_id"]).values(**claimed))
    return rows


def dispatched(connection: Connection, run_id: str, flow_run_id: str) -> bool:
    """Note the engine's id of a run; return False when the run ended meanwhile, and the engine must hear of it."""
    values = {"flow_run_id": flow_run_id, "dispatch_at": None}
    changed = update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.status.in_(ACTIVE)).values(**values)
    return connection.execute(changed).rowcount == 1


def postpone(connection: Connection, run_id: str, *, tries: int, now: int) -> None:
    """Try again later, the longer the more often it failed: 1 s, 2 s, 4 s, at most SLOWEST_SECONDS."""
    later = now + min(2 ** min(tries, 10), SLOWEST_SECONDS) * SECOND
    again = update(RUNS).where(RUNS.c.run_id == run_id, RUNS.c.dispatch_at.is_not(None)).values(dispatch_at=later)
    connection.execute(again)


def hand_over_again(
    connection: Connection, run_id: str, flow_run_id: str, *, most: int = MOST_LOSSES, now: int
) -> bool:
    """Have a run dispatched anew that the engine lost before its process began, or whose process gave it back.

    Return whether that is to be: it is not when the run was lost ``most`` times before. A process of the lost flow run
    that begins after all finds that the run is another's.
    """
    lost = (
        (RUNS.c.run_id == run_id)
        & ((RUNS.c.status == "pending") | ((RUNS.c.status == "running") & RUNS.c.heartbeat_at.is_(None)))
        & (RUNS.c.flow_run_id == flow_run_id)
        & (RUNS.c.losses < most)
    )
    anew = {"status": "pending", "started_at": None, "flow_run_id": None, "dispatch_at": now}
    return connection.execute(update(RUNS).where(lost).values(**anew, losses=RUNS.c.losses + 1)).rowcount == 1


def is_unmoved(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Whether a run is as it was when it was read; it stays so until the transaction ends."""
    query = select(RUNS.c.run_id).where(
        RUNS.c.run_id == row["run_id"],
        RUNS.c.status == row["status"],
        RUNS.c.flow_run_id == row["flow_run_id"],
        RUNS.c.heartbeat_at.is_not_distinct_from(row["heartbeat_at"]),
    )
    return connection.execute(query.with_for_update()).first() is not None


def at_work(connection: Connection) -> list[Mapping[str, Any]]:
    """Return active runs that the engine knows: what is to be compared with what it says of them."""
    query = select(RUNS).where(RUNS.c.status.in_(ACTIVE), RUNS.c.flow_run_id.is_not(None))
    return [dict(row) for row in connection.execute(query).mappings()]


def is_waiting(connection: Connection, *, now: int) -> bool:
    """Whether there is anything to dispatch now; asked often, so it only reads."""
    query = select(RUNS.c.run_id).where(RUNS.c.dispatch_at <= now, RUNS.c.status == "pending").limit(1)
    return connection.execute(query).first() is not None
