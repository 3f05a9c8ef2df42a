"""Selectors in words: what was asked for, shown without knowing every selector there will ever be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from web.figures import number, visible

SHOWN = 24
"""Values of one selector that are listed; export.json has them all."""

UNRESTRICTED = "any"


@dataclass(frozen=True, kw_only=True)
class Selector:
    """One selector: its name, its values, and whether it restricted anything."""

    name: str
    values: tuple[str, ...]
    more: str
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
