"""Walking what is to be ingested: folders, archives, JSON lines and single files, one document after another.

Nothing is written to disk and nothing outside the given paths is read: links are reported, never followed.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote_from_bytes

import zstandard

from evidence.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

MAX_DOCUMENT = 256 << 20
"""Bytes a document may have; larger ones are quarantined without their content."""

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
LINES_SUFFIXES = (".jsonl", ".ndjson", ".jsonl.zst", ".ndjson.zst")
KNOWN = sorted((*TAR_SUFFIXES, ".zip", *LINES_SUFFIXES), key=len, reverse=True)


@dataclass(frozen=True)
class Document:
    """One document found.

    Attributes:
        source: Name of the feed it belongs to.
        locator: Where it lies below its path or archive, "/"-separated.
        data: Its bytes.
        lines: Whether it is a file of JSON lines, each a document of its own.
        problem: Why it cannot be read, as a sentence; empty when it can.
    """

    source: str
    locator: str
    data: bytes
    lines: bool = False
    problem: str = ""


def walk(paths: list[Path], source: str | None) -> Iterator[Document]:
    """Yield every document below some paths, in a fixed order.

    Args:
        paths: Folders, archives or files.
        source: The feed's name; derived from each archive or folder when None.

    Raises:
        StorageError: A path is missing, or cannot be read.
    """
    for path in paths:
        try:
            if path.is_dir():
                yield from _folder(path, source)
            else:
                yield from _file(path, path.name, source or source_name(path, alone=True))
        except (OSError, tarfile.TarError, zipfile.BadZipFile, zstandard.ZstdError, EOFError, lzma.LZMAError) as error:
            raise StorageError(
                f"{path} cannot be read: {error}", advice="Nothing of this ingest was stored."
            ) from error


def source_name(path: Path, *, alone: bool = False) -> str:
    """Return the name of the feed in an archive or folder; a file that is alone belongs to ``local``."""
    name = path.name
    for suffix in KNOWN:
        if name.lower().endswith(suffix):
            return _clean(name[: -len(suffix)])
    return "local" if alone else _clean(path.resolve().name)


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-") or "local"


def _folder(folder: Path, source: str | None) -> Iterator[Document]:
    own = source or source_name(folder)
    for path in sorted(folder.rglob("*"), key=lambda each: str(each).encode("utf-8", "surrogateescape")):
        locator = locator_of(path.relative_to(folder).as_posix())
        if path.is_symlink():
            yield Document(own, locator, b"", problem="a link: links are not followed")
        elif path.is_file():
            inside = source or (source_name(path) if _is_archive(path.name) else own)
            yield from _file(path, locator, inside)


def _is_archive(name: str) -> bool:
    return name.lower().endswith((*TAR_SUFFIXES, ".zip"))


def _file(path: Path, locator: str, source: str) -> Iterator[Document]:
    name = path.name.lower()
    if name.endswith(".zip"):
        yield from _zip(path, source)
    elif name.endswith(TAR_SUFFIXES):
        with plain_file(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
            yield from _tar(archive, source)
    else:
        with plain_file(path) as file:
            yield _read(file, source, locator, lines=name.endswith(LINES_SUFFIXES))


def _tar(archive: tarfile.TarFile, source: str) -> Iterator[Document]:
    for member in archive:
        locator = locator_of(member.name)
        if member.isdir():
            continue
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            yield Document(source, locator, b"", problem="a link or device in an archive: only files are read")
        else:
            yield _read(cast("BinaryIO", content), source, locator, lines=member.name.endswith((".jsonl", ".ndjson")))


def _zip(path: Path, source: str) -> Iterator[Document]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            with archive.open(member) as content:
                lines = member.filename.endswith((".jsonl", ".ndjson"))
                yield _read(cast("BinaryIO", content), source, locator_of(member.filename), lines=lines)


def _read(file: BinaryIO, source: str, locator: str, *, lines: bool) -> Document:
    data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        return Document(source, locator, b"", problem=f"larger than the {MAX_DOCUMENT >> 20} MiB a document may have")
    return Document(source, locator, data, lines=lines)


def locator_of(name: str) -> str:
    """Return a path as UTF-8 text, injectively.

    Names that are not UTF-8, and those that could be mistaken for such, become "bytes:" and percent-encoding.
    """
    raw = name.removeprefix("./").encode("utf-8", "surrogateescape")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + quote_from_bytes(raw, safe="/")
    return "bytes:" + quote_from_bytes(raw, safe="/") if text.startswith("bytes:") else text


def _zstd(path: Path) -> BinaryIO:
    return cast("BinaryIO", zstandard.open(path, "rb"))


OPENERS: Mapping[str, Callable[[Path], BinaryIO]] = {
    ".zst": _zstd,
    ".gz": lambda path: cast("BinaryIO", gzip.open(path, "rb")),
    ".tgz": lambda path: cast("BinaryIO", gzip.open(path, "rb")),
    ".bz2": lambda path: cast("BinaryIO", bz2.open(path, "rb")),
    ".xz": lambda path: cast("BinaryIO", lzma.open(path, "rb")),
}
"""How to read compressed files, by their last suffix."""


@contextmanager
def plain_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file, decompressing it when its name says that it is compressed."""
    opener = OPENERS.get(path.suffix.lower())
    with opener(path) if opener else path.open("rb") as file:
        yield file
