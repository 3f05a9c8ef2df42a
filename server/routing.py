"""The route table: every endpoint is one row, and the app, its OpenAPI description and its tests are made from it.

Starlette's own table gives a wrong ``Allow`` when two routes share a path, and takes ``/runs/x:unknown`` for a run. So
one Starlette route stands for each path, and ids hold no colon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from server.problems import NOT_FOUND, REQUEST, Problem
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import BaseModel

_PARAMETER = re.compile(r"\{(\w+)\}")
_ID = r"[^/:\x00]+"


class Scope(StrEnum):
    """What a token must allow."""

    MANAGE = "export:profile:manage"
    RUN = "export:run"
    READ = "export:read"
    DOWNLOAD = "export:download"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One method of one path.

    Attributes:
        method: HTTP method; GET answers HEAD too.
        path: As in "/api/export/runs/{runId}:cancel".
        handler: Called with a Call; a ``mutation`` gets the ledger's open transaction too, and what its
            ``before`` returned, if it has one.
        before: Of a mutation: called with a Call before the transaction is opened. What waits for anything but the
            ledger belongs here, for the ledger has one writer at a time.
        scope: What the token must allow; None when no token is asked for.
        waits: Whether it takes ``?wait=``, for the end of the run that it answers with.
        mutation: Whether it changes something, and so takes an Idempotency-Key.
        is_async: Whether the handler is asynchronous, and takes threads itself when it needs them.
        streams: Whether the handler is asynchronous, gets the Starlette request too, and returns its own response.
        summary: One sentence for the description.
        request: Model of the body, for the description.
        response: Model of the answer, for the description.
        status: Status of success.
        section: Where the contract has it.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    scope: Scope | None
    summary: str
    mutation: bool = False
    is_async: bool = False
    streams: bool = False
    waits: bool = False
    before: Callable[..., Any] | None = None
    request: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    status: int = 200
    section: str = ""

    @property
    def name(self) -> str:
        """Method and path below the API's, as in "GET /runs/{runId}"."""
        return f"{self.method} {self.path.removeprefix(BASE)}"


class Table:
    """Finds endpoints."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        """Take a route table."""
        self.endpoints = tuple(endpoints)
        paths = dict.fromkeys(each.path for each in endpoints)
        self._patterns = [(pattern_of(path), [each for each in endpoints if each.path == path]) for path in paths]

    def find(self, method: str, path: str) -> tuple[Endpoint, Mapping[str, str]]:
        """Return the endpoint of a request, and what its path names.

        Raises:
            Problem: There is no such path (404), or it has no such method (405, which says the ones it has).
        """
        for pattern, endpoints in self._patterns:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            wanted = "GET" if method == "HEAD" else method
            for each in endpoints:
                if each.method == wanted:
                    return each, found.groupdict()
            allowed = allow(endpoints)
            raise Problem(405, REQUEST, f"{path} takes {allowed}, not {method}", headers={"Allow": allowed})
        raise Problem(404, NOT_FOUND, f"there is nothing at {path}")

    def methods(self, path: str) -> str | None:
        """Return the methods of a path, as Allow lists them; None when there is no such path."""
        return next((allow(endpoints) for pattern, endpoints in self._patterns if pattern.fullmatch(path)), None)


def allow(endpoints: Sequence[Endpoint]) -> str:
    """Return the methods of a path, as the header Allow lists them."""
    methods = {each.method for each in endpoints}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def pattern_of(path: str) -> re.Pattern[str]:
    """Return what matches the paths that a template stands for; its groups are what they name."""
    parts = _PARAMETER.split(path)
    made = [f"(?P<{part}>{_ID})" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return re.compile("".join(made))
