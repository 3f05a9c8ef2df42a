"""``export-center serve`` over a home, as its users run it: real Prefect, real worker, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import httpx_sse

from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

READY_SECONDS = 120
RUN_SECONDS = 240
TERMINAL = ("success", "failed", "canceled")


class Heard(NamedTuple):
    """One event, as a client got it."""

    number: int
    kind: str


class Served:
    """A served home."""

    def __init__(self, home: Path, *options: str, environ: Mapping[str, str] | None = None) -> None:
        """Do nothing yet; ``options`` are further ones of the command, ``environ`` is added to the environment."""
        self.home = home
        self._port = free_port()
        self._options, self._environ = options, environ or {}
        self.url = f"http://127.0.0.1:{self._port}"
        self.http = httpx.Client(base_url=self.url, timeout=60, headers={"X-Stella-Tenant": "acme"})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; return the seconds until it answered."""
        began = time.monotonic()
        command = [sys.executable, "-m", "cli", "serve", "--port", str(self._port), *self._options]
        environ = {**os.environ, "EXPORT_CENTER_HOME": str(self.home), **self._environ}
        with (self.home / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.until(lambda: self.http.get("/healthz").status_code == 200, READY_SECONDS)
        return time.monotonic() - began

    def ready(self) -> None:
        """Wait until Prefect is there, too."""
        self.until(lambda: self.http.get("/readyz").status_code == 200, READY_SECONDS)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as systemd does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(60)

    def kill(self) -> None:
        """End it as a power cut does, but for its children."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def is_up(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End whatever is left of it."""
        self.http.close()
        if self.is_up():
            self.stop()
        self.kill_children("prefect")

    def kill_children(self, word: str) -> list[int]:
        """End the processes of this home that have a word in their command; return them."""
        found = self.children(word)
        for number in found:
            os.kill(number, signal.SIGKILL)
        return found

    def children(self, word: str) -> list[int]:
        """Return the processes that run for this home and have a word in their command."""
        return [int(line.split(None, 1)[0]) for line in self.commands(word)]

    def commands(self, word: str) -> list[str]:
        """Return number and command of these processes."""
        listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True, check=True).stdout
        found = []
        for line in listed.splitlines()[1:]:
            number, state, args = line.split(None, 2)
            if word in args and not state.startswith("Z") and self._is_mine(int(number)):
                found.append(f"{number} {args}")
        return found

    def _is_mine(self, number: int) -> bool:
        try:
            with open(f"/proc/{number}/environ", "rb") as file:  # noqa: PTH123 - no path of ours
                return f"EXPORT_CENTER_HOME={self.home}".encode() in file.read().split(b"\0")
        except OSError:
            return False

    def log(self) -> str:
        """Return the end of every log."""
        logs = [self.home / "serve.log", *sorted((self.home / "prefect").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in logs if path.exists())

    def submit(self) -> str:
        """Submit a run; return its id."""
        answer = self.http.post("/api/export/runs", json={"profileId": "json-raw"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        """Return how a run is."""
        return dict(self.http.get(f"/api/export/runs/{run_id}").json())

    def wait(self, run_id: str, *statuses: str) -> str:
        """Wait until a run is in one of some states, by default until it is over; return it."""
        self.until(lambda: self.run(run_id)["status"] in (statuses or TERMINAL), RUN_SECONDS)
        return str(self.run(run_id)["status"])

    def at_work(self) -> tuple[str, int]:
        """Return a run that has begun, and its process, which is stopped: it goes on when it is told so."""
        for _ in range(5):
            run_id = self.submit()
            self.wait(run_id, "running", *TERMINAL)
            for process in self.children("prefect.engine"):
                os.kill(process, signal.SIGSTOP)
                if self.run(run_id)["status"] == "running":
                    return run_id, process
                os.kill(process, signal.SIGCONT)
        raise AssertionError("no run was seen at work")

    def bundles(self) -> set[str]:
        """Return every file that runs left, hidden ones too."""
        root = self.home / "bundles"
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}

    def promised(self) -> set[str]:
        """Return the bundles that the API says there are, as ``bundles`` has them."""
        runs = self.http.get("/api/export/runs", params={"status": "success", "pageSize": 200}).json()["items"]
        names = {f"acme/{run['runId']}/export-{run['runId']}.tar.zst" for run in runs}
        made = [each for run in runs for each in self.run(run["runId"])["distributions"]]
        return names | {f"acme/blobs/{each['sha256']}" for each in made}

    def events(self, run_id: str) -> list[Heard]:
        """Return a run's events as the log has them."""
        return [Heard(line["id"], line["event"]) for line in self._audit(run_id)]

    def phases(self, run_id: str) -> list[str]:
        """Return the phases that a run told of, in order."""
        return [line["data"]["phase"] for line in self._audit(run_id) if line["event"] == "run.progress"]

    def _audit(self, run_id: str) -> list[dict[str, Any]]:
        text = self.http.get(f"/api/export/runs/{run_id}/events", params={"format": "audit"}).text
        return [json.loads(line) for line in text.splitlines()]

    def until(self, done: Callable[[], object], seconds: float) -> None:
        """Wait until something is so, however often the service is away meanwhile."""
        until = time.monotonic() + seconds
        while True:
            try:
                if done():
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < until, self.log()
            time.sleep(0.1)


class Listener(threading.Thread):
    """A client of a run's stream that connects again with what it heard last, until it is told that all was said."""

    def __init__(self, url: str, run_id: str) -> None:
        """Begin to listen."""
        super().__init__(daemon=True, name=f"listener of {run_id}")
        self.run_id = run_id
        self.heard: list[Heard] = []
        self._url = f"{url}/api/export/runs/{run_id}/events"
        self.start()

    def run(self) -> None:
        """Listen."""
        with httpx.Client(timeout=60, headers={"X-Stella-Tenant": "acme"}) as http:
            while not self._is_told_all(http):
                time.sleep(0.2)

    def _is_told_all(self, http: httpx.Client) -> bool:
        headers = {"Last-Event-ID": str(self.heard[-1].number)} if self.heard else {}
        try:
            with httpx_sse.connect_sse(http, "GET", self._url, headers=headers) as source:
                if source.response.status_code == 204:
                    return True
                self._take(list_of=source)
        except (httpx.TransportError, httpx_sse.SSEError):
            pass
        return False

    def _take(self, list_of: httpx_sse.EventSource) -> None:
        for event in list_of.iter_sse():
            if event.event.startswith("run."):
                self.heard.append(Heard(int(event.id), event.event))


def ended_once(events: Sequence[Heard]) -> bool:
    """Whether events are numbered without a gap, and the last of them, and no other, is an end."""
    ends = [event.kind in ("run.succeeded", "run.failed", "run.canceled") for event in events]
    return [event.number for event in events] == list(range(1, len(events) + 1)) and ends.index(True) == len(ends) - 1
