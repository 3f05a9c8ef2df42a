"""A sign of life while something long is at work."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG = logging.getLogger("export_center.heartbeat")
SECONDS = 5.0
"""How often the ledger hears of a run at work: many times within the silence that counts as a crash."""


@contextmanager
def beating(beat: Callable[[], object], *, every: float = SECONDS) -> Iterator[None]:
    """Call ``beat`` every so many seconds, from a thread, until the block ends.

    A beat that fails is logged, and the next one comes nevertheless: a database that is away for a moment must not make
    a run at work look dead.
    """
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every):
            try:
                beat()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next beat may reach the ledger
                LOG.warning("a sign of life did not arrive: %s", error)

    thread = threading.Thread(target=go_on, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
