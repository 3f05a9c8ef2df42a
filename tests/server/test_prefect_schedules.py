"""Schedules under a real Prefect server with its own scheduler and worker: nobody submits, and runs are there."""

from __future__ import annotations

import base64
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.server.served import READY_SECONDS, RUN_SECONDS, Served, ended_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow


@pytest.fixture
def served(evidence_home: Path) -> Iterator[Served]:
    made = Served(evidence_home)
    yield made
    made.close()


def test_prefect_makes_runs_by_schedule_and_for_people_and_the_api_shows_them_as_submitted_ones(
    served: Served, counterpart: Callable[[str], str]
) -> None:
    git = counterpart("git")
    served.start()
    profile = {"profileId": "nightly", "name": "Nightly", "kind": "json", "variant": "raw", "include": ["advisories"]}
    schedule = {"cron": "30 5 * * *", "timezone": "Europe/Berlin"}
    made = served.http.post("/api/export/profiles", json={**profile, "schedule": schedule})
    assert made.status_code == 201, made.text
    served.ready()
    with _prefect(served) as prefect:
        due = _due(served, prefect)
        _who_does_not_know_the_secret_starts_nothing(prefect, due["deployment_id"])
        local = datetime.fromisoformat(due["expected_start_time"]).astimezone(ZoneInfo("Europe/Berlin"))
        assert (local.hour, local.minute) == (5, 30)
        # The scheduler made it; not to wait for the morning, it is due now.
        now = {"type": "SCHEDULED", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
        _ask(prefect, f"/flow_runs/{due['id']}/set_state", {"state": now, "force": True})
        scheduled = _find(served, "schedule:nightly")
        _ask(prefect, f"/deployments/{due['deployment_id']}/create_flow_run", {})
        by_hand = _find(served, "prefect:operator")
        for run_id in (scheduled, by_hand):
            assert served.wait(run_id) == "success", served.log()
            told = served.events(run_id)
            assert ended_once(told)
            assert {"run.accepted", "run.signed", "run.succeeded"} <= {event.kind for event in told}
        assert prefect.get(f"/flow_runs/{due['id']}").json()["name"] == scheduled
        _a_flow_run_that_dies_before_its_run_is_accepted_is_begun_again(served, prefect, due["deployment_id"])
        _an_archived_profile_makes_no_runs(served, prefect, due["deployment_id"])
        _a_profile_that_is_gone_takes_its_deployment_with_it(served, prefect, git)
    assert served.stop() == 0


def _prefect(served: Served) -> httpx.Client:
    """Return a client of the Prefect server that runs beside the service, who knows the home's secret."""
    (number,) = served.children("server start")
    words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
    url = f"http://127.0.0.1:{words[words.index('--port') + 1]}/api"
    secret = (served.home / "prefect.key").read_text().strip()
    known = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return httpx.Client(base_url=url, timeout=60, headers=known)


def _who_does_not_know_the_secret_starts_nothing(prefect: httpx.Client, deployment: str) -> None:
    """As a page of some web site would try, or another user of this machine."""
    begin = {"parameters": {}, "job_variables": {"command": "touch begun"}, "state": {"type": "SCHEDULED"}}
    url = f"{prefect.base_url}deployments/{deployment}/create_flow_run"
    for headers in ({"Origin": "https://elsewhere.example"}, {"Authorization": "Basic bm9uZQ=="}):
        answer = httpx.post(url, json=begin, headers=headers)
        assert answer.status_code == 401, answer.text
        assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in httpx.options(url, headers=asked).headers


def _find(served: Served, creator: str) -> str:
    """Wait until the API shows a run of a creator, and return its id."""
    found: list[str] = []

    def look() -> bool:
        listed = served.http.get("/api/export/runs").json()["items"]
        found[:] = [each["runId"] for each in listed if each["createdBy"] == creator]
        return bool(found)

    served.until(look, RUN_SECONDS)
    (run_id,) = found
    return run_id


def _ask(prefect: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    """Ask Prefect, and again while its database is busy, as its own clients do."""
    while (answer := prefect.post(path, json=body)).status_code == 503:
        time.sleep(0.2)
    answer.raise_for_status()
    return answer.json()


def _due(served: Served, prefect: httpx.Client) -> dict[str, Any]:
    """Wait until the scheduler has made a run, and return it."""
    wanted = {"flow_runs": {"tags": {"all_": ["auto-scheduled", "tenant:acme", "profile:nightly"]}}}
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = _ask(prefect, "/flow_runs/filter", wanted)
        return bool(found)

    served.until(look, READY_SECONDS)
    return min(found, key=lambda run: str(run["expected_start_time"]))


def _nightly(served: Served) -> list[dict[str, Any]]:
    return list(served.http.get("/api/export/runs?profileId=nightly").json()["items"])


def _a_flow_run_that_dies_before_its_run_is_accepted_is_begun_again(
    served: Served, prefect: httpx.Client, deployment: str
) -> None:
    flow_run = _ask(prefect, f"/deployments/{deployment}/create_flow_run", {})["id"]
    served.until(lambda: served.kill_children("flows.process"), RUN_SECONDS)
    assert len(_nightly(served)) == 2, "it had not come so far"
    served.until(lambda: len(_nightly(served)) == 3, RUN_SECONDS)
    run_id = _nightly(served)[0]["runId"]
    assert served.wait(run_id) == "success", served.log()
    assert prefect.get(f"/flow_runs/{flow_run}").json()["name"] == run_id


def _an_archived_profile_makes_no_runs(served: Served, prefect: httpx.Client, deployment: str) -> None:
    assert served.http.post("/api/export/profiles/nightly:archive").status_code == 200
    served.until(lambda: prefect.get(f"/deployments/{deployment}").json()["paused"], RUN_SECONDS)
    flow_run = _ask(prefect, f"/deployments/{deployment}/create_flow_run", {})["id"]
    ended = [""]

    def look() -> bool:
        found = prefect.get(f"/flow_runs/{flow_run}").json()
        ended[0] = f"{found['state_type']}: {found['state']['message']}"
        return found["state_type"] in ("FAILED", "COMPLETED", "CRASHED")

    served.until(look, RUN_SECONDS)
    assert ended[0].startswith("FAILED"), ended
    assert "profile 'nightly' is archived" in ended[0]
    assert len(_nightly(served)) == 3


def _a_profile_that_is_gone_takes_its_deployment_with_it(served: Served, prefect: httpx.Client, git: str) -> None:
    place = [git, "-C", str(served.home / "profiles"), "-c", "user.name=Jane", "-c", "user.email=jane@a.example"]
    subprocess.run([*place, "rm", "-q", "acme/nightly.yaml"], check=True)
    subprocess.run([*place, "commit", "-qm", "Remove what nobody reads"], check=True)
    gone = "/deployments/name/export-run/acme.nightly"
    served.until(lambda: prefect.get(gone).status_code == 404, RUN_SECONDS)
    wanted = {"flow_runs": {"tags": {"all_": ["auto-scheduled"]}, "state": {"type": {"any_": ["SCHEDULED"]}}}}
    assert _ask(prefect, "/flow_runs/filter", wanted) == []
