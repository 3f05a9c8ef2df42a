"""``bundle extract`` and ``bundle browse``: a bundle's files and pages on disk, verified first."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.arguments import source_of, trusted_keys
from cli.errors import UsageError
from cli.options import PATH, bundle_argument, format_option, key_option
from cli.output import emit, note, show
from cli.tracing import timing
from cli.watching import watched

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = "index.html"


@click.command()
@bundle_argument
@click.argument("folder", metavar="DIR", type=PATH)
@key_option
@format_option
def extract(bundle: str, folder: Path, keys: Sequence[Path], wanted: str | None) -> None:
    """Verify a bundle and extract it.

    DIR is a new or empty folder; nothing is left there when a check fails.

    Example: export-center bundle extract export.tar.zst out/ --key team.pub
    """
    show(extract_to(bundle, folder, keys), wanted)


def extract_to(bundle: str, folder: Path, keys: Sequence[Path]) -> dict[str, Any]:
    """Verify and extract a bundle; return what was verified, and where it lies."""
    from bundle.extract import extract as unpack
    from cli.bundles import facts_of

    trusted = trusted_keys(keys)
    with timing("extract"), watched("extracting") as watch:
        verified = unpack(source_of(bundle), folder, keys=trusted, progress=watch)
    return {**facts_of(verified), "folder": str(folder)}


@click.command()
@bundle_argument
@key_option
@click.option("--to", metavar="DIR", type=PATH, help="Where an archive is extracted to.")
@click.option("--open/--no-open", "launch", default=True, help="Open a browser, which is the default.")
def browse(bundle: str, keys: Sequence[Path], to: Path | None, launch: bool) -> None:
    """Open a bundle's pages in a browser.

    An archive is verified and extracted first, and stays there; a folder is verified when a key is given. The
    address is printed.

    Example: export-center bundle browse export.tar.zst --key team.pub
    """
    page = page_of(bundle, keys, to)
    emit(f"{page}\n")
    if launch and not (_has_screen() and click.launch(page) == 0):
        note("no browser could be opened; open that address in one")


def _has_screen() -> bool:
    """Whether a browser could show itself; without a screen, the opener of Linux only complains of all it tried."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME")
    return sys.platform != "linux" or any(os.environ.get(name) for name in named)


def page_of(bundle: str, keys: Sequence[Path], to: Path | None) -> str:
    """Return the address of a bundle's page, extracting an archive when needed."""
    if Path(bundle).is_dir():
        return _page_in(Path(bundle), keys)
    folder = to or Path(tempfile.mkdtemp(prefix="export-center-view-"))
    try:
        extract_to(bundle, folder, keys)
    except BaseException:
        if to is None:
            folder.rmdir()
        raise
    return _address(folder)


def _page_in(folder: Path, keys: Sequence[Path]) -> str:
    from bundle.verify import verify

    if keys:
        verify(folder, keys=trusted_keys(keys))
    if not (folder / PAGE).is_file():
        raise UsageError(f"{folder} holds no {PAGE}", advice="Name a bundle, or the folder of an extracted one.")
    return _address(folder)


def _address(folder: Path) -> str:
    return (folder / PAGE).resolve().as_uri()
