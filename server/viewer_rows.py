"""What the viewer's lists are made of: runs of the caller's tenant with their bundles, and profiles it can see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger import distributions, runs
from ledger.runs import Filters
from ledger.times import format_time
from server.profiles import told
from web.overview import ProfileCard, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flows.profile_store import StoredProfile
    from server.service import Service


def rows_of(service: Service, tenant: str, *, profile: str | None = None) -> list[Row]:
    """Return the runs of a tenant, newest first; of one profile when that is named."""
    kinds = {each.profile.profile_id: each.profile.pair for each in _profiles(service, tenant)}
    with service.ledger.reading() as connection:
        held = distributions.held(connection, tenant)
        found = runs.every(connection, Filters(profile_base=profile), tenant)
        return [_row(each, held.get(each["run_id"]), kinds.get(each["profile_base"], "")) for each in found]


def cards_of(service: Service, tenant: str) -> list[ProfileCard]:
    """Return the profiles that a tenant can see, by id."""
    return [card(each) for each in _profiles(service, tenant)]


def card(found: StoredProfile) -> ProfileCard:
    """Return a profile as pages name it."""
    schedule = found.profile.schedule
    return ProfileCard(
        profile_id=found.profile.profile_id,
        name=found.profile.name,
        tenant=found.tenant or "",
        kind=found.profile.pair,
        cron="" if schedule is None else schedule.cron,
        timezone="UTC" if schedule is None else schedule.timezone,
        archived=found.archived,
    )


def _profiles(service: Service, tenant: str) -> list[StoredProfile]:
    with told(tenant):
        return service.profiles.listing(tenant)


def _row(run: Mapping[str, Any], target: Mapping[str, Any] | None, kind: str) -> Row:
    progress = json.loads(run["progress"])
    return Row(
        name=run["run_id"],
        status=run["status"],
        profile=run["profile_base"],
        revision=run["profile_revision"],
        tenant=run["tenant"],
        kind=kind,
        created=format_time(run["created_at"]),
        created_by=run["created_by"],
        finished="" if run["ended_at"] is None else format_time(run["ended_at"]),
        as_of=json.loads(run["options"]).get("asOf", ""),
        records=progress["recordsProcessed"] if run["records"] is None else run["records"],
        bytes=None if target is None else target["size_bytes"],
        content_digest=run["content_digest"] or "",
        layout="" if target is None else target["layout"],
        run=True,
        bundle=target is not None,
        archive=target is not None,
        remark=_remark(run),
    )


def _remark(run: Mapping[str, Any]) -> str:
    """Return why a run failed or was canceled."""
    if run["status"] == "failed":
        return f"{run['error_code']}: {json.loads(run['error'])['message']}"
    if run["status"] == "canceled":
        return f"canceled by {run['canceled_by']}" + (f": {run['cancel_reason']}" if run["cancel_reason"] else "")
    return ""
