"""Public keys as JSON (RFC 7517), and what they say of signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.jws import JWSRegistry

from server.auth.jwt import JwtError, decoded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.auth.jwt import Jwt

_MEMBERS = {"EC": ("crv", "x", "y"), "OKP": ("crv", "x"), "RSA": ("e", "n")}
_SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
"""Above it a signature would cost more time than a request is worth."""


def public_key(jwk: Mapping[str, Any]) -> Key:
    """Return the key that a JWK describes, from its public members alone.

    Raises:
        JwtError: It is private, symmetric, of an unknown kind, too short or too long, or no key at all.
    """
    if _SECRET & jwk.keys():
        # The library would take it without a word.
        raise JwtError("the key is private or symmetric")
    kind = jwk.get("kty")
    members = _MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None or not all(isinstance(jwk.get(member), str) for member in members):
        raise JwtError("the key is not of a kind that is accepted, or incomplete")
    if kind == "RSA":
        _check_size(jwk["n"])
    try:
        return import_key({member: jwk[member] for member in ("kty", *members)})
    except (JoseError, ValueError, KeyError, TypeError, OverflowError, UnsupportedAlgorithm) as error:
        raise JwtError("the key is no key") from error


def _check_size(modulus: str) -> None:
    """Check before the library sees it, which would take a short key and warn."""
    bits = int.from_bytes(decoded(modulus, "n"), "big").bit_length()
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise JwtError(f"the RSA key is not of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")


def is_signed_by(jwt: Jwt, key: Key, algorithm: str) -> bool:
    """Whether a key made a token's signature; False too when the key is not one for the algorithm."""
    # RFC 9864 renames the one that is in use; the library warns of the old name.
    model = JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm]
    try:
        model.check_key(key)
        return model.verify(jwt.signed, jwt.signature, key)
    except (JoseError, ValueError):
        return False
