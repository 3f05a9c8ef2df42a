"""The service over HTTP, on real evidence: real uvicorn and ledger; an engine of threads stands for Prefect."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import uvicorn

from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair
from flows.arrivals import Arrival, arrive
from flows.profile_store import ProfileStore
from flows.recorded import CanceledRunError, Installation, perform
from ledger import states
from ledger.database import open_ledger
from ledger.vault import open_vault
from server.app import make_app
from server.delivery import Delivery
from server.deployments import Deployments, Ground
from server.egress import Egress, networks
from server.embedded import free_port
from server.engine import Engine, Surroundings
from server.metrics.page import Exposure, exposing
from server.metrics.process import Meters
from server.open_door import OpenDoor
from server.prefect_api import Deployed, FlowRunState, PrefectError, Unsubmitted
from server.retention import Keeper
from server.running import clock
from server.sending import Sender
from server.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ledger.database import Ledger
    from server.deployment import Deployment


class FakePrefect:
    """Does what Prefect does, in threads of this process: each flow run is one, begun when ``held`` lets it."""

    def __init__(self, ledger: Ledger, here: Installation) -> None:
        self._ledger, self.here = ledger, here
        self._states: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._deployed: dict[str, str] = {}
        self.held = threading.Event()
        self.held.set()
        self.is_down = False
        self.asked: list[str] = []

    def prepare(self) -> None:
        self._look("prepare")

    def deployments(self) -> list[Deployed]:
        self._look("deployments")
        return [Deployed(name, name, version) for name, version in self._deployed.items()]

    def find_deployment(self, name: str) -> str | None:
        self._look("deployment")
        return name if name in self._deployed else None

    def put_deployment(self, wanted: Deployment) -> str:
        self._look("deployment")
        self._deployed[wanted.name] = wanted.version
        return wanted.name

    def create_run(self, _deployment: str, run_id: str, *, attempt: int, **_facts: object) -> str:
        self._look("create")
        key = f"{run_id}~{attempt}" if attempt else run_id
        if key not in self._keys:
            self._keys[key] = f"flow-{key}"
            self._states[f"flow-{key}"] = "SCHEDULED"
            threading.Thread(target=self._run, args=(run_id, f"flow-{key}", attempt), daemon=True).start()
        return self._keys[key]

    def states(self, flow_run_ids: Sequence[str]) -> Mapping[str, FlowRunState]:
        self._look("states")
        return {name: FlowRunState(self._states[name], "") for name in flow_run_ids if name in self._states}

    def cancel(self, flow_run_id: str, *, message: str) -> None:  # noqa: ARG002 - as the real one
        self._look("cancel")
        if self._states[flow_run_id] == "SCHEDULED":
            self._states[flow_run_id] = "CANCELLED"

    def give_up(self, flow_run_id: str, *, kind: str, message: str) -> None:  # noqa: ARG002 - as the real one
        self._look("give up")
        self._states[flow_run_id] = kind

    def is_ready(self) -> str | None:
        return "down" if self.is_down else None

    def begin(self, run_id: str) -> None:
        """Begin a flow run as its process does, and do nothing further."""
        with self._ledger.writing() as connection:
            assert states.start(connection, run_id, flow_run_id=f"flow-{run_id}", now=clock())

    def take(self, run_id: str) -> None:
        """Have a worker take a flow run, and do nothing further."""
        self._states[f"flow-{run_id}"] = "PENDING"

    def unsubmitted(self, *, after: int) -> list[Unsubmitted]:  # noqa: ARG002 - as the real one
        self._look("unsubmitted")
        return [
            Unsubmitted(name, kind, 0) for name, kind in list(self._states.items()) if name not in self._keys.values()
        ]

    def begin_again(self, flow_run_id: str) -> None:
        self._look("again")
        self._states[flow_run_id] = "SCHEDULED"

    def begin_of_itself(self, name: str, request: Mapping[str, Any]) -> str:
        """Begin a flow run that nobody submitted, as its process does, and do nothing further; return its run."""
        self._states[name] = "RUNNING"
        arrival = Arrival(
            flow_run_id=name,
            by=f"schedule:{request['profileId']}",
            tenant="acme",
            request=request,
            trace_id="0af7651916cd43dd8448eb211c80319c",
            trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        run_id = arrive(self._ledger, arrival, self.here)
        with self._ledger.writing() as connection:
            assert states.start(connection, run_id, flow_run_id=name, now=clock())
        return run_id

    def end(self, name: str, kind: str = "CANCELLED") -> None:
        """End a flow run whose process is gone, or have it end."""
        self._states[name] = kind

    def crash(self, run_id: str) -> None:
        """End a flow run as a killed process does: without a word."""
        self._states[f"flow-{run_id}"] = "CRASHED"

    def crash_all(self) -> None:
        """End every flow run there is, so."""
        for name in list(self._states):
            self._states[name] = "CRASHED"

    def forget(self, run_id: str) -> None:
        """Know nothing of a flow run any more."""
        del self._states[f"flow-{run_id}"]

    def _look(self, what: str) -> None:
        if self.is_down:
            raise PrefectError("Prefect cannot be reached")
        self.asked.append(what)

    def _run(self, run_id: str, name: str, attempt: int) -> None:
        self.held.wait()
        if self._states.get(name) != "SCHEDULED":
            return
        self._states[name] = "RUNNING"
        try:
            perform(self._ledger, run_id, self.here, flow_run_id=name, attempt=attempt)
        except CanceledRunError:
            self._states[name] = "CANCELLED"
        except Exception:  # noqa: BLE001 - as an engine
            self._states[name] = "FAILED"
        else:
            self._states[name] = "COMPLETED"


class Told(NamedTuple):
    """One request that a receiver got."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """A real HTTP server that others tell things; it answers as its script says, then with 204."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.script: list[tuple[int, dict[str, str]]] = []
        self.body = b""
        self.before: Callable[[], object] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                receiver.told.append(Told(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                receiver.before()
                status, headers = receiver.script.pop(0) if receiver.script else (204, {})
                content = receiver.body if status != 204 else b""
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                # Whoever asked may be gone by now.
                with suppress(OSError):
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST  # noqa: N815 - so they are called

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?who=ops"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def wait(self, count: int, *, seconds: float = 15) -> list[Told]:
        """Wait until so many requests came, and return all of them."""
        until = time.monotonic() + seconds
        while len(self.told) < count:
            assert time.monotonic() < until, self.told
            time.sleep(0.01)
        return list(self.told)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


class Running:
    """A running service, and a client of it."""

    keeper: Keeper

    def __init__(self, service: Service, prefect: FakePrefect, engine: Engine, port: int) -> None:
        self.service, self.prefect, self.engine, self.port = service, prefect, engine, port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=f"{self.url}/api/export", timeout=30, headers={"X-Stella-Tenant": "acme"})

    def submit(self, **body: Any) -> str:
        answer = self.http.post("/runs", json={"profileId": "json-raw", **body})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["runId"])

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/runs/{run_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def ended(self, run_id: str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait until a run is over, and return it."""
        until = time.monotonic() + seconds
        while (found := self.run(run_id))["status"] in ("pending", "running"):
            assert time.monotonic() < until, found
            time.sleep(0.02)
        return found

    def events(self, run_id: str) -> list[dict[str, Any]]:
        lines = self.http.get(f"/runs/{run_id}/events", params={"format": "audit"}).text.splitlines()
        return [httpx.Response(200, text=line).json() for line in lines]


@pytest.fixture(scope="session")
def evidence_home(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Path:
    """A home with the advisories of one feed, of tenant acme, and a key."""
    from evidence.ingest import IngestOptions, ingest
    from evidence.store import Store

    home = tmp_path_factory.mktemp("service")
    options = IngestOptions(tenant="acme", observed_at=datetime.now(UTC))
    ingest(Store(str(home / "evidence")), [sample_evidence / "osv-drupal.tar.zst"], options)
    save_key_pair(home / "keys", "default", generate_key_pair("ecdsa-p256-sha256"))
    return home


@contextmanager
def serving(
    home: Path,
    state: Path,
    *,
    prefect: FakePrefect | None = None,
    surroundings: Surroundings | None = None,
    metrics: Exposure | None = None,
    port: int | None = None,
    **changes: Any,
) -> Iterator[Running]:
    """Run a service whose ledger and bundles lie in ``state``, over a Prefect of its own or a given one.

    ``port`` is for one that takes the place of another.
    """
    meters = Meters()
    ledger = open_ledger(f"sqlite:///{state / 'ledger.db'}", timed=meters.transaction)
    here = Installation(
        store=str(home / "evidence"),
        key=f"file:{home / 'keys' / 'default.key'}",
        bundles=state / "bundles",
        clock=clock,
        workers=1,
        profiles=state / "profiles",
    )
    profiles = ProfileStore(state / "profiles")
    profiles.seed(datetime.now(UTC))
    prefect = prefect or FakePrefect(ledger, here)
    deployments = Deployments(prefect, profiles, Ground(tenant="acme"), clock)  # type: ignore[arg-type]
    engine = Engine(ledger, prefect, deployments, clock, meters=meters, surroundings=surroundings)  # type: ignore[arg-type]
    service = Service(
        ledger=ledger,
        profiles=profiles,
        authenticate=OpenDoor(subject="user:ops", tenant="acme"),
        bundles=here.bundles,
        clock=clock,
        store=here.store,
        vault=open_vault(state / "webhooks.key"),
        egress=Egress(allow_http=True, networks=networks(["127.0.0.1"])),
        meters=meters,
        ready={"prefect": prefect.is_ready},
    )
    service = replace(service, **changes)
    delivery = Delivery(ledger, service.vault, Sender(egress=service.egress), service.clock, meters=meters)
    keeper = Keeper(ledger, here.bundles, service.clock, meters=meters)
    port, stack = port or free_port(), ExitStack()
    app = make_app(service, more=stack.enter_context(exposing(service, metrics or Exposure())))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    engine.start()
    delivery.start()
    keeper.start()
    running = Running(service, prefect, engine, port)
    running.keeper = keeper
    while not server.started:
        time.sleep(0.01)
    try:
        yield running
    finally:
        prefect.held.set()
        running.http.close()
        server.should_exit = True
        thread.join()
        stack.close()
        keeper.stop()
        delivery.stop()
        engine.stop()
        profiles.close()
        ledger.close()


@pytest.fixture
def start(evidence_home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Return what starts a service; called twice, both share ledger and bundles."""
    return lambda **changes: serving(evidence_home, tmp_path, **changes)


@pytest.fixture
def running(start: Callable[..., Any]) -> Iterator[Running]:
    with start() as service:
        yield service
