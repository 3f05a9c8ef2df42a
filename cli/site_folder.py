"""The folder of a static site: written aside, put in the place of an older one, and of nothing else."""

from __future__ import annotations

import json
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bundle.aside import folder_aside, make_folders
from bundle.durable import make_durable
from cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MARK = "data/site.json"
"""Says of a folder that a build made it, and a build may replace it."""

MARKED = {"format": "export-center-site", "formatVersion": "0.1"}


def check_place(out: Path) -> None:
    """Refuse a place where something lies that no build made.

    Raises:
        UsageError: It is a file, or a folder that is neither empty nor a site.
    """
    if out.is_symlink():
        raise UsageError(f"--out {out} is a link", advice="Name the folder itself.")
    if not out.exists() or (out.is_dir() and (not any(out.iterdir()) or _is_site(out))):
        return
    raise UsageError(
        f"--out {out} exists, and no build of a site made it",
        advice="Name a new or empty folder, or one that `export-center site build` made before.",
    )


@contextmanager
def site_aside(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out``, which takes its place when the block ends well; else nothing changes.

    All of it is on the disk before the older site goes.
    """
    make_folders(out.parent)
    older: Path | None = None
    try:
        with folder_aside(out) as partial:
            yield partial
            for path in partial.rglob("*"):
                if path.is_file():
                    make_durable(path)
            older = _moved_away(out)
    except BaseException:
        if older is not None and not out.exists():
            older.rename(out)
        raise
    if older is not None:
        shutil.rmtree(older)


def write_pages(folder: Path, pages: Mapping[str, bytes]) -> None:
    """Write the files of a site into its folder, and the mark."""
    mark = json.dumps(MARKED, sort_keys=True).encode() + b"\n"
    for path, data in {**pages, MARK: mark}.items():
        place = folder / path
        if not place.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{path} is no path of a site")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


def _is_site(folder: Path) -> bool:
    try:
        found = json.loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and found.get("format") == MARKED["format"]


def _moved_away(out: Path) -> Path | None:
    if not out.exists():
        return None
    check_place(out)
    away = out.with_name(f".{secrets.token_hex(8)}.older")
    out.rename(away)
    return away
