"""A folder for staged rows that lasts as long as one ingest call, and goes also when the call did not end well."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.errors import UNWRITABLE, StorageError, reason_of
from evidence.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evidence.store import Store

PREFIX = ".ingest-"
ALIVE = "alive"
"""Name of a file that is locked for as long as the process that made the folder lives."""


@contextmanager
def scratch_folder(store: Store) -> Iterator[Path]:
    """Make a folder below the store, so that rows are staged on its disk.

    What calls that were killed left is removed on the way: their folders, and what they wrote to tables.

    Raises:
        StorageError: It cannot be made, or what is written below it cannot be written.
    """
    try:
        # Under the lock nobody takes a folder for abandoned that is only not locked yet.
        with store.lock():
            _remove_abandoned(store.folder)
            sweep(store)
            made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=store.folder, ignore_cleanup_errors=True)
            alive = Path(made.name, ALIVE).open("w")  # noqa: SIM115 - it is closed below
            fcntl.flock(alive, fcntl.LOCK_EX)
        with made as folder, alive:
            yield Path(folder)
    except OSError as error:
        raise StorageError(
            f"the store {store.root} cannot be written: {reason_of(error)}", advice=UNWRITABLE
        ) from error


def _remove_abandoned(root: Path) -> None:
    for folder in root.glob(f"{PREFIX}*"):
        if _is_abandoned(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / ALIVE).open("w") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return folder.is_dir()
    return True
