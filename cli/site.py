"""``site build``: bundles as pages for any web server, bucket or folder, verified first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from cli.arguments import trusted_keys
from cli.options import PATH, format_option, key_option
from cli.output import note, show
from cli.tracing import timing
from cli.watching import watched

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cli.site_bundles import Candidate, Intake, Taken
    from flows.settings import Settings
    from web.overview import Row
    from web.site import Site


@click.group()
def site() -> None:
    """Make a static site of bundles.

    Example: export-center site build --out site/
    """


@site.command()
@click.option("--out", metavar="DIR", type=PATH, required=True, help="A new or empty folder, or the site to replace.")
@click.option(
    "--bundle", "bundles", metavar="BUNDLE", type=PATH, multiple=True, help="A bundle to show; may be repeated."
)
@key_option
@click.option(
    "--copy", "way", flag_value="copy", default=True, help="Copy bundles into the site, which is the default."
)
@click.option("--link", "way", flag_value="link", help="Give bundles a second name in the site instead.")
@click.option("--no-bundles", "way", flag_value="none", help="Leave bundles where they are, and show only their pages.")
@click.option("--list-refused", is_flag=True, help="List bundles that fail verification, rather than end with 3.")
@format_option
def build(
    out: Path,
    bundles: Sequence[Path],
    keys: Sequence[Path],
    way: Any,
    list_refused: bool,
    wanted: str | None,
) -> None:
    """Verify bundles and write the pages about them.

    Without --bundle, it is a site of everything here that is of the tenant in force: the runs of the ledger, what was
    exported into EXPORT_CENTER_HOME, and the profiles. Without --key, the home's own key is trusted.

    Example: export-center site build --bundle export.tar.zst --key team.pub --out site/
    """
    from cli.rim import settings
    from cli.site_bundles import Intake
    from cli.site_folder import check_place, site_aside, write_pages
    from web.site import pages

    check_place(out)
    out = out.absolute()
    configured = settings()
    trusted = trusted_keys(keys or _own_key(configured.home))
    with site_aside(out) as folder:
        with watched("verifying") as watch:
            intake = Intake(folder=folder, keys=trusted, way=way, list_refused=list_refused, watch=watch)
            made = _of_bundles(bundles, intake) if bundles else _of_home(configured, intake)
        with timing("pages"):
            write_pages(folder, pages(made))
    show(_summary(made, out), wanted)


def _own_key(home: Path) -> list[Path]:
    from cli.rim import DEFAULT_KEY, key_folder

    own = key_folder(home) / f"{DEFAULT_KEY}.pub"
    return [own] if own.is_file() else []


def _of_bundles(paths: Sequence[Path], intake: Intake) -> Site:
    """Return a site of certain bundles, which says nothing of where it was made."""
    from cli.site_bundles import candidates
    from cli.site_home import told_by_bundles

    taken = _taken(list(candidates(paths)), intake)
    rows = [each.row for each in taken]
    return _site(taken, rows, told_by_bundles(rows, ()))


def _of_home(configured: Settings, intake: Intake) -> Site:
    """Return a site of everything that the installation has for the tenant in force."""
    from cli.site_bundles import candidates
    from cli.site_home import exported, read_home, stories, told_by_bundles

    home = read_home(configured)
    loose = candidates(exported(configured), taken=[row.name for row in home.rows])
    taken = _taken([*home.candidates, *loose], intake)
    rows = [*(each.row for each in taken), *home.others]
    known, remarks = stories(configured, rows)
    profiles = [*known, *told_by_bundles(rows, [each.card.profile_id for each in known])]
    refused = {row.name for row in rows if row.status == "refused"}
    runs = [replace(run, bundle=None) if run.run["runId"] in refused else run for run in home.runs]
    made = _site(taken, rows, profiles)
    return replace(made, runs=runs, remarks=(*made.remarks, *remarks))


def _taken(found: Sequence[Candidate], intake: Intake) -> list[Taken]:
    return [intake.take(each) for each in found]


def _site(taken: Sequence[Taken], rows: Sequence[Row], profiles: Sequence[Any]) -> Site:
    from web.site import Site

    refused = [row for row in rows if row.status == "refused"]
    for row in refused:
        note(f"refused {row.name}: {row.remark}")
    return Site(
        rows=rows,
        bundles=[each.bundle for each in taken if each.bundle is not None],
        profiles=profiles,
        remarks=tuple(f"The bundle {row.name} failed verification and is not shown. {row.remark}" for row in refused),
    )


def _summary(made: Site, out: Path) -> dict[str, Any]:
    return {
        "site": str(out),
        "address": (out / "index.html").resolve().as_uri(),
        "bundles": len(made.bundles),
        "refused": [row.name for row in made.rows if row.status == "refused"],
        "entries": len(made.rows),
        "profiles": len(made.profiles),
    }
