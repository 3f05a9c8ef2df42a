"""Reading a bundle that lies in a folder as a stream of members, in the order of an archive."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from bundle.container import PIECE, ContainerError, StreamedMember
from bundle.envelope import FIRST, LAST, MANIFEST, MAX_MANIFEST
from bundle.errors import FormatError, UnreadableError
from bundle.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path


def folder_members(folder: Path) -> Generator[StreamedMember]:
    """Yield the members of a bundle that lies in a folder.

    export.json is read for the list of the payload only after the caller has taken, and so could check, the members
    of the envelope.

    Raises:
        ContainerError: A file is missing, or there is something that export.json does not list.
        UnreadableError: The folder is no bundle at all.
    """
    if not (folder / MANIFEST).is_file():
        raise UnreadableError(
            f"{folder} is no bundle: {MANIFEST} cannot be read", advice="Name a bundle's file, or its extracted folder."
        )
    yield from _stream(folder, FIRST)
    with open_plain(folder, MANIFEST) as file:
        listed = [member.path for member in Manifest.from_bytes(file.read(MAX_MANIFEST)).members]
    _check_nothing_else(folder, {*FIRST, *listed, *LAST})
    yield from _stream(folder, (*listed, *LAST))


def _stream(folder: Path, names: Iterable[str]) -> Iterator[StreamedMember]:
    for name in names:
        with open_plain(folder, name) as file:
            yield StreamedMember(name, os.fstat(file.fileno()).st_size, _pieces(file))


def _check_nothing_else(folder: Path, names: set[str]) -> None:
    """Walk the folder without following links; links to folders count as files."""
    folders = {parent for name in names for parent in _parents(name)}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        plain_folder = path.is_dir() and not path.is_symlink()
        if name not in (folders if plain_folder else names):
            raise FormatError(f"{name} is not listed in export.json")


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def open_plain(folder: Path, name: str) -> BinaryIO:
    """Open a plain file below a folder; neither it nor a folder on the way to it may be a link.

    Raises:
        ContainerError: It is missing, or one of them is a link or something special, such as a pipe.
    """
    for part in (*_parents(name), name):
        if (folder / part).is_symlink():
            raise ContainerError(f"{part} is a link")
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise ContainerError(f"{name} is missing") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ContainerError(f"{name} is no plain file")
    return os.fdopen(descriptor, "rb")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
