"""Work that goes on beside requests: small rounds, again and again, in threads of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

AFTER_ERROR_SECONDS = 1.0


class Loops:
    """Threads that each call one function until they are told to end.

    A function that returns something true has more to do, and is called again at once. One that fails is called again
    after a second: whatever it was, the next round may go well, and a loop that ends would leave work undone for ever.
    """

    def __init__(self, log: logging.Logger, *, expected: tuple[type[Exception], ...] = ()) -> None:
        """Log failures; those that are ``expected`` now and then, in one line."""
        self._log = log
        self._expected = expected
        self._ended = threading.Event()
        self.threads: list[threading.Thread] = []

    def add(self, name: str, once: Callable[[], object], *, every: float) -> None:
        """Add a loop with ``every`` seconds between rounds that had nothing to do."""
        self.threads.append(threading.Thread(target=self._run, args=(once, every), name=name, daemon=True))

    def start(self) -> None:
        """Begin."""
        for thread in self.threads:
            thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """End after the rounds that are under way; wait for them, at most so long."""
        self._ended.set()
        for thread in self.threads:
            thread.join(None if seconds is None else seconds / len(self.threads))

    def _run(self, once: Callable[[], object], every: float) -> None:
        while not self._ended.is_set():
            pause = every
            try:
                if once():
                    continue
            except self._expected as error:
                self._log.warning("%s", error)
                pause = max(every, AFTER_ERROR_SECONDS)
            except Exception:  # noqa: BLE001 - the class says why
                self._log.exception("%s goes on after an error", threading.current_thread().name)
                pause = max(every, AFTER_ERROR_SECONDS)
            self._ended.wait(pause)
