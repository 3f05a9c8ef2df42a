"""The event log: what happened to a run, once, in order, for ever.

SSE streams, the audit form and webhooks all read this one log.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, func, insert, select, update

from ledger.errors import UnknownRunError
from ledger.outbox import enqueue
from ledger.tables import EVENTS, RUNS
from ledger.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.sql.base import ReadOnlyColumnCollection

    ReadOnlyColumns = ReadOnlyColumnCollection[str, Any]

ACCEPTED = "run.accepted"
PROGRESS = "run.progress"
DISTRIBUTION = "run.distribution"
SIGNED = "run.signed"
SUCCEEDED = "run.succeeded"
FAILED = "run.failed"
CANCELED = "run.canceled"
TYPES = (ACCEPTED, PROGRESS, DISTRIBUTION, SIGNED, SUCCEEDED, FAILED, CANCELED)
LAST = {SUCCEEDED, FAILED, CANCELED}
"""After one of these comes nothing."""


class Event(NamedTuple):
    """One event; ``data`` is its JSON text, the same in every form it is told in."""

    position: int
    run_id: str
    seq: int
    type: str
    data: str


def append(connection: Connection, run_id: str, kind: str, data: Mapping[str, Any], *, now: int) -> int:
    """Add the next event of a run, inside the transaction that makes it true; return its seq.

    Raises:
        UnknownRunError: There is no such run.
    """
    # Taking the number from the run's row locks that row: nobody else gets this seq.
    taken = update(RUNS).where(RUNS.c.run_id == run_id).values(last_seq=RUNS.c.last_seq + 1, last_event=kind)
    seq = connection.execute(taken.returning(RUNS.c.last_seq)).scalar_one_or_none()
    if seq is None:
        raise UnknownRunError(f"there is no run {run_id}")
    add(connection, run_id, int(seq), kind, data, now=now)
    return int(seq)


def add(connection: Connection, run_id: str, seq: int, kind: str, data: Mapping[str, Any], *, now: int) -> None:
    """Add an event whose seq is known."""
    told = {"runId": run_id, **data, "timestamp": format_time(now)}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    connection.execute(insert(EVENTS).values(run_id=run_id, seq=seq, kind="run", type=kind, data=text, at=now))
    enqueue(connection, run_id, seq, kind, now=now)


def of_run(connection: Connection, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Event]:
    """Return a run's events after a seq, in order."""
    query = (
        select(EVENTS.c.position, EVENTS.c.run_id, EVENTS.c.seq, EVENTS.c.type, EVENTS.c.data)
        .where(EVENTS.c.run_id == run_id, EVENTS.c.kind == "run", EVENTS.c.seq > after)
        .order_by(EVENTS.c.seq)
        .limit(limit)
    )
    return [Event(*row) for row in connection.execute(query)]


def since(connection: Connection, after: Mapping[str, int], *, limit: int = 200) -> list[Event]:
    """Return the next events of several runs, at most ``limit`` of each, each run's in order and without gaps.

    ``after`` has the last seq that is known, by run id.
    """
    # Not by position: of two transactions in PostgreSQL, the one with the larger position may be seen first.
    heads = connection.execute(select(RUNS.c.run_id, RUNS.c.last_seq).where(RUNS.c.run_id.in_(list(after))))
    behind = [run_id for run_id, head in heads if head > after[run_id]]
    return [event for run_id in behind for event in of_run(connection, run_id, after=after[run_id], limit=limit)]


def latest(connection: Connection, run_ids: list[str]) -> dict[str, Event]:
    """Return the newest event of each run."""
    query = (
        select(EVENTS.c.position, EVENTS.c.run_id, EVENTS.c.seq, EVENTS.c.type, EVENTS.c.data)
        .join(RUNS, (RUNS.c.run_id == EVENTS.c.run_id) & (RUNS.c.last_seq == EVENTS.c.seq))
        .where(EVENTS.c.kind == "run", EVENTS.c.run_id.in_(run_ids))
    )
    return {row[1]: Event(*row) for row in connection.execute(query)}


def is_last(events: ReadOnlyColumns, runs: ReadOnlyColumns) -> ColumnElement[bool]:
    """Return, in SQL, whether an event is the newest of a run."""
    same = events["run_id"] == runs["run_id"]
    return and_(same, events["kind"] == "run", events["seq"] == runs["last_seq"])


def change_counter(connection: Connection) -> int:
    """Return a number that grows with every event of any run: what a follower asks again and again."""
    return int(connection.execute(select(func.coalesce(func.max(EVENTS.c.position), 0))).scalar_one())
