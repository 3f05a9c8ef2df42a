"""What finished runs left: bundles, the newest of a profile, manifest, provenance, and where copies of bundles are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.errors import BundleError
from bundle.source import open_bundle
from ledger import distributions, runs
from ledger.receipts import EXPIRED, FINISHED
from ledger.runs import Filters
from ledger.times import SECOND, format_time
from server import views
from server.context import JSON, Reply
from server.problems import EMPTY, INTERNAL, NO_BUNDLE, NOT_FOUND, Problem, invalid
from server.runs import ending, find, profile_filter, profile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from server.context import Call
    from server.service import Service

FLAGS = {"true": True, "false": False}
MEDIA_TYPES = {"tar.zst": "application/zstd", "zip": "application/zip"}


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
    mine = next(each for each in targets if each["state"] == "finished")
    return Reply(
        body={
            "profileId": profile_id,
            "runId": row["run_id"],
            "endedAt": format_time(row["ended_at"]),
            "ageSeconds": (call.now - row["ended_at"]) // SECOND,
            "records": row["records"],
            "contentDigest": row["content_digest"],
            "sha256": mine["sha256"],
            "sizeBytes": mine["size_bytes"],
            "links": {**views.links(row["run_id"]), "download": mine["location"]},
        }
    )


def list_distributions(service: Service, call: Call) -> Reply:
    """List every registered target of a run, whatever became of it."""
    call.only()
    with service.ledger.reading() as connection:
        row = find(connection, call)
        targets = distributions.of_runs(connection, [row["run_id"]])[row["run_id"]]
    return Reply(body={"items": [views.distribution(each) for each in targets]})


def manifest(service: Service, call: Call) -> Reply:
    """Return the signed export.json, or its detached signature."""
    return _member(service, call, "export.json")


def provenance(service: Service, call: Call) -> Reply:
    """Return the signed provenance.json, or its detached signature."""
    return _member(service, call, "provenance.json")


def held(service: Service, call: Call) -> tuple[Mapping[str, Any], Path]:
    """Return the target that holds a run's bundle for download, and the bundle's path.

    Raises:
        Problem: There is no such run (404), or no bundle of it (409; 422 when it ended because nothing matched).
    """
    with service.ledger.reading() as connection:
        return held_in(connection, call)


def held_in(connection: Connection, call: Call) -> tuple[Mapping[str, Any], Path]:
    """Return what ``held`` does, as an open transaction sees it. Raises as ``held``."""
    row = find(connection, call)
    targets = distributions.of_runs(connection, [row["run_id"]])[row["run_id"]]
    if row["status"] == "failed" and row["error_code"] == "empty":
        raise Problem(422, EMPTY, f"run {row['run_id']} matched no records")
    if row["status"] != "success":
        message = f"run {row['run_id']} has no bundle: it is {row['status']}"
        raise Problem(409, NO_BUNDLE, message, details=[ending(row)])
    mine = next((each for each in targets if each["state"] == FINISHED and each["path"]), None)
    if mine is None:
        raise _expired(row["run_id"], targets)
    return mine, Path(mine["path"])


def _expired(run_id: str, targets: Sequence[Mapping[str, Any]]) -> Problem:
    """Return what is said of a run that went well and whose bundle is no longer here."""
    at = next((each["expires_at"] for each in targets if each["state"] == EXPIRED), None)
    details = {"status": EXPIRED, **({} if at is None else {"expiredAt": format_time(at)})}
    return Problem(409, NO_BUNDLE, f"the bundle of run {run_id} has expired", details=[details])


def _member(service: Service, call: Call, name: str) -> Reply:
    call.only("signature")
    wanted = call.query.get("signature", "false")
    if wanted not in FLAGS:
        raise invalid("signature", f"{wanted!r} is neither true nor false")
    _, path = held(service, call)
    try:
        content = open_bundle(path).read(f"{name}.sig" if FLAGS[wanted] else name)
    except (OSError, BundleError) as error:
        # Its time may have been over after the ledger had been asked: then this says so.
        held(service, call)
        raise Problem(500, INTERNAL, f"the bundle of {call.params['runId']} cannot be read") from error
    return Reply(body=content, media_type="text/plain; charset=utf-8" if FLAGS[wanted] else JSON)
