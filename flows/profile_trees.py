"""Trees of the repository of profiles: what is in them, and in which profiles two of them differ."""

from __future__ import annotations

import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from dulwich.objects import ObjectID, Tree, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dulwich.object_store import BaseObjectStore

PROFILE_PATH = re.compile(r"((?P<tenant>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})/)?(?P<id>[a-z0-9-]{1,63})\.yaml", re.ASCII)
"""Files that count as profiles: those of a tenant in its folder, and at the root those that all tenants share."""

TREES = 32
"""How many trees are remembered."""

Entries = dict[bytes, tuple[int, ObjectID]]
"""A tree: name to mode and object."""

NOTHING = (0, ObjectID(b""))


class Change(NamedTuple):
    """One file that a commit changed: its blob, None when the commit removed it."""

    path: str
    blob: str | None


class Trees:
    """Reads trees; None stands for the empty one. Not for several threads at once."""

    def __init__(self, objects: BaseObjectStore) -> None:
        """Read from the objects of a repository."""
        self._objects = objects
        self._known: dict[str, Entries] = {}

    def between(self, old: str | None, new: str | None) -> Iterator[Change]:
        """Yield the profiles that differ between two trees, those at the root first."""
        yield from self._differing(old, new, "")
        for name in self._changed_names(old, new):
            yield from self._differing(self.below(old, name), self.below(new, name), f"{_text(name)}/")

    def _differing(self, old: str | None, new: str | None, prefix: str) -> Iterator[Change]:
        for name in self._changed_names(old, new):
            mode, blob = self.entries(new).get(name, NOTHING)
            path = f"{prefix}{_text(name)}"
            if PROFILE_PATH.fullmatch(path):
                yield Change(path, blob.decode() if stat.S_ISREG(mode) else None)

    def _changed_names(self, old: str | None, new: str | None) -> list[bytes]:
        return sorted({name for name, _ in self.entries(old).items() ^ self.entries(new).items()})

    def entries(self, tree: str | None) -> Entries:
        """Return what is in a tree; neighbours in history share most trees, so the last few are remembered."""
        if tree is None:
            return {}
        if tree not in self._known:
            while len(self._known) >= TREES:
                del self._known[next(iter(self._known))]
            kind, raw = self._objects.get_raw(ObjectID(tree.encode()))
            if kind != Tree.type_num:
                raise TypeError(f"{tree} is no tree")
            self._known[tree] = {name: (mode, ObjectID(found)) for name, mode, found in parse_tree(raw, 20)}
        return self._known[tree]

    def below(self, tree: str | None, name: bytes) -> str | None:
        """Return the tree of a folder in a tree."""
        mode, found = self.entries(tree).get(name, NOTHING)
        return found.decode() if stat.S_ISDIR(mode) else None


def _text(name: bytes) -> str:
    return name.decode(errors="replace")
