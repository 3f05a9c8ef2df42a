"""A token that is bound to a key (RFC 9449): every request carries a fresh proof that its sender has that key."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from typing import TYPE_CHECKING

import httpx

from client.bearer import bound_to, current
from client.errors import CredentialError
from client.proof_keys import base64url

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from client.bearer import TokenSource
    from client.proof_keys import ProofKey

NONCE = "DPoP-Nonce"
UNAUTHORIZED = 401


class DPoP(httpx.Auth):
    """Sends ``Authorization: DPoP`` and a proof; one that the service wants with a nonce is made once more."""

    def __init__(self, token: TokenSource, key: ProofKey, *, clock: Callable[[], float] = time.time) -> None:
        """Take a token, or what returns one, and the key that it is bound to."""
        self._token = token
        self._key = key
        self._clock = clock
        self._nonce: str | None = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add token and proof to a request.

        Raises:
            CredentialError: The token is none, or is bound to another key.
        """
        token = self._bound_token()
        request.headers["Authorization"] = f"DPoP {token}"
        request.headers["DPoP"] = self._proof(request, token)
        before = self._nonce
        response = yield request
        self._nonce = response.headers.get(NONCE, self._nonce)
        # A refusal with the nonce that was used already is not about the nonce: a second one would go the same way.
        if response.status_code == UNAUTHORIZED and self._nonce != before and _wants_nonce(response):
            request.headers["DPoP"] = self._proof(request, token)
            response = yield request
            self._nonce = response.headers.get(NONCE, self._nonce)

    def _proof(self, request: httpx.Request, token: str) -> str:
        now = self._clock()
        return make_proof(self._key, request.method, str(request.url), now=now, token=token, nonce=self._nonce)

    def _bound_token(self) -> str:
        token = current(self._token)
        if bound_to(token) not in {None, self._key.thumbprint}:
            raise CredentialError(
                "the access token is bound to another key than the proof key",
                advice="Ask the authorization server for a token with a proof that this key signed.",
            )
        return token


def make_proof(
    key: ProofKey, method: str, url: str, *, now: float, token: str | None = None, nonce: str | None = None
) -> str:
    """Return a proof for one request; without a token it is one that asks for a token."""
    claims: dict[str, object] = {
        "jti": str(uuid.uuid4()),
        "htm": method,
        "htu": url.partition("#")[0].partition("?")[0],
        "iat": int(now),
    }
    if token is not None:
        claims["ath"] = base64url(hashlib.sha256(token.encode()).digest())
    if nonce is not None:
        claims["nonce"] = nonce
    header = {"typ": "dpop+jwt", "alg": key.algorithm, "jwk": key.jwk}
    signed = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def _wants_nonce(response: httpx.Response) -> bool:
    return "use_dpop_nonce" in response.headers.get("WWW-Authenticate", "")
