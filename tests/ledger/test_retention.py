"""What the ledger says of bundles that are to go, whatever happens around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import distributions, retention, runs, states
from ledger.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from ledger.database import Ledger
    from ledger.runs import Submission


def test_a_run_at_work_keeps_what_it_made_when_a_target_fails_and_gives_it_up_when_it_ends(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.writing() as connection:
        run_id = runs.admit(connection, make_submission(), now=noon)
        distributions.register(connection, run_id, ["http"])
        states.start(connection, run_id, flow_run_id=None, now=noon)
        distributions.hold(connection, run_id, "http", "/bundles/acme/run")
        distributions.write(connection, run_id, Receipt(type="http", state="failed", reason="No space left on device"))
        assert retention.to_remove(connection) == []
        states.fail(connection, run_id, error_code="distribution", error={}, now=noon)
        assert [row["run_id"] for row in retention.to_remove(connection)] == [run_id]
        retention.removed(connection, run_id, "http")
        assert retention.to_remove(connection) == []


def test_a_bundle_that_is_there_is_never_said_to_be_gone(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.writing() as connection:
        run_id = made(connection, make_submission(), noon)
        retention.removed(connection, run_id, "http")
        (found,) = distributions.of_runs(connection, [run_id])[run_id]
    assert (found["state"], found["path"]) == ("finished", "/bundles/acme/run")


def made(connection: Connection, asked: Submission, now: int) -> str:
    """A run that ended well, and has taken the place of the one before."""
    run_id = runs.admit(connection, asked, now=now)
    distributions.register(connection, run_id, ["http"])
    states.start(connection, run_id, flow_run_id=None, now=now)
    receipt = Receipt(type="http", state="finished", path="/bundles/acme/run", finished_at=now, keep=1)
    distributions.write(connection, run_id, receipt)
    states.succeed(connection, run_id, records=1, content_digest="0" * 64, event={"bytes": 1}, now=now)
    retention.supersede(connection, asked.tenant, asked.profile_base, now=now)
    return run_id
