"""One request as handlers see it, and what they answer."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from server.problems import REQUEST, VALIDATION, Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.datastructures import Headers, QueryParams

    from server.caller import Caller

_TRACE_PARENT = re.compile(r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
"""Version 00 ends after the flags; later ones may go on, and no version is ff."""
_CHARSET = re.compile(r'(?:^|;)\s*charset="?([^\s;"]+)')

TRACE_PARENT_LENGTH = 55
JSON = "application/json; charset=utf-8"
LARGEST_KEPT = 100_000
DEEPEST = 64
"""Levels of a body; nothing that is asked for has ten."""
MAX_PAGE_SIZE = 200
MAX_PAGE = 10**9


class Trace(NamedTuple):
    """The trace a request belongs to (W3C Trace Context): its 32 hexadecimal digits, and the parent for others."""

    id: str
    parent: str


def trace_of(header: str | None) -> Trace:
    """Return the caller's trace, or a new one when it has none that is well-formed."""
    found = _TRACE_PARENT.fullmatch(header or "")
    if found:
        return Trace(found[1], found[0][:TRACE_PARENT_LENGTH])
    made = secrets.token_hex(16)
    return Trace(made, f"00-{made}-{secrets.token_hex(8)}-01")


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request of a caller who may make it.

    Attributes:
        method: As sent.
        path: Decoded, without the query.
        params: What the path names, as in {"runId": ...}.
        query: The query.
        headers: The headers.
        body: The whole body.
        trace: The trace it belongs to.
        caller: Who calls.
        now: When, in microseconds since the epoch.
        request: What the same request bears again when it is repeated with its Idempotency-Key; "" without one.
    """

    method: str
    path: str
    params: Mapping[str, str]
    query: QueryParams
    headers: Headers
    body: bytes
    trace: Trace
    caller: Caller
    now: int
    request: str = ""

    def json(self, *, optional: bool = False) -> dict[str, Any]:
        """Return the body, which must be a JSON object; an empty one counts as {} when it is ``optional``.

        Raises:
            Problem: It is of another media type (415), or no JSON object (400).
        """
        if optional and not self.body:
            return {}
        _require_json(self.headers.get("content-type", ""))
        try:
            value = json.loads(self.body, object_pairs_hook=_object, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise Problem(
                400, VALIDATION, f"the body is no JSON: {error}", details=[{"field": "", "message": str(error)}]
            ) from error
        if not isinstance(value, dict):
            raise invalid("", "the body must be a JSON object")
        _require_plain(value)
        return value

    def page(self) -> tuple[int, int]:
        """Return (page, page size).

        Raises:
            Problem: One of them is not a number in its range.
        """
        return self._number("page", 1, MAX_PAGE), self._number("pageSize", 20, MAX_PAGE_SIZE)

    def _number(self, name: str, default: int, largest: int) -> int:
        text = self.query.get(name, str(default))
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(largest)) and 1 <= int(text) <= largest):
            raise invalid(name, f"{text!r} is not a number from 1 to {largest}")
        return int(text)

    def only(self, *names: str) -> None:
        """Refuse query parameters of other names, and repeated ones: a misspelt filter must not be an open one.

        Raises:
            Problem: There is one.
        """
        for name in self.query:
            if name not in names:
                raise invalid(name, f"unknown query parameter; expected {', '.join(names) or 'none'}")
            if len(self.query.getlist(name)) > 1:
                raise invalid(name, "given more than once")
            if "\0" in self.query[name]:
                raise invalid(name, "has the character U+0000")


def _require_json(content_type: str) -> None:
    """Refuse what is not JSON in UTF-8, as far as the header says it.

    Raises:
        Problem: It is something else.
    """
    kind, _, parameters = content_type.lower().partition(";")
    if kind.strip() != "application/json":
        raise Problem(415, REQUEST, f"the body is {kind.strip() or 'of no media type'}; expected application/json")
    charset = _CHARSET.search(parameters)
    if charset and charset[1] != "utf-8":
        raise Problem(415, REQUEST, f"the body is in {charset[1]}; expected UTF-8")


def _require_plain(value: object) -> None:
    """Refuse what PostgreSQL cannot keep, and what is nested so deep that whoever walks through it may fall.

    Raises:
        Problem: There is such a thing.
    """
    level, depth = [value], 0
    while level:
        if depth > DEEPEST:
            raise invalid("", f"the body is nested deeper than {DEEPEST} levels")
        if any("\0" in each for each in level if isinstance(each, str)):
            raise invalid("", "the body has a text with the character U+0000")
        level, depth = [inner for each in level for inner in _inside(each)], depth + 1


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list) else ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has a key twice")
    return made


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer.

    Attributes:
        status: HTTP status.
        body: An object, which goes out as JSON with the traceId in it; or bytes, as they are.
        headers: Further headers.
        media_type: Of a body of bytes.
        is_secret: Whether the body tells a secret, and so is kept only sealed.
    """

    status: int = 200
    body: Mapping[str, Any] | bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    is_secret: bool = False

    def content(self, trace_id: str) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return dumps({**self.body, "traceId": trace_id})


def profile_named(reply: Reply) -> str | None:
    """Return the profile that an answer is about, if it is a JSON object that says so."""
    if isinstance(reply.body, bytes):
        # Answers that are kept for an Idempotency-Key; signed documents are not about a profile.
        known = reply.body.startswith(b"{") and len(reply.body) <= LARGEST_KEPT
        return str(json.loads(reply.body).get("profileId", "")) if known else None
    return str(reply.body.get("profileId", ""))


def dumps(value: Mapping[str, Any]) -> bytes:
    """Return JSON as this API writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
