"""The service over a PostgreSQL ledger and a Prefect that others run: its server on PostgreSQL, its worker a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.parse
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from server.embedded import SERVER, WORKER, free_port
from tests.postgres_server import USER
from tests.server.served import READY_SECONDS, Listener, Served, ended_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.postgres_server import Postgres

pytestmark = pytest.mark.slow


def test_runs_are_done_by_a_prefect_that_others_run(evidence_home: Path, tmp_path: Path, postgres: Postgres) -> None:
    home = tmp_path / "home"
    shutil.copytree(evidence_home, home)
    ledger = _database(postgres, "postgresql", "elsewhere_ledger")
    port = free_port()
    prefect = {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    known = {"PREFECT_API_AUTH_STRING": "operator:of-this-prefect"}
    asks = {"PREFECT_SERVER_API_AUTH_STRING": known["PREFECT_API_AUTH_STRING"]}
    database = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": _database(postgres, "postgresql+asyncpg", "elsewhere")}
    where = {"EXPORT_CENTER_HOME": str(home), "EXPORT_CENTER_LEDGER": ledger}
    quick = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    with _process([*SERVER, "--port", str(port)], {**prefect, **database, **asks}, tmp_path / "server.log"):
        _wait(f"http://127.0.0.1:{port}/api/health", tmp_path / "server.log")
        with _process(WORKER, {**prefect, **where, **quick, **known}, tmp_path / "worker.log"):
            environ = {"EXPORT_CENTER_LEDGER": ledger, **known}
            served = Served(home, "--prefect", prefect["PREFECT_API_URL"], environ=environ)
            try:
                _serve_through_a_restart(served)
            finally:
                served.http.close()
                served.kill()
    assert not (home / "prefect").exists(), "it keeps no Prefect of its own"
    assert not (home / "ledger.db").exists(), "nor a ledger"


def _serve_through_a_restart(served: Served) -> None:
    served.start()
    served.ready()
    listener = Listener(served.url, served.submit())
    assert served.stop() == 0, served.log()
    served.start()
    assert served.wait(listener.run_id) == "success", served.log()
    listener.join(60)
    assert listener.heard == served.events(listener.run_id)
    assert ended_once(listener.heard)
    assert served.bundles() == served.promised()


def _database(postgres: Postgres, kind: str, name: str) -> str:
    """Make a database; return its address."""
    postgres.psql(f"CREATE DATABASE {name}", database="postgres")
    return f"{kind}://{USER}:{urllib.parse.quote(postgres.password, safe='')}@127.0.0.1:{postgres.port}/{name}"


@contextmanager
def _process(words: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *words], env={**os.environ, **environ}, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait(url: str, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.2)
