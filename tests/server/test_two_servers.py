"""Two servers of one ledger, as behind a load balancer: real processes, and a hundred clients at once."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from sqlalchemy import func, select

from ledger import states
from ledger.database import open_ledger
from ledger.tables import ACTIVE, RUNS
from server.running import clock
from tests.postgres_server import empty_ledger
from tests.server.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ledger.database import Ledger

pytestmark = pytest.mark.slow

CLIENTS = 100
CAP = 4
NO_PREFECT = ("--prefect", "http://127.0.0.1:9/api")
"""Nobody listens there: a thread of the test does what runs' processes do."""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return empty_ledger(request, tmp_path)


@pytest.fixture
def servers(ledger_url: str, tmp_path: Path) -> Iterator[list[Served]]:
    made = [Served(tmp_path, *NO_PREFECT, environ={"EXPORT_CENTER_LEDGER": ledger_url}) for _ in range(2)]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.close()


@pytest.fixture
def ledger(ledger_url: str, servers: list[Served]) -> Iterator[Ledger]:  # noqa: ARG001 - they make its tables
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


PATIENCE = 2000
"""Looks at the ledger after which runs end although places are free."""


def test_a_hundred_clients_with_one_key_and_a_hundred_with_a_key_each(servers: list[Served], ledger: Ledger) -> None:
    key = str(uuid.uuid4())
    answers = _at_once(servers, lambda http, _number: _posted(http, key))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert servers[0].http.get("/api/export/runs").headers["x-total-count"] == "1"
    with _AtWork(ledger) as seen:
        made = _at_once(servers, lambda http, _number: _patient(http, str(uuid.uuid4())))
    assert len(set(made)) == CLIENTS
    assert servers[1].http.get("/api/export/runs").headers["x-total-count"] == str(1 + CLIENTS)
    assert max(seen) == CAP, "all places were taken at some moment, and never one more"


def _at_once(servers: list[Served], ask: Callable[[httpx.Client, int], Any]) -> list[Any]:
    """Ask a hundred times at one moment, half of it each server; return the answers."""
    begin = threading.Barrier(CLIENTS)

    def one(number: int) -> Any:
        url = servers[number % len(servers)].url
        with httpx.Client(base_url=url, timeout=60, headers={"X-Stella-Tenant": "acme"}) as http:
            begin.wait()
            return ask(http, number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, range(CLIENTS)))


def _posted(http: httpx.Client, key: str) -> httpx.Response:
    return http.post("/api/export/runs", json={"profileId": "json-raw"}, headers={"Idempotency-Key": key})


def _patient(http: httpx.Client, key: str) -> str:
    """Come back when told so, until there is a place; return the run."""
    while (answer := _posted(http, key)).status_code != 202:
        assert (answer.status_code, answer.json()["code"]) == (429, "ERR_EXPORT_003"), answer.text
        (detail,) = answer.json()["details"]
        assert answer.headers["retry-after"] == str(detail["retryAfterSeconds"])
        time.sleep(detail["retryAfterSeconds"])
    return str(answer.json()["runId"])


class _AtWork:
    """Does what runs' processes do, and counts active runs all the time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._done = threading.Event()
        self._seen: list[int] = []
        self._threads = [threading.Thread(target=self._again, args=(work,)) for work in (self._count, self._end)]

    def __enter__(self) -> list[int]:
        for thread in self._threads:
            thread.start()
        return self._seen

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _again(self, work: Callable[[], None]) -> None:
        while not self._done.wait(0.01):
            work()

    def _count(self) -> None:
        query = select(func.count()).select_from(RUNS).where(RUNS.c.status.in_(ACTIVE))
        with self._ledger.reading() as connection:
            self._seen.append(connection.execute(query).scalar_one())

    def _end(self) -> None:
        """Do the runs that wait, the oldest first; none before all places were seen taken, as far as that happens."""
        if max(self._seen, default=0) < CAP and len(self._seen) < PATIENCE:
            return
        query = select(RUNS.c.run_id).where(RUNS.c.status == "pending").order_by(RUNS.c.created_at)
        with self._ledger.reading() as connection:
            waiting = list(connection.execute(query).scalars())
        for run_id in waiting:
            with self._ledger.writing() as connection:
                assert states.start(connection, run_id, flow_run_id=None, now=clock())
            with self._ledger.writing() as connection:
                states.succeed(connection, run_id, records=0, content_digest="", event={}, now=clock())
