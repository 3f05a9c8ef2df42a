"""Sigstore bundles, version 0.3, made with a key of one's own: no transparency log, no certificate.

Stock cosign (``verify-blob --bundle``) and npm's @sigstore/verify read them.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bundle.canonical import canonical_json
from bundle.dsse import encode, envelope

if TYPE_CHECKING:
    from bundle.keys import PublicKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def message_bundle(data: bytes, signature: bytes, key: PublicKey) -> bytes:
    """Return the bundle of a signature over bytes."""
    digest = {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(data).digest())}
    return _bundle({"messageSignature": {"messageDigest": digest, "signature": encode(signature)}}, key)


def dsse_bundle(payload: bytes, signature: bytes, key: PublicKey) -> bytes:
    """Return the bundle of a DSSE envelope."""
    return _bundle({"dsseEnvelope": envelope(payload, signature)}, key)


def _bundle(content: dict[str, object], key: PublicKey) -> bytes:
    hint = encode(hashlib.sha256(key.der).digest())
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    return canonical_json({"mediaType": MEDIA_TYPE, "verificationMaterial": material, **content})
