"""Random access: any range of any member of a bundle, reading little of a large file.

Offsets are arithmetic: frames of the container have one size, and export.json lists the sizes of members in order.
What is read this way is not verified; ``records`` checks what it reads against export.json's digests.
"""

from __future__ import annotations

import abc
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bundle.container import PIECE
from bundle.envelope import FIRST, LAST, MANIFEST, MAX_MANIFEST, limit_of
from bundle.errors import FormatError, MemberNotFoundError, UnreadableError
from bundle.folder import open_plain
from bundle.forms import LocalFile, form_of
from bundle.manifest import Manifest
from bundle.names import check_payload_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bundle.forms import ArchiveForm, RangeFile


class BundleReader(Protocol):
    """A bundle whose members can be read in ranges."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members, in the order of the archive."""

    def size(self, name: str) -> int:
        """Return a member's size in bytes."""

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a range of a member; to its end when no length is given."""

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes in pieces."""


@dataclass
class _Reader(abc.ABC):
    """What both readers share."""

    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all members, in the order of the archive."""
        return tuple(self.sizes)

    def size(self, name: str) -> int:
        """Return a member's size in bytes."""
        if name not in self.sizes:
            raise MemberNotFoundError(f"the bundle has no member {name!r}", advice="`bundle list` shows them.")
        return self.sizes[name]

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a range of a member; to its end when no length is given."""
        rest = max(self.size(name) - offset, 0)
        wanted = rest if length is None else min(length, rest)
        data = self._range(name, offset, wanted)
        if len(data) < wanted:
            raise UnreadableError(f"{name} ends early", advice="The bundle is cut off; fetch it again.")
        return data

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes in pieces."""
        for offset in range(0, self.size(name), PIECE):
            yield self.read(name, offset, PIECE)

    @abc.abstractmethod
    def _range(self, name: str, offset: int, length: int) -> bytes:
        """Return a range that lies inside a member."""


@dataclass
class FolderReader(_Reader):
    """A bundle in a folder."""

    folder: Path = field(default_factory=Path)

    def _range(self, name: str, offset: int, length: int) -> bytes:
        with open_plain(self.folder, name) as file:
            file.seek(offset)
            return file.read(length)


@dataclass
class ArchiveReader(_Reader):
    """A bundle in one file; ``starts`` are where members' headers begin among its uncompressed bytes."""

    form: ArchiveForm = field(kw_only=True)
    starts: Mapping[str, int] = field(default_factory=dict)
    _checked: set[str] = field(default_factory=set)

    def _range(self, name: str, offset: int, length: int) -> bytes:
        if name not in self._checked:
            self._check_header(name)
        return self.form.read_plain(self.starts[name] + self.form.header_size(name, self.sizes[name]) + offset, length)

    def _check_header(self, name: str) -> None:
        """Make sure, once a member, that it lies where arithmetic says."""
        found = self.form.header_at(self.starts[name])
        if found != (name, self.sizes[name]):
            raise FormatError(f"the member {found[0]!r} of {found[1]} bytes stands where {name} should be")
        self._checked.add(name)


def open_bundle(path: Path) -> BundleReader:
    """Open a bundle for reading in ranges.

    Raises:
        UnreadableError: It is missing, or no bundle.
    """
    try:
        if path.is_dir():
            return _open_folder(path)
        return open_archive(LocalFile(path))
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}") from error
    except FormatError as error:
        raise UnreadableError(f"{path} is no bundle: {error.message}", advice=error.advice) from error


def open_archive(file: RangeFile) -> ArchiveReader:
    """Open an archive through anything that reads ranges.

    Raises:
        FormatError: It is no archive of this format.
    """
    form = form_of(file)
    sizes: dict[str, int] = {}
    starts: dict[str, int] = {}
    reader = ArchiveReader(form=form, sizes=sizes, starts=starts)
    end = 0

    def place(name: str, size: int) -> int:
        sizes[name], starts[name] = size, end
        return end + form.span(name, size)

    for name in FIRST:
        end = place(name, _small_size(form, name, end))
    for path, size in _payload(reader.read(MANIFEST)):
        end = place(path, size)
        if end > form.end:
            raise FormatError(
                f"{path} lies beyond the end of the file", advice="The bundle is cut off; fetch it again."
            )
    for name in LAST:
        end = place(name, _small_size(form, name, end))
    return reader


def _small_size(form: ArchiveForm, name: str, offset: int) -> int:
    """Return the size of a member of the envelope, whose header must be at ``offset``."""
    found, size = form.header_at(offset)
    if found != name or size > limit_of(name):
        raise FormatError(f"the member {found!r} stands where {name} should be")
    return size


def _payload(manifest: bytes) -> list[tuple[str, int]]:
    """Return (name, size) of what a manifest lists."""
    members = Manifest.from_bytes(manifest).members
    check_payload_names(member.path for member in members)
    return [(member.path, member.bytes) for member in members]


def _open_folder(folder: Path) -> FolderReader:
    with open_plain(folder, MANIFEST) as file:
        payload = _payload(file.read(MAX_MANIFEST))
    names = [*FIRST, *(path for path, _ in payload), *LAST]
    return FolderReader(sizes={name: _plain_size(folder, name) for name in names}, folder=folder)


def _plain_size(folder: Path, name: str) -> int:
    with open_plain(folder, name) as file:
        return os.fstat(file.fileno()).st_size
