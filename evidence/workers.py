"""Processes that derive rows: they leave being stopped to the process that started them, and never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

INSTANT = 0.001
"""Seconds until a process is looked at again that has ended but is not accounted for yet."""


class _Spawning(SpawnContext):
    """Starts processes, and knows which."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    def Process(self, *args: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802 - the name that a pool calls
        process = SpawnProcess(*args, **options)
        self.started.append(process)
        return process

    def end(self) -> None:
        """End those of its processes that run, and return when all of them are gone."""
        begun = [process for process in self.started if process.pid is not None]
        for process in begun:
            # Whoever started this program may have had it ignore the signal that asks, and processes inherit that.
            process.kill()
        for process in begun:
            _wait_for(process)


def _wait_for(process: SpawnProcess) -> None:
    """Return when a process that was killed is gone.

    The pool's thread waits for it too. Only one of both is told by the system how it ended; until that one has noted
    it, ``join`` returns to the other while the process still counts as alive.
    """
    connection.wait([process.sentinel])
    while process.exitcode is None:
        time.sleep(INSTANT)


@contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes for as long as the block lasts; when it ends by an exception, end them before it is raised."""
    _start_tracker()
    context = _Spawning()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    with pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            context.end()
            raise


def _start_tracker() -> None:
    """Start the process that keeps account of semaphores, deaf to a terminal that closes as it is to Ctrl-C."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _begin() -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes alike, and watch the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent is gone, however it ended, and end too; nobody is left to take results."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
