"""A whole site as a value: from what is known to every page, path to bytes. The server makes the same pages one by one.

Bundles' archives are not among them: ``bundles/NAME/bundle.tar.zst`` is put there by whoever writes the site.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from web import bundle_page, compare_page, overview, profile_page, run_page, verify_page
from web.around import Around
from web.assets import site_files
from web.figures import visible
from web.layout import BundlePlace, Layout
from web.overview import Overview, ProfileCard, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bundle.manifest import Manifest
    from web.around import Receipt
    from web.profile_page import ProfileStory
    from web.run_page import RunFacts
    from web.trivy_report import TrivyReport

DEEP = "../../"
"""From a page of a bundle, a profile or a run to the site's root."""

ARCHIVES = {"tar.zst": "bundle.tar.zst", "zip": "bundle.zip", "dir": "bundle"}
"""What a bundle is called beside its page, by layout."""


@dataclass(frozen=True, kw_only=True)
class SiteBundle:
    """A bundle of a site.

    Attributes:
        name: As in addresses; see ``web.overview.Row``.
        key: Id and algorithm of the key that its signature was checked with, or that it states.
        sha256: Of the archive.
        bytes: Of the archive, or of all files of a folder.
        carried: Whether the site has it beside the page.
        trivy: The report of its Trivy database; None for other bundles.
        receipts: Where it was sent, as far as whoever made the site knows.
    """

    name: str
    manifest: Manifest
    key: tuple[str, str]
    sha256: str = ""
    layout: Literal["tar.zst", "zip", "dir"] = "tar.zst"
    bytes: int = 0
    carried: bool = True
    trivy: TrivyReport | None = None
    receipts: tuple[Receipt, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Site:
    """What a site is made of; ``runs`` are those that are over: nothing follows a run that still goes on."""

    rows: Sequence[Row]
    bundles: Sequence[SiteBundle] = ()
    profiles: Sequence[ProfileStory] = ()
    runs: Sequence[RunFacts] = ()
    remarks: tuple[str, ...] = ()


def pages(site: Site) -> dict[str, bytes]:
    """Return every file of a static site, archives excepted, path to bytes; the same site gives the same bytes."""
    cards = [story.card for story in site.profiles]
    found = {
        "index.html": overview.render(
            Overview(rows=site.rows, profiles=cards, remarks=site.remarks), layout("overview", "Runs and bundles")
        ),
        "compare.html": compare_page.render(layout("compare", "Compare two bundles")),
        "verify.html": verify_page.render(layout("verify", "Verify a bundle")),
        "data/runs.json": overview.rows_json(site.rows),
        "data/runs.js": overview.rows_script(site.rows),
        **site_files(),
    }
    known, rows = {card.profile_id for card in cards}, {row.name: row for row in site.rows}
    for bundle in site.bundles:
        found |= _bundle(bundle, rows, known)
    for run in site.runs:
        run_id = run.run["runId"]
        found[f"runs/{run_id}/index.html"] = run_page.render(run, layout("run", run_id, DEEP))
    for story in site.profiles:
        found[profile_path(story.card)] = profile_page.render(story, layout("profile", story.card.profile_id, DEEP))
    return found


def layout(page: str, title: str, root: str = "", **more: Any) -> Layout:
    """Return what is around a page of a static site."""
    return Layout(mode="static", page=page, title=f"{visible(title)}: Export Center", root=root, **more)


def profile_path(card: ProfileCard) -> str:
    """Return where a profile's page lies."""
    return f"profiles/{card.profile_id}/index.html"


def _bundle(bundle: SiteBundle, rows: Mapping[str, Row], profiles: set[str]) -> dict[str, bytes]:
    folder, profile = f"bundles/{bundle.name}", bundle.manifest.profile.id
    row = rows.get(bundle.name)
    around = Around(
        sha256=bundle.sha256,
        run=f"{DEEP}runs/{bundle.name}/index.html" if row is not None and row.run else "",
        profile=f"{DEEP}profiles/{profile}/index.html" if profile in profiles else "",
        trivy=bundle.trivy,
        receipts=bundle.receipts,
    )
    place = _place(bundle)
    framed = layout("bundle", f"{profile}, {bundle.name}", DEEP, bundle=place)
    return {
        f"{folder}/index.html": bundle_page.in_site(bundle.manifest, framed, around, key=bundle.key),
        f"{folder}/export.json": bundle.manifest.to_bytes(),
        f"{folder}/export.js": compare_page.manifest_script(bundle.name, bundle.manifest),
    }


def _place(bundle: SiteBundle) -> BundlePlace | None:
    if not bundle.carried:
        return None
    if bundle.layout == "dir":
        return BundlePlace(name=bundle.name, url=f"{ARCHIVES['dir']}/", layout="dir")
    return BundlePlace(name=bundle.name, url=ARCHIVES[bundle.layout], layout=bundle.layout, bytes=bundle.bytes)
