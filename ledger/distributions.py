"""Where a run's bundle went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from ledger.tables import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection


def register(connection: Connection, run_id: str, kinds: Sequence[str]) -> None:
    """List the targets that a run is to reach."""
    for kind in kinds:
        connection.execute(insert(DISTRIBUTIONS).values(run_id=run_id, type=kind, state="pending"))


def finish(connection: Connection, run_id: str, kind: str, facts: Mapping[str, Any], *, now: int) -> None:
    """Say that a target has the bundle; ``facts`` are further columns."""
    _set(connection, run_id, kind, {**facts, "state": "finished", "finished_at": now})


def fail(connection: Connection, run_id: str, kind: str) -> None:
    """Say that a target does not have the bundle."""
    _set(connection, run_id, kind, {"state": "failed"})


def of_runs(connection: Connection, run_ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the targets of runs, by run."""
    found: dict[str, list[Mapping[str, Any]]] = {run_id: [] for run_id in run_ids}
    query = select(DISTRIBUTIONS).where(DISTRIBUTIONS.c.run_id.in_(run_ids)).order_by(DISTRIBUTIONS.c.type)
    for row in connection.execute(query).mappings():
        found[row["run_id"]].append(dict(row))
    return found


def _set(connection: Connection, run_id: str, kind: str, values: Mapping[str, Any]) -> None:
    mine = (DISTRIBUTIONS.c.run_id == run_id) & (DISTRIBUTIONS.c.type == kind)
    connection.execute(update(DISTRIBUTIONS).where(mine).values(**values))
