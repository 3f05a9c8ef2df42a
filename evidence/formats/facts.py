"""What a format's reader takes from a document, and how it takes it from documents that may hold anything."""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}", re.ASCII)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Hints taken from one document, as stated there; nothing is derived, nothing is written back.

    ``upstream_id`` is "" when the document has no id of its own. Lists are sorted and unique. ``severity_stated``
    holds the words a document uses ("HIGH"); when it gives only vectors or scores, the stated names of their types
    ("CVSS_V3"). ``packages`` are the names of packages, products and components, for searching alone.
    """

    kind: str
    format: str
    normaliser: str
    upstream_id: str = ""
    subject: str | None = None
    title: str | None = None
    published: datetime | None = None
    modified: datetime | None = None
    withdrawn: datetime | None = None
    aliases: list[str] = []
    purls: list[str] = []
    ecosystems: list[str] = []
    cpes: list[str] = []
    severity_stated: list[str] = []
    packages: list[str] = []


class Format(NamedTuple):
    """One known format: how to tell a document of it, and how to read its facts.

    Both functions take the value of any JSON document and never raise.
    """

    name: str
    matches: Callable[[Any], bool]
    facts: Callable[[Any], Facts]


def versioned(name: str, version: object) -> str:
    """Return "name/version", or only the name when the document states no usable version."""
    return f"{name}/{version}" if isinstance(version, str) and _VERSION.fullmatch(version) else name


def at(value: Any, *path: str) -> Any:
    """Return what stands at ``path`` in nested objects; None when there is nothing or something is no object."""
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def text(value: Any, *path: str) -> str | None:
    """Return the non-empty string at ``path``; None for anything else."""
    found = at(value, *path)
    return found if isinstance(found, str) and found else None


def first(*candidates: str | None) -> str | None:
    """Return the first candidate that is there."""
    return next((candidate for candidate in candidates if candidate), None)


def objects(value: Any, *path: str) -> list[dict[str, Any]]:
    """Return the objects in the list at ``path``; other items, and anything that is no list, are left out."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def texts(value: Any, *path: str) -> list[str]:
    """Return the non-empty strings in the list at ``path``; other items are left out."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, str) and item] if isinstance(found, list) else []


def descend(roots: Iterable[dict[str, Any]], key: str) -> Iterator[dict[str, Any]]:
    """Yield ``roots`` and all objects below them that are nested through lists at ``key``."""
    waiting = deque(roots)
    while waiting:
        item = waiting.popleft()
        yield item
        waiting.extend(objects(item, key))


def unique(candidates: Iterable[str | None]) -> list[str]:
    """Return what is there, sorted and unique."""
    return sorted({candidate for candidate in candidates if candidate})


def only(candidates: list[str]) -> str | None:
    """Return the one candidate; None when there are none or several."""
    return candidates[0] if len(candidates) == 1 else None


def is_purl(candidate: str | None) -> bool:
    """Tell whether a string is meant as a package URL."""
    return candidate is not None and candidate.startswith("pkg:")
