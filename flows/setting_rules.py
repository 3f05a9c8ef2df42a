"""How the value of a setting is read, wherever it was written: on the command line, in a variable or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Origin(NamedTuple):
    """Where a value came from: in words for messages and lists, and the folder that relative paths start at."""

    name: str
    folder: Path | None = None


class Rule(NamedTuple):
    """How the value of one setting is read; ``read`` raises ValueError for what is not ``expected``."""

    expected: str
    read: Callable[[object, Origin], Any]


def folder(value: object, origin: Origin) -> Path:
    """Return the path of a folder or file."""
    if not isinstance(value, (str, Path)) or not str(value) or "://" in str(value):
        raise ValueError(name_of_type(value))
    path = Path(value).expanduser()
    return (origin.folder or Path()) / path


def number(least: int, most: int) -> Callable[[object, Origin], int]:
    """Return what reads a whole number of a range."""

    def read(value: object, _: Origin) -> int:
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise ValueError(name_of_type(value))
        return value

    return read


def matching(pattern: re.Pattern[str]) -> Callable[[object, Origin], str]:
    """Return what reads a text of a form."""

    def read(value: object, _: Origin) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise ValueError(name_of_type(value))
        return value

    return read


def switch(value: object, _: Origin) -> bool:
    """Return whether something is on."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in (*YES, *NO):
        raise ValueError(name_of_type(value))
    return value.lower() in YES


def several(one: Callable[[object, Origin], str]) -> Callable[[object, Origin], tuple[str, ...]]:
    """Return what reads a list, in a variable with commas between."""

    def read(value: object, origin: Origin) -> tuple[str, ...]:
        listed = value.split(",") if isinstance(value, str) else value
        if not isinstance(listed, (list, tuple)):
            raise ValueError(name_of_type(value))  # noqa: TRY004 - bad input, not a bad call
        return tuple(one(each.strip() if isinstance(each, str) else each, origin) for each in listed)

    return read


def name_of_type(value: object) -> str:
    """Return what kind of value was refused; the value itself is told, masked, by the caller."""
    return type(value).__name__
