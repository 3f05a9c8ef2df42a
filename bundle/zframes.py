"""Splitting a member into its zstd frames without decompressing it, and decompressing frames in threads."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import zstandard

from bundle.errors import FormatError
from bundle.frames import FrameEntry

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Reading = Future[tuple[bytes, bytes, int]]

MAGIC = b"\x28\xb5\x2f\xfd"
SLACK = 1024
"""Bytes that headers may add to a small frame that does not compress."""

RAW, RLE = 0, 1
IN_FLIGHT = 4
"""Frames that may be read ahead."""

IN_FLIGHT_BYTES = 32 << 20
"""Plain bytes that may be read ahead; a frame larger than that is read alone."""


def split(pieces: Iterator[bytes], *, limit: int) -> Iterator[bytes]:
    """Yield the frames of a member, still compressed (RFC 8878, section 3.1.1).

    Args:
        pieces: The member's bytes.
        limit: The most bytes a frame may take, compressed or plain.

    Raises:
        FormatError: The bytes are not a series of whole frames, or one is larger than the limit.
    """
    source = _Buffer(pieces)
    while source.has(1):
        yield source.take(_frame_size(source, limit))


def read_frame(data: bytes, *, limit: int) -> bytes:
    """Return what a frame holds.

    Raises:
        FormatError: It is damaged, does not state its size, or states more than ``limit`` bytes.
    """
    stated_size(data, limit)
    try:
        return zstandard.ZstdDecompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError(f"a frame cannot be decompressed: {error}") from error


def stated_size(data: bytes, limit: int) -> int:
    """Return the plain size that a frame states.

    Raises:
        FormatError: It does not state one, or one that is not between 1 and ``limit``.
    """
    try:
        size = zstandard.get_frame_parameters(data).content_size
    except zstandard.ZstdError as error:
        raise FormatError(f"a frame has a damaged header: {error}") from error
    if not 0 < size <= limit:
        raise FormatError(f"a frame states {size} plain bytes; between 1 and {limit} are allowed")
    return size


def plain_frames(pieces: Iterator[bytes], *, limit: int, workers: int) -> Iterator[tuple[FrameEntry, bytes]]:
    """Yield (table row, plain bytes) of every frame, in order; threads decompress and hash ahead.

    ``first_record`` of the rows counts newlines.

    Raises:
        FormatError: A frame is damaged, or larger than ``limit`` plain bytes.
    """
    offset = records = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="frame") as pool:
        for size, future in _ahead(split(pieces, limit=limit + (limit >> 7) + SLACK), pool, limit):
            plain, digest, lines = future.result()
            yield _row(offset, size, len(plain), records, digest), plain
            offset, records = offset + size, records + lines


def _ahead(frames: Iterator[bytes], pool: ThreadPoolExecutor, limit: int) -> Iterator[tuple[int, _Reading]]:
    """Yield (compressed size, reading) of every frame in order, keeping a bounded number of them at work."""
    waiting: deque[tuple[int, int, _Reading]] = deque()
    held = 0
    for frame in frames:
        plain = stated_size(frame, limit)
        while waiting and (len(waiting) >= IN_FLIGHT or held + plain > IN_FLIGHT_BYTES):
            size, done, reading = waiting.popleft()
            held -= done
            yield size, reading
        waiting.append((len(frame), plain, pool.submit(_read, frame, limit)))
        held += plain
    for size, _, reading in waiting:
        yield size, reading


def _row(offset: int, size: int, plain: int, records: int, digest: bytes) -> FrameEntry:
    return FrameEntry(offset=offset, compressed_bytes=size, plain_bytes=plain, first_record=records, sha256=digest)


def _read(frame: bytes, limit: int) -> tuple[bytes, bytes, int]:
    plain = read_frame(frame, limit=limit)
    return plain, hashlib.sha256(plain).digest(), plain.count(b"\n")


class _Buffer:
    """Bytes that arrive in pieces and can be looked at before they are taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._data = bytearray()

    def has(self, size: int) -> bool:
        while len(self._data) < size:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._data += piece
        return True

    def look(self, offset: int, size: int) -> bytes:
        if not self.has(offset + size):
            raise FormatError("a zstd frame is cut off")
        return bytes(self._data[offset : offset + size])

    def take(self, size: int) -> bytes:
        data = self.look(0, size)
        del self._data[:size]
        return data


def _frame_size(source: _Buffer, limit: int) -> int:
    """Walk the block headers of a frame and return its size."""
    if source.look(0, 4) != MAGIC:
        raise FormatError("a zstd frame does not begin where one should")
    descriptor = source.look(4, 1)[0]
    if descriptor & 0b0000_1111:
        raise FormatError("a zstd frame has a checksum, a dictionary or reserved bits; frames here have none")
    single = descriptor >> 5 & 1
    position = 5 + (1 - single) + (single, 2, 4, 8)[descriptor >> 6]
    last = False
    while not last:
        header = int.from_bytes(source.look(position, 3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        position += 3 + (1 if kind == RLE else size)
        if position > limit:
            raise FormatError(f"a zstd frame has more than the {limit} bytes that are allowed")
    source.look(position - 1, 1)
    return position
