"""Walking a member's zstd frames block by block, without decompressing them (RFC 8878, section 3.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zstandard

from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x28\xb5\x2f\xfd"
SLACK = 1024
"""Bytes that headers may add to a small frame that does not compress."""

MAX_WINDOW = 8 << 20
"""What a decoder may have to remember of a frame: the most that RFC 8878 recommends every decoder to support."""

BLOCKS, OF_A_BLOCK = 64, 512
"""Blocks that any frame may have, and plain bytes for each of the others: decoders pay for a block, however small."""

CONTENT_SIZE_BYTES = (0, 2, 4, 8)
BLOCK_HEADER = 3
RLE = 1
UNUSED = 0b0000_1111
"""Bits of a frame's descriptor for a checksum, a dictionary, and what is reserved: frames here have none of these."""


class Buffer:
    """Bytes that arrive in pieces and can be looked at before they are taken."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        """Take nothing yet."""
        self._pieces = pieces
        self._data = bytearray()

    def has(self, size: int) -> bool:
        """Whether at least ``size`` more bytes come."""
        while len(self._data) < size:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._data += piece
        return True

    def take(self, size: int) -> bytes:
        """Return exactly ``size`` bytes.

        Raises:
            FormatError: There are fewer.
        """
        if not self.has(size):
            raise FormatError("a zstd frame is cut off")
        data = bytes(self._data[:size])
        del self._data[:size]
        return data


def stated_size(frame: bytes, limit: int) -> int:
    """Return the plain size that a frame states in its header.

    Raises:
        FormatError: It does not state one, or one that is not between 1 and ``limit``, or asks for too much memory.
    """
    try:
        parameters = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as error:
        raise FormatError(f"a frame has a damaged header: {error}") from error
    if not 0 < parameters.content_size <= limit:
        raise FormatError(f"a frame states {parameters.content_size} plain bytes; between 1 and {limit} are allowed")
    if parameters.window_size > MAX_WINDOW:
        raise FormatError(f"a frame asks for a window of {parameters.window_size} bytes; {MAX_WINDOW} are allowed")
    return int(parameters.content_size)


def take_header(source: Buffer) -> bytes:
    """Return the header of the frame that begins here.

    Raises:
        FormatError: No frame does, or it is of another form than this format asks for.
    """
    start = source.take(len(MAGIC) + 1)
    if not start.startswith(MAGIC):
        raise FormatError("a zstd frame does not begin where one should")
    descriptor = start[-1]
    if descriptor & UNUSED:
        raise FormatError("a zstd frame has a checksum, a dictionary or reserved bits; frames here have none")
    single = descriptor >> 5 & 1
    size_bytes = CONTENT_SIZE_BYTES[descriptor >> 6] or single
    return start + source.take(1 - single + size_bytes)


def take_blocks(source: Buffer, limit: int) -> Iterator[bytes]:
    """Yield the blocks of a frame whose header has been taken, each with its own header, still compressed.

    Args:
        source: The member's bytes.
        limit: The plain bytes that the frame holds; compressed it may take hardly more.

    Raises:
        FormatError: They are cut off, larger than that, or more than anyone would cut it into.
    """
    size, count, last = 0, 0, False
    while not last:
        head = source.take(BLOCK_HEADER)
        fields = int.from_bytes(head, "little")
        last, kind, content = bool(fields & 1), fields >> 1 & 3, fields >> 3
        block = head + source.take(1 if kind == RLE else content)
        size, count = size + len(block), count + 1
        if size > limit + (limit >> 7) + SLACK or count > BLOCKS + limit // OF_A_BLOCK:
            raise FormatError(f"a zstd frame of {limit} plain bytes has more than they can need")
        yield block
