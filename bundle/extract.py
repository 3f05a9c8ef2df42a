"""Extracting: verify while writing aside, and keep the result only when every step has passed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from bundle.build import aside
from bundle.errors import UnreadableError, VerificationError
from bundle.verify import Verified, verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bundle.keys import PublicKey

SAFE_NAME = re.compile(
    r"(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*(/[A-Za-z0-9_@+=,][A-Za-z0-9._@+=,-]*)*"
)
"""Names of members: relative, without ".", "..", hidden or empty parts, so that none can leave the folder."""


def extract(source: Path | BinaryIO, folder: Path, *, keys: Sequence[PublicKey]) -> Verified:
    """Verify a bundle and write its members into a new or empty folder.

    Raises:
        VerificationError: A step failed; nothing is left in the folder.
        UnreadableError: The folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnreadableError(f"{folder} is not an empty folder", advice="Name a new one.")
    try:
        with aside(folder) as partial:
            partial.mkdir(parents=True)
            writer = _Writer(partial)
            try:
                verified = verify(source, keys=keys, consume=writer.write)
            finally:
                writer.close()
            if folder.exists():
                folder.rmdir()
    except OSError as error:
        raise UnreadableError(f"{folder} cannot be written: {error.strerror or error}") from error
    return verified


class _Writer:
    """Writes members as their pieces arrive; one file is open at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._file: BinaryIO | None = None

    def write(self, name: str, piece: bytes) -> None:
        if name != self._name:
            self._open(name)
        if self._file is not None:
            self._file.write(piece)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self, name: str) -> None:
        self.close()
        if not SAFE_NAME.fullmatch(name):
            raise VerificationError(5, name, "the name could leave the folder it is extracted to")
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._file = name, path.open("xb")
