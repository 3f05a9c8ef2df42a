"""Runs: submitting, finding, listing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, func, insert, select, text

from ledger import events, tallies
from ledger.errors import QuotaError, TooManyRunsError, UnknownRunError
from ledger.tables import ACTIVE, ARRIVALS, DISTRIBUTIONS, EVENTS, QUOTAS, RUNS, TENANTS
from ledger.times import day_of, seconds_to_midnight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

RETRY_SECONDS = 2
"""When a submission over the cap may come back: a place is free as soon as any run ends."""

PATIENCE_SECONDS = 600
"""How long a run that the engine began waits for a place: schedules begin many at the same minute."""

NOTHING_DONE = '{"adapters":[],"bytesWritten":0,"recordsProcessed":0}'


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a tenant may have."""

    active_runs: int = 4
    runs_a_day: int = 1000


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What somebody asked for, checked as far as that goes without the evidence.

    ``profile_id`` is as posted, ``profile_base`` and ``profile_revision`` are what it stands for.
    """

    tenant: str
    profile_id: str
    profile_base: str
    profile_revision: int
    profile_commit: str | None
    selectors: Mapping[str, Any]
    policy_snapshot_id: str | None
    options: Mapping[str, Any]
    priority: str
    created_by: str
    trace_id: str
    trace_parent: str
    retry_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a tenant has used of its day; ``remaining`` is never negative."""

    limit: int
    used: int

    @property
    def remaining(self) -> int:
        """Runs that are left today."""
        return max(self.limit - self.used, 0)


def submit(
    connection: Connection, asked: Submission, *, limits: Limits, now: int, flow_run_id: str | None = None
) -> str:
    """Take a run in: its row, its number, its first event; return its id.

    Everything happens in the caller's transaction, which must be one that writes: the counts are exact, however many
    servers submit at once. A run that the engine began of itself comes with its ``flow_run_id``, and is not dispatched.

    Raises:
        QuotaError, TooManyRunsError: The tenant has had its share; nothing was written.
    """
    lock_tenant(connection, asked.tenant)
    mine = limits_of(connection, asked.tenant, limits)
    _charge(connection, asked.tenant, mine, now)
    return admit(connection, asked, now=now, flow_run_id=flow_run_id)


def admit(connection: Connection, asked: Submission, *, now: int, flow_run_id: str | None = None) -> str:
    """Write the row and first event of a run, without asking for limits; return its id."""
    run_id = _next_id(connection, now)
    connection.execute(
        insert(RUNS).values(
            run_id=run_id,
            tenant=asked.tenant,
            status="pending",
            profile_id=asked.profile_id,
            profile_base=asked.profile_base,
            profile_revision=asked.profile_revision,
            profile_commit=asked.profile_commit,
            selectors=json.dumps(asked.selectors, ensure_ascii=False),
            policy_snapshot_id=asked.policy_snapshot_id,
            options=json.dumps(asked.options, ensure_ascii=False),
            priority=asked.priority,
            created_at=now,
            created_by=asked.created_by,
            trace_id=asked.trace_id,
            trace_parent=asked.trace_parent,
            flow_run_id=flow_run_id,
            dispatch_at=now if flow_run_id is None else None,
            progress=NOTHING_DONE,
            last_seq=1,
            last_event=events.ACCEPTED,
            retry_of=asked.retry_of,
        )
    )
    events.add(connection, run_id, 1, events.ACCEPTED, {"profileId": asked.profile_id, "status": "pending"}, now=now)
    tallies.accepted(connection, asked.tenant, asked.profile_base, now=now)
    if flow_run_id is not None:
        connection.execute(insert(ARRIVALS).values(flow_run_id=flow_run_id, run_id=run_id))
    return run_id


def of_flow_run(connection: Connection, flow_run_id: str) -> str | None:
    """Return the run that a flow run became which the engine began of itself, if it did."""
    query = select(ARRIVALS.c.run_id).where(ARRIVALS.c.flow_run_id == flow_run_id)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Let one who adds to what a tenant has count at a time; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 7))"), {"tenant": tenant})


