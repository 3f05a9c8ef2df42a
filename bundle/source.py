"""Random access: any range of any member of a bundle, reading little of a large file.

Offsets are arithmetic: frames of the container have one size, and export.json lists the sizes of members in order.
What is read this way is not verified; ``records`` checks what it reads against export.json's digests.
"""

from __future__ import annotations

import abc
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bundle import seekable, tar
from bundle.build import PIECE
from bundle.envelope import CHECKSUMS, FIRST, KEY, MANIFEST
from bundle.errors import FormatError, MemberNotFoundError, UnreadableError
from bundle.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_MANIFEST = 64 << 20


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
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
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
        with (self.folder / name).open("rb") as file:
            file.seek(offset)
            return file.read(length)


@dataclass
class ArchiveReader(_Reader):
    """A bundle in a ``.tar.zst``; ``offsets`` are those of members' content among the tar bytes."""

    file: RangeFile = field(kw_only=True)
    offsets: Mapping[str, int] = field(default_factory=dict)

    def _range(self, name: str, offset: int, length: int) -> bytes:
        return read_plain(self.file, self.offsets[name] + offset, length)


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
    footer = file.read_at(max(file.size - seekable.TABLE_FOOTER, 0), seekable.TABLE_FOOTER)
    if len(footer) < seekable.TABLE_FOOTER or footer[5:] != struct.pack("<I", seekable.FOOTER_MAGIC):
        raise FormatError("it does not end with a seek table", advice="Name a .tar.zst or an extracted folder.")
    seekable.plain_size(file.size, int.from_bytes(footer[:4], "little"))
    offset, sizes, offsets = 0, {}, {}
    for name in FIRST:
        sizes[name], offsets[name], offset = _place(file, name, offset)
    manifest = Manifest.from_bytes(read_plain(file, offsets[MANIFEST], sizes[MANIFEST]))
    for member in manifest.members:
        sizes[member.path], offsets[member.path] = member.bytes, offset + tar.BLOCK
        offset += tar.span(member.bytes)
    for name in (CHECKSUMS, KEY):
        sizes[name], offsets[name], offset = _place(file, name, offset)
    return ArchiveReader(file=file, sizes=sizes, offsets=offsets)


def _place(file: RangeFile, name: str, offset: int) -> tuple[int, int, int]:
    """Return (size, offset of the content, offset of the next header) of a member whose header is at ``offset``."""
    found, size = tar.parse(read_plain(file, offset, tar.BLOCK))
    if found != name or size > MAX_MANIFEST:
        raise FormatError(f"the member {found!r} stands where {name} should be")
    return size, offset + tar.BLOCK, offset + tar.span(size)


def _open_folder(folder: Path) -> FolderReader:
    manifest = Manifest.from_bytes((folder / MANIFEST).read_bytes())
    names = [*FIRST, *(member.path for member in manifest.members), CHECKSUMS, KEY]
    return FolderReader(sizes={name: (folder / name).stat().st_size for name in names}, folder=folder)
