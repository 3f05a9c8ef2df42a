"""Files that say which process keeps something, or is at work at it: locked as long as it lives, however it ends.

The kernel gives a lock back when its last holder is gone, so a number found in a file that is locked is never that of
another process that got it later.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


LOOK_SECONDS = 0.05
AT_WORK = "at-work"
"""Folder of a home with a file for each run at work, and for each process that may become one."""

PROCESS = "process-"
"""How the files of processes begin; they say nothing of a run, and are of no use when the process died."""


def take(path: Path) -> int | None:
    """Lock a file; return its descriptor, or None when somebody else has it.

    The lock is held until the descriptor is closed, here and in every process that inherited it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _locked(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return descriptor
    release(descriptor)
    return None


def write(descriptor: int, process: int) -> None:
    """Note who holds a lock."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(process).encode(), 0)


def release(descriptor: int) -> None:
    """Give a lock back, here; whoever inherited it still has it."""
    os.close(descriptor)


def holder(path: Path) -> int | None:
    """Return who holds a lock, or None when nobody does, or nobody knows."""
    with suppress(OSError, ValueError):
        return None if is_abandoned(path) else int(path.read_text())
    return None


def is_abandoned(path: Path) -> bool:
    """Whether a file is there, and the process that had locked it is not."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return _locked(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        release(descriptor)


@contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Say by a file that this process is at work at something, until the block ends, or the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    # Somebody may look at this moment, and is waited for.
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    write(descriptor, os.getpid())
    try:
        yield
    finally:
        # Removed before it is given back: a file that nobody locks is that of a process that died.
        path.unlink(missing_ok=True)
        release(descriptor)


def end_all(folder: Path, seconds: float) -> bool:
    """Ask every process that is at work to end, once, and wait; return whether all did in time."""
    asked: set[int] = set()
    until = time.monotonic() + seconds
    while processes := {found for path in folder.glob("*.pid") if (found := holder(path)) is not None}:
        for process in processes - asked:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        asked |= processes
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_SECONDS)
    for path in folder.glob(f"{PROCESS}*"):
        path.unlink(missing_ok=True)
    return True


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return False
    return True
