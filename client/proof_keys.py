"""The key that a token is bound to: read from a file, as PEM or as a JWK; it signs proofs."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from client.errors import CredentialError

if TYPE_CHECKING:
    from pathlib import Path

ADVICE = "It is a private key, EC P-256 or Ed25519, as PEM without a password or as a JWK."
COORDINATE_BYTES = 32


@dataclass(frozen=True)
class ProofKey:
    """A private key.

    Attributes:
        algorithm: As proofs name it: "ES256" or "EdDSA".
        jwk: Its public half.
    """

    algorithm: str
    jwk: dict[str, str]
    _private: EllipticCurvePrivateKey | Ed25519PrivateKey

    @property
    def thumbprint(self) -> str:
        """What tokens name it by (RFC 7638)."""
        members = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return base64url(hashlib.sha256(members.encode()).digest())

    def sign(self, data: bytes) -> bytes:
        """Return a signature as JWS has it: of ECDSA the two numbers, one after the other."""
        if isinstance(self._private, Ed25519PrivateKey):
            return self._private.sign(data)
        numbers = decode_dss_signature(self._private.sign(data, ECDSA(SHA256())))
        return b"".join(number.to_bytes(COORDINATE_BYTES) for number in numbers)


def base64url(data: bytes) -> str:
    """Return bytes as JOSE writes them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def read_proof_key(path: Path) -> ProofKey:
    """Read a key from a file.

    Raises:
        CredentialError: It cannot be read, or is no such key.
    """
    try:
        return proof_key(path.read_bytes())
    except OSError as error:
        raise CredentialError(f"the proof key {path} cannot be read: {error.strerror}") from error
    except CredentialError as error:
        raise CredentialError(f"{path}: {error.message}", advice=error.advice) from error


def proof_key(data: bytes) -> ProofKey:
    """Return the key that PEM or a JWK holds.

    Raises:
        CredentialError: There is none of a kind that proofs are signed with.
    """
    try:
        private = _from_jwk(json.loads(data)) if data.lstrip().startswith(b"{") else load_pem_private_key(data, None)
    except (KeyError, TypeError, ValueError) as error:
        raise CredentialError("this is no private key that can be read", advice=ADVICE) from error
    return _usable(private)


def new_proof_key() -> ProofKey:
    """Return a new key, for a program that gets its tokens itself and need not keep it."""
    return _usable(generate_private_key(SECP256R1()))


def _usable(private: Any) -> ProofKey:
    if isinstance(private, Ed25519PrivateKey):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return ProofKey("EdDSA", {"crv": "Ed25519", "kty": "OKP", "x": base64url(raw)}, private)
    if isinstance(private, EllipticCurvePrivateKey) and isinstance(private.curve, SECP256R1):
        return ProofKey("ES256", _public_jwk(private), private)
    raise CredentialError("this key is of another kind", advice=ADVICE)


def _public_jwk(private: EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(COORDINATE_BYTES)) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def _from_jwk(jwk: Any) -> Any:
    secret = base64.urlsafe_b64decode(jwk["d"] + "=" * (-len(jwk["d"]) % 4))
    match jwk["kty"], jwk["crv"]:
        case "EC", "P-256":
            return derive_private_key(int.from_bytes(secret), SECP256R1())
        case "OKP", "Ed25519":
            return Ed25519PrivateKey.from_private_bytes(secret)
    return None
