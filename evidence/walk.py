"""Walking what is to be ingested: folders, archives, JSON lines and single files, one document after another.

Nothing is written to disk, and links are reported, never followed. Every file and every member is yielded: what
cannot be read comes as a document with a problem, so that nothing disappears without a word.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.archives import tar_documents, zip_documents
from evidence.found import DEFAULT_LIMITS, DEVICE, LINK, Document, Limits, Reading, documents_in
from evidence.names import LINES_SUFFIXES, is_archive, locator_of, source_name
from evidence.streams import READ_ERRORS, plain_file

if TYPE_CHECKING:
    from collections.abc import Iterator


def walk(paths: list[Path], source: str | None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Document]:
    """Yield every document below some paths, in a fixed order.

    Args:
        paths: Folders, archives or files.
        source: The feed's name; derived from each archive or folder when None.
        limits: How much is read of one document and of one archive.
    """
    reading = Reading(limits, itertools.count(1))
    for path in paths:
        if path.is_dir():
            yield from _folder(path, source, reading)
        else:
            own = source or source_name(path, alone=True)
            yield from _file(path, locator_of(os.fsencode(path.name)), own, reading)


def _folder(folder: Path, source: str | None, reading: Reading) -> Iterator[Document]:
    own = source or source_name(folder)
    for path, problem in _entries(os.fsencode(folder)):
        found = Path(os.fsdecode(path))
        locator = locator_of(os.path.relpath(path, os.fsencode(folder)))
        if problem:
            yield Document(own, locator, b"", locator, problem=problem, broken=problem not in (LINK, DEVICE))
        else:
            inside = source_name(found) if is_archive(found.name) else own
            yield from _file(found, locator, source or inside, reading)


def _entries(folder: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield (path, problem) of every entry that is no folder, depth first, in the order of bytes."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"the folder cannot be read: {error.strerror or error}"
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path, ""
        else:
            yield entry.path, LINK if entry.is_symlink() else DEVICE


def _file(path: Path, locator: str, source: str, reading: Reading) -> Iterator[Document]:
    name = path.name.lower()
    empty = Document(source, locator, b"", locator)
    try:
        if name.endswith(".zip"):
            yield from zip_documents(path, source, reading)
        elif is_archive(name):
            yield from tar_documents(path, source, reading)
        else:
            with plain_file(path) as file:
                yield from documents_in(file, empty, reading, lines=name.endswith(LINES_SUFFIXES))
    except READ_ERRORS as error:
        data = _packed_bytes(path, reading.limits.document)
        yield replace(empty, data=data, problem=f"cannot be read to its end: {error}", broken=True)


def _packed_bytes(path: Path, limit: int) -> bytes:
    """Return a damaged file as it lies on disk, for the quarantine; nothing when it is too large or unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        return b""
    return data if len(data) <= limit else b""
