"""Extracting: verify while writing aside, and keep the result only when every step has passed."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from bundle.build import aside
from bundle.errors import UnreadableError
from bundle.verify import Verified, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bundle.keys import PublicKey


def extract(source: Path | BinaryIO, folder: Path, *, keys: Sequence[PublicKey]) -> Verified:
    """Verify a bundle and write its members into a new or empty folder.

    Raises:
        VerificationError: A step failed; nothing is left in the folder.
        UnreadableError: The folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnreadableError(f"{folder} is not an empty folder", advice="Name a new one.")
    with _telling(folder), aside(folder) as partial:
        partial.mkdir(parents=True)
        with closing(_Writer(partial)) as writer:
            verified = verify(source, keys=keys, consume=writer.write)
        if folder.exists():
            folder.rmdir()
    return verified


@contextmanager
def _telling(folder: Path) -> Iterator[None]:
    """Say of errors of the disk which folder they are about."""
    try:
        yield
    except OSError as error:
        raise UnreadableError(
            f"{folder} cannot be written: {error.strerror or error}", advice="Make room, or name another folder."
        ) from error


class _Writer:
    """Writes members as their pieces arrive; one file is open at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._file: BinaryIO | None = None

    def write(self, name: str, piece: bytes) -> None:
        """Take the next piece of a member, whose name ``verify`` has found safe."""
        with _telling(self._folder):
            self._write(name, piece)

    def _write(self, name: str, piece: bytes) -> None:
        if name != self._name:
            self._open(name)
        if self._file is not None:
            self._file.write(piece)

    def close(self) -> None:
        """End the last member."""
        if self._file is not None:
            self._file.close()

    def _open(self, name: str) -> None:
        self.close()
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._file = name, path.open("xb")
