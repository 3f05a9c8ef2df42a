"""Extracting: verify while writing aside, and keep the result only when every step has passed."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from bundle.aside import folder_aside, make_folders
from bundle.errors import UnreadableError
from bundle.verify import Verified, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bundle.keys import PublicKey


def extract(
    source: Path | BinaryIO,
    folder: Path,
    *,
    keys: Sequence[PublicKey],
    progress: Callable[[str, bytes], object] = lambda *_: None,
) -> Verified:
    """Verify a bundle and write its members into a new or empty folder. It is on the disk when this returns.

    Args:
        source: As ``verify`` takes it.
        folder: Where to.
        keys: Public keys the caller trusts.
        progress: Called with (member, piece) for all that was written.

    Raises:
        VerificationError: A step failed; nothing is left in the folder.
        UnreadableError: The folder is not empty, or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnreadableError(f"{folder} is not an empty folder", advice="Name a new one.")
    with _telling(folder):
        make_folders(folder.parent)
        with folder_aside(folder) as partial, closing(_Writer(partial, told=folder, progress=progress)) as writer:
            verified = verify(source, keys=keys, consume=writer.write)
            writer.finish()
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
    """Writes members as their pieces arrive, and has the disk keep each; one file is open at a time."""

    def __init__(self, folder: Path, *, told: Path, progress: Callable[[str, bytes], object]) -> None:
        self._folder, self._told, self._progress = folder, told, progress
        self._name = ""
        self._file: BinaryIO | None = None

    def write(self, name: str, piece: bytes) -> None:
        """Take the next piece of a member, whose name ``verify`` has found safe."""
        with _telling(self._told):
            if name != self._name:
                self._open(name)
            if self._file is not None:
                self._file.write(piece)
        self._progress(name, piece)

    def finish(self) -> None:
        """Return when the last member is on the disk; the others are."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def close(self) -> None:
        """End the last member, whatever of it was written."""
        if self._file is not None:
            self._file.close()

    def _open(self, name: str) -> None:
        self.finish()
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._name, self._file = name, path.open("xb")
