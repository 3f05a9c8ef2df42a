"""Prefect beside the service: a server and a worker as processes of ours, started again when they end.

Both listen on loopback only, and keep their state under the home, so that the next start finds the database made.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.deployment import POOL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOG = logging.getLogger("export_center.embedded")

QUERY_SECONDS = "0.5"
"""How often the worker asks for work: most of the time from a submission to its first line."""

AGAIN_SECONDS = 1.0
STOP_SECONDS = 20.0

SERVER = ("-m", "flows.prefect_server", "server", "start", "--host", "127.0.0.1", "--no-ui")
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
        """Do nothing yet; ``environ`` is what runs find, and ``ready`` tells whether the server answers."""
        self.url = f"http://127.0.0.1:{port}/api"
        self._home = home
        self._environ = environ
        self._children = (
            Child("prefect-server", (*SERVER, "--port", str(port)), lambda: True),
            Child("prefect-worker", WORKER, ready),
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="embedded", daemon=True)

    def environment(self) -> dict[str, str]:
        """Return the environment of both."""
        folder = self._home / "prefect"
        return {
            **self._environ,
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": QUERY_SECONDS,
            "PREFECT_RUNNER_CRASH_ON_CANCELLATION_FAILURE": "true",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLI_COLORS": "false",
        }

    def start(self) -> None:
        """Begin."""
        (self._home / "prefect").mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """End the worker, then the server, and wait for them."""
        self._ended.set()
        self._thread.join()
        for name in reversed([child.name for child in self._children]):
            _end(self._running.get(name))

    def _watch(self) -> None:
        while True:
            for child in self._children:
                running = self._running.get(child.name)
                if running is not None and running.poll() is not None:
                    LOG.warning("%s ended with code %s, and is started again", child.name, running.returncode)
                    del self._running[child.name]
                if child.name not in self._running and child.is_due():
                    self._running[child.name] = self._start(child)
            if self._ended.wait(AGAIN_SECONDS / 4):
                return

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        with (self._home / "prefect" / f"{child.name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter, and words from above
                [sys.executable, *child.command],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal goes to a whole group; these end in their order, when the service says so.
                start_new_session=True,
            )


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


def wait_for(ready: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is ready; return whether it became so in time."""
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
