"""Flow runs that Prefect began of itself, and lost before they were taken into the ledger: they are begun again.

Of runs that the ledger has, the reconciler takes care. Nobody else knows of these: without this, what fell due while a
worker was restarted would be missing without a word.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ledger import runs
from ledger.runs import PATIENCE_SECONDS
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from server.prefect_api import PrefectApi, Unsubmitted

LOG = logging.getLogger("export_center.rescue")

STALE_SECONDS = 7200
"""What fell due longer ago is left alone."""

LOST_AFTER = {"CRASHED": 10, "PENDING": 120, "RUNNING": PATIENCE_SECONDS + 120}
"""Seconds in a state after which a flow run that the ledger does not know has no process; a running one may wait."""


class Rescue:
    """Begins flow runs again that came to nothing."""

    def __init__(self, ledger: Ledger, prefect: PrefectApi, clock: Callable[[], int]) -> None:
        """Do nothing yet."""
        self._ledger, self._prefect, self._clock = ledger, prefect, clock

    def once(self) -> None:
        """Look for them, and begin each again.

        Raises:
            PrefectError: Prefect was there, and is no longer.
        """
        if self._prefect.is_ready() is not None:
            return
        now = self._clock()
        lost = [each for each in self._prefect.unsubmitted(after=now - STALE_SECONDS * SECOND) if _is_lost(each, now)]
        for each in lost:
            if not self._is_known(each.id):
                LOG.warning("flow run %s was lost before its run was accepted, and is begun again", each.id)
                self._prefect.begin_again(each.id)

    def _is_known(self, flow_run_id: str) -> bool:
        with self._ledger.reading() as connection:
            return runs.of_flow_run(connection, flow_run_id) is not None


def _is_lost(each: Unsubmitted, now: int) -> bool:
    """Whether a flow run has no process; one that is lost again and again is begun the more seldom."""
    overdue = max(each.since - each.due, 0)
    return each.kind in LOST_AFTER and now - each.since >= max(LOST_AFTER[each.kind] * SECOND, overdue)
