"""A bundle on its way out, told to the ledger: receipts as they change, and the end of a run that went well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.errors import CanceledRunError
from flows.targets import open_targets
from flows.targets.sending import Terms, send
from flows.targets.staging import Staging
from flows.targets.target import Parcel, Place
from ledger import distributions, events, retention, states
from ledger.receipts import FINISHED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from flows.pipeline import Exported, Step
    from flows.planning import Plan
    from flows.targets.target import Target
    from ledger.database import Ledger
    from ledger.receipts import Receipt

HERE = "http"
"""The kind of target whose bytes lie in this installation's own folder."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The way out of one run's bundle.

    Attributes:
        ledger: What is told.
        row: The run.
        bundles: Folder of all bundles.
        clock: The time, in microseconds since the epoch.
    """

    ledger: Ledger
    row: Mapping[str, Any]
    bundles: Path
    clock: Callable[[], int]

    @property
    def staging(self) -> Staging:
        """Where the bundles of the tenant lie."""
        return Staging.of(self.bundles, self.row["tenant"])

    def open(self, layout: str) -> dict[str, Target]:
        """Open the targets that the run was registered for.

        Raises:
            ValidationError: This version has none of such a kind.
        """
        run_id = self.row["run_id"]
        with self.ledger.reading() as connection:
            kinds = [each["type"] for each in distributions.of_runs(connection, [run_id])[run_id]]
        return open_targets(kinds, Place(bundles=self.bundles, tenant=self.row["tenant"], layout=layout))

    def send(self, plan: Plan, exported: Exported, targets: Mapping[str, Target], *, step: Step) -> tuple[Receipt, ...]:
        """Send a bundle to all targets; return their receipts.

        Raises:
            DistributionError: One of them failed; its receipt says so.
            CanceledRunError: The run is over.
        """
        written = exported.written
        parcel = Parcel(
            name=self.row["run_id"],
            path=written.path,
            sha256=str(written.sha256),
            size=written.bytes,
            layout=plan.profile.layout,
        )
        terms = Terms(retention=plan.profile.retention, clock=self.clock)
        receipts: tuple[Receipt, ...] = step("distribute", send, targets, parcel, terms, self.tell)
        return receipts

    def tell(self, receipt: Receipt) -> None:
        """Keep a receipt; a target that has the bundle is told as an event.

        Raises:
            CanceledRunError: The run is over; nothing is kept.
        """
        run_id, now = self.row["run_id"], self.clock()
        with self.ledger.writing() as connection:
            if not self._is_alive(connection, receipt, now):
                raise CanceledRunError(run_id)
            distributions.write(connection, run_id, receipt)

    def _is_alive(self, connection: Connection, receipt: Receipt, now: int) -> bool:
        run_id = self.row["run_id"]
        if receipt.state != FINISHED:
            return states.heartbeat(connection, run_id, now=now)
        return states.tell(connection, run_id, events.DISTRIBUTION, receipt.descriptor(), now=now)

    def succeed(self, exported: Exported) -> None:
        """End the run well, and let those older bundles go that this one takes the place of.

        Raises:
            CanceledRunError: It is over.
        """
        run_id, now = self.row["run_id"], self.clock()
        written, manifest = exported.written, exported.manifest
        counts = {"records": manifest.counts.records, "bytes": written.bytes}
        digests = {"contentDigest": manifest.content_digest, "sha256": written.sha256}
        with self.ledger.writing() as connection:
            alive = states.succeed(
                connection,
                run_id,
                records=manifest.counts.records,
                content_digest=manifest.content_digest,
                as_of=manifest.as_of,
                event={"status": "success", **counts, **digests},
                now=now,
            )
            if not alive:
                raise CanceledRunError(run_id)
            retention.supersede(connection, self.row["tenant"], self.row["profile_base"], now=now)
