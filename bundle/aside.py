"""Writing aside: a file or folder appears under its name only when all of it is on the disk.

Until then it has a name that nobody can foresee, and that was free: what somebody put there, a link above all, is never
followed, written to or removed.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from bundle.durable import make_durable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def file_aside(out: Path) -> Iterator[BinaryIO]:
    """Yield a new file beside ``out``; rename it there when the block ends well, else remove it.

    The block has the disk keep what it wrote.

    Raises:
        FileExistsError: At ``out`` is something special, such as a device, which a rename would replace for everybody;
            or the name beside it is taken.
    """
    beside = _beside(out)
    with _open_new(beside) as file, _renamed(beside, out):
        yield file


@contextmanager
def folder_aside(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out``; rename it there when the block ends well, else remove it.

    The names in it and in its folders are on the disk then; the block has it keep the files.

    Raises:
        FileExistsError: As above.
    """
    beside = _beside(out)
    beside.mkdir()
    with _renamed(beside, out):
        yield beside
        for folder in (path for path in beside.rglob("*") if path.is_dir()):
            make_durable(folder)
        make_durable(beside)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, and have the disk keep their names."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        make_durable(path.parent)


def write_member(folder: Path, name: str, pieces: Iterator[bytes]) -> int:
    """Write one member below a folder, flushed to disk; return its size."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for piece in pieces:
            file.write(piece)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return size


def _beside(out: Path) -> Path:
    if out.exists() and not (out.is_file() or out.is_dir()):
        raise FileExistsError(errno.EEXIST, "it exists, and is no plain file or folder", str(out))
    return out.with_name(f".{secrets.token_hex(8)}.partial")


def _open_new(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "wb")


@contextmanager
def _renamed(beside: Path, out: Path) -> Iterator[None]:
    try:
        yield
        beside.rename(out)
        make_durable(out.parent)
    except BaseException:
        _remove(beside)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
