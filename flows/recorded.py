"""A submitted run, from the ledger and back into it: what was asked becomes a bundle, and every step is told.

Plain, without an engine: ``step`` is how a stage is run, here and now or as a task.
"""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import OperationalError

from bundle.errors import BundleError, SigningError
from flows import keeping
from flows.delivered import HERE, Delivery
from flows.errors import (
    BaseMissingError,
    CanceledRunError,
    DistributionError,
    EmptySelectionError,
    FlowError,
    ProfileNotFoundError,
    SigningFailedError,
    ValidationError,
)
from flows.heartbeat import beating
from flows.pipeline import plainly, run
from flows.request import ExportRequest, prepare
from ledger import distributions, events, runs, states
from ledger.database import is_busy
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flows.pipeline import Step
    from ledger.database import Ledger

TELL_SECONDS = 1
"""Progress is told no more often."""

ERROR_CODES: tuple[tuple[type[Exception], str], ...] = (
    (EmptySelectionError, "empty"),
    (BaseMissingError, "base_missing"),
    (SigningFailedError, "signing"),
    (SigningError, "signing"),
    (DistributionError, "distribution"),
    (ValidationError, "validation"),
    (ProfileNotFoundError, "validation"),
    (FlowError, "adapter"),
    (BundleError, "adapter"),
)
"""What the API calls an error; anything else is "internal"."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What a run needs of this machine.

    Attributes:
        store: Root of the evidence store.
        key: URI of the signing key.
        bundles: Folder of finished bundles.
        clock: The time, in microseconds since the epoch.
        profiles: Folder of the git repository of tenants' profiles; None when there are the built-in ones only.
        at_work: Folder of a file for each run at work, locked by its process; None when nobody looks.
    """

    store: str
    key: str
    bundles: Path
    clock: Callable[[], int]
    workers: int = 2
    memory_limit: str = "384MB"
    profiles: Path | None = None
    at_work: Path | None = None


