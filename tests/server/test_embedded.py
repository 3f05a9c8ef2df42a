"""``export-center serve`` as its users run it: real Prefect, real worker, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from server.running import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

READY_SECONDS = 120
RUN_SECONDS = 120


class Served:
    """A served home."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = free_port()
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self._port}", timeout=60, headers={"X-Stella-Tenant": "acme"}
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; return the seconds until it answered."""
        began = time.monotonic()
        command = [sys.executable, "-m", "cli", "serve", "--port", str(self._port)]
        environ = {**os.environ, "EXPORT_CENTER_HOME": str(self._home)}
        with (self._home / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.until(lambda: self.http.get("/healthz").status_code == 200, READY_SECONDS)
        return time.monotonic() - began

    def stop(self) -> int:
        """End it as systemd does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def kill(self) -> None:
        """End it as a power cut does, but for its children."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def children(self, word: str) -> list[int]:
        """Return the processes that run for this home and have a word in their command."""
        listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        found = []
        for line in listed.splitlines()[1:]:
            number, _, args = line.strip().partition(" ")
            if word in args and self._is_mine(int(number)):
                found.append(int(number))
        return found

    def _is_mine(self, number: int) -> bool:
        try:
            with open(f"/proc/{number}/environ", "rb") as file:  # noqa: PTH123 - no path of ours
                return f"EXPORT_CENTER_HOME={self._home}".encode() in file.read().split(b"\0")
        except OSError:
            return False

    def log(self) -> str:
        logs = [self._home / "serve.log", *sorted((self._home / "prefect").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in logs if path.exists())

    def submit(self) -> str:
        answer = self.http.post("/api/export/runs", json={"profileId": "json-raw"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def status(self, run_id: str) -> str:
        return str(self.http.get(f"/api/export/runs/{run_id}").json()["status"])

    def wait(self, run_id: str, *statuses: str) -> str:
        self.until(lambda: self.status(run_id) in statuses, RUN_SECONDS)
        return self.status(run_id)

    def prefect(self) -> httpx.Client:
        """Return a client of the Prefect server that runs beside it."""
        (number,) = self.children("server start")
        words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
        return httpx.Client(base_url=f"http://127.0.0.1:{words[words.index('--port') + 1]}/api", timeout=60)

    def find(self, **facts: str) -> str:
        """Wait for a run that has these facts in lists, and return its id."""
        found: list[str] = []

        def look() -> bool:
            listed = self.http.get("/api/export/runs").json()["items"]
            found[:] = [each["runId"] for each in listed if facts.items() <= each.items()]
            return bool(found)

        self.until(look, RUN_SECONDS)
        (run_id,) = found
        return run_id

    def events(self, run_id: str) -> list[str]:
        lines = self.http.get(f"/api/export/runs/{run_id}/events?format=audit").text.splitlines()
        return [json.loads(line)["event"] for line in lines]

    def until(self, done: Callable[[], object], seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)


@pytest.fixture(scope="module")
def served(evidence_home: Path) -> Iterator[Served]:
    made = Served(evidence_home)
    yield made
    made.http.close()
    if made._process is not None and made._process.poll() is None:
        made.stop()
    for word in ("prefect", "flows"):
        for number in made.children(word):
            os.kill(number, signal.SIGKILL)


def test_one_command_serves_and_ends_cleanly_and_loses_nothing_when_parts_die(served: Served) -> None:
    """One test, because Prefect takes its time to start."""
    served.start()
    first = served.submit()
    assert served.wait(first, "success", "failed", "canceled") == "success", served.log()
    assert served.http.get("/readyz").json()["status"] == "ok"
    _a_worker_that_dies_is_started_again(served)
    assert served.stop() == 0, served.log()
    assert served.children("prefect") == []
    served.start()
    # The API answers some seconds before Prefect does.
    waiting = served.submit()
    assert served.stop() == 0, served.log()
    served.start()
    assert served.wait(waiting, "success", "failed", "canceled") == "success", served.log()
    canceled = served.submit()
    served.http.post(f"/api/export/runs/{canceled}:cancel", json={"reason": "INC-1"})
    assert served.wait(canceled, "success", "failed", "canceled") == "canceled"
    assert served.stop() == 0


def test_prefect_makes_runs_by_schedule_and_for_people_and_the_api_shows_them_as_submitted_ones(served: Served) -> None:
    served.start()
    profile = {"profileId": "nightly", "name": "Nightly", "kind": "json", "variant": "raw", "include": ["advisories"]}
    schedule = {"cron": "30 5 * * *", "timezone": "Europe/Berlin"}
    made = served.http.post("/api/export/profiles", json={**profile, "schedule": schedule})
    assert made.status_code == 201, made.text
    served.until(lambda: served.http.get("/readyz").status_code == 200, READY_SECONDS)
    with served.prefect() as prefect:
        due = _due(served, prefect)
        local = datetime.fromisoformat(due["expected_start_time"]).astimezone(ZoneInfo("Europe/Berlin"))
        assert (local.hour, local.minute) == (5, 30)
        # The scheduler made it; not to wait for the morning, it is due now.
        now = {"type": "SCHEDULED", "state_details": {"scheduled_time": datetime.now(UTC).isoformat()}}
        _ask(prefect, f"/flow_runs/{due['id']}/set_state", {"state": now, "force": True})
        scheduled = served.find(createdBy="schedule:nightly")
        _ask(prefect, f"/deployments/{due['deployment_id']}/create_flow_run", {})
        by_hand = served.find(createdBy="prefect:operator")
        for run_id in (scheduled, by_hand):
            assert served.wait(run_id, "success", "failed", "canceled") == "success", served.log()
            told = served.events(run_id)
            assert (told[0], told[-1], "run.signed" in told) == ("run.accepted", "run.succeeded", True)
        assert prefect.get(f"/flow_runs/{due['id']}").json()["name"] == scheduled
        _an_archived_profile_makes_no_runs(served, prefect, due["deployment_id"])
    assert served.stop() == 0


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
    assert len(served.http.get("/api/export/runs?profileId=nightly").json()["items"]) == 2


def _a_worker_that_dies_is_started_again(served: Served) -> None:
    for number in served.children("worker start"):
        os.kill(number, signal.SIGKILL)
    assert served.wait(served.submit(), "success", "failed", "canceled") == "success", served.log()
