"""How rows of the ledger look in the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger.receipts import FINISHED, descriptor
from ledger.times import SECOND, format_time
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ledger.events import Event


def links(run_id: str) -> dict[str, str]:
    """Return where a run is found."""
    return {"self": f"{BASE}/runs/{run_id}", "events": f"{BASE}/runs/{run_id}/events"}


def submitted(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a submission is answered with."""
    return {
        **_head(row),
        "profileCommit": row["profile_commit"],
        "selectors": json.loads(row["selectors"]),
        "links": links(row["run_id"]),
    }


def listed(row: Mapping[str, Any], last: Event | None, *, now: int) -> dict[str, Any]:
    """Return a run as lists show it: summary counts, duration and last event."""
    progress = json.loads(row["progress"])
    began = row["started_at"]
    return {
        **_head(row),
        "startedAt": _time(began),
        "endedAt": _time(row["ended_at"]),
        "durationSeconds": None if began is None else round(((row["ended_at"] or now) - began) / SECOND, 3),
        "counts": {"records": progress["recordsProcessed"], "bytes": progress["bytesWritten"]},
        "lastEvent": None if last is None else {"id": last.seq, "type": last.type, **_at(last)},
        **({"errorCode": row["error_code"]} if row["status"] == "failed" else {}),
        "traceId": row["trace_id"],
        "links": links(row["run_id"]),
    }


def detailed(
    row: Mapping[str, Any], last: Event | None, targets: Sequence[Mapping[str, Any]], *, now: int
) -> dict[str, Any]:
    """Return a run with everything that is known of it."""
    shown = {
        **listed(row, last, now=now),
        "selectors": json.loads(row["selectors"]),
        "options": json.loads(row["options"]),
        "priority": row["priority"],
        "profileCommit": row["profile_commit"],
        "policySnapshotId": row["policy_snapshot_id"],
        "progress": json.loads(row["progress"]),
        "distributions": [distribution(each) for each in targets if each["state"] == FINISHED],
        "submissionTraceId": row["trace_id"],
    }
    if row["content_digest"]:
        shown["contentDigest"] = row["content_digest"]
    if row["status"] == "failed":
        shown["error"] = json.loads(row["error"])
    if row["cancel_requested_at"] is not None:
        shown["cancelRequestedAt"] = format_time(row["cancel_requested_at"])
    if row["status"] == "canceled":
        shown |= {"canceledBy": row["canceled_by"], "cancelReason": row["cancel_reason"]}
    return shown


def distribution(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a target as the API describes it."""
    return descriptor(row)


def _head(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every form of a run begins with."""
    return {
        "runId": row["run_id"],
        "status": row["status"],
        "profileId": row["profile_id"],
        "profileRevision": row["profile_revision"],
        "createdAt": format_time(row["created_at"]),
        "createdBy": row["created_by"],
    }


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)


def _at(event: Event) -> dict[str, str]:
    return {"timestamp": json.loads(event.data)["timestamp"]}
