"""A token that is sent as it is, and what tokens have in common."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import httpx

from client.errors import CredentialError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    TokenSource = str | Callable[[], str]
    """A token, or what returns the one to use now: tokens expire while a run is followed."""

_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
ADVICE = "A token is one line of letters, digits and -._~+/=, as the authorization server issued it."


class Bearer(httpx.Auth):
    """Sends ``Authorization: Bearer``."""

    def __init__(self, token: TokenSource) -> None:
        """Take a token, or what returns one."""
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the token to a request.

        Raises:
            CredentialError: It is no token.
        """
        request.headers["Authorization"] = f"Bearer {current(self._token)}"
        yield request


def current(source: TokenSource) -> str:
    """Return the token to use now.

    Raises:
        CredentialError: It is none; the message does not hold it.
    """
    token = (source if isinstance(source, str) else source()).strip()
    if _TOKEN68.fullmatch(token) is None:
        raise CredentialError("the access token is empty" if not token else "the access token is none", advice=ADVICE)
    return token


def bound_to(token: str) -> str | None:
    """Return the thumbprint of the key that a token says it is bound to; None when it says nothing that can be read.

    Nothing is verified: the service does that. It only lets a client say what is wrong before it asks.
    """
    parts = token.split(".")
    try:
        payload: Any = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        found = payload["cnf"]["jkt"]
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return found if isinstance(found, str) else None
