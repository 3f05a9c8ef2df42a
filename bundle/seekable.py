"""The outer layer: the zstd seekable format over 256 KiB of tar bytes a frame, made of raw blocks only.

Members are compressed already, so nothing is lost; and raw blocks have exactly one encoding, so every byte of the
container can be checked by writing it again, and every offset is arithmetic. ``zstd -d`` and ``tar --zstd`` read it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK = 256 * 1024
RAW_BLOCK = 128 * 1024
MAGIC = b"\x28\xb5\x2f\xfd"
DESCRIPTOR = 0b1010_0000
"""Frame header descriptor: content size in 4 bytes, single segment, no checksum, no dictionary (RFC 8878, 3.1.1.1)."""

TABLE_MAGIC = 0x184D2A5E
FOOTER_MAGIC = 0x8F92EAB1
FRAME_HEADER = 9
BLOCK_HEADER = 3
TABLE_ENTRY = 8
TABLE_FOOTER = 9
FULL_FRAME = FRAME_HEADER + 2 * BLOCK_HEADER + CHUNK


def frame(data: bytes) -> bytes:
    """Return ``data``, at most CHUNK bytes of it and not empty, as one frame of raw blocks."""
    return frame_of([data], len(data))


def frame_of(pieces: Iterable[bytes | memoryview], size: int) -> bytes:
    """Return one frame of raw blocks.

    Args:
        pieces: What it holds, in any number of pieces: they are copied once.
        size: Their bytes: at least 1, at most CHUNK.
    """
    return b"".join((MAGIC, bytes([DESCRIPTOR]), struct.pack("<I", size), *_blocks(pieces, size)))


def _blocks(pieces: Iterable[bytes | memoryview], size: int) -> Iterator[bytes | memoryview]:
    left, room = size, 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            if not room:
                room = min(RAW_BLOCK, left)
                yield block_header(room, last=room == left)
            part, rest = rest[:room], rest[room:]
            yield part
            room, left = room - len(part), left - len(part)


def block_header(size: int, *, last: bool) -> bytes:
    """Return the header of a raw block (RFC 8878, 3.1.1.2)."""
    return (size << 3 | last).to_bytes(BLOCK_HEADER, "little")


def frame_size(plain: int) -> int:
    """Return the size of the frame that holds ``plain`` bytes."""
    return FRAME_HEADER + -(-plain // RAW_BLOCK) * BLOCK_HEADER + plain


def seek_table(total: int) -> bytes:
    """Return the skippable frame that ends a container of ``total`` plain bytes."""
    entries = b"".join(struct.pack("<II", frame_size(plain), plain) for plain in _chunks(total))
    count = len(entries) // TABLE_ENTRY
    footer = struct.pack("<IBI", count, 0, FOOTER_MAGIC)
    return struct.pack("<II", TABLE_MAGIC, len(entries) + TABLE_FOOTER) + entries + footer


def container_size(total: int) -> int:
    """Return the size of a container of ``total`` plain bytes, its seek table included."""
    whole, rest = divmod(total, CHUNK)
    frames = whole * FULL_FRAME + (frame_size(rest) if rest else 0)
    return frames + 8 + (whole + bool(rest)) * TABLE_ENTRY + TABLE_FOOTER


def plain_size(container: int, count: int) -> int:
    """Return the plain bytes in a container of so many bytes and frames.

    Raises:
        FormatError: No number of plain bytes gives that size.
    """
    for blocks in (1, 2):
        last = container - 8 - count * TABLE_ENTRY - TABLE_FOOTER - max(count - 1, 0) * FULL_FRAME
        total = max(count - 1, 0) * CHUNK + last - FRAME_HEADER - blocks * BLOCK_HEADER
        if total > 0 and container_size(total) == container and -(-total // CHUNK) == count:
            return total
    raise FormatError("the size of the file does not fit its seek table", advice="The file is probably cut off.")


def offset_of(plain_offset: int) -> int:
    """Return where a plain byte lies in the container, the block headers before it included."""
    number, inside = divmod(plain_offset, CHUNK)
    return number * FULL_FRAME + FRAME_HEADER + (inside // RAW_BLOCK + 1) * BLOCK_HEADER + inside


def spans(plain_offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield (offset, size) in the container of the pieces that make up a plain range."""
    end = plain_offset + length
    while plain_offset < end:
        piece = min(end - plain_offset, RAW_BLOCK - plain_offset % RAW_BLOCK)
        yield offset_of(plain_offset), piece
        plain_offset += piece


def _chunks(total: int) -> Iterator[int]:
    for start in range(0, total, CHUNK):
        yield min(CHUNK, total - start)
