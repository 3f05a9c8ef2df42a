"""Dry runs: what a run would take, counted by a process that reads evidence and makes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from server.context import Reply
from server.models import RunRequest, checked
from server.places import PATIENCE_SECONDS, FullError, TakenError
from server.problems import EMPTY, INTERNAL, TOO_MANY_RUNS, UNAVAILABLE, Problem
from server.runs import check, snapshot_of
from server.waiting import STATUS_OF

if TYPE_CHECKING:
    from flows.profiles import LoadedProfile
    from server.context import Call
    from server.service import Service

LONGEST_SECONDS = 120


async def plan(service: Service, call: Call) -> Reply:
    """Count what a run would take, without making anything.

    Raises:
        Problem: It cannot be asked for, it would fail, or there is no place for it now.
    """
    tenant, later = call.caller.tenant, {"Retry-After": str(PATIENCE_SECONDS)}
    try:
        async with service.dry_runs.one_of(tenant):
            return await anyio.to_thread.run_sync(_plan, service, call)
    except TakenError as error:
        message = f"a dry run of tenant {tenant} is under way, and it may have one at once"
        details = [{"retryAfterSeconds": PATIENCE_SECONDS}]
        raise Problem(429, TOO_MANY_RUNS, message, details=details, headers=later) from error
    except FullError as error:
        raise Problem(503, UNAVAILABLE, "too many dry runs at once", headers=later) from error


def _plan(service: Service, call: Call) -> Reply:
    call.only()
    asked = checked(RunRequest, call.json())
    loaded = check(service, call, asked)
    found = _dry_run(_request(service, call, asked, loaded))
    if not found["records"] and not asked.options.allow_empty:
        raise Problem(422, EMPTY, f"no record matches the selectors of profile {asked.profile_id}")
    return Reply(body={"profileId": asked.profile_id, "profileRevision": loaded.revision, **found})


def _request(service: Service, call: Call, asked: RunRequest, loaded: LoadedProfile) -> dict[str, Any]:
    return {
        **service.dry_run_request(asked.profile_id, call.caller.tenant),
        "selectors": asked.selectors,
        "policySnapshot": snapshot_of(loaded, asked),
        "asOf": asked.options.as_of,
        "allowEmpty": asked.options.allow_empty,
    }


def _dry_run(request: dict[str, Any]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "flows.dry_run"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Problem(503, UNAVAILABLE, f"the dry run took longer than {LONGEST_SECONDS} s and was ended") from error
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise Problem(500, INTERNAL, "the dry run ended without a result") from error
    if done.returncode:
        error_model = found["error"]
        status = STATUS_OF.get(error_model["code"], 500)
        raise Problem(status, error_model["code"], error_model["message"], details=error_model["details"])
    return found
