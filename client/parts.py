"""The file that a download grows in: one process's at a time, kept when it is interrupted."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from client.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 1 << 20
DIGITS = 16
"""Of the digest, in the name of a part: what was fetched of another bundle is never gone on with."""


class Part:
    """What there is of a download.

    Attributes:
        path: Of the file.
        size: Bytes that are there.
        is_finished: Whether it has its last name.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take an open file that is locked, and read what is there."""
        self.path = path
        self.size = 0
        self.is_finished = False
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        while data := os.read(descriptor, CHUNK):
            self._digest.update(data)
            self.size += len(data)

    @property
    def sha256(self) -> str:
        """Digest of what is there, in hexadecimal."""
        return self._digest.hexdigest()

    def add(self, data: bytes) -> None:
        """Add bytes at the end."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._digest.update(data)
        self.size += len(data)

    def clear(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._digest = hashlib.sha256()
        self.size = 0

    def finish(self, target: Path) -> None:
        """Give the file its last name, once all of it is on disk."""
        os.fsync(self._descriptor)
        self.path.replace(target)
        self.is_finished = True
        flush_folder(target.parent)

    def drop(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


@contextmanager
def opened(target: Path, sha256: str) -> Iterator[Part]:
    """Yield the part of a bundle that is to be ``target``; it is this process's until the block ends.

    Raises:
        BusyError: It is another's.
        OSError: It cannot be written.
    """
    path = target.with_name(f"{target.name}.{sha256[:DIGITS]}.part")
    descriptor = _locked(path)
    try:
        part = Part(path, descriptor)
        try:
            yield part
        finally:
            if not part.size and not part.is_finished:
                part.drop()
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, path)
            # Whoever had the lock before may have given the file its last name, or removed it, just now.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(
            f"another process is fetching {path}", advice="Wait for it, or choose another place."
        ) from error


def remove_others(target: Path) -> None:
    """Remove parts of other bundles that were to have this name, and that nobody is at."""
    names = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{{DIGITS}}}\.part")
    for path in target.parent.iterdir():
        if names.fullmatch(path.name):
            with suppress(OSError, BusyError):
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    _lock(descriptor, path)
                    path.unlink()
                finally:
                    os.close(descriptor)


def digest_of(path: Path) -> str | None:
    """Return the SHA-256 of a file; None when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, IsADirectoryError):
        return None


def flush_folder(folder: Path) -> None:
    """Make sure that the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
