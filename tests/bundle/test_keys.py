"""Keys: two algorithms, one encoding each, and files that are never overwritten."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from bundle.ecdsa import ORDER
from bundle.errors import FormatError, SigningError
from bundle.keyfiles import open_to_others, save_key_pair
from bundle.keys import (
    ECDSA,
    ED25519,
    PLANNED,
    FileSigner,
    PrivateKey,
    Signer,
    generate_key_pair,
    load_public_key,
    signer_from_uri,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EC_SIGNER = FileSigner(
    ec.derive_private_key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721, ec.SECP256R1())
)
OTHERS: dict[str, Callable[[], object]] = {
    "ECDSA on P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ECDSA on secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "RSA": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "Ed448": ed448.Ed448PrivateKey.generate,
}


def private_pem(key: object, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined, no-any-return]


def public_pem(key: object) -> bytes:
    public = key.public_key()  # type: ignore[attr-defined]
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[no-any-return]


def test_nonces_are_those_of_rfc_6979() -> None:
    """RFC 6979, A.2.5, SHA-256, messages "sample" and "test"; the s of the first is the higher of the two."""
    assert decode_dss_signature(EC_SIGNER.sign(b"sample")) == (
        0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
        ORDER - 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
    )
    assert decode_dss_signature(EC_SIGNER.sign(b"test")) == (
        0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
        0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
    )


def test_ed25519_signs_as_rfc_8032_says() -> None:
    """RFC 8032, 7.1, test 1."""
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    signature = FileSigner(ed25519.Ed25519PrivateKey.from_private_bytes(secret)).sign(b"")
    assert signature.hex().startswith("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155")


def test_a_signature_verifies_and_is_the_same_each_time(signer: Signer) -> None:
    assert signer.sign(b"data") == signer.sign(b"data")
    assert signer.public.verify(signer.sign(b"data"), b"data")


def test_a_signature_over_other_bytes_does_not_verify(signer: Signer) -> None:
    assert not signer.public.verify(signer.sign(b"data"), b"data ")


@given(st.binary(max_size=100))
def test_any_bytes_are_a_wrong_signature(signature: bytes) -> None:
    assert not EC_SIGNER.public.verify(signature, b"sample")


def test_the_key_id_is_the_digest_of_the_public_key(signer: Signer) -> None:
    body = b"".join(signer.public.pem.splitlines()[1:-1])
    assert signer.public.key_id == hashlib.sha256(base64.b64decode(body)).hexdigest()


R, S = decode_dss_signature(EC_SIGNER.sign(b"sample"))
GOOD = EC_SIGNER.sign(b"sample")
ENCODINGS = {
    "a long form of the length": b"\x30\x81" + GOOD[1:],
    "a zero before r": bytes([0x30, GOOD[1] + 1, 0x02, GOOD[3] + 1, 0]) + GOOD[4:],
    "a byte after it": GOOD + b"\0",
    "a byte missing": GOOD[:-1],
    "r and s without DER": R.to_bytes(32, "big") + S.to_bytes(32, "big"),
    "zero for r and s": encode_dss_signature(0, 0),
    "negative numbers": bytes.fromhex("30060201ff0201ff"),
    "the other s that verifies": encode_dss_signature(R, ORDER - S),
    "s beyond the order": encode_dss_signature(R, S + 2**256),
    "nothing": b"",
}


@pytest.mark.parametrize("signature", ENCODINGS.values(), ids=ENCODINGS)
def test_a_signature_has_one_encoding(signature: bytes) -> None:
    assert EC_SIGNER.public.verify(GOOD, b"sample")
    assert not EC_SIGNER.public.verify(signature, b"sample")


PEM = EC_SIGNER.public.pem
COMPRESSED = serialization.PublicFormat.CompressedPoint
BAD_PEM = {
    "a line before": b"\n" + PEM,
    "a line after": PEM + b"\n",
    "no last line break": PEM[:-1],
    "Windows line ends": PEM.replace(b"\n", b"\r\n"),
    "a space": PEM.replace(b"\n", b" \n", 1),
    "one long line": b"-----BEGIN PUBLIC KEY-----\n"
    + b"".join(PEM.splitlines()[1:-1])
    + b"\n-----END PUBLIC KEY-----\n",
    "the key twice": PEM * 2,
    "a private key": private_pem(EC_SIGNER.private),
    "nothing": b"",
    "an empty block": b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    "DER": EC_SIGNER.public.der,
}


@pytest.mark.parametrize("pem", BAD_PEM.values(), ids=BAD_PEM)
def test_a_public_key_has_one_spelling(pem: bytes) -> None:
    with pytest.raises(FormatError):
        load_public_key(pem)


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_other_kinds_of_keys_are_refused_with_advice(make: Callable[[], object], tmp_path: Path) -> None:
    key = make()
    with pytest.raises(FormatError, match="not supported") as public:
        load_public_key(public_pem(key))
    path = tmp_path / "other.key"
    path.write_bytes(private_pem(key))
    with pytest.raises(SigningError, match="not supported") as private:
        signer_from_uri(f"file:{path}")
    assert "P-256" in public.value.advice
    assert "P-256" in private.value.advice


def test_the_curve_that_is_refused_is_named() -> None:
    with pytest.raises(FormatError, match="secp384r1"):
        load_public_key(public_pem(OTHERS["ECDSA on P-384"]()))


@pytest.mark.parametrize("algorithm", [ECDSA, ED25519])
def test_a_saved_pair_signs(algorithm: str, tmp_path: Path) -> None:
    save_key_pair(tmp_path / "keys", "main", generate_key_pair(algorithm))
    signer = signer_from_uri(f"file:{tmp_path}/keys/main.key")
    public = load_public_key((tmp_path / "keys" / "main.pub").read_bytes())
    assert signer.public == public
    assert public.algorithm == algorithm
    assert stat.S_IMODE((tmp_path / "keys" / "main.key").stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["main.key", "main.pub"]


@pytest.mark.parametrize("existing", ["main.key", "main.pub"])
def test_an_existing_file_is_kept_and_nothing_is_written_beside_it(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_text("precious")
    with pytest.raises(SigningError, match="exists"):
        save_key_pair(tmp_path, "main", generate_key_pair())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "precious")]


class BrokenDisk:
    """Fails at one call of a function of the system, and has it do its work at all others."""

    def __init__(self, works: Callable[..., Any], failing: int) -> None:
        self.works, self.failing, self.calls = works, failing, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls += 1
        if self.calls == self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.works(*arguments, **options)


FAILURES = {
    "the private key is not kept": ("fsync", 1),
    "the public key is not kept": ("fsync", 2),
    "their names are not kept": ("fsync", 3),
    "the private key gets no name": ("link", 1),
    "the public key gets no name": ("link", 2),
}


@pytest.mark.parametrize(("function", "call"), FAILURES.values(), ids=FAILURES)
def test_a_disk_that_fails_on_the_way_leaves_no_half_of_a_pair(
    function: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BrokenDisk(getattr(os, function), call)
    monkeypatch.setattr(os, function, broken)
    with pytest.raises(SigningError, match="cannot be written"):
        save_key_pair(tmp_path, "main", generate_key_pair())
    assert broken.calls == call
    assert list(tmp_path.iterdir()) == []
    save_key_pair(tmp_path, "main", generate_key_pair())
    assert signer_from_uri(f"file:{tmp_path}/main.key").public.pem == (tmp_path / "main.pub").read_bytes()


def test_a_public_key_that_appears_meanwhile_is_kept_and_the_private_one_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Path, target: Path) -> None:
        if target.suffix == ".pub":
            target.write_text("precious")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(SigningError, match="exists"):
        save_key_pair(tmp_path, "main", generate_key_pair())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("main.pub", "precious")]


MODES = {
    0o600: False,
    0o400: False,
    0o640: True,
    0o604: True,
    0o620: True,
    0o602: True,
    0o711: False,
}


@pytest.mark.parametrize(("mode", "told"), MODES.items(), ids=[f"{mode:o}" for mode in MODES])
def test_a_private_key_that_others_may_read_or_write_is_told(mode: int, told: bool, tmp_path: Path) -> None:
    save_key_pair(tmp_path, "main", generate_key_pair())
    path = tmp_path / "main.key"
    path.chmod(mode)
    assert open_to_others(f"file:{path}") == (path if told else None)


@pytest.mark.parametrize("uri", ["file:/nonexistent/key", "file://elsewhere/key", "file:/a%00b", "awskms:key", ""])
def test_what_is_no_file_here_is_open_to_nobody(uri: str) -> None:
    assert open_to_others(uri) is None


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "main.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SigningError, match="exists"):
        save_key_pair(tmp_path, "main", generate_key_pair())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../main", "a/b", ".hidden", "a\nb", "-rf", "é"])
def test_a_name_that_is_no_plain_file_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="cannot name a key"):
        save_key_pair(tmp_path / "keys", name, generate_key_pair())


def test_a_folder_that_is_a_file_is_a_signing_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("")
    with pytest.raises(SigningError):
        save_key_pair(tmp_path / "keys" / "deeper", "main", generate_key_pair())


def test_an_unknown_algorithm_makes_no_key() -> None:
    with pytest.raises(SigningError, match="rsa"):
        generate_key_pair("rsa")


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file://localhost{}"])
def test_file_uris_are_read_in_all_their_forms(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "my keys"
    save_key_pair(folder, "main", generate_key_pair())
    escaped = (folder / "main.key").as_uri().removeprefix("file://")
    assert "%20" in escaped
    assert signer_from_uri(form.format(escaped)).public.pem == (folder / "main.pub").read_bytes()


def test_a_relative_path_is_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_key_pair(tmp_path, "main", generate_key_pair())
    monkeypatch.chdir(tmp_path)
    assert signer_from_uri("file:main.key").sign(b"")


@pytest.mark.parametrize("scheme", PLANNED)
def test_a_scheme_without_a_signer_is_named(scheme: str) -> None:
    with pytest.raises(SigningError, match=f"no signer for {scheme}:") as caught:
        signer_from_uri(f"{scheme}:slot-id=1")
    assert "file:" in caught.value.advice


@pytest.mark.parametrize("uri", ["", "key.pem", "https://example.com/key", "s3cret", "s3cret:word"])
def test_another_uri_is_refused_without_repeating_it(uri: str) -> None:
    with pytest.raises(SigningError) as caught:
        signer_from_uri(uri)
    assert not uri or uri not in str(caught.value)


def _refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(SigningError) as caught:
        signer_from_uri(f"file:{path}")
    return str(caught.value)


def test_files_that_hold_no_usable_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for content in (b"", b"-----BEGIN PRIVATE KEY-----\n", PEM, private_pem(EC_SIGNER.private, b"password")):
        assert "without a password" in _refused(path, content)


@pytest.mark.parametrize("rest", ["/nonexistent/key", "/", "//elsewhere/key", "/with%00zero"])
def test_paths_that_cannot_be_read_are_signing_errors(rest: str) -> None:
    with pytest.raises(SigningError):
        signer_from_uri(f"file:{rest}")


def test_a_signer_does_not_show_its_key_when_printed() -> None:
    key: PrivateKey = EC_SIGNER.private
    secret = key.private_numbers().private_value  # type: ignore[union-attr]
    assert str(secret) not in repr(EC_SIGNER)


@pytest.mark.counterpart
def test_openssl_verifies_a_signature(signer: Signer, tmp_path: Path, counterpart: Callable[[str], str]) -> None:
    openssl = counterpart("openssl")
    for name, data in (("f", b"data"), ("g", b"Data"), ("s", signer.sign(b"data")), ("p", signer.public.pem)):
        (tmp_path / name).write_bytes(data)
    command = {
        ECDSA: [openssl, "dgst", "-sha256", "-verify", "p", "-signature", "s"],
        ED25519: [openssl, "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", "p", "-sigfile", "s", "-in"],
    }[signer.public.algorithm]
    assert subprocess.run([*command, "f"], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    assert subprocess.run([*command, "g"], cwd=tmp_path, capture_output=True, check=False).returncode != 0
