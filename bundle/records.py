"""Finding one record by its id: a page of the index, a row of the frame table, one frame up to the record.

Everything read is checked against the digests in export.json, so a record that comes out is as genuine as export.json
itself, which the caller may have verified.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bundle.digests import FramesDigest, frames_sha256, id_hash
from bundle.envelope import MANIFEST
from bundle.errors import FormatError
from bundle.frames import parse_entries
from bundle.index import PAGE_BYTES, ROOT_ENTRY_BYTES, check_page, checked_page, index_stem, lookup
from bundle.lines import id_of
from bundle.manifest import Manifest
from bundle.partial import MAX_FRAME, FrameText
from bundle.zframes import read_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bundle.frames import FrameEntry
    from bundle.index import IndexEntry
    from bundle.manifest import Member
    from bundle.source import BundleReader


MAX_TABLE = 256 << 20
"""The largest frame table or index root that is read: enough for four million frames or six million pages."""


@dataclass(frozen=True)
class FoundRecord:
    """A record's line, its newline included, and the member it lies in."""

    member: str
    line: bytes


def manifest_of(reader: BundleReader) -> Manifest:
    """Return a bundle's manifest, unverified."""
    return Manifest.from_bytes(reader.read(MANIFEST))


def members_of(reader: BundleReader) -> dict[str, Member]:
    """Return what a bundle's manifest lists, unverified, by path in its order."""
    return {member.path: member for member in manifest_of(reader).members}


def checked_stream(reader: BundleReader, name: str) -> Iterator[bytes]:
    """Yield a member's bytes; those of the payload are compared with export.json, which has nothing of the envelope.

    Raises:
        FormatError: After the last piece: they are not those that export.json lists.
        MemberNotFoundError: The bundle has no such member.
    """
    listed = members_of(reader).get(name)
    digest = hashlib.sha256()
    for piece in reader.stream(name):
        digest.update(piece)
        yield piece
    if listed is not None and digest.hexdigest() != listed.sha256:
        raise FormatError(
            f"{name} is not the one that export.json lists", advice="Do not use what was printed; verify the bundle."
        )


def find_records(reader: BundleReader, upstream_id: str) -> Iterator[FoundRecord]:
    """Yield every record with exactly this id, in all members, in the order of members and keys.

    Raises:
        FormatError: An index, a frame or a line is not the one that export.json stands for.
    """
    if not _is_text(upstream_id):
        return
    listed = members_of(reader)
    for member in listed.values():
        if member.frames_sha256 is not None and f"{index_stem(member.path)}.root" in listed:
            yield from _in_member(reader, member, listed, upstream_id)


def _is_text(upstream_id: str) -> bool:
    """Whether an id can be that of a record: on a command line, bytes that are no UTF-8 become lone surrogates."""
    try:
        upstream_id.encode()
    except UnicodeEncodeError:
        return False
    return True


def _in_member(
    reader: BundleReader, member: Member, listed: Mapping[str, Member], upstream_id: str
) -> Iterator[FoundRecord]:
    read_page = partial(reader.read, f"{index_stem(member.path)}.pages")
    entries = list(lookup(_root(reader, member, listed), id_hash(upstream_id), read_page))
    if not entries:
        return
    frames = frame_table(reader, member, listed)
    entries.sort(key=lambda entry: (entry.frame, entry.offset))
    for _, line in read_lines(reader, member, frames, entries):
        # Ids are hashed to 64 bits: another id may share the hash.
        if id_of(member.path, line) == upstream_id:
            yield FoundRecord(member.path, line)


def iterate_lines(reader: BundleReader, member: Member) -> Iterator[bytes]:
    """Yield the lines of a framed member, their newlines included, a few frames in memory at a time.

    Raises:
        FormatError: A frame is damaged, or, after the last line, the frames are not those export.json stands for.
    """
    digest = FramesDigest()
    limit = min(MAX_FRAME, member.plain_bytes or 0)
    for frame in read_frames(reader.stream(member.path), limit=limit, workers=1, keep=True):
        digest.add(frame.row.plain_bytes, frame.row.sha256)
        yield from (line + b"\n" for line in frame.plain.split(b"\n")[:-1])
    if digest.hexdigest() != member.frames_sha256:
        raise FormatError(f"{member.path} does not hold the frames that export.json stands for")


def read_lines(
    reader: BundleReader, member: Member, frames: list[FrameEntry], entries: Iterable[IndexEntry]
) -> Iterator[tuple[IndexEntry, bytes]]:
    """Yield each entry with the line it points to, checked against its digest.

    A frame is read once, and only as far as its last entry, as long as entries of it follow one another: sort them by
    frame and offset.

    Raises:
        FormatError: A line is not the one that the index stands for.
    """
    for number, group in itertools.groupby(entries, key=lambda entry: entry.frame):
        if number >= len(frames):
            raise FormatError(f"{member.path}: the index points to frame {number}, which does not exist")
        wanted = list(group)
        plain = FrameText(reader, member, frames[number]).until_line(max(entry.offset for entry in wanted))
        for entry in wanted:
            line = plain[entry.offset : plain.find(b"\n", entry.offset) + 1]
            if hashlib.sha256(line).digest() != entry.line_sha256:
                raise FormatError(f"{member.path}: a record is not the one that the index stands for")
            yield entry, line


def frame_table(reader: BundleReader, member: Member, listed: Mapping[str, Member]) -> list[FrameEntry]:
    """Return the frame table of a member.

    Args:
        reader: The bundle.
        member: A framed member.
        listed: All members of export.json by path.

    Raises:
        FormatError: It is missing, is not the one that export.json lists, or is another member's.
    """
    name = f"{index_stem(member.path)}.frames"
    if name not in listed:
        raise FormatError(f"{member.path} has no frame table")
    frames = parse_entries(checked_member(reader, listed[name]))
    if frames_sha256((row.plain_bytes, row.sha256) for row in frames) != member.frames_sha256:
        raise FormatError(f"{name} does not list the frames that export.json stands for")
    return frames


def index_pages(reader: BundleReader, member: Member, listed: Mapping[str, Member]) -> Iterator[bytes]:
    """Yield the pages of a member's index in order.

    Raises:
        FormatError: The index is missing, is not the one that export.json stands for, or is not sorted.
    """
    root = _root(reader, member, listed)
    read_page = partial(reader.read, f"{index_stem(member.path)}.pages")
    last = b""
    for number in range(len(root) // ROOT_ENTRY_BYTES):
        page = checked_page(root, number, read_page, size=PAGE_BYTES)
        last = check_page(page, last)
        yield page


def _root(reader: BundleReader, member: Member, listed: Mapping[str, Member]) -> bytes:
    name = f"{index_stem(member.path)}.root"
    if name not in listed:
        raise FormatError(f"{member.path} has no index root")
    return checked_member(reader, listed[name])


def checked_member(reader: BundleReader, member: Member) -> bytes:
    """Return a small member of the payload.

    Raises:
        FormatError: It is larger than MAX_TABLE, or not the one that export.json lists.
    """
    if member.bytes > MAX_TABLE:
        raise FormatError(f"{member.path} has {member.bytes} bytes; at most {MAX_TABLE} are read")
    data = reader.read(member.path)
    if hashlib.sha256(data).hexdigest() != member.sha256:
        raise FormatError(f"{member.path} is not the one that export.json lists")
    return data
