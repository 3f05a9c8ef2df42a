"""DPoP proofs (RFC 9449 4.3): that a request's sender has the key its token is bound to, for this request alone."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.auth import errors, htu
from server.auth.challenge import PROOF_ALGORITHMS
from server.auth.jwt import JwtError, parse
from server.auth.keys import is_signed_by, public_key

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from server.auth.jwt import Jwt

TYPE = "dpop+jwt"
MAX_BYTES = 8192
MAX_JTI = 256


@dataclass(frozen=True)
class Expected:
    """What a proof must be for.

    Attributes:
        method: Of the request, as sent.
        url: Of the request, as its client knows it; normalised.
        token: The access token beside it.
    """

    method: str
    url: str
    token: str


@dataclass(frozen=True)
class Proof:
    """What a verified proof says.

    Attributes:
        jkt: Thumbprint of its key (RFC 7638).
        jti: What makes it unique.
        issued_at: Seconds since the epoch.
        nonce: Of whatever type it is; None when there is none.
    """

    jkt: str
    jti: str
    issued_at: float
    nonce: object


def verify_proof(text: str, expected: Expected) -> Proof:
    """Return what a proof says, once it is well made and for this request; its age and nonce are not judged here.

    Raises:
        AuthError: It is not.
    """
    try:
        jwt = parse(text, max_bytes=MAX_BYTES)
        key = _signer(jwt)
        proof = Proof(key.thumbprint(), _identifier(jwt), jwt.time("iat"), jwt.claims.get("nonce"))
        _check_request(jwt, expected)
    except JwtError as error:
        raise errors.invalid_proof(f"proof: {error}") from error
    return proof


def _signer(jwt: Jwt) -> Key:
    algorithm, jwk = jwt.header.get("alg"), jwt.header.get("jwk")
    if jwt.header.get("typ") != TYPE:
        raise JwtError(f"its type is not {TYPE}")
    if not isinstance(algorithm, str) or algorithm not in PROOF_ALGORITHMS:
        raise JwtError("its algorithm is not accepted")
    if not isinstance(jwk, dict):
        raise JwtError("it carries no key")
    key = public_key(jwk)
    if not is_signed_by(jwt, key, algorithm):
        raise JwtError("its signature does not match its key")
    return key


def _identifier(jwt: Jwt) -> str:
    jti = jwt.text("jti")
    if len(jti) > MAX_JTI:
        raise JwtError(f"the claim jti is longer than {MAX_JTI} characters")
    return jti


def _check_request(jwt: Jwt, expected: Expected) -> None:
    method, url, digest = jwt.text("htm"), jwt.text("htu"), jwt.text("ath")
    if method != expected.method:
        raise JwtError("it is for another method")
    try:
        normalised = htu.normalise(url)
    except htu.UrlError as error:
        raise JwtError(f"the claim htu is {error}") from error
    if normalised != expected.url:
        raise JwtError("it is for another URL")
    if digest != token_digest(expected.token):
        raise JwtError("it is for another access token")


def token_digest(token: str) -> str:
    """Return what ``ath`` must be for a token."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
