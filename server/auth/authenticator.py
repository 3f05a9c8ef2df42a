"""Authentication whole: every check of a request, in order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from server.auth import errors
from server.auth.credentials import credentials
from server.auth.htu import UrlError, external_url
from server.auth.nonces import Nonces
from server.auth.proofs import Expected, verify_proof
from server.auth.remembered import RememberedTokens
from server.auth.replays import replay_key
from server.auth.tokens import verify_access_token

if TYPE_CHECKING:
    from server.auth.credentials import Request
    from server.auth.jwks import FindKey
    from server.auth.proofs import Proof
    from server.auth.replays import Replays
    from server.auth.settings import AuthSettings
    from server.auth.tokens import AccessToken


class Authenticator:
    """Decides whose a request is; safe for many threads."""

    def __init__(self, settings: AuthSettings, *, find_key: FindKey, replays: Replays) -> None:
        """Use settings, the issuer's keys (`jwks.JwksCache.find`) and the memory of proofs."""
        self._settings = settings
        self._find_key = find_key
        self._replays = replays
        self._remembered = RememberedTokens()
        self._nonces = Nonces(settings.nonce_secret) if settings.nonces_required else None

    def authenticate(self, request: Request, *, now: float) -> AccessToken:
        """Return the token of a request whose sender may use it; ``now`` is in seconds since the epoch.

        Raises:
            AuthError: The request is refused.
        """
        given = credentials(request, accept_bearer=self._settings.accept_bearer)
        token = self._token(given.token, now)
        url = self._url(request)
        proof = verify_proof(given.proof, Expected(request.method, url, given.token))
        if proof.jkt != token.jkt:
            raise errors.invalid_token("the access token is bound to another key than the proof's")
        self._check_nonce(proof, now)
        self._check_age(proof, now)
        # Last, so that a proof that is refused is not used up.
        if not self._replays.first_time(replay_key(proof.jkt, url, proof.jti), self._forgettable(now)):
            raise errors.replayed_proof()
        return token

    def nonce(self, now: float) -> str:
        """Return the nonce for answers to carry, so that the next proof has a fresh one; empty when none is needed."""
        return self._nonces.current(now) if self._nonces else ""

    def _token(self, text: str, now: float) -> AccessToken:
        known = self._remembered.find(text, now=now)
        if known is None:
            known = verify_access_token(text, self._settings, self._find_key, now=now)
            self._remembered.keep(text, known, now=now)
        return known

    def _url(self, request: Request) -> str:
        try:
            return external_url(self._settings.base_url, request.raw_path)
        except UrlError as error:
            raise errors.invalid_request(f"the request's path: {error}") from error

    def _check_nonce(self, proof: Proof, now: float) -> None:
        if self._nonces and not self._nonces.accepts(proof.nonce, now):
            raise errors.nonce_needed(self._nonces.current(now))

    def _check_age(self, proof: Proof, now: float) -> None:
        earliest = now - self._settings.window - self._settings.skew
        if not earliest <= proof.issued_at <= now + self._settings.skew:
            raise errors.invalid_proof("proof: it was not made just now")

    def _forgettable(self, now: float) -> int:
        return math.ceil(now) + self._settings.replay_seconds
