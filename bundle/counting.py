"""Tables of counts: which values one lists, and how one is counted again without keeping more values than it lists."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTED = 5_000
"""Values that a table of counts lists."""

LONGEST = 200
"""Bytes of the longest value that is listed, as it stands in JSON."""

OTHERS = "(other)"
"""Stands in a table of counts for all values that are not listed."""


def listed(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the most frequent values of a table of counts, and the sum of all others.

    Evidence states what it likes, and export.json has to stay of a size that verifiers take: without bounds, a single
    document with a word of megabytes would keep a store from being exported.
    """
    short = sorted((name for name in counts if _fits(name)), key=lambda name: (-counts[name], name))[:LISTED]
    kept = {name: counts[name] for name in short}
    if rest := sum(counts.values()) - sum(kept.values()):
        kept[OTHERS] = kept.get(OTHERS, 0) + rest
    return kept


class Recounted:
    """Counts the values again that a table states.

    Law: a table that ``listed`` made agrees with the values it was made of. Memory: a number a value that the table
    lists, so that of a full table it is not known whether a value it leaves out is more frequent than one it lists.
    """

    def __init__(self, stated: Mapping[str, int]) -> None:
        """Start before the first value."""
        self._stated = stated
        self._found = {name: 0 for name in stated if name != OTHERS}
        self._rest = 0
        self._has_others = self._left_out = False

    def add(self, value: str) -> None:
        """Count a value."""
        if value in self._found:
            self._found[value] += 1
            return
        self._rest += 1
        # A value may itself be called like the sum of the others, into which it goes.
        self._has_others = self._has_others or value == OTHERS
        self._left_out = self._left_out or (value != OTHERS and _fits(value))

    def agrees(self) -> bool:
        """Whether the table is one that lists these values."""
        rest = {OTHERS: self._rest} if self._rest else {}
        may_leave_out = len(self._found) + self._has_others >= LISTED
        return (
            {**self._found, **rest} == self._stated
            and len(self._found) <= LISTED
            and all(map(_fits, self._found))
            and all(self._found.values())
            and (may_leave_out or not self._left_out)
        )


def _fits(name: str) -> bool:
    return len(name) <= LONGEST and len(json.dumps(name, ensure_ascii=False).encode()) <= LONGEST
