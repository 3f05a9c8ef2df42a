"""Which bundles are to go, and which are gone: the rules of retention, as the ledger sees them.

A bundle goes when its ``expires_at`` has come. That time is fixed when the bundle is made, where it is kept for days.
Where the newest ones are kept, it is the moment at which so many newer bundles of the profile had been made: newer ones
count for ever, also when they went before. So what has expired follows from the history alone, and not from when
somebody looks.

A row keeps its ``path`` until the bytes are gone: whoever dies in between leaves them to the next round. A target that
failed while its run is at work is none of ours: the run may try again, and needs what it has made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, text, update

from ledger import audit, events
from ledger.receipts import EXPIRED, FAILED, FINISHED
from ledger.tables import DISTRIBUTIONS, EVENTS, RUNS
from ledger.times import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, ScalarSelect

SYSTEM = "system"
"""Who removes what has expired."""

UNSEEN = (FAILED, EXPIRED)
"""States of targets whose bundle nobody is given."""

LOST = ("failed", "canceled")
"""How runs ended that left no bundle; what they left is never anything else again."""

LIMIT = 100
"""Rows that are looked at together."""


def supersede(connection: Connection, tenant: str, profile_base: str, *, now: int) -> None:
    """After a run of a profile went well: let those go of which enough newer ones have been made.

    Must be called in the transaction that ends the run.
    """
    _lock_profile(connection, tenant, profile_base)
    mine = select(RUNS.c.run_id).where(RUNS.c.tenant == tenant, RUNS.c.profile_base == profile_base)
    rows = DISTRIBUTIONS.c
    kept = (rows.state == FINISHED) & rows.keep.is_not(None) & rows.expires_at.is_(None) & rows.run_id.in_(mine)
    connection.execute(update(DISTRIBUTIONS).where(kept, rows.keep <= _newer()).values(expires_at=now))


def _newer() -> ScalarSelect[int]:
    """Return, in SQL, how many bundles of the same profile and target have been made after a row's."""
    this, runs, rows = RUNS.alias("this"), RUNS.alias("newer"), DISTRIBUTIONS.alias("of_newer")
    end, ends = EVENTS.alias("end_of_this"), EVENTS.alias("end_of_newer")
    return (
        select(func.count())
        .select_from(this.join(runs, (runs.c.tenant == this.c.tenant) & (runs.c.profile_base == this.c.profile_base)))
        .join(rows, (rows.c.run_id == runs.c.run_id) & (rows.c.type == DISTRIBUTIONS.c.type))
        .join(end, events.is_last(end.c, this.c))
        .join(ends, events.is_last(ends.c, runs.c))
        .where(
            this.c.run_id == DISTRIBUTIONS.c.run_id,
            runs.c.status == "success",
            rows.c.state.in_((FINISHED, EXPIRED)),
            # Not by their times: clocks may be put back.
            ends.c.position > end.c.position,
        )
        .correlate(DISTRIBUTIONS)
        .scalar_subquery()
    )


def _lock_profile(connection: Connection, tenant: str, profile_base: str) -> None:
    """Let one run of a profile end at a time, so that each counts all others; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        key = {"profile": f"{tenant}/{profile_base}"}
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:profile, 13))"), key)


def due(connection: Connection, *, now: int) -> list[Mapping[str, Any]]:
    """Return targets of this installation whose bundle is to go, the oldest first, with ``tenant``."""
    rows = DISTRIBUTIONS.c
    query = (
        select(DISTRIBUTIONS, RUNS.c.tenant)
        .join(RUNS)
        .where(rows.state == FINISHED, rows.expires_at <= now, rows.path.is_not(None), RUNS.c.status == "success")
        .order_by(rows.expires_at, rows.run_id)
        .limit(LIMIT)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def expire(connection: Connection, row: Mapping[str, Any], *, now: int) -> bool:
    """Say that a bundle is there no more; return False when somebody else has said so already."""
    rows = DISTRIBUTIONS.c
    mine = (rows.run_id == row["run_id"]) & (rows.type == row["type"]) & (rows.state == FINISHED)
    if connection.execute(update(DISTRIBUTIONS).where(mine).values(state=EXPIRED)).rowcount != 1:
        return False
    told = {
        "type": row["type"],
        "sha256": row["sha256"],
        "sizeBytes": row["size_bytes"],
        "expiresAt": format_time(row["expires_at"]),
    }
    entry = audit.Entry(tenant=row["tenant"], actor=SYSTEM, action="run.expire", target=row["run_id"], data=told)
    audit.record(connection, entry, now=now)
    return True


def to_remove(connection: Connection, *, after: str = "") -> list[Mapping[str, Any]]:
    """Return targets whose bytes may lie here still, although nobody can see them, with ``tenant``.

    They come in the order of their run's ids, those of later ids than ``after``.
    """
    rows = DISTRIBUTIONS.c
    query = (
        select(DISTRIBUTIONS, RUNS.c.tenant)
        .join(RUNS)
        .where(rows.state.in_(UNSEEN), rows.path.is_not(None), rows.run_id > after)
        .where((rows.state == EXPIRED) | RUNS.c.status.in_(LOST))
        .order_by(rows.run_id)
        .limit(LIMIT)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def removed(connection: Connection, run_id: str, kind: str) -> None:
    """Say that a target's bytes are gone, unless its bundle may be asked for."""
    rows = DISTRIBUTIONS.c
    mine = (rows.run_id == run_id) & (rows.type == kind) & rows.state.in_(UNSEEN)
    connection.execute(update(DISTRIBUTIONS).where(mine).values(path=None))
