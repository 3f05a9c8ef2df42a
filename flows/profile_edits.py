"""Changing the YAML of profiles: what people wrote, comments too, stays wherever it is not what changes."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any

from flows.errors import Detail, ValidationError
from flows.profile_yaml import Document, UnreadableYamlError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINE = 110
_PLAIN = re.compile(r"[A-Za-z]([A-Za-z0-9 ./_+-]*[A-Za-z0-9])?", re.ASCII)
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_PREFIX = "prof-"
_LONGEST = 63


def slug_of(name: str) -> str:
    """Return the id of a profile whose author chose none: ``prof-`` and the name, as far as ids can hold it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _NO_SLUG.sub("-", plain).strip("-")[: _LONGEST - len(_PREFIX)].rstrip("-")
    return _PREFIX + (slug or hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8])


def merged(value: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with another laid over it, as RFC 7396 says: null removes, objects merge, the rest replaces."""
    made = dict(value)
    for name, item in patch.items():
        if item is None:
            made.pop(name, None)
        elif isinstance(item, dict):
            below = made.get(name)
            made[name] = merged(below if isinstance(below, dict) else {}, item)
        else:
            made[name] = item
    return made


def written(value: Mapping[str, Any]) -> bytes:
    """Return the YAML of a profile.

    Raises:
        ValidationError: It holds text that cannot be stored.
    """
    return _encoded("".join(_field(name, item) for name, item in value.items()), value)


def edited(data: bytes, value: Mapping[str, Any]) -> bytes:
    """Return YAML that states a value, made from one that stated another, with its comments and order."""
    document = read_yaml(data)
    before = document.value
    changed = [name for name in before if before[name] != value.get(name, ...)]
    added = [name for name in value if name not in before]
    lines = data.decode().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for first, last, name in reversed(list(_segments(document, lines))):
        if name in changed:
            lines[first:last] = [_field(name, value[name])] if name in value else []
    text = "".join(lines) + "".join(_field(name, value[name]) for name in added)
    made = text.encode(errors="surrogatepass")
    return made if _states(made, value) else written(value)


def _segments(document: Document, lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Yield the lines of each top-level field: first, one past the last, name; comments after it are not its own."""
    starts = sorted((mark.line - 1, path[0]) for path, mark in document.marks.items() if len(path) == 1)
    ends = [first for first, _ in starts[1:]] + [len(lines)]
    for (first, name), end in zip(starts, ends, strict=True):
        last = end
        while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].startswith("#")):
            last -= 1
        yield first, last, str(name)


def _encoded(text: str, value: Mapping[str, Any]) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        message = "holds a character that is none (a lone surrogate)"
        raise ValidationError(f"profile: {message}", details=[Detail(field="", message=message)]) from error
    if not _states(data, value):
        message = "holds a value that a file of profiles cannot"
        raise ValidationError(f"profile: {message}", details=[Detail(field="", message=message)])
    return data


def _states(data: bytes, value: Mapping[str, Any]) -> bool:
    try:
        document = read_yaml(data)
    except UnreadableYamlError:
        return False
    return not document.problems and bool(document.value == value)


def _field(name: str, item: object, indent: str = "") -> str:
    """Return the lines of one field."""
    start = f"{indent}{_scalar(name)}:"
    if isinstance(item, dict) and item:
        below = "".join(_field(key, each, f"{indent}  ") for key, each in item.items())
        return f"{start}\n{below}"
    flow = f"{start} {_flow(item)}\n"
    if isinstance(item, (list, tuple)) and item and len(flow) > LINE:
        return f"{start}\n" + "".join(f"{indent}  - {_flow(each)}\n" for each in item)
    return flow


def _flow(item: object) -> str:
    if isinstance(item, dict):
        return f"{{{', '.join(f'{_scalar(key)}: {_flow(each)}' for key, each in item.items())}}}"
    if isinstance(item, (list, tuple)):
        return f"[{', '.join(map(_flow, item))}]"
    return _scalar(item)


def _scalar(item: object) -> str:
    """Return a scalar: plain words as they are, all other text in quotes, with the escapes that JSON and YAML share."""
    if isinstance(item, str) and _PLAIN.fullmatch(item) and item.lower() not in _WORDS:
        return item
    quoted = json.dumps(item, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
