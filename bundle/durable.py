"""What is written is on disk when it is said to be: files, and the names of a folder."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FLUSH_BYTES = 64 << 20
"""Bytes after which the disk is asked to take what was written so far."""


def make_durable(path: Path) -> None:
    """Have the disk keep a file's content, or a folder's names.

    Raises:
        OSError: It did not.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DurableWriter:
    """Writes to a file while a thread flushes what was written before; used as a context manager."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to an open file, which stays the caller's to close."""
        self._file = file
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="flush")
        self._flush: Future[None] | None = None
        self._written = 0

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: The disk took neither these nor, perhaps, earlier ones.
        """
        self._file.write(data)
        self._written += len(data)
        if self._written >= FLUSH_BYTES and (self._flush is None or self._flush.done()):
            self._wait()
            self._flush, self._written = self._pool.submit(os.fdatasync, self._file.fileno()), 0

    def finish(self) -> None:
        """Return when everything is on disk.

        Raises:
            OSError: Something is not.
        """
        self._wait()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _wait(self) -> None:
        if self._flush is not None:
            self._flush.result()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the thread."""
        self._pool.shutdown()