def _charge(connection: Connection, tenant: str, limits: Limits, now: int) -> None:
    used = usage(connection, tenant, limits, now)
    if not used.remaining:
        raise QuotaError(tenant, limits.runs_a_day, seconds_to_midnight(now))
    active = select(func.count()).select_from(RUNS).where(RUNS.c.tenant == tenant, RUNS.c.status.in_(ACTIVE))
    if connection.execute(active).scalar_one() >= limits.active_runs:
        raise TooManyRunsError(tenant, limits.active_runs, RETRY_SECONDS)
    counted = text(
        "INSERT INTO quotas (tenant, day, used) VALUES (:tenant, :day, 1)"
        " ON CONFLICT (tenant, day) DO UPDATE SET used = quotas.used + 1"
    )
    connection.execute(counted, {"tenant": tenant, "day": day_of(now)})


def limits_of(connection: Connection, tenant: str, default: Limits) -> Limits:
    """Return a tenant's own limits, where it has any, else the installation's."""
    query = select(TENANTS.c.active_runs, TENANTS.c.runs_a_day).where(TENANTS.c.tenant == tenant)
    row = connection.execute(query).one_or_none()
    if row is None:
        return default
    return Limits(
        active_runs=default.active_runs if row[0] is None else row[0],
        runs_a_day=default.runs_a_day if row[1] is None else row[1],
    )


def usage(connection: Connection, tenant: str, limits: Limits, now: int) -> Usage:
    """Return what a tenant has used of today."""
    query = select(QUOTAS.c.used).where(QUOTAS.c.tenant == tenant, QUOTAS.c.day == day_of(now))
    return Usage(limit=limits.runs_a_day, used=connection.execute(query).scalar_one_or_none() or 0)


def _next_id(connection: Connection, now: int) -> str:
    day = day_of(now)
    taken = text(
        "INSERT INTO run_numbers (day, last) VALUES (:day, 1)"
        " ON CONFLICT (day) DO UPDATE SET last = run_numbers.last + 1 RETURNING last"
    )
    return f"run-{day}-{connection.execute(taken, {'day': day}).scalar_one():02d}"


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list of runs is narrowed to."""

    statuses: Sequence[str] = ()
    profile_base: str | None = None
    profile_revision: int | None = None
    trace_id: str | None = None

    def conditions(self, tenant: str) -> list[ColumnElement[bool]]:
        """Return them as SQL."""
        found: list[ColumnElement[bool]] = [RUNS.c.tenant == tenant]
        if self.statuses:
            found.append(RUNS.c.status.in_(self.statuses))
        if self.trace_id is not None:
            found.append(RUNS.c.trace_id == self.trace_id)
        if self.profile_base is not None:
            found.append(RUNS.c.profile_base == self.profile_base)
        if self.profile_revision is not None:
            found.append(RUNS.c.profile_revision == self.profile_revision)
        return found


def find(connection: Connection, run_id: str, *, tenant: str | None) -> Mapping[str, Any]:
    """Return a run's row; ``tenant`` None looks at all of them.

    Raises:
        UnknownRunError: There is no such run, or none of this tenant.
    """
    query = select(RUNS).where(RUNS.c.run_id == run_id)
    if tenant is not None:
        query = query.where(RUNS.c.tenant == tenant)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownRunError(f"there is no run {run_id}")
    return dict(row)


def newest_success(connection: Connection, tenant: str, filters: Filters) -> Mapping[str, Any] | None:
    """Return the newest run of those that filters leave that ended well and whose bundle is still there."""
    there = exists().where(DISTRIBUTIONS.c.run_id == RUNS.c.run_id, DISTRIBUTIONS.c.state == "finished")
    good = (*filters.conditions(tenant), RUNS.c.status == "success", there)
    # Not by their times: clocks may be put back.
    query = select(RUNS).join(EVENTS, events.is_last(EVENTS.c, RUNS.c)).where(*good)
    query = query.order_by(EVENTS.c.position.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def is_success(connection: Connection, tenant: str, name: str) -> bool:
    """Whether a run of a tenant ended well that has this id, or made a bundle with this content digest."""
    named = (RUNS.c.run_id == name) | (RUNS.c.content_digest == name)
    query = select(exists().where(RUNS.c.tenant == tenant, RUNS.c.status == "success", named))
    return bool(connection.execute(query).scalar_one())


def page(
    connection: Connection, tenant: str, filters: Filters, *, offset: int, limit: int
) -> tuple[list[Mapping[str, Any]], int]:
    """Return some runs of a tenant, newest first, and how many there are in all."""
    conditions = filters.conditions(tenant)
    total = connection.execute(select(func.count()).select_from(RUNS).where(*conditions)).scalar_one()
    query = (
        select(RUNS)
        .where(*conditions)
        .order_by(RUNS.c.created_at.desc(), RUNS.c.run_id.desc())
        .offset(offset)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()], total
