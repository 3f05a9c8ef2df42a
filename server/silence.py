"""Runs that have not been heard of for too long, whatever clocks do meanwhile.

A clock that is put forward, or a machine that wakes up, makes every run look silent for a moment: so a run is lost only
when it is as silent some time later, by a clock that nobody puts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SILENT_SECONDS = 120
"""A run whose process has not been heard of for so long has crashed, whatever Prefect says of it."""

AGAIN_SECONDS = 15.0
"""How long it is listened once more: three times as long as a process is silent between its signs of life."""


class Silence:
    """Listens to runs, whenever it is asked about them."""

    def __init__(self, clock: Callable[[], int], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Listen to nothing yet; ``clock`` is that of the ledger, in microseconds since the epoch."""
        self._clock, self._monotonic = clock, monotonic
        self._found: dict[str, tuple[int, float]] = {}

    def is_lost(self, flow_run_id: str, heard: int) -> bool:
        """Whether a flow run was last heard of too long ago, and was found so before."""
        if self._clock() - heard <= SILENT_SECONDS * SECOND:
            self._found.pop(flow_run_id, None)
            return False
        now = self._monotonic()
        before, at = self._found.setdefault(flow_run_id, (heard, now))
        if before != heard:
            self._found[flow_run_id] = (heard, now)
        return before == heard and now - at >= AGAIN_SECONDS

    def only(self, flow_run_ids: Iterable[str]) -> None:
        """Forget all other flow runs."""
        self._found = {each: self._found[each] for each in flow_run_ids if each in self._found}
