"""Bringing a bundle into a static site: its bytes copied, or given a second name there, and nothing that is no file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bundle.aside import write_member
from bundle.container import PIECE, ContainerError
from bundle.envelope import MANIFEST
from bundle.errors import UnreadableError, VerificationError
from bundle.folder import open_plain
from bundle.verify import CONTAINER
from cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_BUNDLE = "Name a bundle's file, or its extracted folder."


def check_kind(path: Path) -> None:
    """Look at what lies at a path before any of it is read: whole folders are not copied to find out what they are.

    Raises:
        UnreadableError: There is nothing, something special such as a pipe, or a folder that is no bundle.
    """
    if not path.exists():
        raise UnreadableError("there is no such file or folder", advice=NO_BUNDLE)
    if not (path.is_file() or path.is_dir()):
        raise UnreadableError("it is neither a file nor a folder", advice=NO_BUNDLE)
    if path.is_dir() and not (path / MANIFEST).is_file():
        raise UnreadableError(f"it is no bundle: {MANIFEST} cannot be read", advice=NO_BUNDLE)


def bring(path: Path, target: Path, *, link: bool) -> None:
    """Bring a bundle, a file or a folder, to its place.

    Raises:
        VerificationError: In the folder is a link, or something special.
        UnreadableError: It cannot be read.
        UsageError: It cannot be linked.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for name in _names(path):
        source, place = path / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if link:
            _link(source, place)
        else:
            _copy(source, place, name)


def _names(path: Path) -> list[str]:
    """Return the files of a folder, links and special ones too; of a file, the empty name."""
    if not path.is_dir():
        return [""]
    inside = sorted(path.rglob("*"))
    return [each.relative_to(path).as_posix() for each in inside if each.is_symlink() or not each.is_dir()]


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError as error:
        raise UsageError(
            f"--link: {source} cannot be given a name in the site: {error.strerror}",
            advice="It is on another file system perhaps; --copy always works.",
        ) from error


def _copy(source: Path, place: Path, name: str) -> None:
    try:
        write_member(place.parent, place.name, _pieces(source))
    except ContainerError as error:
        raise VerificationError(1, name or CONTAINER, error.message) from error


def _pieces(source: Path) -> Iterator[bytes]:
    """Yield a file's bytes; what goes wrong with them is not what goes wrong with the disk they are written to."""
    try:
        with open_plain(source.parent, source.name) as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise UnreadableError(f"{source.name} cannot be read: {error.strerror or error}") from error
