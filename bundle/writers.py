"""Writers of archives: members in, canonical bytes out, hashed on the way."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Protocol

from bundle import seekable, tar, ziplayout
from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bundle.durable import DurableWriter
    from bundle.hashing import StreamDigest


class ArchiveWriter(Protocol):
    """Takes members in order."""

    written: int

    def add(self, name: str, size: int, content: Callable[[], Iterable[bytes]]) -> None:
        """Append one member.

        Args:
            name: Its name.
            size: Its bytes.
            content: Returns its bytes from the beginning, each time it is called.

        Raises:
            FormatError: The content has another size.
        """

    def finish(self) -> None:
        """End the archive."""


class _Output:
    """The file, what was written to it, and its digest."""

    def __init__(self, file: DurableWriter, digest: StreamDigest) -> None:
        """Write to an open file, from its beginning."""
        self._file = file
        self._digest = digest
        self.written = 0

    def _emit(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)
        self.written += len(data)


class TarZstWriter(_Output):
    """Writes a seekable ``.tar.zst``."""

    def __init__(self, file: DurableWriter, digest: StreamDigest) -> None:
        """Write to an open file, from its beginning."""
        super().__init__(file, digest)
        self._open: list[memoryview] = []
        self._held = 0
        self._total = 0

    def add(self, name: str, size: int, content: Callable[[], Iterable[bytes]]) -> None:
        """Append one member of exactly ``size`` bytes."""
        self._feed(tar.header(name, size))
        for piece in exactly(name, size, content()):
            self._feed(piece)
        self._feed(tar.padding(size))

    def finish(self) -> None:
        """End the archive."""
        self._feed(tar.END)
        if self._held:
            self._end_frame()
        self._emit(seekable.seek_table(self._total))

    def _feed(self, data: bytes) -> None:
        rest = memoryview(data)
        self._total += len(rest)
        while rest:
            piece = rest[: seekable.CHUNK - self._held]
            self._open.append(piece)
            self._held += len(piece)
            rest = rest[len(piece) :]
            if self._held == seekable.CHUNK:
                self._end_frame()

    def _end_frame(self) -> None:
        self._emit(seekable.frame_of(self._open, self._held))
        self._open, self._held = [], 0


class ZipWriter(_Output):
    """Writes a zip of stored members; contents are read twice, because the CRC-32 stands before them."""

    def __init__(self, file: DurableWriter, digest: StreamDigest) -> None:
        """Write to an open file, from its beginning."""
        super().__init__(file, digest)
        self._entries: list[ziplayout.Entry] = []

    def add(self, name: str, size: int, content: Callable[[], Iterable[bytes]]) -> None:
        """Append one member of exactly ``size`` bytes."""
        crc = 0
        for piece in content():
            crc = zlib.crc32(piece, crc)
        self._entries.append(ziplayout.Entry(name, size, crc, self.written))
        self._emit(ziplayout.local_header(name, size, crc))
        for piece in exactly(name, size, content()):
            self._emit(piece)

    def finish(self) -> None:
        """End the archive."""
        self._emit(ziplayout.directory(self._entries, self.written))


def exactly(name: str, size: int, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces.

    Raises:
        FormatError: They hold another number of bytes than ``size``.
    """
    seen = 0
    for piece in pieces:
        seen += len(piece)
        yield piece
    if seen != size:
        raise FormatError(f"{name} was to hold {size} bytes, and held {seen}")
