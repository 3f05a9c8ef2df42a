"""Beyond the contract: waiting, dry runs, retries, the newest bundle, tickets."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx

from ledger.times import SECOND
from server import dry_runs, tickets

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

NOWHERE = {"ecosystems": ["Nowhere"]}


def test_a_submission_waits_for_its_run(running: Any) -> None:
    answer = running.http.post("/runs", params={"wait": 30}, json={"profileId": "json-raw"})
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    empty = running.http.post("/runs", params={"wait": 30}, json={"profileId": "json-raw", "selectors": NOWHERE})
    assert (empty.status_code, empty.json()["code"]) == (422, "ERR_EXPORT_EMPTY")


def test_waiting_ends_when_the_time_is_up(running: Any) -> None:
    running.prefect.held.clear()
    answer = running.http.post("/runs", params={"wait": 1}, json={"profileId": "json-raw"})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    run_id = answer.json()["runId"]
    assert running.http.get(f"/runs/{run_id}", params={"wait": 1}).json()["status"] in ("pending", "running")
    running.prefect.held.set()
    assert running.http.get(f"/runs/{run_id}", params={"wait": 30}).json()["status"] == "success"
    refused = running.http.get(f"/runs/{run_id}", params={"wait": 61})
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (400, "wait")


def test_a_dry_run_counts_what_the_run_then_takes(running: Any) -> None:
    planned = running.http.post("/runs:plan", json={"profileId": "json-raw"})
    assert planned.status_code == 200, planned.text
    run = running.ended(running.submit())
    assert (planned.json()["records"], planned.json()["bytes"]) == (run["counts"]["records"], run["counts"]["bytes"])
    empty = running.http.post("/runs:plan", json={"profileId": "json-raw", "selectors": NOWHERE})
    assert (empty.status_code, empty.json()["code"]) == (422, "ERR_EXPORT_EMPTY")
    allowed = {"profileId": "json-raw", "selectors": NOWHERE, "options": {"allowEmpty": True}}
    assert running.http.post("/runs:plan", json=allowed).json()["records"] == 0
    refused = running.http.post("/runs:plan", json={"profileId": "trivy-db"})
    assert (refused.status_code, refused.json()["code"]) == (400, "ERR_EXPORT_001")


def test_what_failed_is_done_again_and_what_succeeded_is_not(running: Any) -> None:
    failed = running.submit(selectors=NOWHERE)
    running.ended(failed)
    again = running.http.post(f"/runs/{failed}:retry")
    assert again.status_code == 202
    assert again.json()["runId"] != failed
    assert running.ended(again.json()["runId"])["errorCode"] == "empty"
    good = running.submit()
    running.ended(good)
    refused = running.http.post(f"/runs/{good}:retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "ERR_EXPORT_CONFLICT")


def test_what_is_done_again_is_checked_as_what_is_done_for_the_first_time(running: Any) -> None:
    daily = {"name": "Daily", "kind": "json", "variant": "policy", "include": ["advisories"]}
    made = running.http.post("/profiles", json={**daily, "policySnapshotMode": "optional"})
    assert made.status_code == 201, made.text
    failed = running.submit(profileId="prof-daily", selectors=NOWHERE)
    running.ended(failed)
    changed = running.http.patch("/profiles/prof-daily", json={"policySnapshotMode": "required"})
    assert changed.status_code == 200, changed.text
    refused = running.http.post(f"/runs/{failed}:retry")
    assert (refused.status_code, refused.json()["details"][0]["field"]) == (400, "policySnapshotId"), refused.text


def test_a_tenant_has_one_dry_run_at_once_and_others_have_theirs(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    began, go = threading.Semaphore(0), threading.Event()

    def wait_for_go(_request: object) -> dict[str, int]:
        began.release()
        go.wait(30)
        return {"records": 1}

    monkeypatch.setattr(dry_runs, "_dry_run", wait_for_go)

    def plan(tenant: str) -> httpx.Response:
        asked = {"profileId": "json-raw"}
        answer: httpx.Response = running.http.post("/runs:plan", json=asked, headers={"X-Stella-Tenant": tenant})
        return answer

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(plan, "acme")
        assert began.acquire(timeout=30)
        refused = plan("acme")
        second = pool.submit(plan, "globex")
        both_began = began.acquire(timeout=30)
        go.set()
        assert both_began
    assert (refused.status_code, refused.json()["code"]) == (429, "ERR_EXPORT_003")
    assert int(refused.headers["retry-after"]) == refused.json()["details"][0]["retryAfterSeconds"]
    assert [first.result().status_code, second.result().status_code, plan("acme").status_code] == [200, 200, 200]


def test_the_newest_good_bundle_of_a_profile(running: Any) -> None:
    none = running.http.get("/profiles/json-raw/latest")
    assert (none.status_code, none.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND")
    first, second = running.submit(), running.submit()
    for run_id in (first, second):
        running.ended(run_id)
    running.ended(running.submit(selectors=NOWHERE))
    found = running.http.get("/profiles/json-raw/latest").json()
    assert found["runId"] in (first, second)
    assert 0 <= found["ageSeconds"] < 60
    assert found["sha256"] == running.run(found["runId"])["distributions"][0]["sha256"]
    missing = running.http.get("/profiles/nope/latest")
    assert (missing.status_code, missing.json()["code"]) == (404, "ERR_EXPORT_002")


def test_a_ticket_gives_one_bundle_to_whoever_holds_it_until_its_time_is_over(start: Callable[..., Any]) -> None:
    with start() as running:
        run_id = running.submit()
        running.ended(run_id)
        made = running.http.post(f"/runs/{run_id}:ticket")
        assert made.status_code == 201
        location = made.json()["location"]
        plain = httpx.get(f"{running.url}{location}")
        assert plain.content == running.http.get(f"/runs/{run_id}/download").content
        assert plain.headers["x-export-digest"] == f"sha256:{made.json()['sha256']}"
        wrong = httpx.get(f"{running.url}{location[:-1]}{'A' if location[-1] != 'A' else 'B'}")
        assert (wrong.status_code, wrong.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND")
        foreign = running.http.post(f"/runs/{run_id}:ticket", headers={"X-Stella-Tenant": "other"})
        assert foreign.status_code == 404
        clock = running.service.clock
    with start(clock=lambda: clock() + (tickets.LIFE_SECONDS + 1) * SECOND) as later:
        assert httpx.get(f"{later.url}{location}").status_code == 404


def test_a_run_without_a_bundle_gets_no_ticket(running: Any) -> None:
    running.prefect.held.clear()
    refused = running.http.post(f"/runs/{running.submit()}:ticket")
    assert (refused.status_code, refused.json()["code"]) == (409, "ERR_EXPORT_007")


def test_a_base_that_is_not_there_is_refused_at_submission(running: Any) -> None:
    refused = running.http.post("/runs", json={"profileId": "json-raw", "options": {"base": "run-20200101-01"}})
    assert (refused.status_code, refused.json()["code"]) == (400, "ERR_EXPORT_BASE_MISSING")


def test_a_base_that_is_there_is_refused_by_a_profile_that_makes_no_deltas(running: Any) -> None:
    run_id = running.submit()
    digest = running.ended(run_id)["contentDigest"]
    for base in (run_id, digest):
        refused = running.http.post("/runs", json={"profileId": "json-raw", "options": {"base": base}})
        assert (refused.status_code, refused.json()["details"][0]["field"]) == (400, "options.base")
        foreign = running.http.post(
            "/runs", json={"profileId": "json-raw", "options": {"base": base}}, headers={"X-Stella-Tenant": "other"}
        )
        assert foreign.json()["code"] == "ERR_EXPORT_BASE_MISSING"


class Faulty:
    """Something of the service that fails as nobody expects, once the route is known."""

    profiles = ()

    def headers(self, *_named: str | None) -> dict[str, str]:
        raise RuntimeError("as nobody expects")


def test_a_fault_is_logged_without_the_ticket_that_the_path_holds(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with start(outdated=Faulty()) as running, caplog.at_level(logging.ERROR):
        assert running.http.get("/tickets/as-good-as-a-token").status_code == 500
    assert "GET /api/export/tickets/{ticket} failed" in caplog.text
    assert "as-good-as-a-token" not in caplog.text
