"""Files of members on their way into a bundle, hashed while they are written."""

from __future__ import annotations

import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

from adapters.adapter import StagedMember
from bundle.manifest import Member

if TYPE_CHECKING:
    from pathlib import Path


class StagedFile:
    """A new file that knows its size and its SHA-256."""

    def __init__(self, path: Path) -> None:
        """Create the file."""
        self.path = path
        self.bytes = 0
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._sha256.update(data)
        self.bytes += len(data)

    def close(self) -> None:
        """Hand everything to the operating system; closing twice does no harm."""
        self._file.close()

    def member(self, name: str, media_type: str) -> StagedMember:
        """Close the file and return the member that it is."""
        self.close()
        listed = Member(path=name, media_type=media_type, bytes=self.bytes, sha256=self.sha256)
        return StagedMember(member=listed, path=self.path)


def stage_bytes(data: bytes, path: Path, *, name: str, media_type: str) -> StagedMember:
    """Write a small member and return it."""
    file = StagedFile(path)
    with closing(file):
        file.write(data)
        return file.member(name, media_type)
