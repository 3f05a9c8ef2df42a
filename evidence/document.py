"""From the bytes of a document to its value and to its JSON without insignificant white space.

What a document is, is judged by its content, never by its name. JSON is read strictly (RFC 8259): what two
readers could understand differently, such as a key that occurs twice, is refused with a reason. YAML documents go
through the named conversion of :mod:`evidence.yaml_core`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import msgspec
import numpy as np

from evidence.parsed import JSON, YAML, Parsed
from evidence.yaml_core import YamlError, yaml_to_json

__all__ = ["JSON", "MAX_DEPTH", "YAML", "Parsed", "Unreadable", "parse"]

MAX_DEPTH = 200
"""Deepest nesting that is read. The deepest known real document has 66 levels (OASIS CSAF test 6.1.34)."""

_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_STRING = re.compile(rb'"[^"]*"')
_DEPTH_REASON = f"nested deeper than {MAX_DEPTH} levels"
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_YAML_LINE = re.compile(rb"---(\s|$)|%YAML |- |[\"']?[\w.$@/-][\w .$@/-]*[\"']?[ \t]*:(\s|$)")
_SCALAR = re.compile(rb'(true|false|null|-?\d|")')


class Unreadable(NamedTuple):
    """Why a document could not be read, as a sentence."""

    reason: str


class _RefusedError(Exception):
    """A document must not be read; the message is the reason."""


def parse(document: bytes) -> Parsed | Unreadable:
    """Read one JSON or YAML document. Never raises: every refusal has its reason."""
    text = document.removeprefix(b"\xef\xbb\xbf")
    try:
        _refuse_other_encodings(document, text)
        start = text.lstrip(b" \t\r\n")[:4096]
        if start[:1] in (b"{", b"[") or _is_json_scalar(start, text):
            return _parse_json(text)
        return _parse_other(start, text)
    except _RefusedError as refusal:
        return Unreadable(str(refusal))


def _refuse_other_encodings(document: bytes, text: bytes) -> None:
    if not text.strip():
        raise _RefusedError("the document is empty" if not document else "the document holds only white space")
    if document.startswith(bytes(4)):
        raise _RefusedError("binary data, not a text")
    encoding = json.detect_encoding(document[:8])
    if not encoding.startswith("utf-8"):
        raise _RefusedError(f"the text is encoded as {encoding.upper()}: only UTF-8 is read, convert it first")


def _is_json_scalar(start: bytes, text: bytes) -> bool:
    """Tell whether the whole text is one JSON scalar; such documents are rare and short."""
    if not _SCALAR.match(start):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


def _parse_json(text: bytes) -> Parsed:
    value = _decode(text)
    try:
        _refuse_depth(text)
        return Parsed(value, msgspec.json.format(text, indent=-1), JSON)
    except RecursionError as error:
        raise _RefusedError(_DEPTH_REASON) from error
    except msgspec.DecodeError as error:
        raise _RefusedError(f"not JSON: {error}") from error


def _refuse_depth(text: bytes) -> None:
    """Refuse deep nesting of JSON before or after a reader's own limit, which depends on who called it.

    Memory: a few times the text, however deep it is; an indented copy would be up to a hundred times its size.
    """
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise _RefusedError(_DEPTH_REASON)


def _depth(text: bytes) -> int:
    """Return the deepest nesting of valid JSON."""
    marks = text.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, _NO_MARKS)
    # Two quotes in a row leave everything inside or outside of strings as it was, and are nearly all there is.
    brackets = np.frombuffer(_STRING.sub(b"", marks.replace(b'""', b"")), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), np.int8(1), np.int8(-1))
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def _decode(text: bytes) -> Any:
    """Decode strict JSON.

    Raises:
        _RefusedError: With the reason.
    """
    try:
        value = _decode_value(text.decode())
    except UnicodeDecodeError as error:
        raise _RefusedError(f"the text is not UTF-8: {error.reason} at byte {error.start}") from error
    except RecursionError as error:
        raise _RefusedError(_DEPTH_REASON) from error
    except ValueError as error:
        raise _RefusedError(f"not JSON: {error}") from error
    if _ESCAPED_SURROGATE.search(text):
        _refuse_lone_surrogates(value)
    return value


def _decode_value(text: str) -> Any:
    """Decode, and again without Python's limit of 4,300 digits when a number is longer than that."""
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return _DECODER_OF_HUGE_INTEGERS.decode(text)


def _refuse_lone_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise _RefusedError("a string holds half of a surrogate pair (\\ud800 to \\udfff alone)") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _RefusedError(f"the key {_shown(twice)} occurs twice in one object: readers disagree on what that means")
    return value


def _no_constant(name: str) -> NoReturn:
    raise _RefusedError(f"not JSON: {name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)
_DECODER_OF_HUGE_INTEGERS = json.JSONDecoder(
    object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_int=Decimal
)
_DECODER_OF_TEXTS = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_int=str, parse_float=str)


def _parse_other(start: bytes, text: bytes) -> Parsed:
    """Read YAML, or say what else the text is."""
    for known, reason in _OTHER_TEXTS:
        if known.match(start):
            raise _RefusedError(reason)
    if b"\0" in start:
        raise _RefusedError("binary data, not a text")
    if not _YAML_LINE.match(_first_line(start)):
        raise _RefusedError("neither JSON nor a YAML mapping; it starts with " + _shown(_first_line(start)))
    return _parse_yaml(text)


def _parse_yaml(text: bytes) -> Parsed:
    try:
        # The conversion's own output: one pass of the JSON checks finds duplicate keys and depth in both.
        minified = yaml_to_json(text, max_depth=MAX_DEPTH)
        _refuse_depth(minified.encode())
        return Parsed(_DECODER_OF_TEXTS.decode(minified), minified.encode(), YAML)
    except YamlError as error:
        raise _RefusedError(str(error)) from error
    except RecursionError as error:
        raise _RefusedError(_DEPTH_REASON) from error


def _first_line(start: bytes) -> bytes:
    lines = (line.strip() for line in start.splitlines())
    return next((line for line in lines if line and not line.startswith(b"#")), b"")


def _shown(text: str | bytes) -> str:
    plain = text.decode(errors="replace") if isinstance(text, bytes) else text
    return json.dumps(plain if len(plain) <= 60 else plain[:57] + "...")  # noqa: PLR2004 - what a line can show


_OTHER_TEXTS = (
    (
        re.compile(rb"version https://git-lfs\.github\.com/spec/"),
        "a Git LFS pointer: the document itself is not here, fetch it with `git lfs pull` and ingest that",
    ),
    (
        re.compile(rb"(?s)<.*(cyclonedx\.org/schema|<bom[ >])"),
        "XML: CycloneDX in XML is not read, convert it to JSON with `cyclonedx convert`",
    ),
    (re.compile(rb"(?s)<.*(spdx\.org/rdf|spdx:)"), "XML: SPDX in RDF/XML is not read, convert it to JSON"),
    (re.compile(rb"(?i)<(!doctype html|html)"), "an HTML page, not evidence"),
    (re.compile(rb"<"), "XML: only JSON and YAML documents are read"),
    (
        re.compile(rb"(?ms)(#[^\n]*\n\s*)*SPDXVersion:"),
        "SPDX in tag-value form is not read, convert it to JSON with `pyspdxtools`",
    ),
    (re.compile(rb"\x1f\x8b|\x28\xb5\x2f\xfd|PK\x03\x04|BZh|\xfd7zXZ"), "compressed data, not a document"),
)
"""Texts that are neither JSON nor YAML but known, and what to do about them; the first match counts."""
