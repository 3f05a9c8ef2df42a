"""What a broken repository of profiles raises, told so that people can read it."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dulwich.errors import ChecksumMismatch, FileFormatException, NotGitRepository

from flows.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BROKEN = (
    KeyError, ValueError, TypeError, AssertionError, AttributeError, ChecksumMismatch, FileFormatException,
    struct.error, zlib.error,
)  # fmt: skip
"""What dulwich raises on damaged repositories."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn what a broken repository raises into an error that people can read.

    Raises:
        StorageError: The repository cannot be read.
    """
    try:
        yield
    except NotGitRepository as error:
        raise StorageError(
            f"{path} is no git repository",
            advice="Set `profiles` to a git repository, or to a folder that is not there yet.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"the profiles in {path} cannot be used: {error.filename or ''}: {error.strerror or error}",
            advice="Check that the folder is there and may be written.",
        ) from error
    except _BROKEN as error:
        raise StorageError(
            f"the profiles in {path} cannot be read: {type(error).__name__}: {error}", advice="Run `git fsck` there."
        ) from error
