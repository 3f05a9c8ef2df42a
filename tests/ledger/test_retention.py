"""What the ledger says of bundles that are to go, whatever happens around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import distributions, retention, runs, states
from ledger.receipts import Receipt
from ledger.runs import Filters
from ledger.times import SECOND

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


def test_the_newest_bundle_is_the_one_that_was_made_last_though_the_clock_was_put_back(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.writing() as connection:
        before, after = (made(connection, make_submission(), now) for now in (noon, noon - 10 * SECOND))
        found = distributions.of_runs(connection, [before, after])
        newest = runs.newest_success(connection, "acme", Filters())
    assert [found[each][0]["expires_at"] for each in (before, after)] == [noon - 10 * SECOND, None]
    assert newest is not None
    assert newest["run_id"] == after


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
