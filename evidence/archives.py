"""The members of tar and zip archives, one document after another; nothing is written to disk, no link is followed."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from evidence.found import DEVICE, LINK, Document, documents_in
from evidence.names import PLAIN_LINES, member_locator
from evidence.streams import BLOCK_BYTES, READ_ERRORS, Forward, plain_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evidence.found import Limits, Reading


HEADER_BYTES = 1 << 20
"""At least so much may be read at once, whatever the limits are: headers with long names."""


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


class _Member(tarfile.TarInfo):
    """A member whose archive learns when its end mark was seen; a tar that just stops is damaged, not finished."""

    @classmethod
    def fromtarfile(cls, archive: Any) -> Any:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in the stubs
            archive.complete = True
            raise


def tar_documents(path: Path, source: str, reading: Reading) -> Iterator[Document]:
    """Yield the documents of a tar archive, compressed or not.

    Raises:
        Exception: One of READ_ERRORS, when it cannot be read to its end.
    """
    budget = _Budget(reading.limits)
    with (
        plain_file(path) as file,
        tarfile.TarFile(
            fileobj=cast("Any", Forward(file, max(reading.limits.document + 1, HEADER_BYTES))),
            tarinfo=_Member,
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive,
    ):
        first = None
        for member in archive:
            name = member.name.encode("utf-8", "surrogateescape")
            first = name if first is None else first
            if not member.isdir():
                budget.spend(member.size)
                locator = member_locator(name, first)
                yield from _tar_member(archive, member, Document(source, locator, b"", locator), reading)
            archive.members = []  # type: ignore[attr-defined]  # it would remember every member
        if not getattr(archive, "complete", False):
            raise tarfile.ReadError("the archive is damaged, or ends before its end mark")
        # Only when all is read has a decompressor checked what came before.
        while block := file.read(BLOCK_BYTES):
            if block.strip(b"\0"):
                raise tarfile.ReadError("the archive goes on after its end mark: joined archives are not read")


def _tar_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, empty: Document, reading: Reading
) -> Iterator[Document]:
    content = archive.extractfile(member) if member.isreg() else None
    if content is None:
        yield replace(empty, problem=LINK if member.issym() or member.islnk() else DEVICE)
    else:
        yield from documents_in(content, empty, reading, lines=member.name.lower().endswith(PLAIN_LINES))


def zip_documents(path: Path, source: str, reading: Reading) -> Iterator[Document]:
    """Yield the documents of a zip archive; a member that cannot be read is one with a problem.

    Raises:
        Exception: One of READ_ERRORS, when the archive as a whole cannot be read.
    """
    budget = _Budget(reading.limits)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            if not member.is_dir():
                budget.spend(member.file_size)
                locator = member_locator(_zip_name(member), _zip_name(members[0]))
                yield from _zip_member(archive, member, Document(source, locator, b"", locator), reading)


def _zip_name(member: zipfile.ZipInfo) -> bytes:
    # Without this flag the name is of unknown encoding: zipfile reads it as code page 437, which loses no byte.
    return member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437")


def _zip_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, empty: Document, reading: Reading
) -> Iterator[Document]:
    if stat.S_ISLNK(member.external_attr >> 16):
        yield replace(empty, problem=LINK)
        return
    try:
        with archive.open(member) as content:
            yield from documents_in(content, empty, reading, lines=member.filename.lower().endswith(PLAIN_LINES))
    except READ_ERRORS as error:
        yield replace(empty, problem=f"the member cannot be read: {error}", broken=True)
