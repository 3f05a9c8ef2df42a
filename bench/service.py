"""Time the service: how soon it answers, takes runs in, begins them, tells of them, and lists them.

    python bench/service.py --folder /var/tmp/bench

It ingests a feed of the sample into a home of its own, runs ``export-center serve`` on it, and ends it. Figures of a
busy machine say little: every line has the load average, and references run in turn with what they stand beside.

* python, prefect: starting an interpreter that does nothing, and one that imports Prefect.
* bare: a GET that Starlette answers with a constant.
* answering, ready, end: the API, and Prefect too, on a new home and on one that is there; and SIGTERM to the end.
* accepted: POST to 202, with Prefect away, and with it there. Then the run and run.accepted are in the ledger.
* first event: POST to the first event of the run's own process, as that event has the time. One run at a time.
* told: the time of an event to its arrival at a client of the live stream.
* list: GET /runs with many runs stored, for each filter, and the last page.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from many_runs import fill
from sqlalchemy import insert, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ledger.database import Ledger

FEED = Path(__file__).resolve().parent.parent / "examples" / "evidence" / "osv-drupal.tar.zst"
TENANT = "bench"
PATIENCE = 180
PAUSE_SECONDS = 2
NOWHERE = "http://127.0.0.1:9/api"
"""Where no Prefect is."""

BARS = {"accepted": 100.0, "first event": 5000.0, "list": 100.0}
"""Milliseconds that 95 of 100 must stay under, by the beginning of a line's name."""

LISTS = {
    "list": {},
    "list, last page": {"page": "500"},
    "list, longest page": {"pageSize": "200"},
    "list, active": {"status": "active"},
    "list, failed": {"status": "failed"},
    "list, of a profile": {"profileId": "json-raw"},
    "list, of a profile and status": {"profileId": "json-raw@1", "status": "success"},
    "list, of a trace": {"traceId": "0" * 31 + "7"},
}


def main() -> None:
    """Parse the command line, and run all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--runs", type=int, default=20, help="runs that are followed to their first event")
    parser.add_argument("--stored", type=int, default=10_000, help="runs in the ledger when it is listed")
    parser.add_argument("--lists", type=int, default=50, help="requests of each list")
    parser.add_argument("--without-prefect", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--bare", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare is not None:
        _be_bare(options.bare)
        return
    home = options.folder.resolve() / "service"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    print(f"{'':<32}{'median ms':>11}{'p95 ms':>10}{'times':>7}{'load':>7}")
    _time_submissions(home, options)
    _time_lists(home, options)
    if not options.without_prefect:
        subprocess.run([sys.executable, "-m", "cli", "ingest", FEED], env=_environ(home), check=True, text=True)
        _time_runs(home, options)


class Samples:
    """Milliseconds, by what took them, in the order of their first appearance."""

    def __init__(self) -> None:
        """Begin with none."""
        self._taken: dict[str, list[float]] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Take the time of a block."""
        began = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        """Take a time that was measured elsewhere."""
        self._taken.setdefault(name, []).append(seconds * 1000)

    def print(self) -> None:
        """Print a line for each name, and whether its bar holds."""
        for name, taken in self._taken.items():
            high = sorted(taken)[max(-(-len(taken) * 95 // 100) - 1, 0)]
            bar = next((bar for start, bar in BARS.items() if name.startswith(start)), None)
            verdict = "" if bar is None else f"  under {bar:,.0f}: {'holds' if high < bar else 'DOES NOT HOLD'}"
            figures = f"{statistics.median(taken):>11,.1f}{high:>10,.1f}{len(taken):>7}{os.getloadavg()[0]:>7.1f}"
            print(f"{name:<32}{figures}{verdict}", flush=True)


@dataclass(frozen=True)
class Service:
    """A running service; ``process`` is ``export-center serve``."""

    http: httpx.Client
    process: subprocess.Popen[bytes]

    def submit(self) -> str:
        """Submit a run, and return its id."""
        answer = self.http.post("/api/export/runs", json={"profileId": "json-raw"})
        if answer.status_code != 202:
            raise SystemExit(f"a submission was answered {answer.status_code}: {answer.text}")
        return str(answer.json()["runId"])

    def arrivals(self, run_id: str) -> dict[int, float]:
        """Follow a run to its end, and return when its events arrived, by id."""
        arrived: dict[int, float] = {}
        with self.http.stream("GET", f"/api/export/runs/{run_id}/events", timeout=PATIENCE) as answer:
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    arrived[int(line[3:])] = time.time()
        return arrived

    def wait(self, path: str) -> None:
        """Wait until a check of health is answered well."""
        until = time.monotonic() + PATIENCE
        while not self._is_well(path):
            if time.monotonic() > until or self.process.poll() is not None:
                raise SystemExit(f"the service does not answer {path}")
            time.sleep(0.02)

    def _is_well(self, path: str) -> bool:
        try:
            return self.http.get(path).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def _served(home: Path, ledger: str, *arguments: str, samples: Samples, when: str) -> Iterator[Service]:
    """Serve a home until the block ends; the samples get how long that took."""
    port = _free_port()
    environ = {**_environ(home), "EXPORT_CENTER_LEDGER": ledger}
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port), *arguments]
    with (
        (home / "serve.log").open("ab") as log,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, headers={"X-Stella-Tenant": TENANT}) as http,
        samples.timed(f"answering, {when}"),
    ):
        service = Service(http, subprocess.Popen(command, env=environ, stdout=log, stderr=log))
        service.wait("/healthz")
    try:
        with httpx.Client(base_url=http.base_url, timeout=30, headers=http.headers) as client:
            yield Service(client, service.process)
    finally:
        with samples.timed(f"end, {when}"):
            service.process.send_signal(signal.SIGTERM)
            service.process.wait()


