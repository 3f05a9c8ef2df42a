"""What an installation knows for a static site: the runs of its ledger, its bundles, and its profiles."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.site_bundles import ENDINGS, Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flows.settings import Settings
    from web.overview import Row
    from web.profile_page import ProfileStory


@dataclass(frozen=True, kw_only=True)
class Home:
    """The runs of a tenant, and where their bundles lie."""

    rows: tuple[Row, ...] = ()
    paths: Mapping[str, Path] | None = None

    @property
    def candidates(self) -> list[Candidate]:
        """Runs whose bundles lie here."""
        paths = self.paths or {}
        return [Candidate(name=row.name, path=paths[row.name], row=row) for row in self.rows if row.name in paths]

    @property
    def others(self) -> list[Row]:
        """Runs without a bundle here."""
        return [replace(row, run=False) for row in self.rows if row.name not in (self.paths or {})]


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
    finally:
        ledger.close()
    missing = [replace(row, bundle=False, archive=False, bytes=None) if row.name not in paths else row for row in rows]
    return Home(rows=tuple(missing), paths=paths)


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
    """Return profiles that only bundles tell of."""
    from web.overview import ProfileCard
    from web.profile_page import ProfileStory

    names = {row.profile for row in rows if row.bundle} - set(known)
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
