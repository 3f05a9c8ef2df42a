"""What the page of a run is made of: its row, its targets, and every event it told so far."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger import distributions, events
from server import views
from web.around import Receipt
from web.run_page import RunEvent, RunFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection


def facts_of(
    connection: Connection, row: Mapping[str, Any], *, now: int, bundle: str | None, may_cancel: bool = False
) -> RunFacts:
    """Return what is known of a run.

    Args:
        connection: Of the ledger.
        row: The run's.
        now: The time, in microseconds since the epoch; it matters only to runs that are not over.
        bundle: The way from the page to the bundle's page; None when there is none.
        may_cancel: Whether whoever looks may cancel it.
    """
    run_id = row["run_id"]
    last = events.latest(connection, [run_id])
    targets = distributions.of_runs(connection, [run_id])[run_id]
    return RunFacts(
        run=views.detailed(row, last.get(run_id), targets, now=now),
        tenant=row["tenant"],
        events=tuple(_told(connection, run_id)),
        bundle=bundle,
        may_cancel=may_cancel,
    )


def receipt_of(row: Mapping[str, Any]) -> Receipt:
    """Return a target of a run as the page of its bundle has it."""
    told = views.distribution(row)
    return Receipt(
        type=told["type"],
        location=told["location"] or "",
        state=told["state"],
        sha256=told["sha256"] or "",
        bytes=told["sizeBytes"],
        expires_at=told["expiresAt"] or "",
    )


def _told(connection: Connection, run_id: str) -> Iterator[RunEvent]:
    after = 0
    while found := events.of_run(connection, run_id, after=after):
        yield from (RunEvent(seq=each.seq, type=each.type, data=json.loads(each.data)) for each in found)
        after = found[-1].seq
