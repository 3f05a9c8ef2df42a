"""Writing one framed member: lines arrive as Arrow columns and leave as zstd frames, an index and digests.

The lines of a batch lie one after another in one Arrow buffer, newlines included, so a frame is a slice of that
buffer: no record is ever a Python object. Threads compress and hash; frames are written in order.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import zstandard

from adapters.adapter import StagedMember
from adapters.framing import FrameCutter
from adapters.indexing import IndexSpill, write_index
from bundle.digests import frames_sha256
from bundle.frames import ZSTD_LEVEL, FrameEntry
from bundle.manifest import Member

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from pathlib import Path

    import pyarrow as pa

    from adapters.framing import Cut, Sizes
    from bundle.frames import FrameParameters

FRAMES_IN_FLIGHT = 4
"""Frames being compressed or waiting to be written, a worker: enough to overlap, few enough to bound memory."""

JSON_LINES = "application/x-ndjson"
ZSTD_JSON_LINES = "application/x-ndjson+zstd"
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Packed:
    """One compressed frame, and what its table entry says."""

    data: bytes
    plain_bytes: int
    digest: bytes
    first_record: int


class FramedWriter:
    """Writes ``data/<name>.jsonl.zst`` and its three index members into a staging folder."""

    def __init__(self, staging: Path, name: str, *, parameters: FrameParameters, workers: int) -> None:
        """Create the files; ``name`` may hold slashes, as in "policy/evaluations"."""
        self._paths = {suffix: staging / f"{name.replace('/', '-')}.{suffix}" for suffix in _SUFFIXES}
        self._name = name
        self._out: BinaryIO = self._paths["zst"].open("wb")
        self._frames_out: BinaryIO = self._paths["frames"].open("wb")
        self._cutter = FrameCutter(parameters)
        self._spill = IndexSpill(staging)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="frame")
        self._in_flight: deque[Future[Packed]] = deque()
        self._limit = FRAMES_IN_FLIGHT * workers
        self._open: list[memoryview] = []
        self._open_bytes = 0
        self._open_first = 0
        self._frame = 0
        self._sha256 = hashlib.sha256()
        self._written = 0
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
            self._extend(lines[begin:end], closes=cut.closes, next_record=self.records + cut.end)
        self._spill.add(batch, frames, offsets)
        self._detach()
        self.records += len(sizes)
        self.plain_bytes += len(lines)

    def finish(self) -> tuple[StagedMember, tuple[StagedMember, ...]]:
        """Close the last frame and write the index; return the data member and its index members."""
        if self._open_bytes:
            self._submit()
        self._drain(0)
        self._out.close()
        self._frames_out.close()
        write_index(self._spill, self._paths["pages"], self._paths["root"])
        data = Member(
            path=f"data/{self._name}.jsonl.zst",
            media_type=ZSTD_JSON_LINES,
            bytes=self._written,
            sha256=self._sha256.hexdigest(),
            records=self.records,
            plain_bytes=self.plain_bytes,
            frames_sha256=frames_sha256(self._digests),
        )
        indexes = tuple(
            stage(self._paths[suffix], f"indexes/{self._name}.{suffix}", BINARY)
            for suffix in ("frames", "pages", "root")
        )
        return StagedMember(member=data, path=self._paths["zst"]), indexes

    def close(self) -> None:
        """Stop the threads and close every file, also after a failure."""
        self._pool.shutdown(cancel_futures=True)
        self._spill.close()
        self._out.close()
        self._frames_out.close()

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
        self._drain(self._limit)

    def _drain(self, limit: int) -> None:
        """Write finished frames, in order, until no more than ``limit`` are under way."""
        while len(self._in_flight) > limit:
            packed = self._in_flight.popleft().result()
            self._frames_out.write(
                FrameEntry(
                    offset=self._written,
                    compressed_bytes=len(packed.data),
                    plain_bytes=packed.plain_bytes,
                    first_record=packed.first_record,
                    sha256=packed.digest,
                ).to_bytes()
            )
            self._out.write(packed.data)
            self._sha256.update(packed.data)
            self._written += len(packed.data)
            self._digests.append((packed.plain_bytes, packed.digest))

    def _detach(self) -> None:
        """Copy what is left open, so that a frame never keeps a whole batch alive."""
        if self._open:
            self._open = [memoryview(b"".join(self._open))]


_SUFFIXES = ("zst", "frames", "pages", "root")


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


def stage(path: Path, name: str, media_type: str) -> StagedMember:
    """Return the member that a written file is, hashing it in pieces."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    member = Member(path=name, media_type=media_type, bytes=path.stat().st_size, sha256=digest)
    return StagedMember(member=member, path=path)


def stage_bytes(data: bytes, path: Path, *, name: str, media_type: str) -> StagedMember:
    """Write a small member and return it."""
    path.write_bytes(data)
    return stage(path, name, media_type)


def tallied(
    batches: Iterable[pa.RecordBatch], add: Callable[[pa.RecordBatch], None]
) -> Generator[pa.RecordBatch, None, None]:
    """Pass batches through, counting each on the way."""
    for batch in batches:
        add(batch)
        yield batch


def _span(cut: Cut, starts: Sizes, sizes: Sizes) -> tuple[int, int]:
    """Return where a piece's bytes begin and end in its batch."""
    total = int(starts[-1] + sizes[-1])
    begin = int(starts[cut.start]) if cut.start < len(starts) else total
    end = int(starts[cut.end]) if cut.end < len(starts) else total
    return begin, end


def _pack(pieces: list[memoryview], first_record: int) -> Packed:
    """Hash and compress one frame; both let other threads run meanwhile."""
    plain = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=False, write_content_size=True)
    return Packed(compressor.compress(plain), len(plain), hashlib.sha256(plain).digest(), first_record)
