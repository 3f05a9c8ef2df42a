"""The envelope of a bundle: the signed files around its payload, made and checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bundle.canonical import canonical_json
from bundle.dsse import IN_TOTO, decode, encode, envelope, pae, read_envelope, verify_envelope
from bundle.ecdsa import only_form
from bundle.errors import FormatError, SigningError
from bundle.keys import ECDSA
from bundle.manifest import Manifest
from bundle.provenance import build_provenance, check_provenance
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

MAX_MANIFEST = 8 << 20
"""The largest export.json, in bytes."""

MAX_LINES = 1 << 10
"""The largest signature or public key, in bytes."""

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
        FormatError: The manifest contradicts itself, has no canonical form, or is larger than verifiers take.
        SigningError: The signer refused, or does not hold the private half of the key it shows.
    """
    key, data = signer.public, manifest.to_bytes()
    provenance = build_provenance(data, key_id=key.key_id)
    signature = _signed(signer, data)
    statement_signature = _signed(signer, pae(IN_TOTO, provenance))
    files = {
        MANIFEST: data,
        MANIFEST_SIG: _line(signature),
        MANIFEST_SIGSTORE: message_bundle(data, signature, key),
        PROVENANCE: provenance,
        PROVENANCE_SIG: _line(_signed(signer, provenance)),
        PROVENANCE_SIGSTORE: dsse_bundle(provenance, statement_signature, key),
        PROVENANCE_DSSE: canonical_json(envelope(provenance, statement_signature)),
        KEY: key.pem,
    }
    _check_sizes(files)
    return files


def limit_of(name: str, manifest_bytes: int = MAX_MANIFEST) -> int:
    """Return the largest size of a member before the payload, or of cosign.pub, in bytes.

    Args:
        name: The member.
        manifest_bytes: Size of the export.json it belongs to.
    """
    if name == MANIFEST:
        return MAX_MANIFEST
    if name in {MANIFEST_SIG, PROVENANCE_SIG, KEY}:
        return MAX_LINES
    # A statement repeats fields of export.json, one of them twice; base64 adds a third.
    return 3 * manifest_bytes + (16 << 10)


