"""Selectors in words: what was asked for, shown without knowing every selector there will ever be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from web.figures import number, visible

SHOWN = 24
"""Values of one selector that stand in the open."""

LISTED = 2_000
"""Values of one selector that the page has at all; export.json has them all."""

UNRESTRICTED = "any"


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One selector.

    Attributes:
        values: The first SHOWN, or that it did not restrict anything.
        more: What to say in place of the others where only those are shown; empty when there are no others.
        rest: The others, as far as a page lists them.
        left_out: How many the page does not list; empty when it lists all.
    """

    name: str
    values: tuple[str, ...]
    more: str
    rest: tuple[str, ...]
    left_out: str
    restricts: bool


def selectors(stated: dict[str, Any]) -> tuple[Selector, ...]:
    """Return all selectors in words, those that restrict first, each group sorted by name."""
    return tuple(sorted((_selector(*item) for item in stated.items()), key=lambda one: (not one.restricts, one.name)))


def tenants(stated: dict[str, Any]) -> tuple[str, ...]:
    """Return the tenants that selectors name; none when they name none."""
    named = stated.get("tenants", stated.get("tenant"))
    return tuple(_texts(named))


def _selector(name: str, value: Any) -> Selector:
    texts = list(_texts(value))
    left = len(texts) - SHOWN
    return Selector(
        name=_words(name),
        values=tuple(texts[:SHOWN]) or (UNRESTRICTED,),
        more=f"and {number(left)} more; export.json lists them all" if left > 0 else "",
        rest=tuple(texts[SHOWN:LISTED]),
        left_out=number(len(texts) - LISTED) if len(texts) > LISTED else "",
        restricts=bool(texts),
    )


def _texts(value: Any) -> list[str]:
    """Return a JSON value as a flat list of texts."""
    match value:
        case None:
            return []
        case bool():
            return ["yes" if value else "no"]
        case dict():
            return [f"{visible(str(key))}: {text}" for key in sorted(value) for text in _texts(value[key])]
        case list() | tuple():
            return [text for each in value for text in _texts(each)]
        case _:
            return [visible(str(value))]


def _words(name: str) -> str:
    """Return a camelCase name as words: "timeWindow" as "Time window"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", visible(name)).lower()
    return spaced[:1].upper() + spaced[1:]
