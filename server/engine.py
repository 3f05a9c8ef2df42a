"""Between the ledger and Prefect: runs go there, and what becomes of them comes back.

Loops that are safe to run in several servers at once: the dispatcher claims rows, and the first terminal event wins.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.errors import StorageError
from ledger import dispatch, idempotency, states
from ledger.proofs import SharedReplays
from ledger.times import SECOND
from server.loops import Loops
from server.metrics.process import Meters
from server.prefect_api import ENDED, PrefectError
from server.rescue import Rescue
from server.silence import Silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from ledger.database import Ledger
    from server.deployments import Deployments
    from server.prefect_api import FlowRunState, PrefectApi

LOG = logging.getLogger("export_center.engine")

DISPATCH_SECONDS = 0.05
"""How often the ledger is asked for something to dispatch: it is one indexed look-up."""

WATCH_SECONDS = 1.0
PROFILES_SECONDS = 1.0
RESCUE_SECONDS = 10.0
FORGET_SECONDS = 3600.0
CANCEL_SECONDS = 10
"""So long a worker may take to end a process that has not begun its run; one that begins later finds the run over."""

TAKEN = ("PENDING", "RUNNING")
"""What Prefect says of runs that a worker has taken."""

QUIET_ENDS = {"CANCELLED": "canceled", "CANCELLING": "canceled"}


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an engine may know of where runs are done.

    Attributes:
        workers_since: When the worker that takes runs now was started, in microseconds since the epoch; 0 when nobody
            knows. What was taken before and has not begun, was taken by one that is gone.
        is_dead: Whether the process that was at work at a run, given by its row, is known to have died.
        is_alive: Whether it is known to be there: then it is at work, however silent.
        clean: Removes what a process left of a run that ended without it; it is given the run's row.
    """

    workers_since: Callable[[], int] = lambda: 0
    is_dead: Callable[[Mapping[str, Any]], bool] = lambda _row: False
    is_alive: Callable[[Mapping[str, Any]], bool] = lambda _row: False
    clean: Callable[[Mapping[str, Any]], object] = lambda row: row


