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
    NotImplementedError,  # zipfile, over a compression method or version that it does not know
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


class Forward:
    """A stream that knows its position and goes only forward, for a reader that wants a file.

    The sizes that it is asked for are whatever an archive says: a leap beyond its end stops there, and more than
    ``most`` bytes are never read at once.
    """

    def __init__(self, stream: Readable, most: int) -> None:
        self._stream = stream
        self._most = most
        self._position = 0

    def tell(self) -> int:
        """Return how many bytes were read."""
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end.

        Raises:
            ValueError: That is more than may be read at once.
        """
        if size > self._most:
            raise ValueError("the archive is damaged: it has a header of an impossible size")
        data = self._stream.read(size)
        self._position += len(data)
        return data

    def seek(self, position: int, /) -> None:
        """Read on to a position, or to the end.

        Raises:
            ValueError: The position is behind the present one.
        """
        if position < self._position:
            raise ValueError("the archive is damaged: a member lies before the one that precedes it")
        while position > self._position and self.read(min(BLOCK_BYTES, position - self._position)):
            pass


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
