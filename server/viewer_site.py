"""The viewer's pages about more than one run: overview, profiles, comparison and verification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from flows.errors import ProfileNotFoundError
from server.profiles import told
from server.viewer_pages import layout_of
from server.viewer_rows import card, cards_of, rows_of
from web import compare_page, overview, profile_page, verify_page
from web.figures import visible
from web.overview import Overview
from web.profile_page import Change, ProfileStory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.profile_store import StoredProfile
    from server.context import Call
    from server.service import Service


def show_overview(service: Service, call: Call) -> bytes:
    """Return the overview: the tenant's runs and bundles, and how fresh each profile's latest one is."""
    tenant = call.caller.tenant
    found = Overview(rows=rows_of(service, tenant), profiles=cards_of(service, tenant))
    return overview.render(found, layout_of(service.sign_in, call.path, page="overview", title="Runs and bundles"))


def run_rows(service: Service, call: Call) -> bytes:
    """Return data/runs.json: all rows of the overview."""
    return overview.rows_json(rows_of(service, call.caller.tenant))


def show_profile(service: Service, call: Call) -> bytes:
    """Return the page of a profile, with its revisions and runs.

    Raises:
        Problem: There is no such profile, or none that the tenant can see.
    """
    tenant, profile_id = call.caller.tenant, call.params["profileId"]
    with told(tenant):
        found = service.profiles.get(tenant, profile_id)
        text = service.profiles.text(tenant, profile_id).decode()
        changes = tuple(_changes(service, tenant, found))
    fields: dict[str, Any] = msgspec.to_builtins(found.profile)
    story = ProfileStory(
        card=card(found),
        revision=found.revision,
        fields=fields,
        yaml=text,
        sha256=found.sha256,
        commit=found.commit or "",
        changes=changes,
        left_out=None if found.commit else 0,
        rows=rows_of(service, tenant, profile=found.profile.profile_id),
    )
    title = f"{visible(profile_id)}: profile"
    return profile_page.render(story, layout_of(service.sign_in, call.path, page="profile", title=title))


def _changes(service: Service, tenant: str, latest: StoredProfile) -> Iterator[Change]:
    """Yield the last commit of every revision that there is, newest first."""
    for revision in range(latest.revision, 0, -1):
        reference = f"{latest.profile.profile_id}@{revision}"
        try:
            found = service.profiles.get(tenant, reference)
        except ProfileNotFoundError:
            continue
        if found.commit is not None and found.updated_at is not None:
            yield Change(
                revision=revision,
                commit=found.commit,
                at=found.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                by=found.updated_by,
                message=f"Revision {revision}",
                yaml=service.profiles.text(tenant, reference).decode(),
            )


def show_compare(service: Service, call: Call) -> bytes:
    """Return the page that compares two bundles."""
    return compare_page.render(layout_of(service.sign_in, call.path, page="compare", title="Compare two bundles"))


def show_verify(service: Service, call: Call) -> bytes:
    """Return the page that verifies any bundle; its reader brings that, and the key."""
    return verify_page.render(layout_of(service.sign_in, call.path, page="verify", title="Verify a bundle"))
