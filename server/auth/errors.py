"""How authentication fails: one error, which carries the whole answer.

``AuthError`` (``ReplayedProofError`` is one) is the only one that leaves this package. Within it, ``jwt.JwtError`` and
``htu.UrlError`` say what is wrong with one text, ``jwks.KeysUnavailableError`` that the issuer's keys could not be had.
"""

from __future__ import annotations

from server.auth.challenge import challenge


class AuthError(Exception):
    """A request is refused.

    Attributes:
        status: HTTP status: 400, 401, 403 or 503.
        error: What kind it is, as in "invalid_token"; empty when the request only lacked credentials.
        description: What is wrong, for a person; never repeats what the client sent.
        challenge: Value of WWW-Authenticate; empty when other credentials would not help.
        nonce: Value of DPoP-Nonce, which the next proof must carry; empty when there is none.
        field: The header at fault when the answer is a validation failure; else empty.
    """

    def __init__(
        self, status: int, error: str, description: str, *, challenge: str = "", nonce: str = "", field: str = ""
    ) -> None:
        """Keep all of it."""
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description
        self.challenge = challenge
        self.nonce = nonce
        self.field = field

    @property
    def reason(self) -> str:
        """What kind it is to the operator, who may know more than the client."""
        return self.error or "no_credentials"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        given = {"WWW-Authenticate": self.challenge, "DPoP-Nonce": self.nonce}
        # A nonce is for one client and a short time.
        return {name: value for name, value in given.items() if value} | {"Cache-Control": "no-store"}


class ReplayedProofError(AuthError):
    """A proof was used before: by a client that repeats itself, or by a thief."""

    reason = "replayed_proof"


def _challenged(status: int, error: str, description: str, *, nonce: str = "", scope: str = "") -> AuthError:
    made = challenge(error, description, scope=scope)
    return AuthError(status, error, description, challenge=made, nonce=nonce)


def no_credentials() -> AuthError:
    """Return the error of a request without Authorization: by RFC 9449 7.2 its challenge names no error."""
    return AuthError(401, "", "the request carries no access token", challenge=challenge())


def invalid_request(description: str) -> AuthError:
    """Return the error of credentials whose form is wrong."""
    return _challenged(400, "invalid_request", description)


def invalid_token(description: str) -> AuthError:
    """Return the error of an access token that is not good, or not this sender's."""
    return _challenged(401, "invalid_token", description)


def invalid_proof(description: str) -> AuthError:
    """Return the error of a DPoP proof that is not good."""
    return _challenged(401, "invalid_dpop_proof", description)


def replayed_proof() -> AuthError:
    """Return the error of a proof that was used before."""
    error, text = "invalid_dpop_proof", "proof: it was used before"
    return ReplayedProofError(401, error, text, challenge=challenge(error, text))


def nonce_needed(nonce: str) -> AuthError:
    """Return the error of a proof without a nonce of ours, or with an old one; it carries a new one."""
    return _challenged(401, "use_dpop_nonce", "the proof must carry the nonce of this answer", nonce=nonce)


def insufficient_scope(scope: str) -> AuthError:
    """Return the error of a token without a scope."""
    return _challenged(403, "insufficient_scope", f"the token lacks the scope {scope}", scope=scope)


def tenant_unclear(description: str) -> AuthError:
    """Return the error of a request that does not say, or says badly, which tenant it is about."""
    return AuthError(400, "tenant_unclear", description, field="X-Stella-Tenant")


def tenant_forbidden(description: str) -> AuthError:
    """Return the error of a request about a tenant that the token does not name."""
    return AuthError(403, "tenant_forbidden", description)


def keys_unavailable() -> AuthError:
    """Return the error of a server that cannot get the issuer's keys."""
    return AuthError(503, "keys_unavailable", "the keys of the token's issuer cannot be had at the moment")
