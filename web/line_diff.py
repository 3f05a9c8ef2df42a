"""What changed between two texts, line by line, with a few lines around each change."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AROUND = 3


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a difference.

    Attributes:
        kind: "same", "removed" or "added"; "gap" stands for lines that are left out.
        before: Its number in the older text, from 1; None where it is not in it.
        after: The same for the newer text.
    """

    kind: str
    text: str = ""
    before: int | None = None
    after: int | None = None


def diff(older: str, newer: str) -> tuple[Line, ...]:
    """Return the changed lines of two texts, each with up to three lines around it; nothing for equal texts."""
    before, after = older.splitlines(), newer.splitlines()
    found: list[Line] = []
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(AROUND):
        if found or group[0][1] > 0:
            found.append(Line(kind="gap"))
        for _, *places in group:
            found += _lines(before, after, *places)
    return tuple(found)


def _lines(before: list[str], after: list[str], *places: int) -> Iterator[Line]:
    start, end, second_start, second_end = places
    if before[start:end] == after[second_start:second_end]:
        for step, text in enumerate(before[start:end]):
            yield Line(kind="same", text=text, before=start + step + 1, after=second_start + step + 1)
        return
    for step, text in enumerate(before[start:end], start=start + 1):
        yield Line(kind="removed", text=text, before=step)
    for step, text in enumerate(after[second_start:second_end], start=second_start + 1):
        yield Line(kind="added", text=text, after=step)
