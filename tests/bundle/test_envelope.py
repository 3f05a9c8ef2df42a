"""The envelope: what was signed is accepted, and nothing else is; stock tools read it too."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from bundle.envelope import (
    CHECKSUMS,
    FIRST,
    KEY,
    MANIFEST,
    MANIFEST_SIG,
    MAX_MANIFEST,
    PROVENANCE,
    PROVENANCE_SIG,
    EnvelopeError,
    check_envelope,
    checksums,
    parse_checksums,
    sign_envelope,
    signed_manifest,
)
from bundle.errors import FormatError, SigningError
from bundle.keys import ECDSA, PublicKey, Signer, generate_key_pair, load_public_key
from bundle.manifest import context_digest_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bundle.manifest import Manifest

DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)
NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1).filter(lambda name: name[0] != " ")

ELSEWHERE = """
import hashlib, sys
from pathlib import Path
from bundle.envelope import sign_envelope
from bundle.keys import signer_from_uri
from bundle.manifest import Manifest
files = sign_envelope(Manifest.from_bytes(Path("export.json").read_bytes()), signer_from_uri("file:test.key"))
for name, data in files.items():
    print(hashlib.sha256(data).hexdigest(), name)
"""


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Mismatched:
    """A key service that shows one key and signs with another."""

    signer: Signer
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        return self.signer.sign(data)


@dataclass(frozen=True)
class Higher:
    """A key service that gives the other one of the two ECDSA signatures."""

    signer: Signer

    @property
    def public(self) -> PublicKey:
        return self.signer.public

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self.signer.sign(data))
        return encode_dss_signature(r, ORDER - s)


@pytest.fixture(scope="session")
def envelope(manifest: Manifest, signer: Signer) -> dict[str, bytes]:
    return sign_envelope(manifest, signer)


def test_what_was_signed_is_accepted(envelope: dict[str, bytes], manifest: Manifest, signer: Signer) -> None:
    assert tuple(envelope) == (*FIRST, KEY)
    assert check_envelope(envelope, signer.public) == manifest
    assert signed_manifest(envelope, [signer.public]) == (manifest, signer.public)


def test_the_key_may_come_later(envelope: dict[str, bytes], manifest: Manifest, signer: Signer) -> None:
    assert check_envelope({name: envelope[name] for name in FIRST}, signer.public) == manifest


def test_no_flipped_byte_goes_unnoticed(envelope: dict[str, bytes], signer: Signer) -> None:
    for name, data in envelope.items():
        # Every byte near the ends, where structure is, and some between; of a whole bundle, test_tampering flips all.
        ends = {*range(min(100, len(data))), *range(max(0, len(data) - 100), len(data))}
        for position in {*ends, *range(0, len(data), 23)}:
            flipped = bytearray(data)
            flipped[position] ^= 1 << position % 8
            with pytest.raises(EnvelopeError):
                check_envelope({**envelope, name: bytes(flipped)}, signer.public)


@pytest.mark.parametrize("name", [*FIRST, KEY])
def test_a_member_that_is_cut_or_extended_is_refused(name: str, envelope: dict[str, bytes], signer: Signer) -> None:
    data = envelope[name]
    for other in (b"", data[:-1], data + b"\n", data + b"\0", b"\xef\xbb\xbf" + data, data * 2):
        with pytest.raises(EnvelopeError):
            check_envelope({**envelope, name: other}, signer.public)


@pytest.mark.parametrize("name", FIRST)
def test_a_missing_member_is_named(name: str, envelope: dict[str, bytes], signer: Signer) -> None:
    with pytest.raises(EnvelopeError) as caught:
        check_envelope({other: data for other, data in envelope.items() if other != name}, signer.public)
    assert caught.value.member == name


def test_an_unknown_member_is_named(envelope: dict[str, bytes], signer: Signer) -> None:
    with pytest.raises(EnvelopeError) as caught:
        check_envelope({**envelope, "extra.json": b""}, signer.public)
    assert caught.value.member == "extra.json"


def test_members_of_two_envelopes_do_not_mix(envelope: dict[str, bytes], manifest: Manifest, signer: Signer) -> None:
    other = sign_envelope(msgspec.structs.replace(manifest, as_of="2026-02-02T00:00:00Z"), signer)
    for name in FIRST:
        with pytest.raises(EnvelopeError):
            check_envelope({**envelope, name: other[name]}, signer.public)


def test_another_key_is_refused_with_advice(envelope: dict[str, bytes], signer: Signer) -> None:
    stranger = load_public_key(generate_key_pair(signer.public.algorithm)[1])
    with pytest.raises(EnvelopeError) as caught:
        check_envelope(envelope, stranger)
    assert caught.value.member == MANIFEST_SIG
    assert "public key" in caught.value.advice


def test_a_signed_file_that_is_no_manifest_is_named(envelope: dict[str, bytes], signer: Signer) -> None:
    files = dict(envelope)
    files[MANIFEST] = b"[" * 900 + b"]" * 900
    files[MANIFEST_SIG] = base64.b64encode(signer.sign(files[MANIFEST])) + b"\n"
    with pytest.raises(EnvelopeError) as caught:
        check_envelope(files, signer.public)
    assert caught.value.member == MANIFEST


@given(data=st.binary(max_size=60), name=st.sampled_from([*FIRST, KEY]))
def test_any_bytes_in_place_of_a_member_are_refused(
    envelope: dict[str, bytes], signer: Signer, data: bytes, name: str
) -> None:
    with pytest.raises(EnvelopeError):
        check_envelope({**envelope, name: data}, signer.public)


def test_a_signer_with_another_key_than_it_shows_signs_nothing(manifest: Manifest, signer: Signer) -> None:
    other = load_public_key(generate_key_pair(signer.public.algorithm)[1])
    with pytest.raises(SigningError, match="does not verify"):
        sign_envelope(manifest, Mismatched(signer, other))


@pytest.mark.parametrize("signer", [ECDSA], indirect=True)
def test_whichever_form_of_a_signature_a_signer_gives_the_lower_is_written(manifest: Manifest, signer: Signer) -> None:
    assert sign_envelope(manifest, Higher(signer)) == sign_envelope(manifest, signer)


def test_what_verifiers_would_not_take_is_not_signed(manifest: Manifest, signer: Signer) -> None:
    asked = {"ids": ["x" * MAX_MANIFEST]}
    digest = context_digest_of(manifest.profile, asked, manifest.snapshot_digest)
    large = msgspec.structs.replace(manifest, selectors=asked, context_digest=digest)
    with pytest.raises(FormatError, match=r"export\.json would have 839\d+ bytes; verifiers take 8388608") as caught:
        sign_envelope(large, signer)
    assert "Select less" in caught.value.advice


def test_another_process_writes_the_same_bytes(envelope: dict[str, bytes], signer: Signer, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(envelope[MANIFEST])
    key = signer.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())  # type: ignore[attr-defined]
    (tmp_path / "test.key").write_bytes(key)
    expected = [f"{hashlib.sha256(data).hexdigest()} {name}" for name, data in envelope.items()]
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == expected


@pytest.mark.counterpart
@pytest.mark.parametrize("name", [MANIFEST, PROVENANCE])
def test_openssl_verifies_as_documented(
    name: str, envelope: dict[str, bytes], signer: Signer, tmp_path: Path, counterpart: Callable[[str], str]
) -> None:
    counterpart("openssl")
    counterpart("base64")
    for member, data in envelope.items():
        (tmp_path / member).write_bytes(data)
    check = {
        "ecdsa-p256-sha256": f"openssl dgst -sha256 -verify cosign.pub -signature sig.der {name}",
        "ed25519": f"openssl pkeyutl -verify -rawin -pubin -inkey cosign.pub -sigfile sig.der -in {name}",
    }[signer.public.algorithm]
    command = ["sh", "-c", f"base64 -d {name}.sig > sig.der && {check}"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / name).write_bytes(envelope[name] + b"\n")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_signature_file_is_one_line(envelope: dict[str, bytes]) -> None:
    for name in (MANIFEST_SIG, PROVENANCE_SIG):
        assert envelope[name].count(b"\n") == 1
        assert envelope[name].endswith(b"\n")


@given(st.dictionaries(NAMES, DIGESTS))
def test_checksums_are_read_back_in_order(digests: dict[str, str]) -> None:
    assert list(parse_checksums(checksums(digests)).items()) == list(digests.items())


@given(st.binary())
def test_any_bytes_are_checksums_in_their_one_form_or_refused(data: bytes) -> None:
    refused = None
    try:
        digests = parse_checksums(data)
    except EnvelopeError as error:
        refused = error
    if refused is None:
        assert checksums(digests) == data
    else:
        assert refused.member == CHECKSUMS


LINE = b"0" * 64 + b"  name"
OTHER_CHECKSUMS = {
    "no last line break": LINE,
    "Windows line ends": LINE + b"\r\n",
    "an empty line": LINE + b"\n\n",
    "one space": b"0" * 64 + b" name\n",
    "the mark of binary mode": b"0" * 64 + b" *name\n",
    "an upper-case digest": b"A" * 64 + b"  name\n",
    "a short digest": b"0" * 63 + b"  name\n",
    "a name twice": (LINE + b"\n") * 2,
    "a name that is not ASCII": b"0" * 64 + "  é\n".encode(),
    "no name": b"0" * 64 + b"  \n",
}


@pytest.mark.parametrize("data", OTHER_CHECKSUMS.values(), ids=OTHER_CHECKSUMS)
def test_checksums_have_one_form(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_checksums(data)


@pytest.mark.parametrize("name", ["", "a\nb", "é", " a"])
def test_a_name_without_a_line_is_not_written(name: str) -> None:
    with pytest.raises(EnvelopeError):
        checksums({name: "0" * 64})


@pytest.mark.counterpart
def test_sha256sum_checks_what_we_write(
    envelope: dict[str, bytes], tmp_path: Path, counterpart: Callable[[str], str]
) -> None:
    for name, data in envelope.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / CHECKSUMS).write_bytes(
        checksums({name: hashlib.sha256(data).hexdigest() for name, data in envelope.items()})
    )
    command = [counterpart("sha256sum"), "-c", "--strict", CHECKSUMS]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / KEY).write_bytes(b"")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
