"""Where a bundle goes: what --out means, and what of it is refused before anything is made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import UsageError

if TYPE_CHECKING:
    from bundle.build import Layout

SUFFIXES = {".tar.zst": "tar.zst", ".tzst": "tar.zst", ".zip": "zip"}
"""The layout that a name promises."""

NO_LAYOUT = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".txz", ".gz", ".xz", ".7z", ".zst")
"""Ends of names that promise what no layout is."""


def place_of(out: str | None, home: Path, layout: Layout, *, force: bool = False) -> Path:
    """Return where the bundle goes, its folder made and tried.

    Args:
        out: What --out says: a file, or a folder, which exists or ends with a slash. None is the home's ``bundles``.
        home: The folder of all state.
        layout: The layout of the profile.
        force: Whether a file is replaced that is no bundle.

    Raises:
        UsageError: The name promises another layout, or is that of a file that is no bundle.
        UnreadableError: The folder cannot be made or written.
    """
    place = home / "bundles" if out is None else Path(out)
    if out is None or out.endswith("/") or place.is_dir():
        return _tried(place, place)
    _check_name(place, layout)
    if not force:
        check_present(place)
    return _tried(place, place.parent)


def _check_name(place: Path, layout: Layout) -> None:
    """Refuse a name that would tell whoever gets the bundle something wrong."""
    name = place.name.lower()
    ends = [end for end in (*SUFFIXES, *NO_LAYOUT) if name.endswith(end)]
    if not ends or SUFFIXES.get(ends[0]) == layout:
        return
    fitting = "a folder" if layout == "dir" else f"a .{layout} file"
    raise UsageError(
        f"--out {place} ends with {ends[0]}, but the profile's layout is {layout}",
        advice=f"Name {fitting}, or write a profile with another layout.",
    )


def check_present(place: Path) -> None:
    """Refuse to replace a file that is no bundle; an empty one is nobody's work."""
    from bundle.beginning import LOOK, check_beginning
    from bundle.errors import UnreadableError

    if not place.is_file():
        return
    try:
        with place.open("rb") as file:
            head = file.read(LOOK)
        if head:
            check_beginning(head, str(place))
    except (OSError, UnreadableError) as error:
        raise UsageError(
            f"--out {place} exists, and is no bundle that could be replaced",
            advice="Choose another name, or pass --force to replace it.",
        ) from error


def _tried(place: Path, folder: Path) -> Path:
    from bundle.errors import UnreadableError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder):
            return place
    except OSError as error:
        raise UnreadableError(
            f"the folder {folder} cannot be written: {error.strerror}", advice="Choose another place with --out."
        ) from error
