"""Signing keys: one interface, chosen by URI, and two algorithms.

ECDSA over P-256 with SHA-256 is the default, being what stock cosign reads; its nonces are derived (RFC 6979), so that
the same bytes get the same signature. Ed25519 is deterministic by nature.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bundle.ecdsa import only_form
from bundle.errors import FormatError, SigningError
from bundle.keyfiles import path_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Algorithm = Literal["ecdsa-p256-sha256", "ed25519"]
ECDSA: Algorithm = "ecdsa-p256-sha256"
ED25519: Algorithm = "ed25519"
SUPPORTED = "Use an ECDSA P-256 or an Ed25519 key."
PLANNED = ("pkcs11", "awskms", "gcpkms", "azurekms", "hv")
"""Schemes that the format reserves for key services, and that this version has no signer for."""

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class PublicKey:
    """A public key, as the canonical PEM of its SubjectPublicKeyInfo."""

    algorithm: Algorithm
    pem: bytes

    @property
    def der(self) -> bytes:
        """The SubjectPublicKeyInfo in DER."""
        return self._loaded().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    @property
    def key_id(self) -> str:
        """SHA-256 of the DER form, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` is this key's over ``data``, in the one encoding that is allowed."""
        key = self._loaded()
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
                return True
            if only_form(signature) != signature:
                return False
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _loaded(self) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        key = serialization.load_pem_public_key(self.pem)
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise FormatError("the key is of another kind than it was loaded as")
        return key


class Signer(Protocol):
    """Whoever holds a private key."""

    @property
    def public(self) -> PublicKey:
        """The public half."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``: DER with the lower s for ECDSA, 64 raw bytes for Ed25519."""


@dataclass(frozen=True)
class FileSigner:
    """A private key from a PKCS #8 PEM file."""

    private: PrivateKey

    @property
    def public(self) -> PublicKey:
        """The public half."""
        pem = self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return load_public_key(pem)

    def sign(self, data: bytes) -> bytes:
        """Return the signature over ``data``."""
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        return only_form(self.private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))


def load_public_key(pem: bytes) -> PublicKey:
    """Read a public key in canonical PEM: exactly the bytes this project would write.

    Raises:
        FormatError: It is no public key, of an algorithm that is not supported, or not canonical.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise FormatError("not a public key in PEM", advice=SUPPORTED) from error
    algorithm = _algorithm(key)
    written = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    if written != pem:
        raise FormatError("the public key's PEM has other bytes around or inside it than the canonical form")
    return PublicKey(algorithm, pem)


def generate_key_pair(algorithm: str = ECDSA) -> tuple[bytes, bytes]:
    """Return a new (private, public) pair as PEM: PKCS #8 without a password, and SubjectPublicKeyInfo.

    Raises:
        SigningError: The algorithm is none of the two.
    """
    private: PrivateKey
    if algorithm == ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    elif algorithm == ECDSA:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        raise SigningError(f"no keys are made for algorithm {algorithm!r}", advice=f"Use {ECDSA} or {ED25519}.")
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, FileSigner(private).public.pem


def signer_from_uri(uri: str) -> Signer:
    """Return the signer that a key URI names.

    Raises:
        SigningError: The scheme is unknown, or the key cannot be used.
    """
    scheme, found, rest = uri.partition(":")
    if found and scheme in SIGNERS:
        return SIGNERS[scheme](rest)
    known = ", ".join(f"{name}:" for name in SIGNERS)
    if found and scheme in PLANNED:
        raise SigningError(f"this version has no signer for {scheme}: keys", advice=f"Use one of {known}")
    # The text may be a key or a secret somebody pasted: only its length is told.
    raise SigningError(
        f"a signing key is named by a URI, and these {len(uri)} characters start with no scheme that is known",
        advice=f"Write {known} followed by the path of a private key.",
    )


def _file_signer(rest: str) -> Signer:
    path = path_of(rest)
    try:
        private = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise SigningError(
            f"signing key {path} cannot be read: {error.strerror}", advice="`export-center keys generate` makes one."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path} holds no private key in PEM without a password", advice=SUPPORTED) from error
    if isinstance(private, ed25519.Ed25519PrivateKey) or (
        isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)
    ):
        return FileSigner(private)
    raise SigningError(f"{path} holds {_kind(private)}, which is not supported", advice=SUPPORTED)


SIGNERS: Mapping[str, Callable[[str], Signer]] = {"file": _file_signer}
"""Signers by the scheme of their key URI."""


def _algorithm(key: object) -> Algorithm:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return ECDSA
    raise FormatError(f"the file holds {_kind(key)}, which is not supported", advice=SUPPORTED)


def _kind(key: object) -> str:
    """Name the kind of a key, as people know it."""
    if isinstance(key, ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey):
        return f"an ECDSA key on the curve {key.curve.name}"
    return f"a key of the kind {type(key).__name__.removesuffix('PublicKey').removesuffix('PrivateKey')}"
