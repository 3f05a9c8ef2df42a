"""Prefect beside the service: a server and a worker as processes of ours, started again when they end.

Both listen on loopback only, and keep their state under the home, so that the next start finds the database made. Any
user of this machine reaches them there, and any page in a browser of it; so whoever asks them must know a secret of the
home.

One service of a home keeps them; another one that is started beside it uses the same Prefect, and takes over when the
first has ended. A service that is killed leaves them behind: the next one ends them before it starts its own, while
runs that are at work go on.
"""

from __future__ import annotations

import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows import keeping
from ledger.keyfile import read_keys
from server.deployment import POOL
from server.loops import Loops

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOG = logging.getLogger("export_center.embedded")

QUERY_SECONDS = "0.5"
"""How often the worker asks for work: most of the time from a submission to its first line."""

LOOK_SECONDS = 0.25
"""How often it is looked whether both are there."""

KEY_FILE = "prefect.key"
"""File of a home: who knows what is in it may start anything in Prefect."""

NO_ORIGIN = "none"
"""Whose pages may ask Prefect. Not "null", which browsers send for pages that have none."""

STOP_SECONDS = 20.0
"""What does not end in so long is killed."""

SERVER = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--no-ui")
RUN = shlex.join((sys.executable, "-m", "flows.process", "prefect.engine"))
"""What the worker starts for a run."""

WORKER = ("-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "embedded")


@dataclass(frozen=True)
class Child:
    """A process that is to run as long as the service does."""

    name: str
    command: Sequence[str]
    is_due: Callable[[], bool]


class Embedded:
    """Keeps Prefect's server and a worker running."""

    def __init__(self, home: Path, environ: Mapping[str, str], *, port: int, ready: Callable[[], bool]) -> None:
        """Do nothing yet; ``environ`` is what runs find, and ``ready`` tells whether the server answers.

        Raises:
            VaultError: The home's secret cannot be read or made.
        """
        self.url = f"http://127.0.0.1:{port}/api"
        self._folder = folder_of(home)
        self._at_work = home / keeping.AT_WORK
        self._environ, self._secret = environ, kept_secret(home)
        self._lock: int | None = None
        self._is_told = False
        self._workers_since = 0
        self._children = (
            Child("prefect-server", (*SERVER, "--port", str(port)), lambda: True),
            Child("prefect-worker", WORKER, ready),
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._loops = Loops(LOG)
        self._loops.add("embedded", self._round, every=LOOK_SECONDS)

    def environment(self) -> dict[str, str]:
        """Return the environment of both."""
        return {
            **self._environ,
            "PREFECT_HOME": str(self._folder),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_API_AUTH_STRING": self._secret,
            "PREFECT_API_AUTH_STRING": self._secret,
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": NO_ORIGIN,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS,
            # Prefect may be away for long, and runs at work go on: they find out by themselves that they are canceled.
            "PREFECT_RUNNER_CRASH_ON_CANCELLATION_FAILURE": "false",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLI_COLORS": "false",
        }

    def start(self) -> None:
        """Begin."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._loops.start()

    def workers_since(self) -> int:
        """Return when the worker was started, in microseconds since the epoch; 0 before that."""
        return self._workers_since

    def is_dead(self, run: Mapping[str, Any]) -> bool:
        """Whether the process that was at work at a run died."""
        return keeping.is_abandoned(self._at_work / f"{run['run_id']}.pid")

    def is_alive(self, run: Mapping[str, Any]) -> bool:
        """Whether the process that is at work at a run is there."""
        return keeping.holder(self._at_work / f"{run['run_id']}.pid") is not None

    def forget(self, run: Mapping[str, Any]) -> None:
        """Forget that a process died, at work or before it began."""
        (self._at_work / f"{run['run_id']}.pid").unlink(missing_ok=True)
        process = self._at_work / f"{keeping.PROCESS}{run['flow_run_id']}.pid"
        if keeping.is_abandoned(process):
            process.unlink(missing_ok=True)

    def stop(self) -> None:
        """End runs at work, which give themselves back, then the worker, then the server; wait for them."""
        self._loops.stop()
        for name in reversed([child.name for child in self._children]):
            if self._lock is not None:
                # The worker would kill them where they are; and may have started one more while it ended.
                keeping.end_all(self._at_work, STOP_SECONDS)
            _end(self._running.get(name))
        if self._lock is not None:
            keeping.release(self._lock)

    def _round(self) -> None:
        if self._lock is None and not self._is_keeper():
            return
        for child in self._children:
            self._keep(child)

    def _is_keeper(self) -> bool:
        """Whether this is the service that keeps Prefect for this home; it stays so until it ends."""
        self._lock = keeping.take(self._folder / "keeper")
        if self._lock is None and not self._is_told:
            LOG.warning("another service keeps Prefect for this home; this one uses it")
            self._is_told = True
        return self._lock is not None

    def _keep(self, child: Child) -> None:
        running = self._running.get(child.name)
        if running is not None and running.poll() is not None:
            LOG.warning("%s ended with code %s, and is started again", child.name, running.returncode)
            del self._running[child.name]
        if child.name not in self._running and child.is_due():
            self._start(child)

    def _start(self, child: Child) -> None:
        """Start a process; or end the one that an earlier service left, and let the next round try again."""
        path = self._folder / f"{child.name}.pid"
        lock = keeping.take(path)
        if lock is None:
            _end_left(child, keeping.holder(path))
            return
        try:
            started = time.time_ns() // 1000
            process = self._open(child, lock)
            keeping.write(lock, process.pid)
        finally:
            keeping.release(lock)
        self._running[child.name] = process
        if child.command is WORKER:
            self._workers_since = started

    def _open(self, child: Child, lock: int) -> subprocess.Popen[bytes]:
        with (self._folder / f"{child.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, and words from above
                [sys.executable, *child.command],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                # Ctrl-C in a terminal goes to a whole group; these end in their order, when the service says so.
                start_new_session=True,
            )


def _end_left(child: Child, group: int | None) -> None:
    """End a process of an earlier service; what it had started for runs is no part of its group, and goes on."""
    if group is not None:
        LOG.warning("%s of an earlier service is still there (process %s), and is ended", child.name, group)
        _kill_group(group)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """End a process kindly, then its whole group."""
    if process is None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        LOG.warning("process %s does not end, and is killed", process.pid)
    _kill_group(process.pid)
    process.wait()


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def folder_of(home: Path) -> Path:
    """Return where a home keeps Prefect's state."""
    return home / "prefect"


def kept_secret(home: Path) -> str:
    """Return what a home's Prefect asks for: the same for every service of it, and for runs that outlive theirs.

    Raises:
        VaultError: It cannot be read or made.
    """
    return read_keys(home / KEY_FILE)[0].hex()


def kept_port(home: Path) -> int:
    """Return the port of a home's Prefect server: the one of last time, so that runs at work find the next server."""
    folder = folder_of(home)
    path = folder / "port"
    with suppress(OSError, ValueError):
        port = int(path.read_text())
        if keeping.holder(folder / "prefect-server.pid") is not None or _is_free(port):
            return port
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    made = path.with_suffix(".new")
    made.write_text(str(port))
    made.replace(path)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
