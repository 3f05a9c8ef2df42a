"""Reading compressed files and JSON lines as streams; input that ends too early is an error, never a short read."""

# ruff: noqa: SIM115 - openers hand files to a context manager

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

BLOCK_BYTES = 1 << 20

READ_ERRORS = (
    OSError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    pa.ArrowException,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the libraries raise over damaged, encrypted or unreadable input."""


class Readable(Protocol):
    """Something with bytes to read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def _zstd(path: Path) -> BinaryIO:
    # Arrow's stream goes on after the first frame and refuses a truncated last one; zstandard.open does neither.
    return cast("BinaryIO", pa.input_stream(str(path), compression="zstd"))


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


def split_lines(file: Readable, limit: int) -> Iterator[bytes | None]:
    """Yield the lines of a file without their line feeds; None stands for one of more than ``limit`` bytes."""
    parts: list[bytes] = []
    size = 0
    while block := file.read(BLOCK_BYTES):
        *ended, last = block.split(b"\n")
        for piece in ended:
            yield b"".join((*parts, piece)) if size + len(piece) <= limit else None
            parts, size = [], 0
        size += len(last)
        parts = [*parts, last] if size <= limit else []
    if size:
        yield b"".join(parts) if size <= limit else None
