"""Signing keys: one interface, chosen by URI, and two algorithms.

ECDSA over P-256 with SHA-256 is the default, being what stock cosign reads; its nonces are derived (RFC 6979), so that
the same bytes get the same signature. Ed25519 is deterministic by nature.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from bundle.errors import FormatError, SigningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Algorithm = Literal["ecdsa-p256-sha256", "ed25519"]
ECDSA: Algorithm = "ecdsa-p256-sha256"
ED25519: Algorithm = "ed25519"
SUPPORTED = "Use an ECDSA P-256 or an Ed25519 key."

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
            if encode_dss_signature(*decode_dss_signature(signature)) != signature:
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
        """Return the signature over ``data``: DER for ECDSA, 64 raw bytes for Ed25519."""


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
        return self.private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


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
    """Return a new (private, public) pair as PEM: PKCS #8 without a password, and SubjectPublicKeyInfo."""
    private: PrivateKey
    private = ed25519.Ed25519PrivateKey.generate() if algorithm == ED25519 else ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, FileSigner(private).public.pem


def save_key_pair(folder: Path, name: str, pair: tuple[bytes, bytes]) -> None:
    """Write ``<name>.key`` (mode 0600) and ``<name>.pub`` into a folder.

    Raises:
        SigningError: One of them exists; a key is never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for suffix, data, mode in (("key", pair[0], 0o600), ("pub", pair[1], 0o644)):
        path = folder / f"{name}.{suffix}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        except FileExistsError as error:
            raise SigningError(f"{path} exists", advice="Choose another name, or rotate the key.") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def signer_from_uri(uri: str) -> Signer:
    """Return the signer that a key URI names.

    Raises:
        SigningError: The scheme is unknown, or the key cannot be used.
    """
    scheme, found, rest = uri.partition(":")
    if not found or scheme not in SIGNERS:
        raise SigningError(
            f"key URI with scheme {scheme!r} is not supported here", advice=f"Supported: {', '.join(SIGNERS)}:"
        )
    return SIGNERS[scheme](rest)


def _file_signer(path: str) -> Signer:
    try:
        private = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise SigningError(
            f"signing key {path} cannot be read: {error.strerror}", advice="`export-center keys generate` makes one."
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(f"{path} holds no private key in PEM without a password", advice=SUPPORTED) from error
    try:
        _algorithm(private.public_key() if hasattr(private, "public_key") else private)
    except FormatError as error:
        raise SigningError(f"{path}: {error.message}", advice=error.advice) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise SigningError(f"{path}: the key is of a kind that is not supported", advice=SUPPORTED)
    return FileSigner(private)


SIGNERS: Mapping[str, Callable[[str], Signer]] = {"file": _file_signer}
"""Signers by the scheme of their key URI."""


def _algorithm(key: object) -> Algorithm:
    if isinstance(key, ed25519.Ed25519PublicKey):
        return ED25519
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return ECDSA
    raise FormatError("the key is of a kind that is not supported", advice=SUPPORTED)
