"""Runs of the ledger as the viewer's overview lists them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger.entries import of_tenant
from ledger.times import format_time
from web.overview import Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection


def rows_of(
    connection: Connection, tenant: str, *, kinds: Mapping[str, str], profile: str | None = None
) -> tuple[Row, ...]:
    """Return every run of a tenant, newest first.

    Args:
        connection: Of the ledger.
        tenant: Whose runs.
        kinds: Profile id to what it makes, as in "json:raw".
        profile: Only runs of this profile.
    """
    return tuple(_row(each, kinds) for each in of_tenant(connection, tenant, profile=profile))


def _row(run: Mapping[str, Any], kinds: Mapping[str, str]) -> Row:
    held = run["path"] is not None and run["status"] == "success"
    return Row(
        name=run["run_id"],
        status=run["status"],
        profile=run["profile_base"],
        revision=run["profile_revision"],
        tenant=run["tenant"],
        kind=kinds.get(run["profile_base"], ""),
        created=format_time(run["created_at"]),
        created_by=run["created_by"],
        finished="" if run["ended_at"] is None else format_time(run["ended_at"]),
        as_of=run["as_of"] or json.loads(run["options"]).get("asOf", ""),
        records=json.loads(run["progress"])["recordsProcessed"] if run["records"] is None else run["records"],
        bytes=run["size_bytes"] if held else None,
        content_digest=run["content_digest"] or "",
        layout=(run["layout"] or "") if held else "",
        run=True,
        bundle=held,
        archive=held,
        remark=_remark(run),
    )


def _remark(run: Mapping[str, Any]) -> str:
    """Return why a run failed or was canceled."""
    if run["status"] == "failed":
        return f"{run['error_code']}: {json.loads(run['error']).get('message', '')}"
    if run["status"] == "canceled":
        return f"canceled by {run['canceled_by']}" + (f": {run['cancel_reason']}" if run["cancel_reason"] else "")
    return ""
