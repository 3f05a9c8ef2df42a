"""Reading a frame from its beginning as far as a line goes, fetching no more of it than that takes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import zstandard

from bundle.errors import FormatError
from bundle.zblocks import MAX_WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bundle.frames import FrameEntry
    from bundle.manifest import Member
    from bundle.source import BundleReader

FETCH = 128 << 10
"""Compressed bytes that are fetched at once."""

STEP = 256 << 10
"""Plain bytes that are decompressed at once."""

MAX_FRAME = 1 << 30
"""The most plain bytes that are read of a frame."""


class FrameText:
    """The plain bytes of one frame; nothing of them is verified here."""

    def __init__(self, reader: BundleReader, member: Member, row: FrameEntry) -> None:
        """Fetch nothing yet."""
        self._name = member.path
        self._size = min(row.plain_bytes, MAX_FRAME)
        self._source = _Compressed(reader, member.path, row)

    def until_line(self, offset: int) -> bytes:
        """Return the bytes up to the end of the line that begins at ``offset``; all when there is no such line.

        Raises:
            FormatError: The frame is damaged.
        """
        text = bytearray()
        for piece in self._pieces():
            seen = max(offset, len(text))
            text += piece
            if text.find(b"\n", seen) >= 0:
                break
        return bytes(text)

    def whole(self) -> bytes:
        """Return all of them.

        Raises:
            FormatError: The frame is damaged.
        """
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        decoder, rest = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW), self._size
        try:
            with decoder.stream_reader(io.BufferedReader(self._source, FETCH), read_size=FETCH) as plain:
                while rest and (piece := plain.read(min(STEP, rest))):
                    rest -= len(piece)
                    yield piece
        except zstandard.ZstdError as error:
            raise FormatError(f"{self._name}: a frame cannot be decompressed: {error}") from error


class _Compressed(io.RawIOBase):
    """The compressed bytes of a frame, as a file that is read in order."""

    def __init__(self, reader: BundleReader, name: str, row: FrameEntry) -> None:
        self._reader, self._name = reader, name
        self._place, self._end = row.offset, row.offset + row.compressed_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        data = self._reader.read(self._name, self._place, min(len(target), self._end - self._place))
        target[: len(data)] = data
        self._place += len(data)
        return len(data)
