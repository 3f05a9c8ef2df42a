"""The state of the whole installation in numbers, all of them cheap to read, so that it can be asked often."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select, text

from ledger import tallies
from ledger.events import change_counter
from ledger.tables import ACTIVE, RUNS, WEBHOOKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from ledger.tallies import Tally


class Active(NamedTuple):
    """How many active runs of a profile a tenant has in a status."""

    tenant: str
    profile: str
    status: str
    runs: int


class Waiting(NamedTuple):
    """How many messages of webhooks are in a state, and when the oldest of them was written (microseconds)."""

    number: int = 0
    oldest: int | None = None


class Census(NamedTuple):
    """What there is; ``oldest_pending`` is when that run was accepted, in microseconds, None when there is none."""

    tallies: Sequence[Tally]
    active: Sequence[Active]
    oldest_pending: int | None
    events: int
    webhooks: Mapping[str, int]
    messages: Mapping[str, Waiting]


# In words, not as a parameter: SQLite takes the partial index for what says just what the index says.
_MESSAGES = text(
    "SELECT state, count(*), min(created_at) FROM webhook_deliveries WHERE state IN ('pending', 'dead') GROUP BY state"
)


def take(connection: Connection) -> Census:
    """Return the census of this moment, in one reading transaction."""
    columns = (RUNS.c.tenant, RUNS.c.profile_base, RUNS.c.status)
    active = select(*columns, func.count()).where(RUNS.c.status.in_(ACTIVE)).group_by(*columns)
    oldest = select(func.min(RUNS.c.created_at)).where(RUNS.c.status == "pending")
    hooks = select(WEBHOOKS.c.status, func.count()).group_by(WEBHOOKS.c.status)
    return Census(
        tallies=tallies.read(connection),
        active=[Active(*row) for row in connection.execute(active)],
        oldest_pending=connection.execute(oldest).scalar_one(),
        events=change_counter(connection),
        webhooks={row[0]: row[1] for row in connection.execute(hooks)},
        messages={row[0]: Waiting(row[1], row[2]) for row in connection.execute(_MESSAGES)},
    )
