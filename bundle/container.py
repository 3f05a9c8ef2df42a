"""Reading bundles as streams: members one after another, with every byte of the container checked on the way.

Both layouts become the same thing, an iterator of ``StreamedMember``; what a member holds is judged by ``verify``.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from bundle import seekable, tar
from bundle.build import pieces_of
from bundle.envelope import CHECKSUMS, FIRST, KEY
from bundle.errors import FormatError, UnreadableError
from bundle.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


@dataclass
class TarZstStream:
    """The tar bytes inside a container, as a stream; the container is checked byte by byte against canonical form."""

    file: BinaryIO
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _chunk: memoryview = field(default=memoryview(b""))
    _total: int = 0
    _last: bool = False

    def members(self) -> Iterator[StreamedMember]:
        """Yield the members; each must be read before the next is asked for, and is skipped otherwise.

        Raises:
            FormatError: Any byte is not as the writer of this format would have written it.
        """
        while True:
            block = self.take(tar.BLOCK)
            if block == bytes(tar.BLOCK):
                break
            name, size = tar.parse(block)
            pieces = self._content(size)
            yield StreamedMember(name, size, pieces)
            for _ in pieces:
                pass
            if self.take(len(tar.padding(size))) != tar.padding(size):
                raise FormatError(f"the padding after {name} is not zero")
        if self.take(tar.BLOCK) != bytes(tar.BLOCK):
            raise FormatError("the tar archive does not end with two zero blocks")
        self._end()

    def take(self, size: int) -> bytes:
        """Return exactly ``size`` bytes of tar."""
        pieces = []
        while size:
            piece = self._some(size)
            pieces.append(bytes(piece))
            size -= len(piece)
        return b"".join(pieces)

    def _content(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._some(size)
            size -= len(piece)
            yield bytes(piece)

    def _some(self, most: int) -> memoryview:
        if not self._chunk:
            self._chunk = memoryview(self._next_frame())
        piece, self._chunk = self._chunk[:most], self._chunk[most:]
        return piece

    def _next_frame(self) -> bytes:
        head = self._raw(seekable.FRAME_HEADER)
        if head[:4] != seekable.MAGIC or head[4] != seekable.DESCRIPTOR:
            raise FormatError("a frame header of the container is not of the form this format asks for")
        (plain,) = struct.unpack("<I", head[5:])
        if self._last or not 0 < plain <= seekable.CHUNK:
            raise FormatError("a frame of the container has another size than this format asks for")
        body = self._raw(seekable.frame_size(plain) - seekable.FRAME_HEADER)
        data = b"".join(
            body[start + 3 : start + 3 + seekable.RAW_BLOCK] for start in range(0, len(body), 3 + seekable.RAW_BLOCK)
        )
        if seekable.frame(data) != head + body:
            raise FormatError("a block of the container is not of the form this format asks for")
        self._last = plain < seekable.CHUNK
        self._total += plain
        return data

    def _end(self) -> None:
        if self._chunk:
            raise FormatError("bytes follow the end of the tar archive")
        expected = seekable.seek_table(self._total)
        if self._raw(len(expected)) != expected:
            raise FormatError("the seek table is not the one that belongs to this archive")
        if self.file.read(1):
            raise FormatError("bytes follow the end of the archive")

    def _raw(self, size: int) -> bytes:
        data = self.file.read(size)
        while len(data) < size and (more := self.file.read(size - len(data))):
            data += more
        if len(data) < size:
            raise FormatError("the archive ends early", advice="It was cut off; fetch it again.")
        self.digest.update(data)
        return data


def folder_members(folder: Path) -> Iterator[StreamedMember]:
    """Yield the members of a bundle that lies in a folder, in the order of an archive.

    Raises:
        FormatError: A file is missing, or there is one that export.json does not list.
    """
    listed = [member.path for member in Manifest.from_bytes(_read(folder, FIRST[0])).members]
    names = [*FIRST, *listed, CHECKSUMS, KEY]
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    strange = sorted(set(found) - set(names))
    if strange:
        raise FormatError(f"{strange[0]} is not listed in export.json")
    for name in names:
        path = found.get(name)
        if path is None or path.is_symlink():
            raise FormatError(f"{name} is missing, or is a link")
        with path.open("rb") as file:
            yield StreamedMember(name, path.stat().st_size, pieces_of(file.read))


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise UnreadableError(
            f"{folder} is no bundle: {name} cannot be read", advice="Name a bundle's file, or its extracted folder."
        ) from error
