"""A real PostgreSQL server for a session: sources are read from it, and ledgers kept in it."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = 'wort\'h "keeping" \\ secret'
USER = "exporter"


def programs() -> Path | None:
    """Return the folder of the server's programs, of the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).parent if beside else None


def unprivileged() -> dict[str, Any]:
    """Return how to start a process as somebody who may run a server: it refuses to run as root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@dataclass(frozen=True)
class Postgres:
    """A server on 127.0.0.1 that knows one user."""

    port: int
    programs: Path
    passfile: Path
    password: str = PASSWORD

    def declared(self, **more: object) -> dict[str, Any]:
        """Return the section of settings that names a database of this server."""
        return {"host": "127.0.0.1", "port": self.port, "user": USER, "dbname": "evidence", **more}

    def psql(self, sql: str, *, stdin: bytes = b"", database: str = "evidence") -> str:
        """Run statements as psql does, and return what they print."""
        where = f"host=127.0.0.1 port={self.port} user={USER} dbname={database} passfile={self.passfile}"
        command = [self.programs / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", where, "-c", sql]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def table(self, name: str, columns: str, rows: list[tuple[object, ...]]) -> None:
        """Make a table anew, and copy rows into it."""
        self.psql(f"DROP TABLE IF EXISTS {name} CASCADE; CREATE TABLE {name} ({columns})")
        lines = ["\t".join(map(_copied, row)) for row in rows]
        self.psql(f"COPY {name} FROM STDIN", stdin="".join(f"{line}\n" for line in lines).encode())


def _copied(value: object) -> str:
    """Return a value as COPY reads it."""
    if value is None:
        return r"\N"
    if isinstance(value, bytes):
        return r"\\x" + value.hex()
    if isinstance(value, list):
        value = "{" + ",".join('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"' for item in value) + "}"
    text = str(value).replace("\\", "\\\\")
    return text.replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")


@contextmanager
def running(programs: Path, folder: Path) -> Iterator[Postgres]:
    """Run a server in an empty folder until the block ends; its texts do not sort like bytes."""
    options = unprivileged()
    (folder / "password").write_text(PASSWORD)
    if options:
        for path in (folder, folder / "password"):
            os.chown(path, options["user"], options["group"])
    init = ["-D", folder / "data", "-A", "scram-sha-256", "-U", USER, "-E", "UTF8", "--pwfile", folder / "password"]
    locale = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([programs / "initdb", *init, *locale], check=True, capture_output=True, cwd=folder, **options)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": port}
    chosen = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        command = [programs / "postgres", "-D", folder / "data", *chosen]
        end_with_us = {"preexec_fn": _end_with_parent}  # safe here: it calls one function of the kernel
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **end_with_us, **options)
    passfile = folder / "passfile"
    passfile.touch(0o600)
    passfile.write_text("*:*:*:*:" + PASSWORD.replace("\\", "\\\\").replace(":", "\\:") + "\n")
    try:
        postgres = Postgres(port, programs, passfile)
        _wait(postgres, server, folder / "log")
        postgres.psql("CREATE DATABASE evidence", database="postgres")
        yield postgres
    finally:
        server.terminate()
        server.wait()


def _end_with_parent() -> None:
    """Ask Linux to stop the server when these tests die without a chance to do so."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


def _wait(postgres: Postgres, server: subprocess.Popen[bytes], log: Path) -> None:
    ready = [postgres.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(postgres.port)]
    for _ in range(300):
        assert server.poll() is None, log.read_text()
        if subprocess.run(ready, check=False).returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail(f"the server does not answer: {log.read_text()}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server with an empty database ``evidence``."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's server is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="export-center-postgres-", ignore_cleanup_errors=True) as folder,
        running(found, Path(folder)) as server,
    ):
        yield server


def empty_ledger(request: pytest.FixtureRequest, folder: Path) -> str:
    """Return the address of an empty ledger of the kind that the fixture's parameter names: SQLite or PostgreSQL."""
    if request.param == "SQLite":
        return f"sqlite:///{folder / 'ledger.db'}"
    server = request.getfixturevalue("postgres")
    name = f"ledger_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}", database="postgres")
    password = urllib.parse.quote(server.password, safe="")
    return f"postgresql://{USER}:{password}@127.0.0.1:{server.port}/{name}"
