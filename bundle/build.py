"""Writing a bundle: members in their fixed order into one of the layouts, atomically.

Everything is written aside, flushed to disk, and renamed into place: there is a whole bundle or none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from bundle import seekable, tar
from bundle.envelope import CHECKSUMS, FIRST, KEY, checksums
from bundle.errors import FormatError, UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bundle.manifest import Member

Layout = Literal["tar.zst", "dir"]
PIECE = 1 << 20


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


class TarZstWriter:
    """Writes members into a seekable ``.tar.zst``, hashing what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to an open file, from its beginning."""
        self._file = file
        self._digest = hashlib.sha256()
        self._open = bytearray()
        self._total = 0
        self.written = 0

    def add(self, name: str, size: int, pieces: Iterator[bytes]) -> None:
        """Append one member of exactly ``size`` bytes.

        Raises:
            FormatError: The pieces hold another number of bytes.
        """
        self._feed(tar.header(name, size))
        seen = 0
        for piece in pieces:
            seen += len(piece)
            self._feed(piece)
        if seen != size:
            raise FormatError(f"{name} was to hold {size} bytes, and held {seen}")
        self._feed(tar.padding(size))

    def finish(self) -> str:
        """End the archive and return its SHA-256."""
        self._feed(tar.END)
        if self._open:
            self._emit(seekable.frame(bytes(self._open)))
        self._emit(seekable.seek_table(self._total))
        return self._digest.hexdigest()

    def _feed(self, data: bytes) -> None:
        self._total += len(data)
        self._open += data
        while len(self._open) >= seekable.CHUNK:
            self._emit(seekable.frame(bytes(self._open[: seekable.CHUNK])))
            del self._open[: seekable.CHUNK]

    def _emit(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.written += len(data)


def write_bundle(
    out: Path, *, layout: Layout, envelope: Mapping[str, bytes], payload: Sequence[PayloadFile]
) -> Written:
    """Write a bundle at ``out``.

    Args:
        out: Path of the file or folder; an existing file is replaced, an existing folder is not.
        layout: "tar.zst" or "dir".
        envelope: Every envelope member but checksums.txt.
        payload: Payload members in the order of export.json.

    Raises:
        UnreadableError: The disk is full, or the place cannot be written. Nothing is left there.
    """
    digests = {name: hashlib.sha256(envelope[name]).hexdigest() for name in FIRST}
    digests |= {file.member.path: file.member.sha256 for file in payload}
    digests[KEY] = hashlib.sha256(envelope[KEY]).hexdigest()
    small = {**envelope, CHECKSUMS: checksums(digests)}
    try:
        return (_write_file if layout == "tar.zst" else _write_folder)(out, small, payload)
    except OSError as error:
        raise UnreadableError(
            f"the bundle {out} could not be written: {error.strerror or error}",
            advice="Nothing was left behind; make room or choose another place with --out.",
        ) from error


def _write_file(out: Path, small: Mapping[str, bytes], payload: Sequence[PayloadFile]) -> Written:
    with aside(out) as partial, partial.open("wb") as file:
        writer = TarZstWriter(file)
        for name in FIRST:
            writer.add(name, len(small[name]), iter([small[name]]))
        for item in payload:
            writer.add(item.member.path, item.member.bytes, read_pieces(item.path))
        for name in (CHECKSUMS, KEY):
            writer.add(name, len(small[name]), iter([small[name]]))
        digest = writer.finish()
        file.flush()
        os.fsync(file.fileno())
    return Written(out, digest, writer.written)


def _write_folder(out: Path, small: Mapping[str, bytes], payload: Sequence[PayloadFile]) -> Written:
    total = 0
    with aside(out) as partial:
        partial.mkdir()
        for name in (*FIRST, CHECKSUMS, KEY):
            total += write_member(partial, name, iter([small[name]]))
        for item in payload:
            total += write_member(partial, item.member.path, read_pieces(item.path))
    return Written(out, None, total)


def write_member(folder: Path, name: str, pieces: Iterator[bytes]) -> int:
    """Write one member below a folder, flushed to disk; return its size."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return size


@contextmanager
def aside(out: Path) -> Iterator[Path]:
    """Yield a path beside ``out``; rename it there when the block ends well, else remove it."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.rename(out)
        _sync_folder(out.parent)
    except BaseException:
        _remove(partial)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        yield from pieces_of(file.read)


def pieces_of(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield what ``read`` returns until it returns nothing."""
    while piece := read(PIECE):
        yield piece
