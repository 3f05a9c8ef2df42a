"""Locks of the repository of profiles, against programs that know git and against processes of ours.

Locks are hard links to files of ours: whoever finds them after a crash can tell them from those of other programs.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bundle.durable import make_durable
from flows.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_SECONDS = 10.0
GIT_SECONDS = 2.0
"""How long another program may hold git's lock; git itself waits for none."""
_PAUSE = 0.01


class Lock:
    """A lock as git has it, ``NAME.lock`` beside the file it protects, known as ours by a second name."""

    def __init__(self, ours: Path, target: Path) -> None:
        self._ours = ours
        self._target = target
        self._lock = target.with_name(f"{target.name}.lock")

    def is_ours(self) -> bool:
        """Whether the lock is there, and one of our processes took it."""
        try:
            return self._lock.samefile(self._ours)
        except FileNotFoundError:
            return False

    def is_theirs(self) -> bool:
        """Whether the lock is there, and another program took it."""
        return self._lock.exists() and not self.is_ours()

    def take(self, content: bytes = b"") -> None:
        """Take the lock, unless it is ours already.

        Raises:
            StorageError: Another program holds it, for too long.
        """
        if self.is_ours():
            return
        write_whole(self._ours, content)
        self._target.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + GIT_SECONDS
        while not self._linked():
            if time.monotonic() > until:
                raise self._held()
            time.sleep(_PAUSE)

    def await_theirs(self) -> None:
        """Wait until no other program has the lock.

        Raises:
            StorageError: One holds it, for too long.
        """
        until = time.monotonic() + GIT_SECONDS
        while self.is_theirs():
            if time.monotonic() > until:
                raise self._held()
            time.sleep(_PAUSE)

    def put(self, content: bytes | None = None) -> None:
        """Put the lock's content, or another, in the place of the file; the lock ends with it."""
        if content is not None:
            with self._ours.open("r+b") as file:
                file.truncate()
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        self._lock.replace(self._target)
        make_durable(self._target.parent)
        self._ours.unlink(missing_ok=True)

    def drop(self) -> None:
        """Give the lock up, if it is ours."""
        if self.is_ours():
            self._lock.unlink()
        self._ours.unlink(missing_ok=True)

    def _held(self) -> StorageError:
        return StorageError(
            f"{self._lock} is held by another program", advice="When no git is at work there, remove that file."
        )

    def _linked(self) -> bool:
        try:
            self._lock.hardlink_to(self._ours)
        except FileExistsError:
            return False
        return True


@contextmanager
def exclusively(lock: Path, path: Path, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Keep other processes, and other threads, away from the profiles in a place.

    Raises:
        StorageError: Somebody does not let go.
    """
    with lock.open("wb") as file:
        until = time.monotonic() + wait
        while not _locked(file.fileno()):
            if time.monotonic() >= until:
                raise StorageError(f"the profiles in {path} are being written", advice="Try again later.")
            time.sleep(_PAUSE)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_whole(path: Path, data: bytes, *, by_way_of: Path | None = None) -> None:
    """Write a file whole or not at all, and durably."""
    temporary = by_way_of or path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    make_durable(path.parent)
