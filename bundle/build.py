"""Writing a bundle: members in their fixed order into one of the layouts, atomically.

Everything is written aside, flushed to disk, and renamed into place: there is a whole bundle or none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from bundle.aside import file_aside, folder_aside, write_member
from bundle.container import PIECE
from bundle.durable import DurableWriter
from bundle.envelope import CHECKSUMS, FIRST, KEY, LAST, checksums
from bundle.errors import UnreadableError
from bundle.hashing import StreamDigest
from bundle.names import check_payload_names
from bundle.writers import TarZstWriter, ZipWriter, exactly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bundle.manifest import Member

    _Content = tuple[str, int, Callable[[], Iterator[bytes]]]

Layout = Literal["tar.zst", "zip", "dir"]
WRITERS: Mapping[str, type[TarZstWriter | ZipWriter]] = {"tar.zst": TarZstWriter, "zip": ZipWriter}
"""Writers of the layouts that are one file."""


@dataclass(frozen=True)
class PayloadFile:
    """A payload member, and the file that holds its bytes."""

    member: Member
    path: Path


@dataclass(frozen=True)
class Written:
    """A finished bundle; ``sha256`` is None for a folder, which has no bytes of its own."""

    path: Path
    sha256: str | None
    bytes: int


def write_bundle(
    out: Path, *, layout: Layout, envelope: Mapping[str, bytes], payload: Sequence[PayloadFile]
) -> Written:
    """Write a bundle at ``out``.

    Args:
        out: Path of the file or folder; an existing file is replaced, an existing folder is not.
        layout: "tar.zst", "zip" or "dir".
        envelope: Every envelope member but checksums.txt.
        payload: Payload members in the order of export.json.

    Raises:
        FormatError: A member has a name that is not allowed, or another size than its manifest entry.
        UnreadableError: The disk is full, or the place cannot be written.
        In both cases nothing is left there.
    """
    check_payload_names(file.member.path for file in payload)
    digests = {name: hashlib.sha256(envelope[name]).hexdigest() for name in FIRST}
    digests |= {file.member.path: file.member.sha256 for file in payload}
    digests[KEY] = hashlib.sha256(envelope[KEY]).hexdigest()
    small = {**envelope, CHECKSUMS: checksums(digests)}
    try:
        members = list(_members(small, payload))
        return _write_folder(out, members) if layout == "dir" else _write_file(out, WRITERS[layout], members)
    except OSError as error:
        raise UnreadableError(
            f"the bundle {out} could not be written: {error.strerror or error}",
            advice="Nothing was left behind; make room or choose another place with --out.",
        ) from error


def _members(small: Mapping[str, bytes], payload: Sequence[PayloadFile]) -> Iterator[_Content]:
    """Yield all members in the order of an archive."""
    for name in FIRST:
        yield name, len(small[name]), partial(_whole, small[name])
    for file in payload:
        yield file.member.path, file.member.bytes, partial(read_pieces, file.path)
    for name in LAST:
        yield name, len(small[name]), partial(_whole, small[name])


def _whole(data: bytes) -> Iterator[bytes]:
    yield data


def _write_file(out: Path, form: type[TarZstWriter | ZipWriter], members: Sequence[_Content]) -> Written:
    with file_aside(out) as raw, DurableWriter(raw) as file, StreamDigest() as digest:
        writer = form(file, digest)
        for name, size, content in members:
            writer.add(name, size, content)
        writer.finish()
        file.finish()
        return Written(out, digest.hexdigest(), writer.written)


def _write_folder(out: Path, members: Sequence[_Content]) -> Written:
    total = 0
    with folder_aside(out) as partly:
        for name, size, content in members:
            total += write_member(partly, name, exactly(name, size, content()))
    return Written(out, None, total)


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        yield from pieces_of(file.read)


def pieces_of(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield what ``read`` returns until it returns nothing."""
    while piece := read(PIECE):
        yield piece
