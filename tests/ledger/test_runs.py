"""Submissions are counted exactly, numbered without gaps, and each has its first event."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ledger import dispatch, events, runs, states
from ledger.database import open_ledger
from ledger.errors import LedgerError, QuotaError, TooManyRunsError, UnknownRunError
from ledger.runs import Filters, Limits
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from ledger.runs import Submission

WIDE = Limits(active_runs=1000, runs_a_day=1000)


def take(ledger: Ledger, asked: Submission, *, limits: Limits = WIDE, now: int) -> str:
    with ledger.writing() as connection:
        return runs.submit(connection, asked, limits=limits, now=now)


def test_a_submission_is_a_pending_run_with_its_first_event(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    run_id = take(ledger, make_submission(), now=noon)
    assert run_id == "run-20251029-01"
    with ledger.reading() as connection:
        row = runs.find(connection, run_id, tenant="acme")
        (event,) = events.of_run(connection, run_id)
    assert (row["status"], row["created_at"], row["dispatch_at"], row["last_seq"]) == ("pending", noon, noon, 1)
    assert (event.seq, event.type) == (1, "run.accepted")
    assert json.loads(event.data) == {
        "runId": run_id, "profileId": "json-raw", "status": "pending", "timestamp": "2025-10-29T12:12:11Z",
    }  # fmt: skip


def test_numbers_grow_past_99_and_begin_again_each_day(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    made = [take(ledger, make_submission(), now=noon) for _ in range(101)]
    assert made[8:10] == ["run-20251029-09", "run-20251029-10"]
    assert made[-2:] == ["run-20251029-100", "run-20251029-101"]
    assert take(ledger, make_submission(), now=noon + DAY_SECONDS * SECOND) == "run-20251030-01"


def test_another_tenants_run_is_unknown(ledger: Ledger, make_submission: Callable[..., Submission], noon: int) -> None:
    run_id = take(ledger, make_submission(), now=noon)
    with ledger.reading() as connection, pytest.raises(UnknownRunError, match="there is no run"):
        runs.find(connection, run_id, tenant="other")


def test_over_the_cap_nothing_is_written_and_the_end_of_a_run_makes_room(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    limits = Limits(active_runs=2, runs_a_day=10)
    first = take(ledger, make_submission(), limits=limits, now=noon)
    take(ledger, make_submission(), limits=limits, now=noon)
    with pytest.raises(TooManyRunsError) as caught:
        take(ledger, make_submission(), limits=limits, now=noon)
    assert caught.value.retry_after == runs.RETRY_SECONDS
    assert take(ledger, make_submission(tenant="other"), limits=limits, now=noon)
    with ledger.writing() as connection:
        assert states.fail(connection, first, error_code="adapter", error={}, now=noon)
    assert take(ledger, make_submission(), limits=limits, now=noon)
    with ledger.reading() as connection:
        assert runs.page(connection, "acme", Filters(), offset=0, limit=10)[1] == 3
        assert runs.usage(connection, "acme", limits, noon).used == 3


def test_the_quota_of_a_day_ends_at_midnight(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    limits = Limits(active_runs=10, runs_a_day=1)
    take(ledger, make_submission(), limits=limits, now=noon)
    with pytest.raises(QuotaError) as caught:
        take(ledger, make_submission(), limits=limits, now=noon)
    later = noon + caught.value.retry_after * SECOND
    with pytest.raises(QuotaError):
        take(ledger, make_submission(), limits=limits, now=later - SECOND)
    assert take(ledger, make_submission(), limits=limits, now=later) == "run-20251030-01"


def test_many_at_once_never_exceed_the_cap(
    ledger_url: str, make_submission: Callable[..., Submission], noon: int
) -> None:
    """Each with a connection of its own, as several servers would."""
    open_ledger(ledger_url).close()

    def one(_number: int) -> str | None:
        mine = open_ledger(ledger_url)
        try:
            return take(mine, make_submission(), limits=Limits(active_runs=4, runs_a_day=100), now=noon)
        except TooManyRunsError:
            return None
        finally:
            mine.close()

    with ThreadPoolExecutor(16) as pool:
        made = [run_id for run_id in pool.map(one, range(40)) if run_id]
    assert sorted(made) == [f"run-20251029-0{number}" for number in range(1, 5)]


def test_lists_are_filtered_and_newest_first(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    first = take(ledger, make_submission(), now=noon)
    second = take(ledger, make_submission(profile_id="x@2", profile_base="x", profile_revision=2), now=noon + 1)
    third = take(
        ledger, make_submission(profile_id="x", profile_base="x", profile_revision=3, trace_id="f" * 32), now=noon + 2
    )
    with ledger.writing() as connection:
        states.fail(connection, first, error_code="internal", error={}, now=noon)
    with ledger.reading() as connection:

        def ids(**filters: object) -> list[str]:
            rows, total = runs.page(connection, "acme", Filters(**filters), offset=0, limit=10)  # type: ignore[arg-type]
            assert total == len(rows)
            return [row["run_id"] for row in rows]

        assert ids() == [third, second, first]
        assert ids(statuses=("pending", "running")) == [third, second]
        assert ids(statuses=("failed",)) == [first]
        assert ids(profile_base="x") == [third, second]
        assert ids(profile_base="x", profile_revision=2) == [second]
        assert ids(trace_id="f" * 32) == [third]
        rows, total = runs.page(connection, "acme", Filters(), offset=1, limit=1)
        assert ([row["run_id"] for row in rows], total) == ([second], 3)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "nonsense", "sqlite:////proc/nothing/ledger.db"])
def test_a_ledger_that_cannot_be_opened_is_told(url: str) -> None:
    with pytest.raises(LedgerError, match="ledger"):
        open_ledger(url)


SECRETS = {
    "the password of a kind that is unknown": "postgresql+psycopg://user:s3cret@127.0.0.1/name",
    "a password in the query": "postgresql://127.0.0.1:1/name?password=s3cret",
    "a password before a port that is none": "postgresql://user:s3cret@127.0.0.1:port/name",
    "a password that is not quoted": "postgresql://user:x@y:s3cret@127.0.0.1:1/name",
}


@pytest.mark.parametrize("what", SECRETS)
def test_an_error_does_not_tell_a_ledgers_password(what: str) -> None:
    with pytest.raises(LedgerError) as caught:
        open_ledger(SECRETS[what])
    assert "s3cret" not in f"{caught.value} {caught.value.advice}"


def test_a_reader_sees_one_state_whatever_is_written_meanwhile(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.reading() as reader:
        before = runs.page(reader, "acme", Filters(), offset=0, limit=1)
        with ledger.writing() as connection:
            runs.submit(connection, make_submission(), limits=Limits(), now=noon)
        assert runs.page(reader, "acme", Filters(), offset=0, limit=1) == before
    with ledger.reading() as reader:
        assert runs.page(reader, "acme", Filters(), offset=0, limit=1) != before


def test_a_run_that_the_engine_began_is_taken_in_once_by_however_many_and_is_not_dispatched(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    def begin(_: int) -> str:
        with ledger.writing() as connection:
            runs.lock_tenant(connection, "acme")
            known = runs.of_flow_run(connection, "a-flow-run")
            return known or runs.submit(connection, make_submission(), limits=WIDE, now=noon, flow_run_id="a-flow-run")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(begin, range(24))) == {"run-20251029-01"}
    with ledger.reading() as connection:
        assert not dispatch.is_waiting(connection, now=noon + DAY_SECONDS * SECOND)
        assert [row["run_id"] for row in dispatch.at_work(connection)] == ["run-20251029-01"]
