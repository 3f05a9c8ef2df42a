"""Where a run's bundle went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from ledger.receipts import FAILED, FINISHED, PENDING
from ledger.tables import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from ledger.receipts import Receipt


def register(connection: Connection, run_id: str, kinds: Sequence[str]) -> None:
    """List the targets that a run is to reach."""
    for kind in kinds:
        connection.execute(insert(DISTRIBUTIONS).values(run_id=run_id, type=kind, state=PENDING))


def write(connection: Connection, run_id: str, receipt: Receipt) -> None:
    """Keep what is known of a target now; where bytes may lie is not forgotten by that."""
    columns = {name: value for name, value in receipt.columns().items() if name != "path" or value is not None}
    _set(connection, run_id, columns.pop("type"), columns)


def hold(connection: Connection, run_id: str, kind: str, path: str) -> None:
    """Say that bytes of a run may lie at a path from now on, whatever becomes of the run."""
    _set(connection, run_id, kind, {"path": path})


def withdraw(connection: Connection, run_id: str) -> None:
    """Say, of a run that did not go well, that what it had not sent will not be, and what lies here is none.

    What others have by now, they have: their receipts stay.
    """
    rows = DISTRIBUTIONS.c
    here = (rows.state == PENDING) | ((rows.state == FINISHED) & rows.path.is_not(None))
    connection.execute(update(DISTRIBUTIONS).where(rows.run_id == run_id, here).values(state=FAILED))


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
