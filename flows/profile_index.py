"""The index of the repository of profiles: what is staged there, in the file formats of git."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dulwich.index import ConflictedIndexEntry, IndexEntry, read_index_dict_with_version, write_index_dict
from dulwich.pack import SHA1Writer

from flows.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

Entries = dict[bytes, IndexEntry | ConflictedIndexEntry]
"""The index: path to what is staged there."""


def read_index(path: Path) -> tuple[Entries, int]:
    """Return what is staged, and the version of the file's format.

    Raises:
        StorageError: It is of a kind that refers to other files.
    """
    try:
        with path.open("rb") as file:
            entries, version, extensions = read_index_dict_with_version(file)
    except FileNotFoundError:
        return {}, 2
    if any(extension.signature[:1].islower() for extension in extensions):
        raise StorageError(f"{path} is split or sparse", advice="Use a plain clone for profiles.")
    return entries, version


def index_bytes(entries: Entries, version: int) -> bytes:
    """Return an index; caches that git keeps in it are left out, for they would be stale."""
    buffer = io.BytesIO()
    writer = SHA1Writer(buffer)
    write_index_dict(writer, entries, version=version)
    writer.write_sha()
    return buffer.getvalue()
