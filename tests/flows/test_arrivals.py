"""Runs that the engine begins of itself are taken into the ledger once, under the rules of submissions, or not at all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from flows.arrivals import Arrival, arrive, arrive_in_turn
from flows.errors import FlowError
from flows.profile_store import ProfileStore, Signature
from flows.recorded import Installation, perform
from ledger import audit, dispatch, distributions, events, runs, states
from ledger.database import open_ledger
from ledger.errors import FinishedError, LedgerError, QuotaError, TooManyRunsError, UnknownRunError
from ledger.runs import PATIENCE_SECONDS, Filters, Limits
from ledger.tables import AUDIT
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ledger.database import Ledger

NOON = 1_761_739_931_000_000
FLOW_RUN = "0190163d-8694-739b-aea5-966c26f8ad91"
PROFILE = {"name": "Nightly", "profileId": "nightly", "kind": "json", "variant": "raw", "include": ["advisories"]}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    """An installation with profiles of tenant acme: nightly, and old, which is archived."""
    by = Signature("user:ops", datetime(2026, 1, 1, tzinfo=UTC))
    with ProfileStore(tmp_path / "profiles") as store:
        store.create("acme", PROFILE, by)
        store.create("acme", PROFILE | {"profileId": "old"}, by)
        store.archive("acme", "old", by)
        store.create("acme", PROFILE | {"profileId": "far", "distribution": ["oci"]}, by)
        store.create("acme", PROFILE | {"profileId": "wide", "selectors": {"tenants": ["acme", "other"]}}, by)
    (tmp_path / "loose.yaml").write_text(json.dumps(PROFILE))
    return Installation(
        store="none", key="file:none", bundles=tmp_path / "bundles", clock=lambda: NOON, profiles=tmp_path / "profiles"
    )


def arrival(flow_run_id: str = FLOW_RUN, **request: Any) -> Arrival:
    trace = FLOW_RUN.replace("-", "")
    return Arrival(
        flow_run_id=flow_run_id,
        by="schedule:nightly",
        tenant="acme",
        request={"profileId": "nightly", **request},
        trace_id=trace,
        trace_parent=f"00-{trace}-{trace[:16]}-01",
    )


def count(ledger: Ledger) -> tuple[int, int, int]:
    """Return how many runs, audit rows and runs counted against the quota there are."""
    with ledger.reading() as connection:
        listed = runs.page(connection, "acme", Filters(), offset=0, limit=10)[1]
        noted = connection.execute(select(func.count()).select_from(AUDIT)).scalar_one()
        return listed, noted, runs.usage(connection, "acme", Limits(), NOON).used


def test_a_run_that_arrives_is_as_a_submitted_one_that_was_dispatched(ledger: Ledger, here: Installation) -> None:
    run_id = arrive(ledger, arrival(selectors={"ids": ["a"]}, options={"allowEmpty": True}), here)
    with ledger.reading() as connection:
        row = runs.find(connection, run_id, tenant="acme")
        told = events.of_run(connection, run_id)
        targets = distributions.of_runs(connection, [run_id])[run_id]
        assert audit.verify(connection, "acme") is None
    assert row["run_id"] == "run-20251029-01"
    assert (row["status"], row["dispatch_at"], row["flow_run_id"]) == ("pending", None, FLOW_RUN)
    assert (row["created_by"], row["profile_base"], row["profile_revision"]) == ("schedule:nightly", "nightly", 1)
    assert (json.loads(row["selectors"]), json.loads(row["options"])["allowEmpty"]) == ({"ids": ["a"]}, True)
    assert [event.type for event in told] == ["run.accepted"]
    assert [(each["type"], each["state"]) for each in targets] == [("http", "pending")]
    assert count(ledger) == (1, 1, 1)


def test_a_flow_run_is_one_run_however_often_and_by_how_many_it_is_begun(ledger: Ledger, here: Installation) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: arrive(ledger, arrival(), here), range(16)))
    assert set(made) == {"run-20251029-01"}
    assert arrive(ledger, arrival("another"), here) == "run-20251029-02"
    assert count(ledger) == (2, 2, 2)


def test_a_flow_run_that_is_begun_again_after_its_run_is_over_does_nothing(ledger: Ledger, here: Installation) -> None:
    run_id = arrive(ledger, arrival(), here)
    with ledger.writing() as connection:
        states.cancel(connection, run_id, now=NOON)
    with pytest.raises(FinishedError, match="run-20251029-01 is over: canceled"):
        arrive(ledger, arrival(), here)
    assert count(ledger) == (1, 1, 1)


def test_a_run_that_is_lost_before_it_begins_is_dispatched_and_its_flow_run_comes_too_late(
    ledger: Ledger, here: Installation
) -> None:
    run_id = arrive(ledger, arrival(), here)
    with ledger.writing() as connection:
        assert dispatch.hand_over_again(connection, run_id, FLOW_RUN, now=NOON)
        assert [row["run_id"] for row in dispatch.claim(connection, now=NOON)] == [run_id]
    for flow_run in ("another", "yet another"):
        assert arrive(ledger, arrival(), here) == run_id
        with ledger.writing() as connection:
            assert not states.start(connection, run_id, flow_run_id=FLOW_RUN, now=NOON)
            assert dispatch.dispatched(connection, run_id, flow_run)
    assert count(ledger) == (1, 1, 1)


NARROW = Limits(active_runs=1, runs_a_day=9)
REFUSED: dict[str, tuple[dict[str, Any], Limits, type[Exception], str]] = {
    "the quota of the day": ({}, Limits(runs_a_day=1), QuotaError, "has had its 1 runs of today"),
    "the cap": ({}, NARROW, TooManyRunsError, "has 1 active runs, which is all"),
    "an archived profile": ({"profileId": "old"}, Limits(), FlowError, "profile 'old' is archived"),
    "a profile that is not there": ({"profileId": "nowhere"}, Limits(), FlowError, "no profile 'nowhere'"),
    "another tenant's evidence": ({"selectors": {"tenants": ["other"]}}, Limits(), FlowError, "'other', but runs"),
    "a profile that reads others' evidence": ({"profileId": "wide"}, Limits(), FlowError, "'other', but runs"),
    "a target that is not there": ({"profileId": "far"}, Limits(), FlowError, "oci"),
    "selectors that are none": ({"selectors": {"colour": "red"}}, Limits(), FlowError, "colour"),
    "a misspelt field": ({"profile": "nightly"}, Limits(), FlowError, "request: .*unknown field"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_leaves_nothing(ledger: Ledger, here: Installation, what: str) -> None:
    request, limits, kind, message = REFUSED[what]
    arrive(ledger, arrival("first"), here)
    with pytest.raises((FlowError, LedgerError), match=message) as caught:
        arrive(ledger, arrival(**request), here, limits)
    assert isinstance(caught.value, kind)
    assert count(ledger) == (1, 1, 1)


@pytest.mark.parametrize("name", ["../../x", "..", "/tmp", "a/b", ".git", "", "acme\n"])
def test_a_tenant_whose_folder_would_lie_elsewhere_is_none(ledger: Ledger, here: Installation, name: str) -> None:
    with pytest.raises(FlowError, match=r"tenant: .* is not the name of one"):
        arrive(ledger, replace(arrival(), tenant=name), here)
    with ledger.reading() as connection:
        assert runs.of_flow_run(connection, FLOW_RUN) is None


def test_a_path_of_a_file_is_no_profile_here(ledger: Ledger, here: Installation, tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="no profile"):
        arrive(ledger, arrival(profileId=str(tmp_path / "loose.yaml")), here)


def test_a_run_waits_for_a_place_but_not_for_ever(ledger: Ledger, here: Installation) -> None:
    now = [NOON]
    ticking = replace(here, clock=lambda: now[0])
    first = arrive(ledger, arrival("first"), here)

    def sleep(seconds: float) -> None:
        now[0] += int(seconds * SECOND)

    with pytest.raises(TooManyRunsError):
        arrive_in_turn(ledger, arrival(), ticking, sleep=sleep, limits=NARROW)
    assert PATIENCE_SECONDS * SECOND <= now[0] - NOON < 2 * PATIENCE_SECONDS * SECOND

    def end(_seconds: float) -> None:
        with ledger.writing() as connection:
            states.cancel(connection, first, now=now[0])

    assert arrive_in_turn(ledger, arrival(), ticking, sleep=end, limits=NARROW) == "run-20251029-02"


def test_a_run_that_nobody_knows_touches_no_file_whatever_it_is_called(
    ledger: Ledger, here: Installation, tmp_path: Path
) -> None:
    others = tmp_path / "others.pid"
    others.write_text("of another program")
    with pytest.raises(UnknownRunError):
        perform(ledger, "../others", replace(here, at_work=tmp_path / "at-work"))
    assert others.read_text() == "of another program"
