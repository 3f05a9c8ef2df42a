"""Files that say which process keeps something: locked as long as it lives, however it ends.

The kernel gives a lock back when its last holder is gone, so a number found in a file that is locked is never that of
another process that got it later.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def take(path: Path) -> int | None:
    """Lock a file; return its descriptor, or None when somebody else has it.

    The lock is held until the descriptor is closed, here and in every process that inherited it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        release(descriptor)
        return None
    return descriptor


def write(descriptor: int, process: int) -> None:
    """Note who holds a lock."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(process).encode(), 0)


def release(descriptor: int) -> None:
    """Give a lock back, here; whoever inherited it still has it."""
    os.close(descriptor)


def holder(path: Path) -> int | None:
    """Return who holds a lock, or None when nobody does, or nobody knows."""
    with suppress(OSError):
        descriptor = take(path)
        if descriptor is not None:
            release(descriptor)
            return None
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None
