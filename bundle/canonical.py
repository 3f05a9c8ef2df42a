"""Canonical JSON (RFC 8785), the part of it that this project writes: no floating point.

Law: ``parse_canonical(canonical_json(value)) == value``, and ``canonical_json(parse_canonical(data)) == data``.
"""

from __future__ import annotations

import json
from typing import Any

from bundle.errors import FormatError

MAX_SAFE_INTEGER = 2**53 - 1
"""Largest integer every JSON reader agrees on (RFC 7493, section 2.2)."""

MAX_DEPTH = 100
"""Deepest nesting of lists and objects: a fixed bound, so that no stack decides what is refused."""


def canonical_json(value: object) -> bytes:
    """Return the one UTF-8 encoding of ``value`` (RFC 8785).

    Args:
        value: None, bool, int within +-(2**53 - 1), str without lone surrogates, list, tuple, dict with str keys;
            nested at most ``MAX_DEPTH`` deep.

    Raises:
        FormatError: For anything else, floats included: their shortest form is a matter of taste between
            languages, and no field of ours needs one.
    """
    _check(value, "$", 0)
    text = json.dumps(_sorted(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise FormatError(f"a string holds a lone surrogate: {error.reason}") from error


def parse_canonical(data: bytes) -> Any:
    """Return the value of canonical JSON bytes.

    Raises:
        FormatError: When the bytes are not JSON, or are JSON in another spelling: duplicate keys, other key
            order, white space, other escapes, floats.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from error
    if canonical_json(value) != data:
        raise FormatError("JSON, but not in canonical form (RFC 8785)")
    return value


def _check(value: object, where: str, depth: int) -> None:
    """Refuse what has no canonical form here, naming the place."""
    if depth > MAX_DEPTH:
        raise FormatError(f"nested more than {MAX_DEPTH} deep")
    match value:
        case list() | tuple():
            for position, item in enumerate(value):
                _check(item, f"{where}[{position}]", depth + 1)
        case dict():
            _check_object(value, where, depth)
        case _:
            _check_scalar(value, where)


def _check_object(value: dict[Any, Any], where: str, depth: int) -> None:
    for key, item in value.items():
        if not isinstance(key, str):
            raise FormatError(f"{where}: key {key!r} is not a string")
        _check(item, f"{where}.{key}", depth + 1)


def _check_scalar(value: object, where: str) -> None:
    match value:
        case None | bool() | str():
            return
        case int() if abs(value) <= MAX_SAFE_INTEGER:
            return
        case int():
            raise FormatError(f"{where}: an integer beyond +-(2**53 - 1) has no canonical form here")
        case _:
            raise FormatError(f"{where}: {type(value).__name__} {value!r} has no canonical form here")


def _sorted(value: object) -> object:
    """Order object keys by UTF-16 code units, as RFC 8785 section 3.2.3 asks."""
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value, key=_utf16)}
        case list() | tuple():
            return [_sorted(item) for item in value]
        case _:
            return value


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
