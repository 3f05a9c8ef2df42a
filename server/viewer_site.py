"""The viewer's pages about more than one run: overview, profiles, comparison and verification."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.profile_story import card_of, remarks_of, story_of
from flows.run_rows import rows_of
from server.profiles import told
from server.viewer_pages import layout_of
from web import compare_page, overview, profile_page, verify_page
from web.figures import visible
from web.overview import Overview

if TYPE_CHECKING:
    from server.context import Call
    from server.service import Service
    from web.overview import Row


def show_overview(service: Service, call: Call) -> bytes:
    """Return the overview: the tenant's runs and bundles, and how fresh each profile's latest one is."""
    tenant = call.caller.tenant
    with told(tenant):
        cards = [card_of(each) for each in service.profiles.listing(tenant)]
        remarks = remarks_of(service.profiles, tenant)
    found = Overview(rows=_rows(service, tenant), profiles=cards, remarks=remarks)
    return overview.render(found, layout_of(service.sign_in, call.path, page="overview", title="Runs and bundles"))


def run_rows(service: Service, call: Call) -> bytes:
    """Return data/runs.json: all rows of the overview."""
    return overview.rows_json(_rows(service, call.caller.tenant))


def show_profile(service: Service, call: Call) -> bytes:
    """Return the page of a profile, with the commits that made it what it is, and its runs.

    Raises:
        Problem: There is no such profile, or none that the tenant can see.
    """
    tenant, reference = call.caller.tenant, call.params["profileId"]
    with told(tenant):
        profile_id = service.profiles.get(tenant, reference).profile.profile_id
        rows = _rows(service, tenant, profile=profile_id)
        story = story_of(service.profiles, tenant, reference, rows)
    title = f"{visible(reference)}: profile"
    return profile_page.render(story, layout_of(service.sign_in, call.path, page="profile", title=title))


def show_compare(service: Service, call: Call) -> bytes:
    """Return the page that compares two bundles."""
    return compare_page.render(layout_of(service.sign_in, call.path, page="compare", title="Compare two bundles"))


def show_verify(service: Service, call: Call) -> bytes:
    """Return the page that verifies any bundle; its reader brings that, and the key."""
    return verify_page.render(layout_of(service.sign_in, call.path, page="verify", title="Verify a bundle"))


def _rows(service: Service, tenant: str, *, profile: str | None = None) -> tuple[Row, ...]:
    """Return the runs of a tenant, newest first; of one profile when that is named."""
    with told(tenant):
        kinds = {each.profile.profile_id: each.profile.pair for each in service.profiles.listing(tenant)}
    with service.ledger.reading() as connection:
        return rows_of(connection, tenant, kinds=kinds, profile=profile)
