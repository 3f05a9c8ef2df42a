"""Reading the YAML of profiles: plain values, and for each field the line and column it stands at.

Only what a profile needs: one document of mappings, sequences and scalars. Scalars follow the core schema of YAML 1.2,
so ``no`` and ``2025-10-01`` are words. Anchors, aliases and tags are refused: nothing here can expand or construct.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from flows.shapes import Path, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class Mark(NamedTuple):
    """A place in a file; both count from 1."""

    line: int
    column: int


class UnreadableYamlError(Exception):
    """The bytes are not one YAML document of the allowed kind; nothing after ``mark`` was read."""

    def __init__(self, mark: Mark, message: str) -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.mark = mark
        self.message = message


class Document(NamedTuple):
    """A read document: its value, where each field of it stands, and keys that were given twice."""

    value: Any
    marks: dict[Path, Mark]
    problems: list[Problem]

    def mark(self, path: Path) -> Mark:
        """Return where a field stands; for a missing one, where the object stands that lacks it."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, Mark(1, 1))


def read_yaml(data: bytes) -> Document:
    """Read one document.

    Raises:
        UnreadableYamlError: Not UTF-8, not YAML, too large or too deep, several documents, or use of anchors,
            aliases, tags or keys that are not words.
    """
    text = _text(data)
    try:
        return _Reader(yaml.parse(text, Loader=yaml.CSafeLoader)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableYamlError(_mark(mark), f"not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UnreadableYamlError(Mark(1, 1), f"not YAML: {' '.join(str(error).split())}") from error


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnreadableYamlError(Mark(1, 1), f"{len(data)} bytes are too many for a profile; at most {MAX_BYTES}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise UnreadableYamlError(Mark(line, column), "not UTF-8") from error


def _mark(mark: Any) -> Mark:
    return Mark(1, 1) if mark is None else Mark(mark.line + 1, mark.column + 1)


class _Reader:
    """Builds values from parser events; holds the marks and problems found on the way."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._marks: dict[Path, Mark] = {}
        self._problems: list[Problem] = []

    def document(self) -> Document:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return Document(None, {}, [])
        first = self._next()
        self._marks[()] = _mark(first.start_mark)
        value = self._value(first, ())
        self._next()
        end = self._next()
        if not isinstance(end, yaml.StreamEndEvent):
            raise UnreadableYamlError(_mark(end.start_mark), "a second document begins here; one profile a file")
        return Document(value, self._marks, self._problems)

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, path: Path) -> Any:
        _refuse_cleverness(event)
        if len(path) > MAX_DEPTH:
            raise UnreadableYamlError(_mark(event.start_mark), f"nested deeper than {MAX_DEPTH} levels")
        match event:
            case yaml.MappingStartEvent():
                return self._mapping(path)
            case yaml.SequenceStartEvent():
                return self._sequence(path)
        return _scalar(event)

    def _sequence(self, path: Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            here = (*path, len(values))
            self._marks[here] = _mark(event.start_mark)
            values.append(self._value(event, here))
        return values

    def _mapping(self, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = _key(event)
            here, again = (*path, key), key in values
            if again:
                first = self._marks[here]
                self._problems.append(Problem(here, f"given twice, first on line {first.line}"))
            self._marks[here] = _mark(event.start_mark)
            value = self._value(self._next(), here)
            values.setdefault(key, value)
        return values


def _refuse_cleverness(event: yaml.Event) -> None:
    """Refuse what lets a small file mean a large or a foreign value."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise UnreadableYamlError(_mark(event.start_mark), "anchors and aliases are not allowed; write the value out")
    tag = getattr(event, "tag", None)
    if tag is not None:
        raise UnreadableYamlError(_mark(event.start_mark), f"tag {tag} is not allowed; remove it")


def _key(event: yaml.Event) -> str:
    _refuse_cleverness(event)
    if not isinstance(event, yaml.ScalarEvent):
        raise UnreadableYamlError(_mark(event.start_mark), "expected the name of a field")
    return str(event.value)


def _scalar(event: Any) -> Any:
    """Resolve a scalar by the core schema of YAML 1.2; a number too long for us stays a word."""
    text = str(event.value)
    if event.style or not event.implicit[0]:
        return text
    for pattern, meaning in _MEANINGS:
        if pattern.fullmatch(text):
            return meaning(text)
    return text


_MEANINGS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (_NULL, lambda _: None),
    (_TRUE, lambda _: True),
    (_FALSE, lambda _: False),
    (_INT, int),
    (_FLOAT, lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan"))),
)
