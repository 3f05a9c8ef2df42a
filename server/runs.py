"""Runs: submit, list, look at, cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flows.criteria import merge, parse_instant, parse_selectors
from flows.errors import ProfileNotFoundError, ValidationError
from flows.profile_views import parse_reference
from flows.targets import check_targets
from ledger import distributions, events, runs, states
from ledger.errors import FinishedError, QuotaError, TooManyRunsError, UnknownRunError
from ledger.runs import Filters, Submission
from ledger.tables import ACTIVE, TERMINAL
from ledger.times import format_time
from server import views
from server.auditing import note
from server.context import Reply
from server.models import CancelRequest, RunRequest, checked
from server.paging import page_of
from server.problems import (
    BASE_MISSING,
    FORBIDDEN,
    NO_BUNDLE,
    NO_PROFILE,
    NOT_FOUND,
    QUOTA,
    TOO_MANY_RUNS,
    VALIDATION,
    Problem,
    invalid,
)
from server.profiles import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from flows.profiles import LoadedProfile
    from server.context import Call
    from server.service import Service

STATUSES = (*ACTIVE, *TERMINAL)
LATER = "2"
"""Seconds until a submitted run is worth another look."""


class Ready(NamedTuple):
    """A run that may be taken in, and the targets that its profile has."""

    submission: Submission
    kinds: tuple[str, ...]


def prepare(service: Service, call: Call) -> Ready:
    """Work out what a submission asks for, and refuse what is not as it should be.

    Raises:
        Problem: Something is not.
    """
    call.only("wait")
    asked = checked(RunRequest, call.json())
    loaded = check(service, call, asked)
    return ready(call, asked, loaded)


def check(service: Service, call: Call, asked: RunRequest) -> LoadedProfile:
    """Check a submission as far as that goes without the evidence; return its profile.

    To be called while no transaction is open: it looks into the ledger, and waits for the profiles.

    Raises:
        Problem: Something of it is not as it should be.
    """
    loaded = profile_of(service, call.caller.tenant, asked.profile_id)
    check_selectors(loaded, asked.selectors, call)
    snapshot_of(loaded, asked)
    require_targets(loaded)
    if asked.options.as_of is not None:
        _instant(asked.options.as_of)
    if asked.options.base is not None:
        _base(service, loaded, call, asked.options.base)
    return loaded


def ready(call: Call, asked: RunRequest, loaded: LoadedProfile, *, retry_of: str | None = None) -> Ready:
    """Return the run that a checked submission is to be."""
    submission = Submission(
        tenant=call.caller.tenant,
        profile_id=asked.profile_id,
        profile_base=loaded.profile.profile_id,
        profile_revision=loaded.revision,
        profile_commit=loaded.commit,
        selectors=asked.selectors,
        policy_snapshot_id=snapshot_of(loaded, asked),
        options=asked.options.model_dump(by_alias=True, exclude_none=True),
        priority=asked.options.priority,
        created_by=call.caller.subject,
        trace_id=call.trace.id,
        trace_parent=call.trace.parent,
        retry_of=retry_of,
    )
    return Ready(submission, loaded.profile.distribution)


def take(service: Service, call: Call, connection: Connection, wanted: Ready) -> Reply:
    """Take a run in, or say why not."""
    submission, kinds = wanted
    try:
        run_id = runs.submit(connection, submission, limits=service.limits, now=call.now)
    except (QuotaError, TooManyRunsError) as error:
        code = QUOTA if isinstance(error, QuotaError) else TOO_MANY_RUNS
        raise Problem(
            429,
            code,
            error.message,
            details=[{"retryAfterSeconds": error.retry_after}],
            headers={"Retry-After": str(error.retry_after)},
        ) from error
    distributions.register(connection, run_id, kinds)
    told = {"profileId": submission.profile_id, "traceId": submission.trace_id}
    note(call, connection, "run.submit", run_id, told)
    shown = views.submitted(runs.find(connection, run_id, tenant=submission.tenant))
    return Reply(status=202, body=shown, headers={"Location": shown["links"]["self"], "Retry-After": LATER})


def list_runs(service: Service, call: Call) -> Reply:
    """List runs, newest first."""
    call.only("status", "profileId", "traceId", "page", "pageSize")
    page, size = call.page()
    wanted = call.query.get("profileId")
    named = {} if wanted is None else profile_filter(wanted)
    filters = Filters(statuses=_statuses(call.query.get("status")), trace_id=call.query.get("traceId"), **named)
    with service.ledger.reading() as connection:
        rows, total = runs.page(connection, call.caller.tenant, filters, offset=(page - 1) * size, limit=size)
        last = events.latest(connection, [row["run_id"] for row in rows])
    return page_of(call, [views.listed(row, last.get(row["run_id"]), now=call.now) for row in rows], total)


def show(service: Service, call: Call) -> Reply:
    """Show a run."""
    call.only("wait")
    run_id = call.params["runId"]
    with service.ledger.reading() as connection:
        row = find(connection, call)
        last = events.latest(connection, [run_id])
        targets = distributions.of_runs(connection, [run_id])
    shown = views.detailed(row, last.get(run_id), targets[run_id], now=call.now)
    return Reply(body=shown, headers={} if row["status"] in TERMINAL else {"Retry-After": LATER})


def cancel(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Ask a run to end."""
    asked = checked(CancelRequest, call.json(optional=True))
    run_id = call.params["runId"]
    find(connection, call)
    try:
        news = states.request_cancel(
            connection, run_id, tenant=call.caller.tenant, by=call.caller.subject, reason=asked.reason, now=call.now
        )
    except FinishedError as error:
        row = find(connection, call)
        raise Problem(409, NO_BUNDLE, error.message, details=[ending(row)]) from error
    if news:
        note(call, connection, "run.cancel", run_id, {"reason": asked.reason})
    row = find(connection, call)
    shown = {**views.submitted(row), "cancelRequestedAt": format_time(row["cancel_requested_at"])}
    return Reply(status=202, body=shown, headers={"Retry-After": LATER})


