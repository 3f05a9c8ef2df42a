"""Nonces for proofs (RFC 9449 9): kept nowhere, the same from every server that has the secret."""

from __future__ import annotations

import base64
import hmac

STEP_SECONDS = 60
"""A nonce is given out for so long, and accepted for so long again."""


class Nonces:
    """Nonces made from a secret and the time."""

    def __init__(self, secret: bytes) -> None:
        """Use a secret."""
        self._secret = secret

    def current(self, now: float) -> str:
        """Return the nonce to give out now."""
        return self._at(int(now // STEP_SECONDS))

    def accepts(self, nonce: object, now: float) -> bool:
        """Whether this is the current nonce or the one before."""
        step = int(now // STEP_SECONDS)
        if not isinstance(nonce, str):
            return False
        given = nonce.encode()
        return any(hmac.compare_digest(given, self._at(each).encode()) for each in (step, step - 1))

    def _at(self, step: int) -> str:
        made = hmac.digest(self._secret, b"dpop-nonce\0" + step.to_bytes(8, "big", signed=True), "sha256")
        return base64.urlsafe_b64encode(made[:24]).decode()
