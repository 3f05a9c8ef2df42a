"""Tallies say what the runs' rows say, in every ledger, and are read without looking at those."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from ledger import census, runs, states, tallies
from ledger.runs import Limits
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from ledger.runs import Submission

MANY = Limits(active_runs=1000)


def taken(ledger: Ledger) -> census.Census:
    with ledger.reading() as connection:
        return census.take(connection)


def test_a_run_counts_once_when_it_is_accepted_and_once_when_it_ends(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.writing() as connection:
        run = runs.submit(connection, make_submission(), limits=MANY, now=noon)
        states.start(connection, run, flow_run_id=None, now=noon + 3 * SECOND)
        done = {"records": 12, "content_digest": "00", "event": {"bytes": 5_000_000}}
        assert states.succeed(connection, run, **done, now=noon + 10 * SECOND)
        # The first terminal event wins, also here.
        assert not states.fail(connection, run, error_code="crashed", error={}, now=noon + 11 * SECOND)
    found = {each[:-1]: each.value for each in taken(ledger).tallies}
    assert found == {
        ("accepted", "acme", "json-raw", ""): 1,
        ("ended", "acme", "json-raw", "success"): 1,
        ("wait", "", "json-raw", "5"): 1, ("wait", "", "json-raw", "sum"): 3 * SECOND,
        ("seconds", "", "json-raw", "10"): 1, ("seconds", "", "json-raw", "sum"): 7 * SECOND,
        ("bytes", "", "json-raw", "1e+07"): 1, ("bytes", "", "json-raw", "sum"): 5_000_000,
        ("records", "", "json-raw", "100"): 1, ("records", "", "json-raw", "sum"): 12,
    }  # fmt: skip


def test_what_is_rolled_back_was_not_counted(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    def fail() -> None:
        with ledger.writing() as connection:
            runs.submit(connection, make_submission(), limits=MANY, now=noon)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert taken(ledger).tallies == []


def test_many_writers_at_once_lose_no_count(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    def work(number: int) -> None:
        for _ in range(5):
            with ledger.writing() as connection:
                asked = make_submission(profile_base=f"profile-{number % 2}")
                run = runs.submit(connection, asked, limits=MANY, now=noon)
            with ledger.writing() as connection:
                states.fail(connection, run, error_code="adapter", error={}, now=noon)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {each[:-1]: each.value for each in taken(ledger).tallies}
    assert found["failed", "", "", "adapter"] == 30
    assert found["ended", "acme", "profile-0", "failed"] == found["accepted", "acme", "profile-1", ""] == 15


def test_the_census_knows_what_waits(ledger: Ledger, make_submission: Callable[..., Submission], noon: int) -> None:
    assert taken(ledger)[1:] == ([], None, 0, {}, {})
    with ledger.writing() as connection:
        first, second = (
            runs.submit(connection, make_submission(), limits=MANY, now=noon + late) for late in (0, SECOND)
        )
        states.start(connection, first, flow_run_id=None, now=noon)
    found = taken(ledger)
    assert found.active == [("acme", "json-raw", "pending", 1), ("acme", "json-raw", "running", 1)]
    assert (found.oldest_pending, found.events) == (noon + SECOND, 2)
    assert second


def test_messages_that_wait_are_found_by_their_index(tmp_path: object) -> None:
    from ledger.database import open_ledger

    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    with ledger.reading() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {census._MESSAGES.text}")).all()
    ledger.close()
    assert [row[-1] for row in plan] == [
        "SEARCH webhook_deliveries USING COVERING INDEX deliveries_undelivered (state=?)"
    ]


@given(name=st.sampled_from(sorted(tallies.BUCKETS)), value=st.floats(0, 1e15))
def test_a_value_is_in_the_first_bucket_that_is_large_enough(name: str, value: float) -> None:
    bound = float(tallies.bucket(name, value))
    bounds = [*tallies.BUCKETS[name], float("inf")]
    assert value <= bound
    assert all(value > each for each in bounds if each < bound)
    assert bound in bounds