def _check_sizes(files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        if len(data) > (limit := limit_of(name, len(files[MANIFEST]))):
            raise EnvelopeError(
                name,
                f"{name} would have {len(data)} bytes; verifiers take {limit}",
                advice="Select less in one bundle: ids and other lists in the selectors count.",
            )


def signed_manifest(files: Mapping[str, bytes], keys: Iterable[PublicKey]) -> tuple[Manifest, PublicKey]:
    """Return the manifest, and the trusted key that signed it.

    Raises:
        EnvelopeError: No trusted key signed it, it is malformed, or one of its two files is missing.
    """
    data, signature = _file(files, MANIFEST), _signature(files, MANIFEST_SIG)
    for key in keys:
        if key.verify(signature, data):
            return _manifest(data), key
    raise EnvelopeError(
        MANIFEST_SIG,
        "export.json is not signed by any of the keys you trust",
        advice="Check that you hold the sender's public key; if you do, the bundle was altered.",
    )


def check_envelope(files: Mapping[str, bytes], key: PublicKey) -> Manifest:
    """Return the manifest of an envelope that a key signed, every member checked byte for byte.

    Args:
        files: The members before the payload. cosign.pub is checked if it is there: a verifier that reads in one
            pass meets it only after the payload.
        key: The one key to verify with, trusted by the caller.

    Raises:
        EnvelopeError: A member is missing, unknown, or not what the manifest and the key ask for.
    """
    for name in sorted(files.keys() - {*FIRST, KEY}):
        raise EnvelopeError(name, "no such member belongs to an envelope")
    manifest, _ = signed_manifest(files, [key])
    check_others(files, key)
    return manifest


def check_others(files: Mapping[str, bytes], key: PublicKey) -> None:
    """Check the other members of an envelope whose export.json has been found to be signed by a key.

    Raises:
        EnvelopeError: A member is missing, or not what the manifest and the key ask for.
    """
    data = _file(files, MANIFEST)
    _equal(files, MANIFEST_SIGSTORE, message_bundle(data, _signature(files, MANIFEST_SIG), key))
    provenance = _file(files, PROVENANCE)
    try:
        check_provenance(provenance, data, key_id=key.key_id)
    except FormatError as error:
        raise EnvelopeError(PROVENANCE, error.message) from error
    if not key.verify(_signature(files, PROVENANCE_SIG), provenance):
        raise EnvelopeError(PROVENANCE_SIG, "is not the key's signature over provenance.json")
    _check_statement(files, provenance, key)
    if KEY in files:
        _equal(files, KEY, key.pem)


def _check_statement(files: Mapping[str, bytes], provenance: bytes, key: PublicKey) -> None:
    data = _file(files, PROVENANCE_DSSE)
    try:
        payload = verify_envelope(data, key)
    except FormatError as error:
        raise EnvelopeError(PROVENANCE_DSSE, error.message) from error
    if payload != provenance:
        raise EnvelopeError(PROVENANCE_DSSE, "its payload is not provenance.json")
    _, signature = read_envelope(data)
    _equal(files, PROVENANCE_SIGSTORE, dsse_bundle(provenance, signature, key))


def checksums(digests: Mapping[str, str]) -> bytes:
    """Return checksums.txt for (name, SHA-256) in the order of the archive, as ``sha256sum`` writes it.

    Raises:
        EnvelopeError: A name or a digest has no line that every ``sha256sum`` reads as it was meant.
    """
    lines = [f"{digest}  {name}" for name, digest in digests.items()]
    for line in lines:
        _checksum(line)
    return "".join(f"{line}\n" for line in lines).encode()


def parse_checksums(data: bytes) -> dict[str, str]:
    """Read checksums.txt.

    Raises:
        EnvelopeError: A line is not in the form that ``checksums`` writes.
    """
    found = (_checksum(line) for line in data.decode("ascii", "replace").splitlines())
    digests = {name: digest for digest, name in found}
    if checksums(digests) != data:
        raise EnvelopeError(CHECKSUMS, "is not in the form that this format asks for")
    return digests


def _checksum(line: str) -> tuple[str, str]:
    """Return the digest and the name of a line."""
    match = _CHECKSUM.fullmatch(line)
    if match is None:
        raise EnvelopeError(CHECKSUMS, f"the line {line[:80]!r} is not a digest and a name")
    return match[1], match[2]


def _signed(signer: Signer, data: bytes) -> bytes:
    """Sign, and look at what came back: a key service can be configured for another key than it shows."""
    made, key = signer.sign(data), signer.public
    try:
        signature = only_form(made) if key.algorithm == ECDSA else made
    except ValueError:
        signature = made
    if not key.verify(signature, data):
        raise SigningError(
            "the signature that was made does not verify with the signer's own public key",
            advice="Check that the key's URI and its public key belong together.",
        )
    return signature


def _manifest(data: bytes) -> Manifest:
    try:
        return Manifest.from_bytes(data)
    except FormatError as error:
        raise EnvelopeError(MANIFEST, error.message, advice=error.advice) from error


def _file(files: Mapping[str, bytes], name: str) -> bytes:
    if name not in files:
        raise EnvelopeError(name, "the member is missing")
    return files[name]


def _equal(files: Mapping[str, bytes], name: str, expected: bytes) -> None:
    if _file(files, name) != expected:
        raise EnvelopeError(name, "is not what export.json and the key ask for")


def _line(signature: bytes) -> bytes:
    return encode(signature).encode() + b"\n"


def _signature(files: Mapping[str, bytes], name: str) -> bytes:
    """Read a ``.sig``: one line of base64."""
    line = _file(files, name)
    if not line.endswith(b"\n"):
        raise EnvelopeError(name, "a signature file is one line of base64")
    try:
        return decode(line[:-1].decode("ascii", "replace"))
    except FormatError as error:
        raise EnvelopeError(name, error.message) from error
