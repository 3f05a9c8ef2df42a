"""Tallies: what happened so far, counted in the transaction in which it happened.

Counts and sums that only grow, whichever process counts, and that are read without looking at every run. Of a
distribution each bucket is a tally of its own, and so is the sum.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, text

from ledger.tables import RUNS, TALLIES
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

ACCEPTED = "accepted"
ENDED = "ended"
FAILED = "failed"
WAIT = "wait"
SECONDS = "seconds"
BYTES = "bytes"
RECORDS = "records"

BUCKETS: Mapping[str, tuple[float, ...]] = {
    WAIT: (0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200),
    SECONDS: (0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 7200),
    BYTES: (1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11),
    RECORDS: (10, 100, 1e3, 1e4, 1e5, 1e6, 1e7),
}
"""Upper bounds of the buckets of each distribution; what is larger than all of them is in ``inf``."""

SUM = "sum"
"""Label of a distribution's sum; that of times is in microseconds."""


class Tally(NamedTuple):
    """One of them; what does not apply is empty."""

    name: str
    tenant: str
    profile: str
    label: str
    value: int


def accepted(connection: Connection, tenant: str, profile: str, *, now: int) -> None:
    """Count a run that was taken in."""
    _add(connection, [Tally(ACCEPTED, tenant, profile, "", 1)], now)


def ended(connection: Connection, run_id: str, *, size: int | None, now: int) -> None:
    """Count a run that has just ended; ``size`` is how many bytes its bundle has, if it has one."""
    columns = (RUNS.c.tenant, RUNS.c.profile_base, RUNS.c.status, RUNS.c.error_code, RUNS.c.records)
    times = (RUNS.c.created_at, RUNS.c.started_at, RUNS.c.ended_at)
    row = connection.execute(select(*columns, *times).where(RUNS.c.run_id == run_id)).mappings().one()
    profile = row["profile_base"]
    found = [Tally(ENDED, row["tenant"], profile, row["status"], 1)]
    if row["error_code"] is not None:
        found.append(Tally(FAILED, "", "", row["error_code"], 1))
    for name, value, unit in _measured(dict(row), size):
        label = bucket(name, value / unit)
        found += [Tally(name, "", profile, label, 1), Tally(name, "", profile, SUM, value)]
    _add(connection, found, now)


def _measured(row: Mapping[str, Any], size: int | None) -> Iterator[tuple[str, int, int]]:
    """Yield the distributions that a run counts in, with its values and how many of them are one."""
    if row["started_at"] is not None:
        yield WAIT, max(row["started_at"] - row["created_at"], 0), SECOND
        yield SECONDS, max(row["ended_at"] - row["started_at"], 0), SECOND
    if row["records"] is not None:
        yield RECORDS, row["records"], 1
    if size is not None:
        yield BYTES, size, 1


def bucket(name: str, value: float) -> str:
    """Return the label of the bucket that a value is in."""
    bounds = BUCKETS[name]
    at = bisect_left(bounds, value)
    return "inf" if at == len(bounds) else f"{bounds[at]:g}"


def read(connection: Connection) -> list[Tally]:
    """Return every tally, those of whom was counted first before others."""
    names = (TALLIES.c.name, TALLIES.c.tenant, TALLIES.c.profile, TALLIES.c.label)
    query = select(*names, TALLIES.c.value).order_by(TALLIES.c.since, *names)
    return [Tally(*row) for row in connection.execute(query)]


def _add(connection: Connection, found: list[Tally], now: int) -> None:
    counted = text(
        "INSERT INTO tallies (name, tenant, profile, label, value, since)"
        " VALUES (:name, :tenant, :profile, :label, :value, :since)"
        " ON CONFLICT (name, tenant, profile, label) DO UPDATE SET value = tallies.value + excluded.value"
    )
    # Everybody takes rows in the same order, so nobody waits for each other.
    connection.execute(counted, [{**each._asdict(), "since": now} for each in sorted(found)])
