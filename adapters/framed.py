"""Writing one framed member: lines arrive as Arrow columns and leave as zstd frames, an index and digests.

The lines of a batch lie one after another in one Arrow buffer, newlines included, so a frame is a slice of that
buffer: no record is ever a Python object. Threads compress and hash; frames are written in order.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import zstandard

from adapters.adapter import StagedMember
from adapters.framing import FrameCutter
from adapters.indexing import IndexSpill, write_index
from adapters.searching import SearchWriter
from adapters.staged import StagedFile
from bundle.digests import frames_sha256
from bundle.frames import FrameEntry, zstd_parameters
from bundle.index import index_stem
from bundle.lines import EVALUATIONS
from bundle.search import search_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    import pyarrow as pa

    from adapters.framing import Cut, Sizes
    from bundle.frames import FrameParameters

FRAMES_IN_FLIGHT = 8
"""Frames being compressed or waiting to be written, a worker: enough to overlap, few enough to bound memory."""

JOINED_BYTES = 8 << 20
"""What a thread keeps to join the pieces of a frame in; larger frames get memory of their own."""

JSON_LINES = "application/x-ndjson"
ZSTD_JSON_LINES = "application/x-ndjson+zstd"
BINARY = "application/octet-stream"
INDEXES = ("frames", "pages", "root")
"""Suffixes of the members of a record index."""

SEARCH = ("terms", "root")
"""Suffixes of the members of a search index."""


@dataclass(frozen=True)
class Packed:
    """One compressed frame, and what its table entry says."""

    data: bytes
    plain_bytes: int
    digest: bytes
    first_record: int


class FramedWriter:
    """Writes ``data/<name>.jsonl.zst`` and its index members into a staging folder."""

    def __init__(self, staging: Path, name: str, *, parameters: FrameParameters, workers: int) -> None:
        """Create the files; ``name`` may hold slashes, as in "policy/evaluations"."""
        stem = name.replace("/", "-")
        self._path = f"data/{name}.jsonl.zst"
        self._out = StagedFile(staging / f"{stem}.zst")
        self._indexes = {suffix: StagedFile(staging / f"{stem}.{suffix}") for suffix in INDEXES}
        # Evaluations are found by their findings, and have nothing else to search by.
        self._search = None if self._path == EVALUATIONS else SearchWriter(staging)
        self._found = {suffix: StagedFile(staging / f"{stem}.search.{suffix}") for suffix in SEARCH if self._search}
        self._cutter = FrameCutter(parameters)
        self._spill = IndexSpill(staging)
        # One more than asked for: while one waits to hand over its frame, another can use the processor.
        self._pool = ThreadPoolExecutor(workers + 1, thread_name_prefix="frame")
        self._in_flight: deque[Future[Packed]] = deque()
        self._limit = FRAMES_IN_FLIGHT * workers
        self._open: list[memoryview] = []
        self._open_bytes = 0
        self._open_first = 0
        self._frame = 0
        self._digests: list[tuple[int, bytes]] = []
        self.records = 0
        self.plain_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append the records of one batch, which must continue the order of export."""
        lines, sizes = line_buffer(batch.column("line"))
        starts = np.cumsum(sizes) - sizes
        frames = np.empty(len(sizes), dtype=np.int64)
        offsets = np.empty(len(sizes), dtype=np.int64)
        for cut in self._cutter.cuts(sizes, batch.column("key_hash")):
            begin, end = _span(cut, starts, sizes)
            frames[cut.start : cut.end] = self._frame
            offsets[cut.start : cut.end] = starts[cut.start : cut.end] - begin + self._open_bytes
            if self._search:
                self._search.add(batch.column("terms"), cut.start, cut.end)
            self._extend(lines[begin:end], closes=cut.closes, next_record=self.records + cut.end)
        self._spill.add(batch, frames, offsets)
        self.records += len(sizes)
        self.plain_bytes += len(lines)

    def finish(self) -> tuple[StagedMember, tuple[StagedMember, ...]]:
        """Close the last frame and write the index; return the data member and its index members."""
        if self._open_bytes:
            self._submit()
        # Both indexes are sorted while the last frames are being compressed.
        searched = self._pool.submit(self._write_search)
        write_index(self._spill.sorted_pages(), self._indexes["pages"], self._indexes["root"], self._pool)
        searched.result()
        self._drain(0)
        file = self._out.member(self._path, ZSTD_JSON_LINES)
        data = msgspec.structs.replace(
            file.member,
            records=self.records,
            plain_bytes=self.plain_bytes,
            frames_sha256=frames_sha256(self._digests),
        )
        by_stem = {index_stem(self._path): self._indexes, search_stem(self._path): self._found}
        indexes = (
            index.member(f"{stem}.{suffix}", BINARY)
            for stem, files in by_stem.items()
            for suffix, index in files.items()
        )
        return StagedMember(member=data, path=file.path), tuple(indexes)

    def close(self) -> None:
        """Stop the threads and close every file, also after a failure."""
        with ExitStack() as stack:
            # On a full disk each may fail, and the others are closed all the same.
            stack.callback(self._spill.close)
            if self._search:
                stack.callback(self._search.close)
            for file in (self._out, *self._indexes.values(), *self._found.values()):
                stack.callback(file.close)
            self._pool.shutdown(cancel_futures=True)

    def _write_search(self) -> None:
        """Write the search index, if there is one; in a thread of the pool, which has another one for the hashing."""
        if self._search:
            self._search.write(self._found["terms"], self._found["root"], self._pool)

    def _extend(self, piece: memoryview, *, closes: bool, next_record: int) -> None:
        if len(piece):
            self._open.append(piece)
            self._open_bytes += len(piece)
        if closes:
            self._submit()
            self._open_first = next_record

    def _submit(self) -> None:
        pieces, self._open, self._open_bytes = self._open, [], 0
        self._in_flight.append(self._pool.submit(_pack, pieces, self._open_first))
        self._frame += 1
        if self._search:
            self._search.end_frame()
        self._drain(self._limit)

    def _drain(self, limit: int) -> None:
        """Write finished frames, in order, until no more than ``limit`` are under way."""
        while len(self._in_flight) > limit:
            packed = self._in_flight.popleft().result()
            entry = FrameEntry(
                offset=self._out.bytes,
                compressed_bytes=len(packed.data),
                plain_bytes=packed.plain_bytes,
                first_record=packed.first_record,
                sha256=packed.digest,
            )
            self._indexes["frames"].write(entry.to_bytes())
            self._out.write(packed.data)
            self._digests.append((packed.plain_bytes, packed.digest))


