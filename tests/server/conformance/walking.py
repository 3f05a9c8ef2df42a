"""A real service for the walk: ``export-center serve`` with real Prefect, an issuer, and a receiver of webhooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import insert

from ledger.database import open_ledger
from ledger.tables import TENANTS
from server.embedded import free_port
from tests.server.conformance.people import AUDIENCE, Issuer, People

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.server.conftest import Receiver

PATIENCE_SECONDS = 300
"""A busy machine takes minutes to start Prefect."""
BASE = "/api/export"
ENDED = ("success", "failed", "canceled")
POLICY_ID = "policy-snap-example"
SECRET = "of the receiver"
NOTHING = {"selectors": {"ecosystems": ["Nowhere"]}}
LIMITS = {"capped": (None, 0), "spent": (1, None)}
"""Tenants with limits of their own: (runs a day, active runs)."""


class Walk:
    """A running service, and everybody who talks to it."""

    def __init__(self, home: Path, receiver: Receiver) -> None:
        self.home, self.receiver = home, receiver
        self._issuer = Issuer()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.people = People(self._issuer, f"{self.url}{BASE}")
        self.acme = self.people.client(self.people.proof())
        self.facts: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        ledger = open_ledger(f"sqlite:///{self.home / 'ledger.db'}")
        with ledger.writing() as connection:
            for tenant, (runs_a_day, active_runs) in LIMITS.items():
                row = {"tenant": tenant, "runs_a_day": runs_a_day, "active_runs": active_runs}
                connection.execute(insert(TENANTS).values(**row))
        ledger.close()
        command = [
            *(sys.executable, "-m", "cli", "serve", "--port", str(self.port)),
            *("--issuer", self._issuer.url, "--audience", AUDIENCE),
            *("--webhook-http", "--webhook-network", "127.0.0.1/32"),
        ]
        environ = {**os.environ, "EXPORT_CENTER_HOME": str(self.home)}
        with (self.home / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        self.until(self._answers)

    def begin(self) -> None:
        """Submit the first run while Prefect hangs, with somebody who follows it and a webhook that is told."""
        self.hold_prefect()
        self.receiver.script = [(503, {"Retry-After": "1"})]
        self.facts["webhook"] = self.acme.post("/webhooks", json={"targetUrl": self.receiver.url, "secret": SECRET})
        self.facts["first"] = self.submit()
        self.facts["stream"] = Stream(self.people.client(self.people.proof()), self.facts["first"]["runId"])

    def stop(self) -> int:
        """End it as systemd does; return its exit code."""
        assert self._process is not None
        self.people.close()
        self._issuer.close()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def log(self) -> str:
        logs = [self.home / "serve.log", *sorted((self.home / "prefect").glob("*.log"))]
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in logs if path.exists())

    def until(self, found: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait for something that is true, and return it."""
        end = time.monotonic() + seconds
        while not (value := found()):
            assert time.monotonic() < end, self.log()
            time.sleep(0.1)
        return value

    def plain(self, path: str) -> httpx.Response:
        """Ask for something outside the API."""
        return httpx.get(f"{self.url}{path}")

    def submit(self, client: httpx.Client | None = None, **body: Any) -> dict[str, Any]:
        answer = (client or self.acme).post("/runs", json={"profileId": "json-raw", **body})
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    def ended(self, run_id: str) -> dict[str, Any]:
        """Wait until a run is over, and return it."""
        return dict(self.until(lambda: self._over(run_id)))

    def events(self, run_id: str) -> list[dict[str, Any]]:
        answer = self.acme.get(f"/runs/{run_id}/events", params={"format": "audit"})
        return [json.loads(line) for line in answer.text.splitlines()]

    @cached_property
    def success(self) -> dict[str, Any]:
        """A run that ended well; the first of the walk."""
        return self.ended(self.facts["first"]["runId"])

    @cached_property
    def failed(self) -> dict[str, Any]:
        """A run that could not be signed."""
        key = self.home / "keys" / "default.key"
        with away(key):
            return self._waited("no signature", profileId="json-raw")

    @cached_property
    def canceled(self) -> dict[str, Any]:
        """A run that somebody canceled."""
        run_id = self.submit()["runId"]
        self.facts["cancel"] = self.acme.post(f"/runs/{run_id}:cancel", json={"reason": "INC-123"})
        return self.ended(run_id)

    @cached_property
    def empty(self) -> dict[str, Any]:
        """A run that nothing matched."""
        return self._waited("nothing", profileId="json-raw", **NOTHING)

    @cached_property
    def judged(self) -> dict[str, Any]:
        """A run of a profile that knows policy."""
        return self._waited("policy", profileId="json-policy", policySnapshotId=POLICY_ID)

    def _waited(self, name: str, **body: Any) -> dict[str, Any]:
        """Submit a run and wait for its end within the request; keep the answer, and return the run."""
        self.facts[name] = self.acme.post("/runs", params={"wait": "60"}, json=body)
        (newest,) = self.acme.get("/runs", params={"pageSize": 1}).json()["items"]
        return self.ended(newest["runId"])

    def hold_prefect(self) -> None:
        """Keep Prefect's server from answering, as when it hangs."""
        (self._held,) = self.until(lambda: self._children("server start"))
        os.kill(self._held, signal.SIGSTOP)

    def release_prefect(self) -> None:
        os.kill(self._held, signal.SIGCONT)

    def kill_the_rest(self) -> None:
        """End what a service that was not stopped left behind."""
        for word in ("prefect", "flows"):
            for number in self._children(word):
                os.kill(number, signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            return self.plain("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def _over(self, run_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self.acme.get(f"/runs/{run_id}", params={"wait": "5"}).json()
        return found if found["status"] in ENDED else None

    def _children(self, word: str) -> list[int]:
        """Return the processes that run for this home and have a word in their command."""
        listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        lines = [line.strip().partition(" ") for line in listed.splitlines()[1:]]
        return [int(number) for number, _, args in lines if word in args and self._is_mine(number)]

    def _is_mine(self, number: str) -> bool:
        try:
            with open(f"/proc/{number}/environ", "rb") as file:  # noqa: PTH123 - no path of ours
                return f"EXPORT_CENTER_HOME={self.home}".encode() in file.read().split(b"\0")
        except OSError:
            return False


class Stream:
    """A stream of events that is read beside everything else, as bytes."""

    def __init__(self, client: httpx.Client, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self.received = b""
        self.headers = httpx.Headers()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self) -> str:
        """Return all of it, once it is over."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        return self.received.decode()

    def _read(self) -> None:
        path, accept = f"/runs/{self._run_id}/events", {"Accept": "text/event-stream"}
        # A walk that is given up closes its connections.
        with suppress(httpx.TransportError), self._client.stream("GET", path, headers=accept) as answer:
            self.headers = answer.headers
            for piece in answer.iter_raw():
                self.received += piece


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Move a file or folder out of the way for a while."""
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        yield
    finally:
        aside.rename(path)
