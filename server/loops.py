"""Work that goes on beside requests: small rounds, again and again, in threads of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    Told = Callable[[str, str], object]
    """Hears the name of a loop, and how a round went: "worked" (it had something to do), "idle" or "failed"."""

AFTER_ERROR_SECONDS = 1.0


class Loops:
    """Threads that each call one function until they are told to end.

    A function that returns something true has more to do, and is called again at once. One that fails is called again
    after a second: whatever it was, the next round may go well, and a loop that ends would leave work undone for ever.
    """

    def __init__(
        self, log: logging.Logger, *, expected: tuple[type[Exception], ...] = (), told: Told = lambda _name, _how: None
    ) -> None:
        """Log failures, those that are ``expected`` now and then in one line, and once while they stay the same.

        ``told`` hears of every round.
        """
        self._log = log
        self._told = told
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
        said = ""
        while not self._ended.is_set():
            pause = every
            name = threading.current_thread().name
            try:
                has_more = once()
                self._told(name, "worked" if has_more else "idle")
                said = ""
                if has_more:
                    continue
            except self._expected as error:
                if str(error) != said:
                    self._log.warning("%s", error)
                said = str(error)
                self._told(name, "failed")
                pause = max(every, AFTER_ERROR_SECONDS)
            except Exception:  # noqa: BLE001 - the class says why
                self._log.exception("%s goes on after an error", name)
                self._told(name, "failed")
                pause = max(every, AFTER_ERROR_SECONDS)
            self._ended.wait(pause)