def write_framed(
    writer: FramedWriter, batches: Iterable[pa.RecordBatch], progress: Callable[[int, int], None]
) -> tuple[StagedMember, tuple[StagedMember, ...]]:
    """Feed all batches to a writer, and close it whatever happens."""
    try:
        for batch in batches:
            writer.add(batch)
            progress(writer.records, writer.plain_bytes)
        return writer.finish()
    finally:
        writer.close()


def line_buffer(column: pa.Array) -> tuple[memoryview, Sizes]:
    """Return the bytes of a binary column as one view, and the size of each value; nothing is copied."""
    _, offset_buffer, data = column.buffers()
    width = np.int64 if str(column.type).startswith("large") else np.int32
    offsets = np.frombuffer(offset_buffer, dtype=width)[column.offset : column.offset + len(column) + 1]
    view = memoryview(data if data is not None else b"").cast("B")
    return view[int(offsets[0]) : int(offsets[-1])], np.diff(offsets).astype(np.int64)


def tallied(
    batches: Iterable[pa.RecordBatch], add: Callable[[pa.RecordBatch], None]
) -> Generator[pa.RecordBatch, None, None]:
    """Pass batches through, counting each on the way; those without records are left out."""
    for batch in batches:
        if batch.num_rows:
            add(batch)
            yield batch


def _span(cut: Cut, starts: Sizes, sizes: Sizes) -> tuple[int, int]:
    """Return where a piece's bytes begin and end in its batch."""
    total = int(starts[-1] + sizes[-1])
    begin = int(starts[cut.start]) if cut.start < len(starts) else total
    end = int(starts[cut.end]) if cut.end < len(starts) else total
    return begin, end


class _Worker(threading.local):
    """What a thread keeps: making a compressor's tables anew costs some 3 % of a frame, fresh memory as much."""

    def __init__(self) -> None:
        self.zstd = zstandard.ZstdCompressor(compression_params=zstd_parameters())
        self._joined = bytearray()

    def join(self, pieces: list[memoryview]) -> memoryview:
        """Return the pieces as one; what was returned before is overwritten."""
        if len(pieces) == 1:
            return pieces[0]
        size = sum(len(piece) for piece in pieces)
        # A larger record than any before it makes a larger buffer, which nothing else looks into.
        buffer = self._joined if len(self._joined) >= size else bytearray(max(size, JOINED_BYTES))
        if size <= JOINED_BYTES:
            self._joined = buffer
        end = 0
        for piece in pieces:
            buffer[end : end + len(piece)] = piece
            end += len(piece)
        return memoryview(buffer)[:size]


_WORKER = _Worker()


def _pack(pieces: list[memoryview], first_record: int) -> Packed:
    """Hash and compress one frame; both let other threads run meanwhile."""
    plain = _WORKER.join(pieces)
    return Packed(_WORKER.zstd.compress(plain), len(plain), hashlib.sha256(plain).digest(), first_record)
