"""Where the bytes of members lie in the file of an archive, for reading any range of them.

Offsets are arithmetic: frames of the container have one size, and members stand one after another behind their headers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bundle import seekable, tar, ziplayout
from bundle.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path


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


def form_of(file: RangeFile) -> ArchiveForm:
    """Tell by its beginning and end what a file is."""
    if file.read_at(0, len(ziplayout.MAGIC)) == ziplayout.MAGIC:
        return ZipForm(file)
    footer = file.read_at(max(file.size - seekable.TABLE_FOOTER, 0), seekable.TABLE_FOOTER)
    if len(footer) < seekable.TABLE_FOOTER or footer[5:] != struct.pack("<I", seekable.FOOTER_MAGIC):
        raise FormatError("it does not end with a seek table", advice="Name a bundle's file, or its extracted folder.")
    return TarZstForm(file, seekable.plain_size(file.size, int.from_bytes(footer[:4], "little")))