class Engine:
    """Runs the loops in threads of this process."""

    def __init__(
        self,
        ledger: Ledger,
        prefect: PrefectApi,
        deployments: Deployments,
        clock: Callable[[], int],
        *,
        meters: Meters | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """Do nothing yet."""
        self._meters = meters or Meters()
        self._ledger, self._prefect, self._deployments, self._clock = ledger, prefect, deployments, clock
        self._around = surroundings or Surroundings()
        self._silence = Silence(clock)
        self._loops = Loops(LOG, expected=(PrefectError, StorageError), told=self._meters.round)
        self._loops.add("dispatcher", self.dispatch_once, every=DISPATCH_SECONDS)
        self._loops.add("reconciler", self.reconcile_once, every=WATCH_SECONDS)
        self._loops.add("deployments", deployments.reconcile_once, every=PROFILES_SECONDS)
        self._loops.add("rescuer", Rescue(ledger, prefect, clock).once, every=RESCUE_SECONDS)
        self._loops.add("housekeeper", self.forget_old, every=FORGET_SECONDS)

    def start(self) -> None:
        """Begin."""
        self._loops.start()

    def stop(self) -> None:
        """End all loops, and wait for them."""
        self._loops.stop()

    def forget_old(self) -> None:
        """Remove what is kept for a while only: answers to idempotency keys, and proofs that were seen."""
        now = self._clock()
        with self._ledger.writing() as connection:
            self._meters.removed("answers", idempotency.forget_old(connection, now=now))
        self._meters.removed("proofs", SharedReplays(self._ledger).forget(now=now // SECOND))

    def dispatch_once(self) -> int:
        """Hand over what waits; return how many runs that were."""
        with self._ledger.reading() as connection:
            if not dispatch.is_waiting(connection, now=self._clock()):
                return 0
        with self._ledger.writing() as connection:
            claimed = dispatch.claim(connection, now=self._clock())
        for row in claimed:
            self._dispatch(row)
        return len(claimed)

    def _dispatch(self, row: Mapping[str, Any]) -> None:
        run_id = row["run_id"]
        try:
            flow_run = self._create(row)
        except PrefectError as error:
            # What it hangs on may have been removed by hand; the next try makes it again.
            self._deployments.forget()
            LOG.warning("run %s is not dispatched yet: %s", run_id, error)
            with self._ledger.writing() as connection:
                dispatch.postpone(connection, run_id, tries=row["dispatch_tries"], now=self._clock())
            self._meters.dispatched("postponed")
            return
        with self._ledger.writing() as connection:
            wanted = dispatch.dispatched(connection, run_id, flow_run)
        self._meters.dispatched("success")
        if not wanted:
            self._prefect.cancel(flow_run, message="the run was canceled before it was dispatched")

    def _create(self, row: Mapping[str, Any]) -> str:
        return self._prefect.create_run(
            self._deployments.id_of(row["tenant"], row["profile_base"]),
            row["run_id"],
            attempt=row["losses"],
            queue=row["priority"],
            tags=[f"run:{row['run_id']}", f"trace:{row['trace_id']}"],
            trace_parent=row["trace_parent"],
        )

    def reconcile_once(self) -> int:
        """Compare active runs with what Prefect says of them; return how many ended by that."""
        with self._ledger.reading() as connection:
            rows = dispatch.at_work(connection)
        self._silence.only([row["flow_run_id"] for row in rows])
        if not rows:
            return 0
        known = self._prefect.states([row["flow_run_id"] for row in rows])
        return sum(self._reconcile(row, known.get(row["flow_run_id"])) for row in rows)

    def _reconcile(self, row: Mapping[str, Any], found: FlowRunState | None) -> bool:
        if found is not None and found.kind not in ENDED:
            if row["cancel_requested_at"] is not None and found.kind != "CANCELLING":
                self._prefect.cancel(row["flow_run_id"], message=f"canceled by {row['canceled_by']}")
            if not self._is_lost(row, found):
                return False
        with self._ledger.writing() as connection:
            if not dispatch.is_unmoved(connection, row):
                return False
            ended = self._end(connection, row, found)
            if ended:
                self._around.clean(row)
        if found is not None and found.kind not in ENDED:
            kind = "CANCELLED" if found.kind == "CANCELLING" else "CRASHED"
            self._prefect.give_up(row["flow_run_id"], kind=kind, message="its process is gone")
        return ended

    def _is_lost(self, row: Mapping[str, Any], found: FlowRunState) -> bool:
        """Whether a run that Prefect takes for being at work has nobody who is at work at it."""
        if states.is_released(row) or (row["status"] == "running" and self._around.is_dead(row)):
            return True
        if row["status"] == "pending" and found.kind in TAKEN and found.since < self._around.workers_since():
            return True
        if row["status"] == "pending" and found.kind == "CANCELLING":
            return self._clock() - found.since > CANCEL_SECONDS * SECOND
        if found.kind not in (*TAKEN, "CANCELLING"):
            return False
        heard = max(row["heartbeat_at"] or row["created_at"], found.since)
        return self._silence.is_lost(row["flow_run_id"], heard) and not self._around.is_alive(row)

    def _end(self, connection: Connection, row: Mapping[str, Any], found: FlowRunState | None) -> bool:
        """End a run that Prefect has no process of any more; return False when it begins anew instead."""
        run_id, now = row["run_id"], self._clock()
        if row["cancel_requested_at"] is not None or (found is not None and found.kind in QUIET_ENDS):
            return states.cancel(connection, run_id, now=now)
        by_restart = states.is_released(row) or (found is not None and found.kind not in ENDED)
        most = dispatch.MOST_RESTARTS if by_restart else dispatch.MOST_LOSSES
        if dispatch.hand_over_again(connection, run_id, row["flow_run_id"], most=most, now=now):
            LOG.warning("run %s was lost with the process that had it, and is dispatched again", run_id)
            self._meters.lost("again")
            return False
        why = "Prefect does not know it any more" if found is None else found.message or found.kind.lower()
        error = {
            "code": "ERR_EXPORT_INTERNAL",
            "message": f"the run's process ended without a result: {why}",
            "details": [],
        }
        self._meters.lost("crashed")
        return states.fail(connection, run_id, error_code="crashed", error=error, now=now)
