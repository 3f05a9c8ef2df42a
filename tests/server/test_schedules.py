"""Runs that Prefect begins of itself are runs like any other over HTTP, and end as others do."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ledger import states
from ledger.errors import TooManyRunsError
from ledger.runs import Limits
from server import answers

NIGHTLY: dict[str, Any] = {
    "profileId": "nightly", "name": "Nightly", "kind": "json", "variant": "raw", "include": ["advisories"],
    "schedule": {"cron": "0 3 * * *", "timezone": "Europe/Berlin"},
}  # fmt: skip


def kinds(running: Any, run_id: str) -> list[str]:
    return [each["event"] for each in running.events(run_id)]


def test_a_profile_shows_its_schedule(running: Any) -> None:
    assert running.http.post("/profiles", json=NIGHTLY).status_code == 201
    shown = running.http.get("/profiles/nightly")
    answers.Profile.model_validate_json(shown.content)
    assert shown.json()["schedule"] == shown.json()["config"]["schedule"] == NIGHTLY["schedule"]
    listed = {each["profileId"]: each["schedule"] for each in running.http.get("/profiles").json()["items"]}
    assert (listed["nightly"], listed["json-raw"]) == (NIGHTLY["schedule"], None)


def test_a_run_of_prefects_own_is_found_and_canceled_here_as_a_submitted_one(running: Any) -> None:
    running.http.post("/profiles", json=NIGHTLY)
    run_id = running.prefect.begin_of_itself("flow-of-night", {"profileId": "nightly"})
    run = running.run(run_id)
    assert (run["status"], run["createdBy"], run["profileId"]) == ("running", "schedule:nightly", "nightly")
    assert [each["runId"] for each in running.http.get("/runs?status=active&profileId=nightly").json()["items"]] == [
        run_id
    ]
    assert running.http.post(f"/runs/{run_id}:cancel", json={"reason": "INC-1"}).status_code == 202
    until = time.monotonic() + 15
    while "cancel" not in running.prefect.asked:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert running.run(run_id)["status"] == "running", "its process is still there"
    running.prefect.end("flow-of-night")
    run = running.ended(run_id)
    assert (run["status"], run["canceledBy"], run["cancelReason"]) == ("canceled", "user:ops", "INC-1")
    assert kinds(running, run_id) == ["run.accepted", "run.canceled"]


def test_a_run_of_prefects_own_that_is_canceled_there_is_canceled_here_once(running: Any) -> None:
    run_id = running.prefect.begin_of_itself("flow-of-night", {"profileId": "json-raw"})
    running.prefect.end("flow-of-night")
    assert (running.ended(run_id)["status"], running.run(run_id)["canceledBy"]) == ("canceled", "system")
    assert kinds(running, run_id) == ["run.accepted", "run.canceled"]
    assert running.http.post(f"/runs/{run_id}:cancel").status_code == 409


def test_a_process_that_prefect_ends_gives_its_run_back_and_that_is_a_cancel_in_both(running: Any) -> None:
    run_id = running.prefect.begin_of_itself("flow-of-night", {"profileId": "json-raw"})
    running.prefect.end("flow-of-night", "CANCELLING")
    with running.service.ledger.writing() as connection:
        assert states.release(connection, run_id)
    assert running.ended(run_id)["status"] == "canceled"
    until = time.monotonic() + 15
    while running.prefect.states(["flow-of-night"])["flow-of-night"].kind != "CANCELLED":
        assert time.monotonic() < until
        time.sleep(0.02)
    assert kinds(running, run_id) == ["run.accepted", "run.canceled"]


def test_runs_of_prefects_own_and_submitted_ones_share_one_cap(start: Any) -> None:
    with start(limits=Limits(active_runs=4)) as running:
        for number in range(4):
            running.prefect.begin_of_itself(f"flow-{number}", {"profileId": "json-raw"})
        assert running.http.post("/runs", json={"profileId": "json-raw"}).json()["code"] == "ERR_EXPORT_003"
        with pytest.raises(TooManyRunsError):
            running.prefect.begin_of_itself("flow-5", {"profileId": "json-raw"})
        assert running.http.get("/runs").headers["x-total-count"] == "4"
