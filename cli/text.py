"""Text that is safe to show: what comes from evidence or bundles must not steer the terminal it is printed on."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON lets through as it is and terminals, or eyes, take for something else."""

_PLAIN_WORD = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@+-]*")
_NOT_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))


def printable(text: str) -> str:
    """Return a text on one line, with everything that is not visible written as an escape."""
    return text if text.isprintable() else "".join(map(_visible, text))


def json_text(value: Any) -> str:
    """Return a value as indented JSON."""
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_as_json)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def yaml_text(value: Any) -> str:
    """Return a value as YAML in block style; written here, so that the small installation can do it too."""
    return "".join(f"{line}\n" for line in _yaml(json.loads(json_text(value))))


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def _as_json(value: Any) -> str:
    """Return what JSON has no form for: times as RFC 3339, all else as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return str(value)


def _yaml(value: Any) -> list[str]:
    """Return the lines of a value."""
    match value:
        case {}:
            return [line for name, item in value.items() for line in _entry(f"{_scalar(name)}:", item)] or ["{}"]
        case []:
            return ["[]"]
        case [*items]:
            return [line for item in items for line in _item(item)]
    return [_scalar(value)]


def _entry(name: str, value: Any) -> list[str]:
    if isinstance(value, dict | list) and value:
        return [name, *(f"  {line}" for line in _yaml(value))]
    return [f"{name} {_yaml(value)[0]}"]


def _item(value: Any) -> list[str]:
    first, *rest = _yaml(value)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _scalar(value: Any) -> str:
    """Return a scalar; every text that another reader could take for something else is quoted as in JSON."""
    if isinstance(value, str) and _PLAIN_WORD.fullmatch(value) and value.lower() not in _NOT_WORDS:
        return value
    return json_text(value).rstrip("\n")
