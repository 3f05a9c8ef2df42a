"""Random access: any range of any member of a bundle, reading little of a large file.

Offsets are arithmetic: frames of the container have one size, and export.json lists the sizes of members in order.
What is read this way is not verified; ``records`` checks what it reads against export.json's digests.
"""

from __future__ import annotations

import abc
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bundle import seekable, tar, ziplayout
from bundle.container import PIECE
from bundle.envelope import FIRST, LAST, MANIFEST, MAX_MANIFEST, limit_of
from bundle.errors import FormatError, MemberNotFoundError, UnreadableError
from bundle.folder import open_plain
from bundle.manifest import Manifest
from bundle.names import check_payload_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RangeFile(Protocol):
    """Bytes that can be read at any place: a file, or anything that answers range requests."""

    @property
    def size(self) -> int:
        """All bytes there are."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``offset``."""


@dataclass
class LocalFile:
    """A file on disk, counting what is read of it; it is open only while being read."""

    path: Path
    bytes_read: int = 0

    @property
    def size(self) -> int:
        """All bytes there are."""
        return self.path.stat().st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``offset``."""
        # Without a buffer, so that what is counted is what is read.
        with self.path.open("rb", buffering=0) as file:
            file.seek(offset)
            pieces = []
            while length and (piece := file.read(length)):
                pieces.append(piece)
                length -= len(piece)
        data = b"".join(pieces)
        self.bytes_read += len(data)
        return data


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


class ArchiveForm(Protocol):
    """What differs between archives: where the bytes of members and their headers lie in the file.

    ``end`` is where the last of them can end.
    """

    @property
    def end(self) -> int:
        """The number of bytes that ``read_plain`` can return."""

    def read_plain(self, offset: int, length: int) -> bytes:
        """Return bytes of members and headers."""

    def header_at(self, offset: int) -> tuple[str, int]:
        """Return (name, size) from the header at an offset; FormatError when there is none."""

    def header_size(self, name: str, size: int) -> int:
        """Return the size of a member's header."""

    def span(self, name: str, size: int) -> int:
        """Return the bytes from a member's header to the next."""


@dataclass(frozen=True)
class TarZstForm:
    """Tar bytes in the frames of a container."""

    file: RangeFile
    end: int

    def read_plain(self, offset: int, length: int) -> bytes:
        """Return tar bytes."""
        return read_plain(self.file, offset, length)

    def header_at(self, offset: int) -> tuple[str, int]:
        """Return (name, size) from the header at an offset."""
        return tar.parse(self.read_plain(offset, tar.BLOCK))

    def header_size(self, name: str, size: int) -> int:
        """Return the size of a member's header."""
        del name, size
        return tar.BLOCK

    def span(self, name: str, size: int) -> int:
        """Return the bytes from a member's header to the next."""
        del name
        return tar.span(size)


@dataclass(frozen=True)
class ZipForm:
    """Stored members one after another."""

    file: RangeFile

    @property
    def end(self) -> int:
        """The size of the file."""
        return self.file.size

    def read_plain(self, offset: int, length: int) -> bytes:
        """Return bytes as they are."""
        return self.file.read_at(offset, length)

    def header_at(self, offset: int) -> tuple[str, int]:
        """Return (name, size) from the header at an offset."""
        fixed = self.file.read_at(offset, ziplayout.FIXED)
        rest = self.file.read_at(offset + ziplayout.FIXED, ziplayout.rest_of_header(fixed))
        name, size, _ = ziplayout.parse(fixed + rest)
        return name, size

    def header_size(self, name: str, size: int) -> int:
        """Return the size of a member's header."""
        return ziplayout.header_size(name, size)

    def span(self, name: str, size: int) -> int:
        """Return the bytes from a member's header to the next."""
        return ziplayout.header_size(name, size) + size


def read_plain(file: RangeFile, offset: int, length: int) -> bytes:
    """Return tar bytes, leaving out the container's headers between them, by one read."""
    if not length:
        return b""
    pieces = list(seekable.spans(offset, length))
    start, end = pieces[0][0], pieces[-1][0] + pieces[-1][1]
    data = file.read_at(start, end - start)
    return b"".join(data[place - start : place - start + size] for place, size in pieces)


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
    form = _form(file)
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


def _form(file: RangeFile) -> ArchiveForm:
    """Tell by its beginning and end what a file is."""
    if file.read_at(0, len(ziplayout.MAGIC)) == ziplayout.MAGIC:
        return ZipForm(file)
    footer = file.read_at(max(file.size - seekable.TABLE_FOOTER, 0), seekable.TABLE_FOOTER)
    if len(footer) < seekable.TABLE_FOOTER or footer[5:] != struct.pack("<I", seekable.FOOTER_MAGIC):
        raise FormatError("it does not end with a seek table", advice="Name a bundle's file, or its extracted folder.")
    return TarZstForm(file, seekable.plain_size(file.size, int.from_bytes(footer[:4], "little")))


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
