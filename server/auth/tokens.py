"""Access tokens (RFC 9068, RFC 8725): whose they are, what they allow, and which key they are bound to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.tenants import is_tenant
from server.auth import errors
from server.auth.jwks import KeysUnavailableError
from server.auth.jwt import JwtError, parse
from server.auth.keys import is_signed_by

if TYPE_CHECKING:
    from server.auth.jwks import FindKey
    from server.auth.jwt import Jwt
    from server.auth.settings import AuthSettings

ALGORITHMS = frozenset(
    {"ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "EdDSA", "Ed25519"}
)
"""Asymmetric ones alone."""

TYPES = frozenset({"at+jwt", "application/at+jwt"})
MAX_BYTES = 16384
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class AccessToken:
    """What a verified token says.

    Attributes:
        subject: Its ``sub``.
        client: Its ``client_id``.
        scopes: What it allows.
        tenants: The tenants it names; may be empty.
        jkt: Thumbprint of the key it is bound to.
        expires_at: Seconds since the epoch.
    """

    subject: str
    client: str
    scopes: frozenset[str]
    tenants: tuple[str, ...]
    jkt: str
    expires_at: float


def verify_access_token(text: str, settings: AuthSettings, find_key: FindKey, *, now: float) -> AccessToken:
    """Return what a token says, once all of it is good; that its sender has the key is left to the proof.

    Raises:
        AuthError: It is not good (401), or the issuer's keys cannot be had (503).
    """
    try:
        jwt = parse(text, max_bytes=MAX_BYTES)
        _check_signature(jwt, find_key, now)
        _check_issuer(jwt, settings)
        _check_times(jwt, settings, now)
        return _read(jwt, settings)
    except JwtError as error:
        raise errors.invalid_token(f"access token: {error}") from error
    except KeysUnavailableError as error:
        raise errors.keys_unavailable() from error


def _check_signature(jwt: Jwt, find_key: FindKey, now: float) -> None:
    """Check by the issuer's own key: keys that a header brings or points to are nobody's."""
    kind, algorithm, kid = (jwt.header.get(name) for name in ("typ", "alg", "kid"))
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise JwtError("its type is not at+jwt")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise JwtError("its algorithm is not accepted")
    if not isinstance(kid, str):
        raise JwtError("it does not name its key")
    found = find_key(kid, now=now)
    if found is None or found.algorithm not in {"", algorithm}:
        raise JwtError("its key is none of the issuer's")
    if not is_signed_by(jwt, found.key, algorithm):
        raise JwtError("its signature does not match")


def _check_issuer(jwt: Jwt, settings: AuthSettings) -> None:
    if jwt.claims.get("iss") != settings.issuer:
        raise JwtError("it is of another issuer")
    audience = jwt.claims.get("aud")
    if settings.audience not in (audience if isinstance(audience, list) else [audience]):
        raise JwtError("it is for another audience")


def _check_times(jwt: Jwt, settings: AuthSettings, now: float) -> None:
    if jwt.time("exp") <= now - settings.skew:
        raise JwtError("it has expired")
    starts = ["iat", *({"nbf"} & jwt.claims.keys())]
    if max(map(jwt.time, starts)) > now + settings.skew:
        raise JwtError("it is not good yet")


def _read(jwt: Jwt, settings: AuthSettings) -> AccessToken:
    jwt.text("jti")
    confirmation = jwt.claims.get("cnf")
    jkt = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    if not isinstance(jkt, str) or not _THUMBPRINT.fullmatch(jkt):
        raise JwtError("it is not bound to a key")
    scope = jwt.claims.get("scope", "")
    if not isinstance(scope, str):
        raise JwtError("the claim scope is no text")
    return AccessToken(
        subject=jwt.text("sub"),
        client=jwt.text("client_id"),
        scopes=frozenset(scope.split()),
        tenants=_tenants(jwt.claims.get(settings.tenant_claim, [])),
        jkt=jkt,
        expires_at=jwt.time("exp"),
    )


def _tenants(claim: object) -> tuple[str, ...]:
    listed = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(each, str) and is_tenant(each) for each in listed):
        raise JwtError("the claim of tenants holds what is no tenant")
    return tuple(dict.fromkeys(listed))