def _environ(home: Path) -> dict[str, str]:
    return {**os.environ, "EXPORT_CENTER_HOME": str(home), "EXPORT_CENTER_TENANT": TENANT}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _be_bare(port: int) -> None:
    """Be the reference for answers."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(_request: object) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    uvicorn.run(Starlette(routes=[Route("/", answer)]), port=port, log_level="warning")


@contextmanager
def _bare() -> Iterator[Callable[[], httpx.Response]]:
    """Run the reference for answers; the value asks it once."""
    port = _free_port()
    process = subprocess.Popen([sys.executable, __file__, "--bare", str(port)])
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            service = Service(http, process)
            service.wait("/")
            yield lambda: http.get("/")
    finally:
        process.terminate()
        process.wait()


def _open(address: str) -> Ledger:
    """Return a ledger in which the tenant may have as many runs as it likes."""
    from ledger.database import open_ledger
    from ledger.tables import TENANTS

    ledger = open_ledger(address)
    with ledger.writing() as connection:
        connection.execute(insert(TENANTS).values(tenant=TENANT, runs_a_day=10**9, active_runs=10**9))
    return ledger


def _time_submissions(home: Path, options: argparse.Namespace) -> None:
    """Submit while Prefect is away; each submission is followed by a request of the reference."""
    samples, address = Samples(), f"sqlite:///{home / 'away.db'}"
    ledger = _open(address)
    with (
        _bare() as bare,
        _served(home, address, "--prefect", NOWHERE, samples=samples, when="Prefect away") as service,
    ):
        for _ in range(options.submissions):
            with samples.timed("accepted, Prefect away"):
                run_id = service.submit()
            if [event.type for event in _events(ledger, run_id)] != ["run.accepted"]:
                raise SystemExit(f"{run_id} is not in the ledger as it should be")
            with samples.timed("bare, beside it"):
                bare()
    ledger.close()
    samples.print()


def _time_lists(home: Path, options: argparse.Namespace) -> None:
    """List many runs in all ways in turn, with the reference between them."""
    samples, address = Samples(), f"sqlite:///{home / 'lists.db'}"
    ledger = _open(address)
    fill(ledger, tenant=TENANT, count=options.stored)
    ledger.close()
    with (
        _bare() as bare,
        _served(home, address, "--prefect", NOWHERE, samples=samples, when="many runs stored") as service,
    ):
        for _ in range(options.lists):
            for name, query in LISTS.items():
                with samples.timed(name):
                    service.http.get("/api/export/runs", params=query).raise_for_status()
            with samples.timed("bare, beside lists"):
                bare()
    samples.print()


def _time_runs(home: Path, options: argparse.Namespace) -> None:
    """Start on a new home, then on the same, and follow runs from their submission to their end."""
    samples, address = Samples(), f"sqlite:///{home / 'ledger.db'}"
    ledger = _open(address)
    for when in ("new home", "home is there"):
        with samples.timed(f"ready, {when}"), ExitStack() as stack:
            service = stack.enter_context(_served(home, address, samples=samples, when=when))
            service.wait("/readyz")
            ending = stack.pop_all()
        with ending:
            # Prefect is ready some seconds before its worker, for which the first run waits.
            for name in ("first run after the start", *["first event"] * (options.runs // 2)):
                _time_run(service, ledger, samples, name)
    ledger.close()
    samples.print()


def _time_run(service: Service, ledger: Ledger, samples: Samples, name: str) -> None:
    for reference, code in (("python", "pass"), ("prefect", "import prefect")):
        with samples.timed(reference):
            subprocess.run([sys.executable, "-c", code], check=True)
    began = time.time()
    with samples.timed("accepted, Prefect there"):
        run_id = service.submit()
    arrived = service.arrivals(run_id)
    events = _events(ledger, run_id)
    if events[-1].type != "run.succeeded":
        raise SystemExit(f"{run_id} ended otherwise: {events[-1].data}")
    samples.add(name, events[1].at - began)
    for event in events[1:]:
        samples.add("told", arrived[event.seq] - event.at)
    # Its process is still about to end.
    time.sleep(PAUSE_SECONDS)


def _events(ledger: Ledger, run_id: str) -> list[Any]:
    """Return the events of a run with ``seq``, ``type``, ``data``, and ``at`` in seconds."""
    from ledger.tables import EVENTS

    columns = (EVENTS.c.seq, EVENTS.c.type, EVENTS.c.data, (EVENTS.c.at / 1e6).label("at"))
    with ledger.reading() as connection:
        return list(connection.execute(select(*columns).where(EVENTS.c.run_id == run_id).order_by(EVENTS.c.seq)))


if __name__ == "__main__":
    main()