def find(connection: Connection, call: Call) -> Mapping[str, Any]:
    """Return the run that the path names.

    Raises:
        Problem: There is none of this tenant.
    """
    try:
        return runs.find(connection, call.params["runId"], tenant=call.caller.tenant)
    except UnknownRunError as error:
        raise Problem(404, NOT_FOUND, error.message) from error


def ending(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ERR_EXPORT_007 says of a run: who canceled it and when, or how it stands."""
    if row["status"] == "canceled":
        return {
            "canceledBy": row["canceled_by"],
            "canceledAt": format_time(row["ended_at"]),
            "reason": row["cancel_reason"],
        }
    return {"status": row["status"]}


def profile_of(service: Service, tenant: str, profile_id: str, *, inactive: bool = False) -> LoadedProfile:
    """Return a profile that the tenant may run, or when ``inactive``, could.

    Raises:
        Problem: There is none.
    """
    with told(tenant):
        found = service.profiles.get(tenant, profile_id)
    if found.archived and not inactive:
        raise Problem(404, NO_PROFILE, f"Profile not found for tenant {tenant}: {profile_id} is archived")
    return found.loaded


def check_selectors(loaded: LoadedProfile, given: Mapping[str, Any], call: Call) -> None:
    """Refuse selectors that are none, or of others' tenants, whether the run names them or its profile does.

    Raises:
        Problem: They are so.
    """
    merged = {"tenants": [call.caller.tenant], **merge(loaded.profile.selectors, given)}
    try:
        selectors = parse_selectors(merged)
    except ValidationError as error:
        raise validation(error, "selectors") from error
    foreign = [each for each in selectors.tenants if each not in call.caller.tenants]
    if foreign:
        raise Problem(403, FORBIDDEN, f"selectors.tenants: {foreign[0]!r} is none of the caller's tenants")


def require_targets(loaded: LoadedProfile) -> None:
    """Refuse a profile whose bundles nobody could send where it wants them.

    Raises:
        Problem: This version has no such target.
    """
    try:
        check_targets(loaded.profile.distribution)
    except ValidationError as error:
        raise validation(error, "profile") from error


def validation(error: ValidationError, under: str) -> Problem:
    """Return what the API says of an error of validation; fields lie under one of the body."""
    details = [{"field": f"{under}.{each.field}".rstrip("."), "message": each.message} for each in error.details]
    return Problem(400, VALIDATION, error.message, details=details or [{"field": under, "message": error.message}])


def snapshot_of(loaded: LoadedProfile, asked: RunRequest) -> str | None:
    """Return the policy snapshot of a submission; a profile that knows no policy has none, whatever is asked.

    Raises:
        Problem: The profile requires one.
    """
    mode = loaded.profile.policy_snapshot_mode
    if mode == "required" and asked.policy_snapshot_id is None:
        raise invalid("policySnapshotId", f"profile {loaded.profile.profile_id} requires one")
    return None if mode == "none" else asked.policy_snapshot_id


def _base(service: Service, loaded: LoadedProfile, call: Call, base: str) -> None:
    """Refuse a base that is no good bundle of the tenant, or that the profile has no use for."""
    with service.ledger.reading() as connection:
        known = runs.is_success(connection, call.caller.tenant, base)
    if not known:
        raise Problem(400, BASE_MISSING, f"there is no base {base!r}")
    if loaded.profile.variant != "delta":
        raise invalid("options.base", f"profile {loaded.profile.profile_id} makes no deltas")


def _instant(text: str) -> None:
    try:
        parse_instant(text)
    except ValueError as error:
        raise invalid("options.asOf", str(error)) from error


def _statuses(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    if text == "active":
        return ACTIVE
    if text not in STATUSES:
        raise invalid("status", f"{text!r} is none of active, {', '.join(STATUSES)}")
    return (text,)


def profile_filter(text: str) -> dict[str, Any]:
    """Return a reference to a profile as ``Filters`` take it.

    Raises:
        Problem: No profile can have that name.
    """
    try:
        wanted = parse_reference(text)
    except ProfileNotFoundError as error:
        raise invalid("profileId", f"{text[:100]!r} is no profile id") from error
    return {"profile_base": wanted.profile_id, "profile_revision": wanted.revision}
