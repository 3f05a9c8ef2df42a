"""The conversion ``yaml-1.2-core/1``: from a YAML document to minified JSON.

Scalars follow the core schema of YAML 1.2 (``yes`` is a text, dates are texts), with one addition: a number whose
source text is a JSON number keeps that text, so ``1.10`` stays ``1.10``. Mapping order is document order. What has
no single meaning in JSON is refused: tags, merge keys, keys that are not scalars, infinities, several documents.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined] # its type information leaves it out

if TYPE_CHECKING:
    from collections.abc import Callable

CONVERSION = "yaml-1.2-core/1"
"""Name and version of the conversion; it changes whenever the JSON of any document would."""

MAX_ALIASED = 1_048_576
"""Most characters that aliases may add to one document: far above any real use, far below a memory problem."""

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_DECIMAL = re.compile(r"(?P<sign>[-+]?)0*(?P<whole>[0-9]*)(?P<fraction>\.[0-9]*)?(?P<exponent>[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NUMBER_STARTS = frozenset("0123456789+-.")


class YamlError(ValueError):
    """The document is not YAML, or has no single meaning in JSON; the message is the reason."""


class _Open(NamedTuple):
    """A collection that is being written."""

    is_mapping: bool
    parts: list[str]
    anchor: str | None


def yaml_to_json(document: bytes, *, max_depth: int) -> str:
    """Return the minified JSON of one YAML document. Duplicate keys are left for the JSON reader to find.

    Raises:
        YamlError: With the reason.
    """
    try:
        return _Writer(max_depth).write(document)
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise YamlError(f"neither JSON nor YAML: {error.problem}{place}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(f"neither JSON nor YAML: {error}".splitlines()[0]) from error


class _Writer:
    """Writes the JSON text of a stream of YAML events; one instance a document."""

    def __init__(self, max_depth: int) -> None:
        self._max_depth = max_depth
        self._open: list[_Open] = [_Open(is_mapping=False, parts=[], anchor=None)]
        self._anchors: dict[str, str] = {}
        self._aliased = 0

    def write(self, document: bytes) -> str:
        parser = CParser(document)
        steps = self._steps()
        documents = 0
        while event := parser.get_event():
            kind = type(event)
            documents += kind is yaml.DocumentStartEvent
            if documents > 1:
                raise YamlError("several YAML documents in one: split them")
            if step := steps.get(kind):
                step(event)
        return "".join(self._open[0].parts) or "null"

    def _steps(self) -> dict[type, Callable[[Any], None]]:
        # The events' attributes are set by an extension module, unknown to the type checker.
        return {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
        }

    def _scalar(self, event: Any) -> None:
        _refuse_tag(event)
        if self._expects_key():
            self._add(_key(event), event.anchor)
        else:
            self._add(_plain(event.value) if not event.style else _quoted(event.value), event.anchor)

    def _alias(self, event: Any) -> None:
        text = self._anchors.get(event.anchor)
        if text is None:
            raise YamlError(f"the alias *{event.anchor} stands before or inside what it names")
        self._aliased += len(text)
        if self._aliased > MAX_ALIASED:
            raise YamlError(f"aliases make the document more than {MAX_ALIASED:,} characters larger")
        if self._expects_key():
            raise YamlError(f"the alias *{event.anchor} is used as a key")
        self._add(text, None)

    def _start(self, event: Any) -> None:
        _refuse_tag(event)
        if self._expects_key():
            raise YamlError(f"a key in line {event.start_mark.line + 1} is a mapping or a list: JSON keys are texts")
        if len(self._open) > self._max_depth:
            raise YamlError(f"nested deeper than {self._max_depth} levels")
        self._open.append(_Open(isinstance(event, yaml.MappingStartEvent), [], event.anchor))

    def _end(self, _event: Any) -> None:
        done = self._open.pop()
        if done.is_mapping:
            pairs = zip(done.parts[::2], done.parts[1::2], strict=True)
            self._add("{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}", done.anchor)
        else:
            self._add("[" + ",".join(done.parts) + "]", done.anchor)

    def _expects_key(self) -> bool:
        innermost = self._open[-1]
        return innermost.is_mapping and len(innermost.parts) % 2 == 0

    def _add(self, text: str, anchor: str | None) -> None:
        self._open[-1].parts.append(text)
        if anchor is not None:
            self._anchors[anchor] = text


def _refuse_tag(event: Any) -> None:
    if event.tag is not None:
        raise YamlError(f"the tag {event.tag} in line {event.start_mark.line + 1}: tags have no meaning in JSON")


def _key(event: Any) -> str:
    """Write a mapping's key: its source text, whatever it looks like."""
    if event.value == "<<" and not event.style:
        raise YamlError(f"the merge key << in line {event.start_mark.line + 1}: YAML 1.2 has none, write the keys out")
    return _quoted(event.value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """Write a plain (unquoted) scalar as the core schema resolves it."""
    if _NULL.fullmatch(text):
        return "null"
    if _BOOLEAN.fullmatch(text):
        return text.lower()
    if text[0] in _NUMBER_STARTS:
        return _number(text) or _quoted(text)
    return _quoted(text)


def _number(text: str) -> str | None:
    """Write a number: as it is spelled where JSON allows that, else with the least change; None for a text."""
    if _JSON_NUMBER.fullmatch(text):
        return text
    if _OCTAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return _integer(text)
    if _NOT_FINITE.fullmatch(text):
        raise YamlError(f"the number {text} has no form in JSON")
    return _decimal(text)


def _integer(text: str) -> str:
    if len(text) > 1000:  # noqa: PLR2004 - Python refuses to print integers of 4,300 digits
        raise YamlError("an octal or hexadecimal number is longer than 1,000 digits")
    return str(int(text, 0))


def _decimal(text: str) -> str | None:
    form = _DECIMAL.fullmatch(text)
    if form is None or not any(character.isdigit() for character in text.partition("e")[0].partition("E")[0]):
        return None
    fraction = form["fraction"] or ""
    sign = form["sign"].removeprefix("+")
    return sign + (form["whole"] or "0") + (fraction if len(fraction) > 1 else "") + (form["exponent"] or "")
