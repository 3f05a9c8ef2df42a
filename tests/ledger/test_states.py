"""The first terminal event wins, and every change is told once, in order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import audit, dispatch, distributions, events, idempotency, runs, states
from ledger.database import open_ledger
from ledger.errors import FinishedError, KeyReusedError, UnknownRunError
from ledger.proofs import SharedReplays
from ledger.receipts import Receipt
from ledger.runs import Limits
from ledger.tables import AUDIT
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from ledger.runs import Submission

ACTS = {
    "start": lambda connection, run_id, now: states.start(connection, run_id, flow_run_id=None, now=now),
    "progress": lambda connection, run_id, now: states.progress(connection, run_id, {}, {"phase": "adapter"}, now=now),
    "sign": lambda connection, run_id, now: states.tell(connection, run_id, events.SIGNED, {}, now=now),
    "heartbeat": lambda connection, run_id, now: states.heartbeat(connection, run_id, now=now),
    "succeed": lambda connection, run_id, now: states.succeed(
        connection, run_id, records=1, content_digest="0" * 64, event={}, now=now
    ),
    "fail": lambda connection, run_id, now: states.fail(connection, run_id, error_code="adapter", error={}, now=now),
    "cancel": lambda connection, run_id, now: states.cancel(connection, run_id, now=now),
}


@pytest.fixture
def run_id(ledger: Ledger, make_submission: Callable[..., Submission], noon: int) -> str:
    with ledger.writing() as connection:
        return runs.submit(connection, make_submission(), limits=Limits(), now=noon)


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(st.sampled_from(sorted(ACTS)), max_size=12))
def test_nothing_follows_a_terminal_event(
    tmp_path_factory: pytest.TempPathFactory, make_submission: Callable[..., Submission], acts: list[str]
) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('law') / 'ledger.db'}")
    with ledger.writing() as connection:
        run_id = runs.submit(connection, make_submission(), limits=Limits(), now=0)
    for now, act in enumerate(acts, start=1):
        with ledger.writing() as connection:
            before = runs.find(connection, run_id, tenant=None)["status"]
            changed = ACTS[act](connection, run_id, now)
            assert changed == (before in ("pending", "running"))
    with ledger.reading() as connection:
        told = events.of_run(connection, run_id)
        row = runs.find(connection, run_id, tenant=None)
    ledger.close()
    assert [event.seq for event in told] == list(range(1, len(told) + 1))
    assert (row["last_seq"], row["last_event"]) == (len(told), told[-1].type)
    assert [event.type in events.LAST for event in told[:-1]] == [False] * (len(told) - 1)
    ends = {"run.succeeded": "success", "run.failed": "failed", "run.canceled": "canceled"}
    assert ends.get(told[-1].type) == (row["status"] if row["status"] not in ("pending", "running") else None)


def test_a_run_that_no_engine_knows_is_canceled_at_once(ledger: Ledger, run_id: str, noon: int) -> None:
    with ledger.writing() as connection:
        assert states.request_cancel(connection, run_id, tenant="acme", by="user:ann", reason="INC-123", now=noon)
    with ledger.reading() as connection:
        row, told = runs.find(connection, run_id, tenant=None), events.of_run(connection, run_id)
    assert (row["status"], row["canceled_by"], row["dispatch_at"]) == ("canceled", "user:ann", None)
    assert json.loads(told[-1].data) == {
        "runId": run_id, "canceledBy": "user:ann", "reason": "INC-123", "timestamp": "2025-10-29T12:12:11Z",
    }  # fmt: skip
    with ledger.writing() as connection, pytest.raises(FinishedError) as caught:
        states.request_cancel(connection, run_id, tenant="acme", by="user:bob", reason=None, now=noon)
    assert caught.value.status == "canceled"


def test_a_run_at_work_is_canceled_when_its_process_ends(ledger: Ledger, run_id: str, noon: int) -> None:
    with ledger.writing() as connection:
        assert dispatch.dispatched(connection, run_id, "a-flow-run")
        assert states.start(connection, run_id, flow_run_id=None, now=noon)
        assert states.request_cancel(connection, run_id, tenant="acme", by="user:ann", reason=None, now=noon + 1)
        assert not states.request_cancel(connection, run_id, tenant="acme", by="user:bob", reason=None, now=noon + 2)
        row = runs.find(connection, run_id, tenant=None)
        assert (row["status"], row["cancel_requested_at"], row["canceled_by"]) == ("running", noon + 1, "user:ann")
        assert states.cancel(connection, run_id, now=noon + 3)
        assert runs.find(connection, run_id, tenant=None)["canceled_by"] == "user:ann"


def test_runs_are_claimed_once_and_again_when_nobody_finished_it(ledger: Ledger, run_id: str, noon: int) -> None:
    def claimed(now: int) -> list[str]:
        with ledger.writing() as connection:
            return [row["run_id"] for row in dispatch.claim(connection, now=now)]

    assert claimed(noon) == [run_id]
    assert claimed(noon + 29 * SECOND) == []
    assert claimed(noon + 30 * SECOND) == [run_id]
    with ledger.writing() as connection:
        dispatch.postpone(connection, run_id, tries=3, now=noon + 31 * SECOND)
    assert claimed(noon + 35 * SECOND) == []
    assert claimed(noon + 36 * SECOND) == [run_id]
    with ledger.writing() as connection:
        assert dispatch.dispatched(connection, run_id, "a-flow-run")
        assert [row["flow_run_id"] for row in dispatch.at_work(connection)] == ["a-flow-run"]
    assert claimed(noon + 1000 * SECOND) == []


def test_a_run_that_was_lost_is_dispatched_anew_and_its_first_process_comes_too_late(
    ledger: Ledger, run_id: str, noon: int
) -> None:
    with ledger.writing() as connection:
        assert dispatch.dispatched(connection, run_id, "first")
        assert not dispatch.hand_over_again(connection, run_id, "another", now=noon)
        assert dispatch.hand_over_again(connection, run_id, "first", now=noon)
        assert not states.start(connection, run_id, flow_run_id="first", attempt=0, now=noon)
        assert [row["losses"] for row in dispatch.claim(connection, now=noon)] == [1]
        assert dispatch.dispatched(connection, run_id, "second")
        assert not states.start(connection, run_id, flow_run_id="first", attempt=0, now=noon)
        assert states.start(connection, run_id, flow_run_id="second", attempt=1, now=noon)
        assert not dispatch.hand_over_again(connection, run_id, "second", now=noon), "it has begun"


def test_a_process_may_begin_before_the_dispatcher_has_noted_it(ledger: Ledger, run_id: str, noon: int) -> None:
    with ledger.writing() as connection:
        assert states.start(connection, run_id, flow_run_id="first", now=noon)
        assert dispatch.dispatched(connection, run_id, "first")
        assert not dispatch.hand_over_again(connection, run_id, "first", now=noon)


def test_a_copy_of_a_flow_run_does_not_do_its_run_a_second_time(ledger: Ledger, run_id: str, noon: int) -> None:
    with ledger.writing() as connection:
        assert dispatch.dispatched(connection, run_id, "first")
        assert not states.start(connection, run_id, flow_run_id="a copy", now=noon)
        assert states.start(connection, run_id, flow_run_id="first", now=noon)
        assert not states.start(connection, run_id, flow_run_id="a copy", now=noon)
        assert states.start(connection, run_id, flow_run_id="first", now=noon), "its process began again"


def test_events_of_an_unknown_run_are_refused(ledger: Ledger, noon: int) -> None:
    with ledger.writing() as connection, pytest.raises(UnknownRunError):
        events.append(connection, "run-1", events.PROGRESS, {}, now=noon)


def test_a_transaction_that_fails_leaves_nothing(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    def half() -> None:
        with ledger.writing() as connection:
            runs.submit(connection, make_submission(), limits=Limits(), now=noon)
            raise KeyError

    with pytest.raises(KeyError):
        half()
    with ledger.reading() as connection:
        assert events.change_counter(connection) == 0
        assert runs.usage(connection, "acme", Limits(), noon).used == 0


def test_an_idempotency_key_finds_its_answer_and_refuses_another_request(ledger: Ledger, noon: int) -> None:
    facts = {"tenant": "acme", "client": "ci", "method": "POST", "path": "/runs", "key": "A-1"}
    key = idempotency.make_key(**facts, body=b"{}")
    with ledger.writing() as connection:
        assert idempotency.stored(connection, key) is None
        idempotency.store(connection, key, idempotency.Answer(202, {"Location": "/x"}, b"done"), now=noon)
    with ledger.writing() as connection:
        assert idempotency.stored(connection, key) == idempotency.Answer(202, {"Location": "/x"}, b"done")
        assert idempotency.stored(connection, idempotency.make_key(**{**facts, "tenant": "b"}, body=b"{}")) is None
        with pytest.raises(KeyReusedError):
            idempotency.stored(connection, idempotency.make_key(**facts, body=b"{1}"))
        assert idempotency.forget_old(connection, now=noon) == 0
        assert idempotency.forget_old(connection, now=noon + idempotency.KEPT + 1) == 1


CHANGES = {
    "a row says something else": (AUDIT.update().where(AUDIT.c.seq == 2).values(actor="user:eve"), 2),
    "a row is gone": (AUDIT.delete().where(AUDIT.c.seq == 2), 2),
    "rows have other numbers": (AUDIT.update().where(AUDIT.c.seq == 3).values(seq=4), 3),
    "a row has a digest of its own": (AUDIT.update().where(AUDIT.c.seq == 3).values(digest="1" * 64), 3),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_audit_chain_shows_where_it_was_changed(ledger: Ledger, noon: int, what: str) -> None:
    with ledger.writing() as connection:
        for target in ("a", "b", "c"):
            entry = audit.Entry(tenant="acme", actor="user:ops", action="run.submit", target=target)
            audit.record(connection, entry, now=noon)
        assert audit.verify(connection, "acme") is None
        change, place = CHANGES[what]
        connection.execute(change)
        assert audit.verify(connection, "acme") == place
        assert audit.verify(connection, "other") is None


def test_a_proof_is_new_once(ledger: Ledger) -> None:
    replays = SharedReplays(ledger)
    assert replays.first_time(b"k", 100)
    assert not replays.first_time(b"k", 100)
    replays.forget(now=101)
    assert replays.first_time(b"k", 200)


def test_targets_are_listed_with_what_became_of_them(ledger: Ledger, run_id: str, noon: int) -> None:
    with ledger.writing() as connection:
        distributions.register(connection, run_id, ["http", "oci"])
        finished = Receipt(type="http", state="finished", location="/x", size_bytes=5, finished_at=noon)
        distributions.write(connection, run_id, finished)
        distributions.write(connection, run_id, Receipt(type="oci", state="failed", reason="full"))
        found = distributions.of_runs(connection, [run_id, "run-2"])
    assert [(row["type"], row["state"], row["size_bytes"]) for row in found[run_id]] == [
        ("http", "finished", 5),
        ("oci", "failed", None),
    ]
    assert found["run-2"] == []
