"""The envelope of a bundle: the signed files around its payload, made and checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bundle.canonical import canonical_json
from bundle.dsse import decode, encode, envelope, pae, sign_payload, verify_envelope
from bundle.errors import FormatError
from bundle.manifest import Manifest
from bundle.provenance import build_provenance
from bundle.sigstore import dsse_bundle, message_bundle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bundle.keys import PublicKey, Signer

MANIFEST = "export.json"
MANIFEST_SIG = "export.json.sig"
MANIFEST_SIGSTORE = "export.json.sigstore.json"
PROVENANCE = "provenance.json"
PROVENANCE_SIG = "provenance.json.sig"
PROVENANCE_SIGSTORE = "provenance.sigstore.json"
PROVENANCE_DSSE = "provenance.dsse.json"
CHECKSUMS = "checksums.txt"
KEY = "cosign.pub"

FIRST = (
    MANIFEST,
    MANIFEST_SIG,
    MANIFEST_SIGSTORE,
    PROVENANCE,
    PROVENANCE_SIG,
    PROVENANCE_SIGSTORE,
    PROVENANCE_DSSE,
)
"""Envelope members before the payload, in order."""

LAST = (CHECKSUMS, KEY)
"""Envelope members after the payload, in order."""

_CHECKSUM = re.compile(r"([0-9a-f]{64})  ([!-~][ -~]*)")


class EnvelopeError(FormatError):
    """An envelope member is not what it should be; ``member`` names it."""

    def __init__(self, member: str, message: str, *, advice: str = "") -> None:
        """Keep the member beside the message."""
        super().__init__(message, advice=advice)
        self.member = member


def sign_envelope(manifest: Manifest, signer: Signer) -> dict[str, bytes]:
    """Return every envelope member but checksums.txt, signed.

    Raises:
        SigningError: The signer refused.
    """
    key, data = signer.public, manifest.to_bytes()
    provenance = build_provenance(data, key_id=key.key_id)
    signature = signer.sign(data)
    statement_signature = sign_payload(provenance, signer)
    return {
        MANIFEST: data,
        MANIFEST_SIG: _line(signature),
        MANIFEST_SIGSTORE: message_bundle(data, signature, key),
        PROVENANCE: provenance,
        PROVENANCE_SIG: _line(signer.sign(provenance)),
        PROVENANCE_SIGSTORE: dsse_bundle(provenance, statement_signature, key),
        PROVENANCE_DSSE: canonical_json(envelope(provenance, statement_signature)),
        KEY: key.pem,
    }


def signed_manifest(files: Mapping[str, bytes], keys: Iterable[PublicKey]) -> tuple[Manifest, PublicKey]:
    """Return the manifest, and the trusted key that signed it.

    Raises:
        EnvelopeError: No trusted key signed it, or it is malformed.
    """
    try:
        signature = _signature(files[MANIFEST_SIG])
    except FormatError as error:
        raise EnvelopeError(MANIFEST_SIG, error.message) from error
    for key in keys:
        if key.verify(signature, files[MANIFEST]):
            return _manifest(files[MANIFEST]), key
    raise EnvelopeError(
        MANIFEST_SIG,
        "export.json is not signed by any of the keys you trust",
        advice="Check that you hold the sender's public key; if you do, the bundle was altered.",
    )


def check_envelope(files: Mapping[str, bytes], key: PublicKey) -> None:
    """Check every other signed member against the key that signed the manifest.

    Raises:
        EnvelopeError: A member is not byte for byte what the manifest and the key ask for.
    """
    data = files[MANIFEST]
    signature = _signature(files[MANIFEST_SIG])
    _equal(files, MANIFEST_SIGSTORE, message_bundle(data, signature, key))
    provenance = build_provenance(data, key_id=key.key_id)
    _equal(files, PROVENANCE, provenance)
    try:
        own = _signature(files[PROVENANCE_SIG])
    except FormatError as error:
        raise EnvelopeError(PROVENANCE_SIG, error.message) from error
    if not key.verify(own, provenance):
        raise EnvelopeError(PROVENANCE_SIG, "is not the key's signature over provenance.json")
    _check_statement(files, provenance, key)


def _check_statement(files: Mapping[str, bytes], provenance: bytes, key: PublicKey) -> None:
    try:
        payload = verify_envelope(files[PROVENANCE_DSSE], key)
    except FormatError as error:
        raise EnvelopeError(PROVENANCE_DSSE, error.message) from error
    if payload != provenance:
        raise EnvelopeError(PROVENANCE_DSSE, "its payload is not provenance.json")
    signature = _statement_signature(files[PROVENANCE_DSSE], provenance, key)
    _equal(files, PROVENANCE_SIGSTORE, dsse_bundle(provenance, signature, key))


def _statement_signature(data: bytes, provenance: bytes, key: PublicKey) -> bytes:
    """Return the signature inside an envelope that has been verified."""
    head = canonical_json(envelope(provenance, b""))
    signature = decode(data[head.index(b'"sig":"') + 7 : -4].decode())
    if not key.verify(signature, pae("application/vnd.in-toto+json", provenance)):
        raise EnvelopeError(PROVENANCE_DSSE, "its signature is not the key's")
    return signature


def checksums(digests: Mapping[str, str]) -> bytes:
    """Return checksums.txt for (name, SHA-256) in the order of the archive, as ``sha256sum`` writes it."""
    return "".join(f"{digest}  {name}\n" for name, digest in digests.items()).encode()


def parse_checksums(data: bytes) -> dict[str, str]:
    """Read checksums.txt.

    Raises:
        EnvelopeError: A line is not in the form that ``checksums`` writes.
    """
    digests: dict[str, str] = {}
    for line in data.decode("ascii", "replace").splitlines():
        match = _CHECKSUM.fullmatch(line)
        if match is None:
            raise EnvelopeError(CHECKSUMS, f"the line {line[:80]!r} is not a digest and a name")
        digests[match[2]] = match[1]
    if checksums(digests) != data:
        raise EnvelopeError(CHECKSUMS, "is not in the form that this format asks for")
    return digests


def _manifest(data: bytes) -> Manifest:
    try:
        return Manifest.from_bytes(data)
    except FormatError as error:
        raise EnvelopeError(MANIFEST, error.message, advice=error.advice) from error


def _equal(files: Mapping[str, bytes], name: str, expected: bytes) -> None:
    if files[name] != expected:
        raise EnvelopeError(name, "is not what export.json and the key ask for")


def _line(signature: bytes) -> bytes:
    return encode(signature).encode() + b"\n"


def _signature(line: bytes) -> bytes:
    """Read a ``.sig``: one line of base64."""
    if not line.endswith(b"\n"):
        raise FormatError("a signature file is one line of base64")
    return decode(line[:-1].decode("ascii", "replace"))
