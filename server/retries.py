"""Runs done again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger.tables import TERMINAL
from server.models import RunRequest, checked
from server.problems import CONFLICT, Problem
from server.runs import Ready, check, find, ready

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.context import Call
    from server.service import Service


def prepare(service: Service, call: Call) -> Ready:
    """Return the new run that does once more what failed or was canceled: a submission, checked as any other.

    Raises:
        Problem: The run did not end so, or its profile wants something else by now.
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
    asked = _asked(row)
    loaded = check(service, call, asked)
    return ready(call, asked, loaded, retry_of=row["run_id"])


def _asked(row: Mapping[str, Any]) -> RunRequest:
    """Return the submission that a run was."""
    return checked(
        RunRequest,
        {
            "profileId": row["profile_id"],
            "selectors": json.loads(row["selectors"]),
            "policySnapshotId": row["policy_snapshot_id"],
            "options": {**json.loads(row["options"]), "priority": row["priority"]},
        },
    )
