"""Finding one record by its id: a page of the index, a row of the frame table, one frame.

Everything read is checked against the digests in export.json, so a record that comes out is as genuine as export.json
itself, which the caller may have verified.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bundle.digests import frames_sha256, id_hash
from bundle.envelope import MANIFEST
from bundle.errors import FormatError
from bundle.frames import parse_entries
from bundle.index import lookup
from bundle.manifest import Manifest
from bundle.zframes import plain_frames, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bundle.frames import FrameEntry
    from bundle.index import IndexEntry
    from bundle.manifest import Member
    from bundle.source import BundleReader

MAX_FRAME = 1 << 30


@dataclass(frozen=True)
class FoundRecord:
    """A record's line, its newline included, and the member it lies in."""

    member: str
    line: bytes


def manifest_of(reader: BundleReader) -> Manifest:
    """Return a bundle's manifest, unverified."""
    return Manifest.from_bytes(reader.read(MANIFEST))


def find_records(reader: BundleReader, upstream_id: str) -> Iterator[FoundRecord]:
    """Yield every record with exactly this id, in all members, in the order of members and keys.

    Raises:
        FormatError: An index, a frame or a line is not the one that export.json stands for.
    """
    manifest = manifest_of(reader)
    listed = {member.path: member for member in manifest.members}
    wanted = id_hash(upstream_id)
    for member in manifest.members:
        if member.frames_sha256 is None:
            continue
        stem = index_stem(member)
        root = _checked(reader, listed[f"{stem}.root"])
        entries = list(lookup(root, wanted, partial(reader.read, f"{stem}.pages")))
        if entries:
            frames = _frames(reader, member, listed[f"{stem}.frames"])
            for entry in entries:
                yield FoundRecord(member.path, _line(reader, member, frames, entry))


def iterate_lines(reader: BundleReader, member: Member) -> Iterator[bytes]:
    """Yield the lines of a framed member, their newlines included, one frame in memory at a time."""
    for _, plain in plain_frames(reader.stream(member.path), limit=MAX_FRAME, workers=1):
        yield from (line + b"\n" for line in plain.split(b"\n")[:-1])


def index_stem(member: Member) -> str:
    """Return the path of a framed member's index, without its suffix."""
    return "indexes/" + member.path.split("/", 1)[1].removesuffix(".jsonl.zst")


def read_line(reader: BundleReader, member: Member, frames: list[FrameEntry], entry: IndexEntry) -> bytes:
    """Return the line that an index entry points to, checked against its digest."""
    return _line(reader, member, frames, entry)


def _checked(reader: BundleReader, member: Member) -> bytes:
    data = reader.read(member.path)
    if hashlib.sha256(data).hexdigest() != member.sha256:
        raise FormatError(f"{member.path} is not the one that export.json lists")
    return data


def _frames(reader: BundleReader, member: Member, table: Member) -> list[FrameEntry]:
    """Return the frame table; its rows are what framesSha256 was made of."""
    frames = parse_entries(reader.read(table.path))
    if frames_sha256((row.plain_bytes, row.sha256) for row in frames) != member.frames_sha256:
        raise FormatError(f"{table.path} does not list the frames that export.json stands for")
    return frames


def _line(reader: BundleReader, member: Member, frames: list[FrameEntry], entry: IndexEntry) -> bytes:
    if entry.frame >= len(frames):
        raise FormatError(f"{member.path}: the index points to frame {entry.frame}, which does not exist")
    row = frames[entry.frame]
    plain = read_frame(reader.read(member.path, row.offset, row.compressed_bytes), limit=MAX_FRAME)
    end = plain.find(b"\n", entry.offset)
    line = plain[entry.offset : end + 1]
    if hashlib.sha256(plain).digest() != row.sha256 or hashlib.sha256(line).digest() != entry.line_sha256:
        raise FormatError(f"{member.path}: a record is not the one that the index stands for")
    return line
