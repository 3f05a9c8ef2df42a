"""DSSE envelopes: as the protocol says, in one spelling, and readable by an independent implementation."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from bundle.canonical import canonical_json
from bundle.dsse import IN_TOTO, decode, encode, envelope, pae, verify_envelope
from bundle.errors import FormatError
from bundle.keys import generate_key_pair, load_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.keys import PublicKey, Signer

PAYLOAD = '{"naïve":"statement"}'.encode()
SCHEMES = {"ecdsa-p256-sha256": ("ecdsa", "ecdsa-sha2-nistp256"), "ed25519": ("ed25519", "ed25519")}


def signed(signer: Signer, payload: bytes = PAYLOAD) -> bytes:
    return canonical_json(envelope(payload, signer.sign(pae(IN_TOTO, payload))))


def oracle(key: PublicKey, data: bytes) -> bytes:
    """Verify with securesystemslib, which wants key ids in signatures."""
    read = json.loads(data)
    read["signatures"][0]["keyid"] = key.key_id
    keytype, scheme = SCHEMES[key.algorithm]
    public = key.pem.decode()
    if keytype == "ed25519":
        public = key.der[-32:].hex()
    parsed = Envelope.from_dict(read)
    parsed.verify([SSlibKey(key.key_id, keytype, scheme, {"public": public})], 1)
    return parsed.payload


def test_the_authenticated_bytes_are_those_of_the_protocols_example() -> None:
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


def test_lengths_count_bytes_and_not_characters() -> None:
    assert pae("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_the_authenticated_bytes_are_those_of_an_independent_implementation(kind: str, payload: bytes) -> None:
    if len(kind) == len(kind.encode()):  # the other one counts characters of the type
        assert pae(kind, payload) == Envelope(payload, kind, {}).pae()


def test_a_signed_payload_is_returned(signer: Signer) -> None:
    assert verify_envelope(signed(signer), signer.public) == PAYLOAD


def test_an_independent_implementation_verifies_it(signer: Signer) -> None:
    assert oracle(signer.public, signed(signer)) == PAYLOAD


def test_an_independent_implementation_refuses_another_payload(signer: Signer) -> None:
    forged = canonical_json(envelope(PAYLOAD + b" ", signer.sign(pae(IN_TOTO, PAYLOAD))))
    with pytest.raises(VerificationError):
        oracle(signer.public, forged)


def test_the_key_id_is_empty_because_cosign_takes_no_other_in_a_bundle(signer: Signer) -> None:
    assert json.loads(signed(signer))["signatures"][0]["keyid"] == ""


def test_another_key_is_refused(signer: Signer) -> None:
    stranger = load_public_key(generate_key_pair(signer.public.algorithm)[1])
    with pytest.raises(FormatError, match="not that of the key"):
        verify_envelope(signed(signer), stranger)


def test_a_signature_over_the_bare_payload_is_refused(signer: Signer) -> None:
    with pytest.raises(FormatError, match="not that of the key"):
        verify_envelope(canonical_json(envelope(PAYLOAD, signer.sign(PAYLOAD))), signer.public)


def _second_signature(value: dict[str, Any]) -> None:
    value["signatures"].append(value["signatures"][0])


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a key id": lambda value: value["signatures"][0].update(keyid="x"),
    "no key id": lambda value: value["signatures"][0].pop("keyid"),
    "an unknown field": lambda value: value.update(extra=1),
    "an unknown field of the signature": lambda value: value["signatures"][0].update(extra=1),
    "a second signature": _second_signature,
    "no signature": lambda value: value.update(signatures=[]),
    "signatures that are an object": lambda value: value.update(signatures={}),
    "signatures that are a text": lambda value: value.update(signatures="abc"),
    "signatures that are null": lambda value: value.update(signatures=None),
    "a signature that is a number": lambda value: value["signatures"][0].update(sig=1),
    "no payload": lambda value: value.pop("payload"),
    "a payload that is a list": lambda value: value.update(payload=[]),
    "another payload type": lambda value: value.update(payloadType="text/plain"),
    "line breaks in base64": lambda value: value.update(payload=value["payload"] + "\n"),
    "no padding": lambda value: value.update(payload=value["payload"].rstrip("=")),
    "base64 for URLs": lambda value: value.update(payload="_-__"),
    "base64 that is not ASCII": lambda value: value.update(payload="é==="),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_form_is_refused(signer: Signer, change: Callable[[dict[str, Any]], Any]) -> None:
    value = json.loads(signed(signer, PAYLOAD + b" "))
    change(value)
    with pytest.raises(FormatError):
        verify_envelope(canonical_json(value), signer.public)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'"payload"', b"1", b"[" * 5000])
def test_what_is_no_envelope_is_refused(signer: Signer, data: bytes) -> None:
    with pytest.raises(FormatError):
        verify_envelope(data, signer.public)


@given(st.binary())
def test_base64_is_read_back(data: bytes) -> None:
    assert decode(encode(data)) == data == base64.b64decode(encode(data))


@pytest.mark.parametrize(
    "text", ["QQ", "QQ=", "QR==", "QQ==\n", " QQ==", "QQ==QQ==", "Q===", "=", "Q Q=", None, 1, b"QQ=="]
)
def test_base64_has_one_spelling(text: object) -> None:
    with pytest.raises(FormatError):
        decode(text)
