"""Getting access tokens from an authorization server, and new ones before they expire (RFC 6749 4.4, RFC 9449 5)."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from client.dpop import NONCE, make_proof
from client.errors import CredentialError, UnexpectedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from client.proof_keys import ProofKey

EARLY_SECONDS = 30
"""A token that ends within this time is not used any more: a request and both clocks must fit."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
SECONDS = 30.0


class _Granted(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float = 60


class _Refused(msgspec.Struct):
    error: str
    error_description: str = ""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What an authorization server knows a program by.

    Attributes:
        client_id: Who it is.
        secret: Its secret.
        scope: What it asks for, as in "export:read export:run".
        resource: The service's resource identifier (RFC 8707), when the server wants to know.
    """

    client_id: str
    secret: str = field(repr=False)
    scope: str
    resource: str | None = None

    @property
    def form(self) -> dict[str, str]:
        """What is posted."""
        given = {"grant_type": "client_credentials", "scope": self.scope, "resource": self.resource}
        return {name: value for name, value in given.items() if value is not None}


class ClientCredentials:
    """Returns, when called, an access token that is bound to a key; one for all calls until it nears its end.

    What ``DPoP`` takes in the place of a token. A context manager; safe for many threads.
    """

    def __init__(
        self,
        token_url: str,
        who: Registration,
        key: ProofKey,
        *,
        clock: Callable[[], float] = time.time,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take the server's token endpoint, who asks, and what tokens are bound to; nothing is sent yet.

        Raises:
            CredentialError: The secret would go where others can read it.
        """
        parts = urlsplit(token_url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise CredentialError(f"{token_url} is no https: the secret would go where others can read it")
        self._url, self._key, self._clock = token_url, key, clock
        self._form = who.form
        # RFC 6749 2.3.1 wants both encoded as in forms before they are joined.
        auth = httpx.BasicAuth(quote(who.client_id, safe=""), quote(who.secret, safe=""))
        is_here = parts.hostname in LOOPBACK
        self._http = httpx.Client(auth=auth, timeout=SECONDS, transport=transport, trust_env=not is_here)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0
        self._nonce: str | None = None

    def __enter__(self) -> Self:
        """Return the source of tokens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._http.close()

    def __call__(self) -> str:
        """Return a token that is good for some time yet.

        Raises:
            CredentialError: The authorization server gives none.
            UnreachableError: It cannot be reached.
            UnexpectedError: What answers is none.
        """
        with self._lock:
            if self._clock() >= self._until:
                granted = self._granted()
                self._token = granted.access_token
                self._until = self._clock() + granted.expires_in - EARLY_SECONDS
            return self._token

    def _granted(self) -> _Granted:
        before = self._nonce
        answer = self._ask()
        if answer.is_error and self._nonce != before:
            # It wants its nonce in the proof, and has just told it.
            answer = self._ask()
        try:
            if answer.is_success:
                return _bound(msgspec.json.decode(answer.content, type=_Granted))
            told = msgspec.json.decode(answer.content, type=_Refused)
        except msgspec.MsgspecError as error:
            raise UnexpectedError(f"{self._url} answered {answer.status_code}, and not with a token") from error
        said = f": {told.error_description}" if told.error_description else ""
        raise CredentialError(f"{self._url} gives no access token: {told.error}{said}")

    def _ask(self) -> httpx.Response:
        proof = make_proof(self._key, "POST", self._url, now=self._clock(), nonce=self._nonce)
        try:
            answer = self._http.post(self._url, data=self._form, headers={"DPoP": proof, "Accept": "application/json"})
        except httpx.TransportError as error:
            raise UnreachableError(f"{self._url} cannot be reached: {str(error) or type(error).__name__}") from error
        self._nonce = answer.headers.get(NONCE, self._nonce)
        return answer


def _bound(granted: _Granted) -> _Granted:
    if granted.token_type.lower() != "dpop":
        raise CredentialError("the access token is not bound to the proof key", advice="Let the server bind tokens.")
    return granted
