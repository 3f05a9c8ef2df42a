"""Beyond the contract: dry runs, runs done again, and the newest good bundle of a profile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from ledger import distributions, runs
from ledger.runs import Filters, Submission
from ledger.tables import TERMINAL
from ledger.times import SECOND, format_time
from server import views
from server.context import Reply
from server.models import RunRequest, checked
from server.problems import CONFLICT, EMPTY, INTERNAL, NOT_FOUND, UNAVAILABLE, Problem
from server.runs import Ready, check, check_selectors, find, profile_filter, profile_of, require_targets, snapshot_of
from server.waiting import STATUS_OF

if TYPE_CHECKING:
    from server.context import Call
    from server.service import Service

AT_ONCE = 2
"""Dry runs at the same time: each is a process that reads evidence."""

PATIENCE_SECONDS = 5
LONGEST_SECONDS = 120
_PLACES = threading.BoundedSemaphore(AT_ONCE)


def plan(service: Service, call: Call) -> Reply:
    """Count what a run would take, without making anything."""
    call.only()
    asked = checked(RunRequest, call.json())
    loaded = check(service, call, asked)
    request = {
        **service.dry_run_request(asked.profile_id, call.caller.tenant),
        "selectors": asked.selectors,
        "policySnapshot": snapshot_of(loaded, asked),
        "asOf": asked.options.as_of,
        "allowEmpty": asked.options.allow_empty,
    }
    found = _dry_run(request)
    if not found["records"] and not asked.options.allow_empty:
        raise Problem(422, EMPTY, f"no record matches the selectors of profile {asked.profile_id}")
    return Reply(body={"profileId": asked.profile_id, "profileRevision": loaded.revision, **found})


def _dry_run(request: dict[str, Any]) -> dict[str, Any]:
    if not _PLACES.acquire(timeout=PATIENCE_SECONDS):
        raise Problem(503, UNAVAILABLE, "too many dry runs at once", headers={"Retry-After": str(PATIENCE_SECONDS)})
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
    finally:
        _PLACES.release()
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise Problem(500, INTERNAL, "the dry run ended without a result") from error
    if done.returncode:
        error_model = found["error"]
        status = STATUS_OF.get(error_model["code"], 500)
        raise Problem(status, error_model["code"], error_model["message"], details=error_model["details"])
    return found


def prepare_retry(service: Service, call: Call) -> Ready:
    """Return the new run that does once more what failed or was canceled.

    Raises:
        Problem: The run is none of these, or what it asked for is not as it should be any more.
    """
    with service.ledger.reading() as connection:
        row = find(connection, call)
    if row["status"] not in ("failed", "canceled"):
        over = row["status"] in TERMINAL
        raise Problem(
            409,
            CONFLICT,
            f"run {row['run_id']} {'succeeded' if over else 'is not over'}; what failed or was canceled is done again",
            details=[{"status": row["status"]}],
        )
    loaded = profile_of(service, call.caller.tenant, row["profile_id"])
    selectors = json.loads(row["selectors"])
    check_selectors(loaded, selectors, call)
    require_targets(loaded)
    again = Submission(
        tenant=row["tenant"],
        profile_id=row["profile_id"],
        profile_base=row["profile_base"],
        profile_revision=loaded.revision,
        profile_commit=loaded.commit,
        selectors=selectors,
        policy_snapshot_id=row["policy_snapshot_id"],
        options=json.loads(row["options"]),
        priority=row["priority"],
        created_by=call.caller.subject,
        trace_id=call.trace.id,
        trace_parent=call.trace.parent,
        retry_of=row["run_id"],
    )
    return Ready(again, loaded.profile.distribution)


def latest(service: Service, call: Call) -> Reply:
    """Show the newest good bundle of a profile."""
    call.only()
    profile_id = call.params["profileId"]
    profile_of(service, call.caller.tenant, profile_id, inactive=True)
    with service.ledger.reading() as connection:
        row = runs.newest_success(connection, call.caller.tenant, Filters(**profile_filter(profile_id)))
        if row is None:
            raise Problem(404, NOT_FOUND, f"profile {profile_id} has no bundle yet")
        targets = distributions.of_runs(connection, [row["run_id"]])[row["run_id"]]
    held = next(each for each in targets if each["state"] == "finished")
    return Reply(
        body={
            "profileId": profile_id,
            "runId": row["run_id"],
            "endedAt": format_time(row["ended_at"]),
            "ageSeconds": (call.now - row["ended_at"]) // SECOND,
            "records": row["records"],
            "contentDigest": row["content_digest"],
            "sha256": held["sha256"],
            "sizeBytes": held["size_bytes"],
            "links": {**views.links(row["run_id"]), "download": held["location"]},
        }
    )
