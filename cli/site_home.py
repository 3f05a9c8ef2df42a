"""What an installation knows for a static site: the runs of its ledger, its bundles, and its profiles."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.site_bundles import ENDINGS, Candidate
from web.run_page import OVER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from flows.settings import Settings
    from web.overview import Row
    from web.profile_page import ProfileStory
    from web.run_page import RunFacts

PROFILE_ID = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
"""Names that can be a folder of the site."""


@dataclass(frozen=True, kw_only=True)
class Home:
    """The runs of a tenant, and where their bundles lie."""

    rows: tuple[Row, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)
    runs: tuple[RunFacts, ...] = ()

    @property
    def candidates(self) -> list[Candidate]:
        """Runs whose bundles lie here."""
        return [
            Candidate(name=row.name, path=self.paths[row.name], row=row) for row in self.rows if row.name in self.paths
        ]

    @property
    def others(self) -> list[Row]:
        """Runs without a bundle here."""
        return [row for row in self.rows if row.name not in self.paths]


def read_home(settings: Settings) -> Home:
    """Read the runs of the tenant in force from the ledger; none when there is no ledger."""
    from flows.installation import environment, ledger_url
    from flows.run_rows import rows_of
    from ledger.database import open_ledger
    from ledger.entries import of_tenant

    url = ledger_url(environment(settings, os.environ))
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return Home()
    ledger = open_ledger(url)
    try:
        with ledger.reading() as connection:
            rows = rows_of(connection, settings.tenant, kinds={})
            held = {row.name for row in rows if row.bundle}
            paths = {
                each["run_id"]: Path(each["path"])
                for each in of_tenant(connection, settings.tenant)
                if each["run_id"] in held and Path(each["path"]).exists()
            }
            runs = tuple(_facts(connection, row, row.name in paths) for row in rows if row.status in OVER)
    finally:
        ledger.close()
    return Home(rows=tuple(_known(row, row.name in paths) for row in rows), paths=paths, runs=runs)


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
    """Return what `export` left in the home's folder of bundles, by name."""
    folder = settings.home / "bundles"
    return sorted(path for path in folder.glob("*") if path.is_file() and path.name.endswith(ENDINGS))


def stories(settings: Settings, rows: Sequence[Row]) -> list[ProfileStory]:
    """Return the profiles that the tenant in force can see, with their history and their rows."""
    from cli.profile_place import open_profiles
    from flows.profile_story import story_of

    del settings
    with open_profiles() as (store, tenant):
        names = [each.profile.profile_id for each in store.listing(tenant)]
        return [story_of(store, tenant, name, _of(rows, name)) for name in names]


def told_by_bundles(rows: Sequence[Row], known: Iterable[str]) -> list[ProfileStory]:
    """Return profiles that only bundles tell of; a name that no profile may have gets no page."""
    from web.overview import ProfileCard
    from web.profile_page import ProfileStory

    names = {row.profile for row in rows if row.bundle and PROFILE_ID.fullmatch(row.profile)} - set(known)
    return [
        ProfileStory(
            card=ProfileCard(profile_id=name, kind=_of(rows, name)[0].kind),
            revision=max(row.revision for row in _of(rows, name)),
            rows=_of(rows, name),
        )
        for name in sorted(names)
    ]


def _of(rows: Sequence[Row], profile: str) -> list[Row]:
    return [row for row in rows if row.profile == profile]
