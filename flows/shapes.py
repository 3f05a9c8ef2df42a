"""Checking parsed YAML or JSON against a msgspec type: every problem at once, each with the path of its field.

msgspec itself stops at the first problem; people who edit files and forms want to see all of them.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec.inspect as mi

from flows.errors import Detail, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Path = tuple[str | int, ...]
"""Where a field is: names of objects' fields and positions in arrays, from the root."""


class Problem(NamedTuple):
    """One broken rule and the field that breaks it."""

    path: Path
    message: str

    @property
    def field(self) -> str:
        """The path as people write it: ``encryption.recipientKeys[0]``; empty for the whole document."""
        text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)
        return text.removeprefix(".")

    def under(self, *path: str | int) -> Problem:
        """Return the same problem, seen from further up."""
        return Problem((*path, *self.path), self.message)


def refuse(subject: str, problems: Sequence[Problem], *, advice: str = "") -> ValidationError:
    """Return the error for some problems: the first in words, all of them in ``details``."""
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = ".".join(filter(None, (subject, first.field)))
    details = [Detail(field=problem.field, message=problem.message) for problem in problems]
    return ValidationError(f"{where}: {first.message}{more}", advice=advice, details=details)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` when a known word is close, else an empty text."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def shape_problems(expected: mi.Type, value: object, path: Path = (), *, means: str = "") -> Iterator[Problem]:
    """Yield every place where a value departs from a type.

    Args:
        expected: From ``msgspec.inspect.type_info``.
        value: As YAML or JSON gives it: None, bool, int, float, str, list, dict.
        path: Where the value is.
        means: The description of the field, for rules that cannot be told in other words.
    """
    match expected:
        case mi.Metadata():
            described = (expected.extra_json_schema or {}).get("description", "")
            yield from shape_problems(expected.type, value, path, means=described)
        case mi.StructType():
            yield from _struct(expected, value, path)
        case mi.VarTupleType():
            yield from _array(expected, value, path)
        case mi.DictType():
            yield from _dictionary(expected, value, path)
        case mi.UnionType():
            yield from _union(expected, value, path)
        case _:
            yield from _scalar(expected, value, path, means)


def _struct(expected: mi.StructType, value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, f"expected an object, got {_got(value)}")
        return
    fields = {field.encode_name: field for field in expected.fields}
    for name, item in value.items():
        if name in fields:
            yield from shape_problems(fields[name].type, item, (*path, name))
        else:
            yield Problem((*path, name), f"unknown field{suggestion(name, fields)}")
    for name, field in fields.items():
        if field.required and name not in value:
            yield Problem((*path, name), "this field is required")


def _array(expected: mi.VarTupleType, value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, (list, tuple)):
        yield Problem(path, f"expected {_noun(expected)}, got {_got(value)}")
        return
    if len(value) < (expected.min_length or 0):
        yield Problem(path, "expected at least one item")
    for position, item in enumerate(value):
        yield from shape_problems(expected.item_type, item, (*path, position))


def _dictionary(expected: mi.DictType, value: object, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield Problem(path, f"expected an object, got {_got(value)}")
        return
    for name, item in value.items():
        yield from shape_problems(expected.value_type, item, (*path, name))


def _union(expected: mi.UnionType, value: object, path: Path) -> Iterator[Problem]:
    others = [each for each in expected.types if not isinstance(each, mi.NoneType)]
    if value is None and len(others) < len(expected.types):
        return
    if len(others) == 1:
        yield from shape_problems(others[0], value, path)
    elif all(any(shape_problems(each, value)) for each in others):
        yield Problem(path, f"expected {', '.join(map(_noun, others))}; got {_got(value)}")


def _scalar(expected: mi.Type, value: object, path: Path, means: str) -> Iterator[Problem]:
    if _fits(expected, value):
        return
    if isinstance(expected, mi.LiteralType):
        close = suggestion(value, map(str, expected.values)) if isinstance(value, str) else ""
        shown = repr(value) if isinstance(value, (str, int)) else _got(value)
        yield Problem(path, f"expected {_noun(expected)}, got {shown}{close}")
    elif means and type(value) is _PYTHON[type(expected)]:
        yield Problem(path, f"{value!r} is not {means}")
    else:
        yield Problem(path, f"expected {_noun(expected)}, got {_got(value)}")


_PYTHON: dict[type[mi.Type], type] = {mi.StrType: str, mi.IntType: int, mi.BoolType: bool}


def _fits(expected: mi.Type, value: object) -> bool:
    """Whether msgspec takes the scalar: asked of msgspec itself, so that the two never disagree."""
    match expected:
        case mi.LiteralType():
            return any(type(value) is type(each) and value == each for each in expected.values)
        case mi.StrType(pattern=pattern):
            return isinstance(value, str) and (pattern is None or _matches(pattern, value))
        case mi.IntType(ge=least):
            return type(value) is int and (least is None or value >= least)
        case mi.BoolType():
            return isinstance(value, bool)
    raise TypeError(f"{expected} has no place in these files")


def _matches(pattern: str, value: str) -> bool:
    return re.search(pattern, value) is not None


def _noun(expected: mi.Type) -> str:
    match expected:
        case mi.Metadata():
            return _noun(expected.type)
        case mi.LiteralType():
            return f"one of {', '.join(map(str, expected.values))}"
        case mi.VarTupleType(item_type=item):
            return f"an array of {_PLURALS.get(type(_bare(item)), 'words')}"
    return _NOUNS.get(type(expected), "an object")


def _bare(expected: mi.Type) -> Any:
    return expected.type if isinstance(expected, mi.Metadata) else expected


_NOUNS: dict[type[mi.Type], str] = {mi.StrType: "a string", mi.IntType: "a whole number", mi.BoolType: "true or false"}
_PLURALS: dict[type[mi.Type], str] = {mi.StrType: "strings", mi.IntType: "whole numbers", mi.LiteralType: "strings"}


def _got(value: object) -> str:
    """Name what was given, without repeating it: it may be long, or secret."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "true or false", int: "a number"}
    return "nothing" if value is None else names.get(type(value), "a number")
