"""Taking bundles away whose time is over, and what runs left that did not go well.

First the ledger says that a bundle is gone, with a row in the audit chain: from then on nobody is given it. Then its
bytes go. Whoever is killed in between leaves bytes that nobody sees, and the next round, of whichever server, removes
them. A download that has the file open gets all of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flows.targets.staging import Staging
from ledger import retention
from server.loops import Loops
from server.metrics.process import Meters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ledger.database import Ledger

LOG = logging.getLogger("export_center.retention")

LOOK_SECONDS = 5.0
"""How often the ledger is asked for bundles whose time is over: two indexed look-ups."""


class Keeper:
    """Removes bundles in a thread of this process. Several servers of one ledger may do so at once."""

    def __init__(
        self, ledger: Ledger, bundles: Path, clock: Callable[[], int], *, meters: Meters | None = None
    ) -> None:
        """Do nothing yet; ``bundles`` is the folder of all bundles, the same for all servers of the ledger."""
        self._ledger, self._bundles, self._clock = ledger, bundles, clock
        self._meters = meters or Meters()
        self._loops = Loops(LOG, told=self._meters.round)
        self._loops.add("retention", self.once, every=LOOK_SECONDS)

    def start(self) -> None:
        """Begin."""
        self._loops.start()

    def stop(self) -> None:
        """End the loop, and wait for it."""
        self._loops.stop()

    def once(self) -> None:
        """Do all there is to do."""
        while self._expire():
            pass
        after: str | None = ""
        while after is not None:
            after = self._remove(after)

    def _expire(self) -> int:
        """Say of some bundles that they are gone; return how many others may follow."""
        now = self._clock()
        with self._ledger.reading() as connection:
            found = retention.due(connection, now=now)
        for row in found:
            with self._ledger.writing() as connection:
                if retention.expire(connection, row, now=now):
                    LOG.info("the bundle of run %s has expired", row["run_id"])
                    self._meters.removed("bundles", 1)
        return len(found)

    def _remove(self, after: str) -> str | None:
        """Remove what some runs left; return the last one's id, or None when there was none."""
        with self._ledger.reading() as connection:
            found = retention.to_remove(connection, after=after)
        gone = [row for row in found if self._is_removed(row)]
        for tenant in sorted({row["tenant"] for row in gone}):
            Staging(self._bundles / tenant).sweep()
        with self._ledger.writing() as connection:
            for row in gone:
                retention.removed(connection, row["run_id"], row["type"])
        return found[-1]["run_id"] if found else None

    def _is_removed(self, row: Mapping[str, Any]) -> bool:
        try:
            Staging(self._bundles / row["tenant"]).remove(row["run_id"])
        except OSError as error:
            LOG.warning("what run %s left cannot be removed, and is tried again: %s", row["run_id"], error)
            return False
        return True
