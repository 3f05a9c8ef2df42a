"""DSSE, the Dead Simple Signing Envelope (secure-systems-lab/dsse, protocol.md), around in-toto statements."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from bundle.canonical import canonical_json, parse_canonical
from bundle.errors import FormatError

if TYPE_CHECKING:
    from bundle.keys import PublicKey

IN_TOTO = "application/vnd.in-toto+json"


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: lengths count bytes, not characters."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope(payload: bytes, signature: bytes) -> dict[str, object]:
    """Return the envelope as JSON values; its keyid is empty, which is the only one cosign takes in a bundle."""
    return {
        "payload": encode(payload),
        "payloadType": IN_TOTO,
        "signatures": [{"keyid": "", "sig": encode(signature)}],
    }


def read_envelope(data: bytes) -> tuple[bytes, bytes]:
    """Return (payload, signature) of a canonical envelope, of which nothing has been verified yet.

    Raises:
        FormatError: It is not exactly an envelope this module would write.
    """
    value = parse_canonical(data)
    try:
        payload, signature = decode(value["payload"]), decode(value["signatures"][0]["sig"])
    except (KeyError, IndexError, TypeError) as error:
        raise FormatError("not a DSSE envelope with one signature") from error
    if canonical_json(envelope(payload, signature)) != data:
        raise FormatError("a DSSE envelope with other fields than this format has")
    return payload, signature


def verify_envelope(data: bytes, key: PublicKey) -> bytes:
    """Return the payload of a canonical envelope that a key has signed.

    Raises:
        FormatError: It is not exactly the envelope this module would write, or the signature is another's.
    """
    payload, signature = read_envelope(data)
    if not key.verify(signature, pae(IN_TOTO, payload)):
        raise FormatError("the signature over the payload is not that of the key")
    return payload


def encode(data: bytes) -> str:
    """Return standard base64 on one line."""
    return base64.b64encode(data).decode()


def decode(text: object) -> bytes:
    """Read standard base64 in its one canonical spelling.

    Raises:
        FormatError: Anything else, unused bits and line breaks included.
    """
    if not isinstance(text, str):
        raise FormatError("base64 text expected")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("not base64") from error
    if encode(data) != text:
        raise FormatError("base64 in another spelling than the canonical one")
    return data
