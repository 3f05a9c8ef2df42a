"""Reading bundles as streams: members one after another, with every byte of the container checked on the way.

All layouts become the same thing, an iterator of ``StreamedMember``; what a member holds is judged by ``verify``.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from bundle import seekable, tar, ziplayout
from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bundle.hashing import StreamDigest

Value = TypeVar("Value")
PIECE = 1 << 20


class ContainerError(FormatError):
    """The container itself, not a member in it, is not as the writer of this format would have written it."""


@dataclass
class StreamedMember:
    """A member whose bytes are read once, in order."""

    name: str
    size: int
    pieces: Iterator[bytes]

    def read_all(self, limit: int) -> bytes:
        """Return all bytes of a small member.

        Raises:
            FormatError: It is larger than ``limit`` bytes.
        """
        if self.size > limit:
            raise FormatError(f"{self.name} has {self.size} bytes, more than the {limit} that are allowed")
        return b"".join(self.pieces)


class Incoming:
    """An open archive, read in order and hashed; its first bytes can be looked at before they are read."""

    def __init__(self, file: BinaryIO, digest: StreamDigest) -> None:
        """Read from where the file stands."""
        self._file = file
        self._digest = digest
        self._ahead = b""
        self.offset = 0

    def look(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end, without taking them."""
        while len(self._ahead) < size and (more := self._file.read(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    @property
    def is_zip(self) -> bool:
        """Whether a zip follows; looked at before anything is taken."""
        return self.look(len(ziplayout.MAGIC)) == ziplayout.MAGIC

    def take(self, size: int) -> bytes:
        """Return exactly ``size`` bytes.

        Raises:
            ContainerError: There are fewer.
        """
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        while len(data) < size and (more := self._file.read(size - len(data))):
            data += more
        if len(data) < size:
            raise ContainerError("the archive ends early", advice="It was cut off; fetch it again.")
        self._digest.update(data)
        self.offset += size
        return data

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            ContainerError: Something is.
        """
        if self.look(1):
            raise ContainerError("bytes follow the end of the archive")


def archive_members(incoming: Incoming) -> Iterator[StreamedMember]:
    """Yield the members; each must be read before the next is asked for, and is skipped otherwise.

    Raises:
        ContainerError: Any byte is not as the writer of this format would have written it.
    """
    if incoming.is_zip:
        return zip_members(incoming)
    return TarZstStream(incoming).members()


class TarZstStream:
    """The tar bytes inside a ``.tar.zst``, each frame checked by writing it again."""

    def __init__(self, incoming: Incoming) -> None:
        """Read an archive from its beginning."""
        self._incoming = incoming
        self._chunk = memoryview(b"")
        self._total = 0
        self._last = False

    def members(self) -> Iterator[StreamedMember]:
        """Yield the members."""
        while (block := self._take(tar.BLOCK)) != bytes(tar.BLOCK):
            name, size = _parsed(tar.parse, block)
            pieces = self._content(size)
            yield StreamedMember(name, size, pieces)
            for _ in pieces:
                pass
            if self._take(len(tar.padding(size))) != tar.padding(size):
                raise ContainerError(f"the padding after {name} is not zero")
        if self._take(tar.BLOCK) != bytes(tar.BLOCK):
            raise ContainerError("the tar archive does not end with two zero blocks")
        self._end()

    def _take(self, size: int) -> bytes:
        return b"".join(self._content(size))

    def _content(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._chunk:
                self._chunk = memoryview(self._next_frame())
            piece, self._chunk = self._chunk[:size], self._chunk[size:]
            size -= len(piece)
            yield bytes(piece)

    def _next_frame(self) -> bytes:
        head = self._incoming.take(seekable.FRAME_HEADER)
        if head[:4] != seekable.MAGIC or head[4] != seekable.DESCRIPTOR:
            raise ContainerError("a frame header of the container is not of the form this format asks for")
        (plain,) = struct.unpack("<I", head[5:])
        if self._last or not 0 < plain <= seekable.CHUNK:
            raise ContainerError("a frame of the container has another size than this format asks for")
        self._last = plain < seekable.CHUNK
        self._total += plain
        return b"".join(self._blocks(plain))

    def _blocks(self, rest: int) -> Iterator[bytes]:
        while rest:
            size = min(rest, seekable.RAW_BLOCK)
            rest -= size
            if self._incoming.take(seekable.BLOCK_HEADER) != seekable.block_header(size, last=not rest):
                raise ContainerError("a block of the container is not of the form this format asks for")
            yield self._incoming.take(size)

    def _end(self) -> None:
        if self._chunk:
            raise ContainerError("bytes follow the end of the tar archive")
        expected = seekable.seek_table(self._total)
        if self._incoming.take(len(expected)) != expected:
            raise ContainerError("the seek table is not the one that belongs to this archive")
        self._incoming.end()


def zip_members(incoming: Incoming) -> Iterator[StreamedMember]:
    """Yield the members of a zip, its headers and directory checked by writing them again."""
    entries: list[ziplayout.Entry] = []
    while incoming.is_zip:
        offset, fixed = incoming.offset, incoming.take(ziplayout.FIXED)
        header = fixed + incoming.take(ziplayout.rest_of_header(fixed))
        name, size, crc = _parsed(ziplayout.parse, header)
        found = _Crc()
        pieces = found.count(_pieces(incoming, size))
        yield StreamedMember(name, size, pieces)
        for _ in pieces:
            pass
        if found.value != crc:
            raise ContainerError(f"the CRC-32 of {name} is not the one in its header")
        entries.append(ziplayout.Entry(name, size, crc, offset))
    expected = ziplayout.directory(entries, incoming.offset)
    if incoming.take(len(expected)) != expected:
        raise ContainerError("the zip directory is not the one that belongs to these members")
    incoming.end()


class _Crc:
    """The CRC-32 of what has passed."""

    def __init__(self) -> None:
        self.value = 0

    def count(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.value = zlib.crc32(piece, self.value)
            yield piece


def _pieces(incoming: Incoming, size: int) -> Iterator[bytes]:
    while size:
        piece = incoming.take(min(size, PIECE))
        size -= len(piece)
        yield piece


def _parsed(parse: Callable[[bytes], Value], header: bytes) -> Value:
    try:
        return parse(header)
    except FormatError as error:
        raise ContainerError(error.message) from error
