"""Taking out of a store what calls that were killed left in it: parts that no snapshot names.

Parts are written and committed under the store's lock only, so whoever holds it sees none that a call at work still
needs. Readers use files that a snapshot names, and those stay.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from evidence.errors import StorageError
from evidence.parts import is_part
from evidence.store import PINNED, SNAPSHOTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from evidence.store import Snapshot, Store


def sweep(store: Store) -> int:
    """Remove parts that no snapshot names; return how many. The caller holds the store's lock.

    A table that cannot be read keeps all it has: whoever uses it will say what is wrong with it.
    """
    removed = 0
    with suppress(StorageError):
        newest = store.snapshot()
        for table in (*PINNED, SNAPSHOTS):
            with suppress(StorageError):
                removed += _remove(_unnamed(store, newest, table))
    return removed


def _unnamed(store: Store, newest: Snapshot, table: str) -> list[Path]:
    """Return the parts in a table's folder that are of no snapshot, having taken them out of the table."""
    tables = store.tables
    if not tables.exists(table):
        return []
    present = tables.files(table)
    named = present if table == SNAPSHOTS else store.files(newest, table)
    if set(present) != set(named):
        # Killed after a commit, before its snapshot: the table's present version must not name what goes.
        pinned = newest.tables.get(table)
        tables.put_back(table, None if pinned is None else pinned.version)
    found = [path for path in (tables.folder / table).iterdir() if is_part(path) and str(path) not in set(named)]
    # Rarely is anything left to look for in older snapshots, of which there may be thousands.
    older = _of_all(store, table) if found else set()
    return [path for path in found if str(path) not in older]


def _of_all(store: Store, table: str) -> set[str]:
    """Return the files of a table that any snapshot names."""
    versions = {each.tables[table].version for each in store.snapshots() if table in each.tables}
    return {file for version in versions for file in store.tables.files(table, version)}


def _remove(paths: Iterable[Path]) -> int:
    count = 0
    for path in paths:
        with suppress(OSError):
            path.unlink()
            count += 1
    return count
