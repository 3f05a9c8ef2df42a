"""``export-center serve`` as its users run it: real Prefect, real worker, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

READY_SECONDS = 120
RUN_SECONDS = 300


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
        self._until(lambda: self.http.get("/healthz").status_code == 200, READY_SECONDS)
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
        self._until(lambda: self.status(run_id) in statuses, RUN_SECONDS)
        return self.status(run_id)

    def _until(self, done: object, seconds: float) -> None:
        assert callable(done)
        until = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)


@pytest.fixture
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
    # Not what the worker would start by itself, which takes much longer to begin.
    served._until(lambda: served.children("flows.process prefect.engine"), RUN_SECONDS)
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


def _a_worker_that_dies_is_started_again(served: Served) -> None:
    for number in served.children("worker start"):
        os.kill(number, signal.SIGKILL)
    assert served.wait(served.submit(), "success", "failed", "canceled") == "success", served.log()
