"""Runs that the engine begins of itself, by schedule or by hand: each is taken into the ledger before it does anything.

Plain, without an engine: whoever knows it says who began the run, and what is asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from flows.criteria import merge, parse_selectors
from flows.errors import ValidationError
from flows.profile_store import ProfileStore
from flows.targets import check_targets
from flows.tenants import is_tenant
from ledger import audit, distributions, runs
from ledger.errors import FinishedError, TooManyRunsError
from ledger.runs import PATIENCE_SECONDS, Limits, Submission
from ledger.tables import TERMINAL
from ledger.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from flows.profiles import LoadedProfile
    from flows.recorded import Installation
    from ledger.database import Ledger


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """As in the body of a submission."""

    allow_empty: bool = False
    as_of: str | None = None


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What is asked, as in the body of a submission."""

    profile_id: str
    selectors: dict[str, Any] = {}
    policy_snapshot_id: str | None = None
    options: Options = Options()


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A flow run that no submission stands behind.

    Attributes:
        flow_run_id: The engine's id of it: the run is taken in once, however often it is begun.
        by: Who began it, as the API shows it.
        tenant: Whose run it is.
        request: The fields of Asked as JSON values.
        trace_id: The trace it belongs to, 32 hexadecimal digits.
        trace_parent: The same, as W3C Trace Context has it.
    """

    flow_run_id: str
    by: str
    tenant: str
    request: Mapping[str, Any]
    trace_id: str
    trace_parent: str


class Wanted(NamedTuple):
    """A run that is to be taken in, and the targets it is to reach."""

    submission: Submission
    kinds: tuple[str, ...]


def arrive(ledger: Ledger, arrival: Arrival, here: Installation, limits: Limits | None = None) -> str:
    """Take a run in, with this flow run as the one that does it; return its id.

    A process that dies between this and its work leaves a run that was lost before it began, as any other.

    Raises:
        ValidationError: What is asked cannot be, or nobody is called as the tenant is.
        ProfileNotFoundError: There is no such profile, or it is archived.
        QuotaError, TooManyRunsError: The tenant has had its share.
        FinishedError: It was taken in before, and is over.
    """
    with ledger.reading() as connection:
        known = runs.of_flow_run(connection, arrival.flow_run_id)
    # Of a run that was taken in before, nothing is decided anew.
    wanted = None if known is not None else _wanted(arrival, here)
    with ledger.writing() as connection:
        runs.lock_tenant(connection, arrival.tenant)
        run_id = runs.of_flow_run(connection, arrival.flow_run_id)
        if run_id is None:
            run_id = _take(connection, wanted or _wanted(arrival, here), arrival, limits or Limits(), here.clock())
        row = runs.find(connection, run_id, tenant=None)
    if row["status"] in TERMINAL:
        raise FinishedError(run_id, row["status"])
    return run_id


def arrive_in_turn(
    ledger: Ledger,
    arrival: Arrival,
    here: Installation,
    *,
    sleep: Callable[[float], object],
    limits: Limits | None = None,
) -> str:
    """Do as ``arrive``, but wait for a place while the tenant has as many active runs as it may. Raises as that."""
    last = here.clock() + PATIENCE_SECONDS * SECOND
    while True:
        try:
            return arrive(ledger, arrival, here, limits)
        except TooManyRunsError as error:
            if here.clock() >= last:
                raise
            sleep(error.retry_after)


def _take(connection: Connection, wanted: Wanted, arrival: Arrival, limits: Limits, now: int) -> str:
    run_id = runs.submit(connection, wanted.submission, limits=limits, now=now, flow_run_id=arrival.flow_run_id)
    distributions.register(connection, run_id, wanted.kinds)
    told = {"profileId": wanted.submission.profile_id, "traceId": arrival.trace_id, "flowRunId": arrival.flow_run_id}
    entry = audit.Entry(tenant=arrival.tenant, actor=arrival.by, action="run.submit", target=run_id, data=told)
    audit.record(connection, entry, now=now)
    return run_id


def _wanted(arrival: Arrival, here: Installation) -> Wanted:
    if not is_tenant(arrival.tenant):
        raise ValidationError(
            f"tenant: {arrival.tenant!r} is not the name of one", advice="Start it from a deployment."
        )
    asked = _read(arrival.request)
    # Where there is no repository, there are the built-in profiles; paths of files are none here.
    with ProfileStore(here.profiles or here.bundles.parent / "profiles") as store:
        loaded = store.resolve(arrival.tenant, asked.profile_id)
    _check_tenants(loaded, asked, arrival.tenant)
    check_targets(loaded.profile.distribution)
    submission = Submission(
        tenant=arrival.tenant,
        profile_id=asked.profile_id,
        profile_base=loaded.profile.profile_id,
        profile_revision=loaded.revision,
        profile_commit=loaded.commit,
        selectors=asked.selectors,
        policy_snapshot_id=asked.policy_snapshot_id,
        options=msgspec.to_builtins(asked.options),
        priority="standard",
        created_by=arrival.by,
        trace_id=arrival.trace_id,
        trace_parent=arrival.trace_parent,
    )
    return Wanted(submission, loaded.profile.distribution)


def _read(request: Mapping[str, Any]) -> Asked:
    try:
        return msgspec.convert(request, Asked)
    except msgspec.ValidationError as error:
        raise ValidationError(f"request: {error}", advice="It is read as the body of POST /api/export/runs.") from error


def _check_tenants(loaded: LoadedProfile, asked: Asked, tenant: str) -> None:
    """Let nobody read what is another tenant's: there is no token here that could say more."""
    selectors = parse_selectors({"tenants": [tenant], **merge(loaded.profile.selectors, asked.selectors)})
    foreign = [each for each in selectors.tenants if each != tenant]
    if foreign:
        raise ValidationError(
            f"selectors.tenants: {foreign[0]!r}, but runs by schedule or by hand are of tenant {tenant!r} alone",
            advice="Submit the run with a token of these tenants.",
        )
