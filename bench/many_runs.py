"""A ledger with many runs in it: one run as the service writes it, and copies of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from ledger import runs, states
from ledger.tables import EVENTS, RUNS
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from ledger.database import Ledger

NOON = 1_760_000_400 * SECOND
PROFILES = ("json-raw", "json-policy", "trivy-db", "mirror-full")
ACTIVE = 4
"""Of all runs, as many are at work as the cap lets."""


def fill(ledger: Ledger, *, tenant: str, count: int) -> None:
    """Store so many runs, a second apart: of several profiles, three of four ended well, and each has a trace."""
    with ledger.writing() as connection:
        run, events = _template(connection, tenant)
        rows = [_copy(run, number, count) for number in range(count)]
        connection.execute(insert(RUNS), rows)
        told = [{**event, "run_id": row["run_id"]} for row in rows for event in events]
        connection.execute(insert(EVENTS), told)


def _template(connection: Connection, tenant: str) -> tuple[Mapping[str, Any], list[dict[str, Any]]]:
    """Write a run that ended well; return its row and its events."""
    asked = runs.Submission(
        tenant=tenant, profile_id="json-raw", profile_base="json-raw", profile_revision=1, profile_commit=None,
        selectors={}, policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops",
        trace_id="f" * 32, trace_parent=f"00-{'f' * 32}-{'f' * 16}-01",
    )  # fmt: skip
    run_id = runs.admit(connection, asked, now=NOON)
    states.start(connection, run_id, flow_run_id=None, now=NOON)
    states.progress(connection, run_id, {"adapters": [], "bytesWritten": 1, "recordsProcessed": 1}, {}, now=NOON)
    states.succeed(connection, run_id, records=1, content_digest="0" * 64, event={"status": "success"}, now=NOON)
    query = select(EVENTS).where(EVENTS.c.run_id == run_id)
    events = [{name: row[name] for name in row if name != "position"} for row in connection.execute(query).mappings()]
    return runs.find(connection, run_id, tenant=None), events


def _copy(run: Mapping[str, Any], number: int, count: int) -> dict[str, Any]:
    at = NOON + number * SECOND
    ended = {"status": "failed", "error_code": "empty"} if number % 4 == 0 else {"status": "success"}
    state = {"status": "running", "ended_at": None} if count - number <= ACTIVE else {"ended_at": at, **ended}
    return {
        **run,
        **state,
        "run_id": f"{run['run_id']}-{number}",
        "profile_base": PROFILES[number % len(PROFILES)],
        "trace_id": f"{number:032x}",
        "created_at": at,
        "started_at": at,
    }