class Telling:
    """Tells the ledger how far a run is."""

    def __init__(self, ledger: Ledger, run_id: str, clock: Callable[[], int]) -> None:
        """Nothing is told yet."""
        self._ledger, self._run_id, self._clock = ledger, run_id, clock
        self._tables: dict[str, tuple[int, int]] = {}
        self._adapter = ""
        self._phase = "plan"
        self._told = 0

    def phase(self, name: str, adapter: str) -> None:
        """Tell that a stage begins."""
        self._phase, self._adapter = name, adapter
        self._tell()

    def __call__(self, table: str, records: int, plain_bytes: int) -> None:
        """Take note of what was written; tell it when it is time."""
        self._tables[table] = (records, plain_bytes)
        if self._clock() - self._told >= TELL_SECONDS * SECOND:
            self._tell()

    def _tell(self) -> None:
        self._told = self._clock()
        records, size = (sum(column) for column in zip(*self._tables.values(), strict=True)) if self._tables else (0, 0)
        each = {"adapter": self._adapter, "phase": self._phase, "records": records, "bytes": size}
        state = {"adapters": [each], "bytesWritten": size, "recordsProcessed": records}
        event = {"phase": self._phase, "adapter": self._adapter, "records": records, "bytes": size}
        try:
            self._write(state, event)
        except OperationalError as error:
            # The ledger is at work for others: the run goes on, and the next time tells how far it is.
            if not is_busy(error):
                raise

    def _write(self, state: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        with self._ledger.writing() as connection:
            alive = states.progress(connection, self._run_id, state, event, now=self._told)
            # Prefect ends a canceled run's process too, unless it was away: then its worker no longer hears of that.
            if not alive or runs.find(connection, self._run_id, tenant=None)["cancel_requested_at"] is not None:
                raise CanceledRunError(self._run_id)


def perform(
    ledger: Ledger,
    run_id: str,
    here: Installation,
    *,
    flow_run_id: str | None = None,
    attempt: int = 0,
    step: Step = plainly,
) -> dict[str, Any]:
    """Do a run, and leave it in a terminal state; or give it back when this process is made to end.

    ``attempt`` is how often the engine had lost the run before it asked for this process.

    Raises:
        UnknownRunError: There is no such run.
        CanceledRunError: It was over before, or somebody canceled it.
        Exception: It failed; the ledger says so already.
    """
    # Whoever starts this process says what the run is called: until it is known, no file is.
    with ledger.reading() as connection:
        runs.find(connection, run_id, tenant=None)
    with nullcontext() if here.at_work is None else keeping.at_work(here.at_work / f"{run_id}.pid"):
        return _begun(ledger, run_id, here, step, flow_run_id=flow_run_id, attempt=attempt)


def _begun(
    ledger: Ledger, run_id: str, here: Installation, step: Step, *, flow_run_id: str | None, attempt: int
) -> dict[str, Any]:
    with ledger.writing() as connection:
        if not states.start(connection, run_id, flow_run_id=flow_run_id, attempt=attempt, now=here.clock()):
            raise CanceledRunError(f"run {run_id} is over, or another flow run does it")
        row = runs.find(connection, run_id, tenant=None)
        delivery = Delivery(ledger=ledger, row=row, bundles=here.bundles, clock=here.clock)
        # From now on, who finds the run over without a bundle looks here for what it has left.
        distributions.hold(connection, run_id, HERE, str(delivery.staging.of_run(run_id)))
    try:
        with beating(partial(_beat, ledger, run_id, here.clock)):
            return _perform(delivery, here, step)
    except BaseException as error:
        if not _is_done(ledger, run_id):
            with suppress(OSError):
                delivery.staging.clear(run_id)
            _tell_end(ledger, run_id, error, here.clock())
        raise


def _perform(delivery: Delivery, here: Installation, step: Step) -> dict[str, Any]:
    ledger, row = delivery.ledger, delivery.row
    run_id = row["run_id"]
    telling = Telling(ledger, run_id, here.clock)
    telling.phase("plan", "")
    with delivery.staging.making(run_id) as folder:
        plan, parts = step("plan", prepare, _request(row, here, folder))
        layout = "tar.zst" if plan.profile.layout == "dir" else plan.profile.layout
        plan = msgspec.structs.replace(plan, profile=msgspec.structs.replace(plan.profile, layout=layout))
        targets = delivery.open(layout)
        out = folder / f"export-{run_id}.{layout}"

        def told(name: str, stage: Callable[..., Any], *arguments: object) -> Any:
            telling.phase({"adapt": "adapter"}.get(name, name), plan.profile.kind)
            made = step(name, stage, *arguments)
            if name == "sign":
                signed = {"keyId": parts.signer.public.key_id}
                with ledger.writing() as connection:
                    states.tell(connection, run_id, events.SIGNED, signed, now=here.clock())
            return made

        exported = run(plan, replace(parts, out=out, progress=telling), step=told)
        receipts = delivery.send(plan, exported, targets, step=told)
    delivery.succeed(exported)
    delivery.staging.tidy(run_id)
    return {**exported.summary(), "bundle": next((each.path for each in receipts if each.path), None)}


def _request(row: Mapping[str, Any], here: Installation, folder: Path) -> ExportRequest:
    options = msgspec.json.decode(row["options"])
    return ExportRequest(
        profile=f"{row['profile_base']}@{row['profile_revision']}",
        store=here.store,
        key=here.key,
        out=str(folder),
        tenant=row["tenant"],
        selectors=msgspec.json.decode(row["selectors"]),
        policy_snapshot=row["policy_snapshot_id"],
        as_of=options.get("asOf"),
        allow_empty=options.get("allowEmpty", False),
        workers=here.workers,
        memory_limit=here.memory_limit,
        profiles=None if here.profiles is None else str(here.profiles),
    )


def _is_done(ledger: Ledger, run_id: str) -> bool:
    """Whether all went well, and this process was made to end too late."""
    with ledger.reading() as connection:
        return bool(runs.find(connection, run_id, tenant=None)["status"] == "success")


def _tell_end(ledger: Ledger, run_id: str, error: BaseException, now: int) -> None:
    """Write the end of a run that did not go well, as far as this process knows it.

    When it is made to end, and nobody asked for that here, it gives the run back: whoever watches the engine knows
    whether to begin anew.
    """
    with ledger.writing() as connection:
        if runs.find(connection, run_id, tenant=None)["cancel_requested_at"] is not None:
            states.cancel(connection, run_id, now=now)
        elif isinstance(error, Exception) and not isinstance(error, CanceledRunError):
            code, model = described(error)
            states.fail(connection, run_id, error_code=code, error=model, now=now)
        elif not isinstance(error, Exception):
            states.release(connection, run_id)


def described(error: Exception) -> tuple[str, dict[str, Any]]:
    """Return an error's ``errorCode``, and what the error model says of it."""
    code = next((name for kind, name in ERROR_CODES if isinstance(error, kind)), "internal")
    known = isinstance(error, (FlowError, BundleError))
    details = [msgspec.structs.asdict(each) for each in error.details] if isinstance(error, ValidationError) else []
    if isinstance(error, DistributionError):
        details = [{"driver": error.driver, "reason": error.reason}]
    return code, {
        "code": getattr(error, "code", "ERR_EXPORT_005" if code == "signing" else "ERR_EXPORT_INTERNAL"),
        "message": str(error) if known else "something went wrong in the run; the worker's log has it",
        "details": details,
    }


def _beat(ledger: Ledger, run_id: str, clock: Callable[[], int]) -> None:
    with ledger.writing() as connection:
        states.heartbeat(connection, run_id, now=clock())
