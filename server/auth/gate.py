"""What an application calls: authentication and authorization of one request, with refusals as problems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.auth.access import authorize
from server.auth.credentials import Request
from server.auth.errors import AuthError
from server.problems import FORBIDDEN, REQUEST, UNAUTHORIZED, UNAVAILABLE, VALIDATION, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.auth.authenticator import Authenticator
    from server.caller import Caller

MICROSECONDS = 1_000_000
_CODES = {400: REQUEST, 401: UNAUTHORIZED, 403: FORBIDDEN, 503: UNAVAILABLE}
RETRY_SECONDS = 10
"""When keys that could not be fetched may be tried again."""


class Gate:
    """Decides who calls (`server.service.Authenticate`)."""

    def __init__(self, authenticator: Authenticator, *, refused: Callable[[str], object] = lambda _error: None) -> None:
        """Use an authenticator; ``refused`` hears the `AuthError.reason` of every refusal."""
        self._authenticator = authenticator
        self._refused = refused

    def __call__(
        self, method: str, raw_path: str, headers: Sequence[tuple[bytes, bytes]], scope: str, now: int
    ) -> Caller:
        """Return the caller of a request; ``now`` is in microseconds since the epoch.

        Raises:
            Problem: The request is refused.
        """
        request = Request(method, _bytes(raw_path), headers)
        try:
            token = self._authenticator.authenticate(request, now=now / MICROSECONDS)
            return authorize(token, request, scope=scope)
        except AuthError as error:
            self._refused(error.reason)
            raise problem_of(error) from error

    def headers(self, now: int) -> dict[str, str]:
        """Return headers for every answer: the nonce that the next proof must carry, when nonces are required."""
        nonce = self._authenticator.nonce(now / MICROSECONDS)
        return {"DPoP-Nonce": nonce} if nonce else {}


def problem_of(error: AuthError) -> Problem:
    """Return the answer of the service to a request that is refused."""
    headers = error.headers | ({"Retry-After": str(RETRY_SECONDS)} if error.status == 503 else {})  # noqa: PLR2004
    if error.field:
        details = [{"field": error.field, "message": error.description}]
        return Problem(
            error.status, VALIDATION, f"{error.field}: {error.description}", details=details, headers=headers
        )
    details = [{"error": error.error}] if error.error else []
    return Problem(error.status, _CODES[error.status], error.description, details=details, headers=headers)


def _bytes(raw_path: str) -> bytes:
    """Return a path's bytes as on the wire; servers that keep none give its decoded text."""
    try:
        return raw_path.encode("latin-1")
    except UnicodeEncodeError:
        return raw_path.encode()
