"""Showing on a terminal how far the reading of a bundle is, when it takes long enough to make somebody wonder."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 1.0


@contextmanager
def watched(work: str) -> Iterator[Watch]:
    """Yield what is to be told of every piece of a bundle that is read; what it shows is gone when the block ends."""
    with ExitStack() as stack:
        yield Watch(work, stack)


class Watch:
    """Counts what was read, and shows it after a while if there is a terminal."""

    def __init__(self, work: str, stack: ExitStack) -> None:
        """Begin; the display ends with the stack."""
        self._work, self._stack = work, stack
        self._size = 0
        self._begins = time.monotonic() + PATIENCE_SECONDS if sys.stderr.isatty() else float("inf")
        self._shown = False

    def __call__(self, member: str, piece: bytes) -> None:
        """Take note of a piece of a member."""
        self._size += len(piece)
        if not self._shown and time.monotonic() >= self._begins:
            self._show()
        if self._shown:
            self._bar.update(self._task, detail=f"{self._size / 1e6:,.0f} MB, {member}")

    def _show(self) -> None:
        from cli.tables import progress_bar

        self._bar = self._stack.enter_context(progress_bar())
        self._task = self._bar.add_task(self._work, total=None, detail="")
        self._shown = True
