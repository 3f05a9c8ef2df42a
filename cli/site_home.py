"""What an installation knows for a static site: the runs of its ledger, its bundles, and its profiles."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.envelope import MANIFEST
from bundle.errors import BundleError
from bundle.manifest import Manifest
from bundle.source import open_bundle
from cli.output import note
from cli.site_bundles import ENDINGS, Candidate
from web.run_page import OVER
from web.selection_words import tenants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from flows.settings import Settings
    from web.around import Receipt
    from web.overview import Row
    from web.profile_page import ProfileStory
    from web.run_page import RunFacts

PROFILE_ID = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
"""Names that can be a folder of the site."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The runs of a tenant, where their bundles lie, and where they were sent."""

    rows: tuple[Row, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)
    receipts: Mapping[str, tuple[Receipt, ...]] = field(default_factory=dict)
    runs: tuple[RunFacts, ...] = ()

    @property
    def candidates(self) -> list[Candidate]:
        """Runs whose bundles lie here."""
        return [
            Candidate(name=row.name, path=self.paths[row.name], row=row, receipts=self.receipts[row.name])
            for row in self.rows
            if row.name in self.paths
        ]

    @property
    def others(self) -> list[Row]:
        """Runs without a bundle here."""
        return [row for row in self.rows if row.name not in self.paths]


def read_home(settings: Settings) -> Home:
    """Read the runs of the tenant in force from the ledger; none when there is no ledger."""
    from flows.installation import environment, ledger_url
    from ledger.database import open_ledger

    url = ledger_url(environment(settings, os.environ))
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return Home()
    ledger = open_ledger(url)
    try:
        with ledger.reading() as connection:
            return _home(connection, settings.tenant)
    finally:
        ledger.close()


def _home(connection: Connection, tenant: str) -> Home:
    from flows.run_rows import rows_of
    from ledger.entries import of_tenant
    from server.run_facts import receipt_of

    rows = rows_of(connection, tenant, kinds={})
    held = {row.name for row in rows if row.bundle}
    paths = {
        each["run_id"]: Path(each["path"])
        for each in of_tenant(connection, tenant)
        if each["run_id"] in held and Path(each["path"]).exists()
    }
    return Home(
        rows=tuple(_known(row, row.name in paths) for row in rows),
        paths=paths,
        receipts={name: tuple(map(receipt_of, _targets(connection, name))) for name in paths},
        runs=tuple(_facts(connection, row, row.name in paths) for row in rows if row.status in OVER),
    )


def _targets(connection: Connection, run_id: str) -> list[Mapping[str, Any]]:
    from ledger.distributions import of_runs

    return of_runs(connection, [run_id])[run_id]


def _known(row: Row, here: bool) -> Row:
    """Return a run as the site has it: there is a page of it once it is over, and a bundle when that lies here."""
    row = replace(row, run=row.status in OVER)
    return row if here else replace(row, bundle=False, archive=False, bytes=None)


def _facts(connection: Connection, row: Row, here: bool) -> RunFacts:
    from ledger.runs import find
    from server.run_facts import facts_of

    found = find(connection, row.name, tenant=row.tenant)
    bundle = f"../../bundles/{row.name}/index.html" if here else None
    return facts_of(connection, found, now=found["ended_at"], bundle=bundle)


def exported(settings: Settings) -> list[Path]:
    """Return what `export` left for the tenant in force in the home's folder of bundles, by name; note what is not."""
    folder, tenant = settings.home / "bundles", settings.tenant
    found = sorted(path for path in folder.glob("*") if path.is_file() and path.name.endswith(ENDINGS))
    own = [path for path in found if _may_show(path, tenant)]
    if left_out := len(found) - len(own):
        note(f"left out {left_out} of {len(found)} bundles in {folder}: they are not of tenant {tenant} alone")
    return own


def _may_show(path: Path, tenant: str) -> bool:
    """Whether a bundle says that it holds a tenant's evidence and nobody else's; what says nothing will be refused."""
    from flows.criteria import SHARED_TENANT

    try:
        stated = Manifest.from_bytes(open_bundle(path).read(MANIFEST))
    except BundleError:
        return True
    named = set(tenants(stated.selectors))
    return bool(named) and named <= {tenant, SHARED_TENANT}


def stories(settings: Settings, rows: Sequence[Row]) -> tuple[list[ProfileStory], tuple[str, ...]]:
    """Return the profiles that the tenant in force can see, with their history and rows; and remarks about others."""
    from flows.profile_store import ProfileStore
    from flows.profile_story import remarks_of, story_of

    tenant = settings.tenant
    with ProfileStore(settings.profiles_path) as store:
        names = [each.profile.profile_id for each in store.listing(tenant)]
        return [story_of(store, tenant, name, _of(rows, name)) for name in names], remarks_of(store, tenant)


def told_by_bundles(rows: Sequence[Row], known: Iterable[str]) -> list[ProfileStory]:
    """Return profiles that only bundles tell of; a name that no profile may have gets no page."""
    from web.overview import ProfileCard
    from web.profile_page import ProfileStory

    names = {row.profile for row in rows if row.bundle and PROFILE_ID.fullmatch(row.profile)} - set(known)
    return [
        ProfileStory(
            card=ProfileCard(profile_id=name, kind=_of(rows, name)[0].kind, known=False),
            revision=max(row.revision for row in _of(rows, name)),
            rows=_of(rows, name),
        )
        for name in sorted(names)
    ]


def _of(rows: Sequence[Row], profile: str) -> list[Row]:
    return [row for row in rows if row.profile == profile]
