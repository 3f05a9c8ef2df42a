"""A file that is read by many while it may be removed, and of which nobody gets other bytes than were recorded."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ledger.receipts import EXPIRED
from server.problems import INTERNAL, NO_BUNDLE, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from server.ranges import Span


class FileChangedError(Exception):
    """A file was altered while it was sent; the connection ends without its last bytes."""


class OpenFile:
    """A file as it was recorded, held open: it may lose its name meanwhile, but not change."""

    def __init__(self, path: Path, size: int) -> None:
        """Open a file.

        Raises:
            Problem: It is not there, or is not a plain file of ``size`` bytes.
        """
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Problem(409, NO_BUNDLE, "the bundle is no longer there", details=[{"status": EXPIRED}]) from error
        except OSError as error:
            raise Problem(500, INTERNAL, "the bundle cannot be read") from error
        self._opened = os.fstat(self._descriptor)
        if not stat.S_ISREG(self._opened.st_mode) or self._opened.st_size != size:
            self.close()
            raise Problem(500, INTERNAL, "the bundle's file is not the one that was recorded")

    def read(self, span: Span) -> bytes:
        """Return the bytes of a span.

        Raises:
            FileChangedError: They can no longer be had.
        """
        data = os.pread(self._descriptor, span.size, span.start)
        now = os.fstat(self._descriptor)
        unchanged = (now.st_size, now.st_mtime_ns) == (self._opened.st_size, self._opened.st_mtime_ns)
        if len(data) != span.size or not unchanged:
            raise FileChangedError(f"a file of {self._opened.st_size} bytes was altered while it was sent")
        return data

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
