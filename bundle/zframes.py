"""Reading the zstd frames of a member: decompressed and hashed in threads, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from bundle.errors import FormatError
from bundle.frames import FrameEntry
from bundle.zblocks import MAX_WINDOW, Buffer, stated_size, take_blocks, take_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Waiting = tuple[int, Future["_Reading"]]

IN_FLIGHT = 4
"""Frames that may be read ahead."""

IN_FLIGHT_BYTES = 32 << 20
"""Plain bytes that may be read ahead; a frame larger than that is read alone."""

WORTH_A_THREAD = 64 << 10
"""A frame with fewer plain bytes is read faster than it is handed to a thread."""

STREAMED = 16 << 20
"""A frame with more plain bytes is decompressed piece by piece when nobody asks for them as a whole."""


class Frame(NamedTuple):
    """A frame that was read.

    Attributes:
        row: Its row of the frame table; ``first_record`` counts newlines.
        lines: The newlines in it.
        whole: Whether it ends with a newline.
        plain: What it holds; empty unless it was asked for.
    """

    row: FrameEntry
    lines: int
    whole: bool
    plain: bytes


class _Reading(NamedTuple):
    compressed: int
    size: int
    sha256: bytes
    lines: int
    whole: bool
    plain: bytes


def read_frame(data: bytes, *, limit: int) -> bytes:
    """Return what a frame holds.

    Raises:
        FormatError: It is damaged, does not state its size, or states more than ``limit`` bytes.
    """
    stated_size(data, limit)
    return _decompressed(data)


def read_frames(pieces: Iterator[bytes], *, limit: int, workers: int, keep: bool) -> Iterator[Frame]:
    """Yield every frame of a member, in order; threads decompress and hash ahead.

    Args:
        pieces: The member's bytes.
        limit: The most plain bytes a frame may hold.
        workers: How many threads.
        keep: Whether the plain bytes are wanted; without them, memory does not depend on the size of frames.

    Raises:
        FormatError: A frame is damaged, or larger than the limit.
    """
    offset = records = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="frame") as pool:
        for reading in _in_order(Buffer(pieces), pool, limit=limit, keep=keep):
            row = FrameEntry(
                offset=offset,
                compressed_bytes=reading.compressed,
                plain_bytes=reading.size,
                first_record=records,
                sha256=reading.sha256,
            )
            yield Frame(row, reading.lines, reading.whole, reading.plain)
            offset, records = offset + reading.compressed, records + reading.lines


def _in_order(source: Buffer, pool: ThreadPoolExecutor, *, limit: int, keep: bool) -> Iterator[_Reading]:
    """Yield what every frame holds, keeping a bounded number of them at work."""
    waiting: deque[_Waiting] = deque()
    held = 0
    while source.has(1):
        header = take_header(source)
        size = stated_size(header, limit)
        while waiting and (len(waiting) >= IN_FLIGHT or held + size > IN_FLIGHT_BYTES):
            done, reading = waiting.popleft()
            held -= done
            yield reading.result()
        waiting.append((size, _begin(pool, chain((header,), take_blocks(source, size)), size, keep=keep)))
        held += size
    for _, reading in waiting:
        yield reading.result()


def _begin(pool: ThreadPoolExecutor, blocks: Iterator[bytes], size: int, *, keep: bool) -> Future[_Reading]:
    """Read a frame: here and now, or in a thread when it is worth one and can be held as a whole."""
    if size > STREAMED and not keep:
        return _now(_read_streamed(blocks, size))
    frame = b"".join(blocks)
    if size < WORTH_A_THREAD:
        return _now(_read_whole(frame, keep=keep))
    return pool.submit(_read_whole, frame, keep=keep)


def _now(reading: _Reading) -> Future[_Reading]:
    done: Future[_Reading] = Future()
    done.set_result(reading)
    return done


def _read_whole(frame: bytes, *, keep: bool) -> _Reading:
    plain = _decompressed(frame)
    digest = hashlib.sha256(plain).digest()
    return _Reading(len(frame), len(plain), digest, plain.count(b"\n"), plain.endswith(b"\n"), plain if keep else b"")


def _decompressed(frame: bytes) -> bytes:
    try:
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _damaged(error) from error


def _read_streamed(blocks: Iterator[bytes], size: int) -> _Reading:
    """Read a frame block by block, none of which holds more than 128 KiB."""
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    digest, compressed, plain_bytes, lines, last = hashlib.sha256(), 0, 0, 0, b""
    for block in blocks:
        compressed += len(block)
        plain = _decoded(decoder, block)
        digest.update(plain)
        plain_bytes += len(plain)
        lines += plain.count(b"\n")
        last = plain[-1:] or last
    if plain_bytes != size:
        raise FormatError(f"a frame states {size} plain bytes and holds {plain_bytes}")
    return _Reading(compressed, size, digest.digest(), lines, last == b"\n", b"")


def _decoded(decoder: zstandard.ZstdDecompressionObj, block: bytes) -> bytes:
    try:
        return decoder.decompress(block)
    except zstandard.ZstdError as error:
        raise _damaged(error) from error


def _damaged(error: zstandard.ZstdError) -> FormatError:
    return FormatError(f"a frame cannot be decompressed: {error}")
