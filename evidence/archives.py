"""Walking what is to be ingested: folders, archives, JSON lines and single files, one document after another.

Nothing is written to disk, and links are reported, never followed. Every file and every member is yielded: what
cannot be read comes as a document with a problem, so that nothing disappears without a word.
"""

from __future__ import annotations

import itertools
import os
import stat
import tarfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from evidence.names import ARCHIVE_SUFFIXES, LINES_SUFFIXES, PLAIN_LINES, locator_of, source_name
from evidence.streams import READ_ERRORS, plain_file, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence.streams import Readable

LINK = "a link: links are not followed"
DEVICE = "a device, pipe or socket: only files are read"
EMPTY_LINES = "a file of JSON lines without a line"


@dataclass(frozen=True)
class Limits:
    """How much is read: of one document in bytes, and of one archive in members and in plain bytes."""

    document: int = 256 << 20
    members: int = 10_000_000
    archive: int = 1 << 40


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Document:
    """One document found.

    Attributes:
        source: Name of the feed it belongs to.
        locator: Where it lies below its path or archive, "/"-separated; empty for a line of a JSON lines file.
        data: Its bytes.
        origin: The locator of the file that it is, or is a line of.
        file: Number of that file in this walk.
        line: Number of the line, from 1; 0 when the document is a whole file.
        problem: Why it cannot be read, as a sentence; empty when it can.
        broken: Whether reading failed, so that there may be more than was seen.
    """

    source: str
    locator: str
    data: bytes
    origin: str
    file: int = 0
    line: int = 0
    problem: str = ""
    broken: bool = False


class _Reading(NamedTuple):
    """What one walk carries along: its limits, and the numbers of its files."""

    limits: Limits
    files: Iterator[int]


@dataclass
class _Budget:
    """What an archive may still cost."""

    limits: Limits
    members: int = 0
    size: int = 0

    def spend(self, size: int) -> None:
        self.members += 1
        self.size += size
        if self.members > self.limits.members:
            raise ValueError(f"it has more than {self.limits.members:,} members")
        if self.size > self.limits.archive:
            raise ValueError(f"it holds more than {self.limits.archive >> 20:,} MiB")


def walk(paths: list[Path], source: str | None, limits: Limits = DEFAULT_LIMITS) -> Iterator[Document]:
    """Yield every document below some paths, in a fixed order.

    Args:
        paths: Folders, archives or files.
        source: The feed's name; derived from each archive or folder when None.
        limits: How much is read of one document and of one archive.
    """
    reading = _Reading(limits, itertools.count(1))
    for path in paths:
        if path.is_dir():
            yield from _folder(path, source, reading)
        else:
            own = source or source_name(path, alone=True)
            yield from _file(path, locator_of(os.fsencode(path.name)), own, reading)


def _folder(folder: Path, source: str | None, reading: _Reading) -> Iterator[Document]:
    own = source or source_name(folder)
    for path, problem in _entries(os.fsencode(folder)):
        found = Path(os.fsdecode(path))
        locator = locator_of(os.path.relpath(path, os.fsencode(folder)))
        if problem:
            yield Document(own, locator, b"", locator, problem=problem, broken=problem not in (LINK, DEVICE))
        else:
            inside = source_name(found) if _is_archive(found.name) else own
            yield from _file(found, locator, source or inside, reading)


def _entries(folder: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield (path, problem) of every entry that is no folder, depth first, in the order of bytes."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"the folder cannot be read: {error.strerror or error}"
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(entry.path)
        elif entry.is_file(follow_symlinks=False):
            yield entry.path, ""
        else:
            yield entry.path, LINK if entry.is_symlink() else DEVICE


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def _file(path: Path, locator: str, source: str, reading: _Reading) -> Iterator[Document]:
    name = path.name.lower()
    empty = Document(source, locator, b"", locator)
    try:
        if name.endswith(".zip"):
            yield from _zip(path, source, reading)
        elif _is_archive(name):
            yield from _tar(path, source, reading)
        else:
            with plain_file(path) as file:
                yield from _documents(file, empty, reading, lines=name.endswith(LINES_SUFFIXES))
    except READ_ERRORS as error:
        data = _packed_bytes(path, reading.limits.document)
        yield replace(empty, data=data, problem=f"cannot be read to its end: {error}", broken=True)


def _packed_bytes(path: Path, limit: int) -> bytes:
    """Return a damaged file as it lies on disk, for the quarantine; nothing when it is too large or unreadable."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        return b""
    return data if len(data) <= limit else b""


class _Member(tarfile.TarInfo):
    """A member whose archive learns when its end mark was seen; a tar that just stops is damaged, not finished."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in the stubs
            archive.complete = True
            raise


def _tar(path: Path, source: str, reading: _Reading) -> Iterator[Document]:
    budget = _Budget(reading.limits)
    with (
        plain_file(path) as file,
        tarfile.open(fileobj=file, mode="r|", tarinfo=_Member, encoding="utf-8", errors="surrogateescape") as archive,
    ):
        for member in archive:
            if not member.isdir():
                budget.spend(member.size)
                yield from _tar_member(archive, member, source, reading)
            archive.members = []  # type: ignore[attr-defined]  # it would remember every member
        if not getattr(archive, "complete", False):
            raise tarfile.ReadError("the archive is damaged, or ends before its end mark")


def _tar_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, source: str, reading: _Reading
) -> Iterator[Document]:
    locator = locator_of(member.name.encode("utf-8", "surrogateescape"))
    empty = Document(source, locator, b"", locator)
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        yield replace(empty, problem=LINK if member.issym() or member.islnk() else DEVICE)
    else:
        yield from _documents(content, empty, reading, lines=member.name.lower().endswith(PLAIN_LINES))


def _zip(path: Path, source: str, reading: _Reading) -> Iterator[Document]:
    budget = _Budget(reading.limits)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                budget.spend(member.file_size)
                yield from _zip_member(archive, member, source, reading)


def _zip_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, source: str, reading: _Reading
) -> Iterator[Document]:
    # Without this flag the name is of unknown encoding: zipfile reads it as code page 437, which loses no byte.
    utf8 = member.flag_bits & 0x800
    name = member.orig_filename.encode("utf-8" if utf8 else "cp437")
    empty = Document(source, locator_of(name), b"", locator_of(name))
    if stat.S_ISLNK(member.external_attr >> 16):
        yield replace(empty, problem=LINK)
        return
    try:
        with archive.open(member) as content:
            yield from _documents(content, empty, reading, lines=member.filename.lower().endswith(PLAIN_LINES))
    except READ_ERRORS as error:
        yield replace(empty, problem=f"the member cannot be read: {error}", broken=True)


def _documents(file: Readable, empty: Document, reading: _Reading, *, lines: bool) -> Iterator[Document]:
    """Yield the one document of a file, or one for each line that is not blank."""
    limit = reading.limits.document
    too_large = f"larger than the {limit >> 20} MiB a document may have"
    empty = replace(empty, file=next(reading.files))
    if not lines:
        data = file.read(limit + 1)
        yield replace(empty, data=data) if len(data) <= limit else replace(empty, problem=too_large)
        return
    blank = True
    for number, line in enumerate(split_lines(file, limit), start=1):
        if line is None:
            yield replace(empty, locator=f"{empty.origin}#{number}", line=number, problem=too_large)
        elif line.strip():
            yield replace(empty, locator="", line=number, data=line)
        blank = blank and line is not None and not line.strip()
    if blank:
        yield replace(empty, problem=EMPTY_LINES)
