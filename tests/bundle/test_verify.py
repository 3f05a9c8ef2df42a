"""The verifier accepts what the writer made, and nothing else."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle import seekable, tar
from bundle.errors import UnreadableError, VerificationError
from bundle.extract import extract
from bundle.keys import generate_key_pair, load_public_key
from bundle.source import LocalFile, open_archive, open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_a_whole_archive_is_verified(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    verified = verify(made.path, keys=[made.key], deep=True)
    assert verified.manifest == made.manifest
    assert verified.key_id == made.key.key_id
    assert verified.archive_sha256 == made.written.sha256


def test_a_stream_is_verified_like_a_file(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    assert verify(io.BytesIO(made.path.read_bytes()), keys=[made.key]).manifest == made.manifest


def test_a_folder_is_verified(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(layout="dir", name="folder")
    assert verify(made.path, keys=[made.key], deep=True).manifest == made.manifest


def test_the_same_inputs_give_the_same_bytes(make_bundle: Callable[..., Any]) -> None:
    first, second = make_bundle(name="a.tar.zst"), make_bundle(name="b.tar.zst")
    assert first.path.read_bytes() == second.path.read_bytes()


def test_an_untrusted_key_is_refused_at_step_2(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    stranger = load_public_key(generate_key_pair()[1])
    with pytest.raises(VerificationError, match=r"step 2, export\.json\.sig"):
        verify(made.path, keys=[stranger])


def test_any_of_several_trusted_keys_will_do(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    stranger = load_public_key(generate_key_pair()[1])
    assert verify(made.path, keys=[stranger, made.key]).key_id == made.key.key_id


def test_no_flipped_byte_goes_unnoticed(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8)
    data = bytearray(made.path.read_bytes())
    structural = [*range(600), *range(len(data) - 2600, len(data))]
    sampled = random.Random(7).sample(range(len(data)), 1500)
    for position in {*structural, *sampled}:
        data[position] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            verify(io.BytesIO(bytes(data)), keys=[made.key])
        data[position] ^= 1 << position % 8
    assert verify(io.BytesIO(bytes(data)), keys=[made.key])


@pytest.mark.parametrize("part", range(0, 50, 3))
def test_no_truncation_goes_unnoticed(make_bundle: Callable[..., Any], part: int) -> None:
    made = make_bundle(8)
    data = made.path.read_bytes()
    with pytest.raises(VerificationError):
        verify(io.BytesIO(data[: len(data) * part // 50]), keys=[made.key])


def test_trailing_bytes_are_refused(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8)
    with pytest.raises(VerificationError, match="follow the end"):
        verify(io.BytesIO(made.path.read_bytes() + b"\0"), keys=[made.key])


def _members(path: Path) -> list[tuple[str, bytes]]:
    reader = open_bundle(path)
    return [(name, reader.read(name)) for name in reader.names]


def _archive(members: list[tuple[str, bytes]]) -> bytes:
    plain = b"".join(tar.header(name, len(data)) + data + tar.padding(len(data)) for name, data in members) + tar.END
    chunks = [plain[start : start + seekable.CHUNK] for start in range(0, len(plain), seekable.CHUNK)]
    return b"".join(map(seekable.frame, chunks)) + seekable.seek_table(len(plain))


def test_repacking_the_members_gives_the_same_archive(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    assert _archive(_members(made.path)) == made.path.read_bytes()


@pytest.mark.parametrize("position", range(14))
def test_a_dropped_member_is_named(make_bundle: Callable[..., Any], position: int) -> None:
    made = make_bundle(8)
    members = _members(made.path)
    name, _ = members.pop(position)
    with pytest.raises(VerificationError) as caught:
        verify(io.BytesIO(_archive(members)), keys=[made.key])
    assert caught.value.member == name


@pytest.mark.parametrize("position", range(14))
def test_a_duplicated_or_added_member_is_refused(make_bundle: Callable[..., Any], position: int) -> None:
    made = make_bundle(8)
    members = _members(made.path)
    for extra in (members[position], ("data/extra.json", b"{}")):
        with pytest.raises(VerificationError):
            verify(io.BytesIO(_archive([*members[: position + 1], extra, *members[position + 1 :]])), keys=[made.key])


@pytest.mark.parametrize("position", range(13))
def test_swapped_members_are_refused(make_bundle: Callable[..., Any], position: int) -> None:
    made = make_bundle(8)
    members = _members(made.path)
    members[position], members[position + 1] = members[position + 1], members[position]
    with pytest.raises(VerificationError):
        verify(io.BytesIO(_archive(members)), keys=[made.key])


@pytest.mark.parametrize("position", range(14))
def test_a_renamed_member_is_refused(make_bundle: Callable[..., Any], position: int) -> None:
    made = make_bundle(8)
    members = _members(made.path)
    members[position] = ("x" + members[position][0], members[position][1])
    with pytest.raises(VerificationError):
        verify(io.BytesIO(_archive(members)), keys=[made.key])


@pytest.mark.parametrize("position", range(14))
def test_a_changed_member_is_named(make_bundle: Callable[..., Any], position: int) -> None:
    made = make_bundle(8)
    members = _members(made.path)
    name, data = members[position]
    members[position] = (name, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(VerificationError) as caught:
        verify(io.BytesIO(_archive(members)), keys=[made.key])
    assert caught.value.member in {name, "export.json.sig"}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=3000))
def test_garbage_gives_a_verification_error_and_no_other(data: bytes) -> None:
    key = load_public_key(generate_key_pair()[1])
    with pytest.raises(VerificationError):
        verify(io.BytesIO(data), keys=[key])


def test_a_missing_file_is_unreadable(tmp_path: Path, make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8)
    with pytest.raises(UnreadableError):
        verify(tmp_path / "absent.tar.zst", keys=[made.key])


def test_extraction_writes_exactly_the_members(make_bundle: Callable[..., Any], tmp_path: Path) -> None:
    made = make_bundle()
    extract(made.path, tmp_path / "out", keys=[made.key])
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {name for name, _ in _members(made.path)}
    assert verify(tmp_path / "out", keys=[made.key], deep=True)


def test_a_failed_extraction_leaves_nothing(make_bundle: Callable[..., Any], tmp_path: Path) -> None:
    made = make_bundle()
    data = bytearray(made.path.read_bytes())
    data[-3000] ^= 1
    (tmp_path / "bad.tar.zst").write_bytes(data)
    with pytest.raises(VerificationError):
        extract(tmp_path / "bad.tar.zst", tmp_path / "out", keys=[made.key])
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_folder_that_is_not_empty_is_refused(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8)
    with pytest.raises(UnreadableError, match="not an empty folder"):
        extract(made.path, made.path.parent, keys=[made.key])
    assert made.path.exists()


def test_an_extra_file_in_a_folder_is_refused(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8, layout="dir", name="folder")
    (made.path / "data" / "more.json").write_text("{}")
    with pytest.raises(VerificationError, match="not listed"):
        verify(made.path, keys=[made.key])


@pytest.mark.counterpart
def test_stock_tools_read_an_archive(
    make_bundle: Callable[..., Any], counterpart: Callable[[str], str], tmp_path: Path
) -> None:
    made = make_bundle(3000)
    subprocess.run([counterpart("zstd"), "-t", made.path], check=True, capture_output=True)
    (tmp_path / "out").mkdir()
    subprocess.run(
        [counterpart("tar"), "--use-compress-program=zstd", "-xf", made.path, "-C", tmp_path / "out"], check=True
    )
    subprocess.run([counterpart("sha256sum"), "-c", "--quiet", "checksums.txt"], cwd=tmp_path / "out", check=True)
    assert verify(tmp_path / "out", keys=[made.key])


@pytest.mark.counterpart
def test_openssl_verifies_the_signature_as_documented(
    make_bundle: Callable[..., Any], counterpart: Callable[[str], str], tmp_path: Path
) -> None:
    made = make_bundle(8, layout="dir", name="folder")
    (tmp_path / "key.pub").write_bytes(made.key.pem)
    commands = {
        "ecdsa-p256-sha256": "base64 -d export.json.sig > ../sig.der; "
        "openssl dgst -sha256 -verify ../key.pub -signature ../sig.der export.json",
        "ed25519": "base64 -d export.json.sig > ../sig.der; "
        "openssl pkeyutl -verify -rawin -pubin -inkey ../key.pub -sigfile ../sig.der -in export.json",
    }
    counterpart("openssl")
    for tampered, expected in ((False, 0), (True, 1)):
        if tampered:
            shutil.copy(made.path / "provenance.json", made.path / "export.json")
        done = subprocess.run(
            ["sh", "-c", commands[made.key.algorithm]], cwd=made.path, check=False, capture_output=True
        )
        assert done.returncode == expected, done.stderr


def test_python_tar_reads_the_members(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(8)
    reader = open_archive(LocalFile(made.path))
    plain = b"".join(
        tar.header(name, reader.size(name)) + reader.read(name) + tar.padding(reader.size(name))
        for name in reader.names
    )
    with tarfile.open(fileobj=io.BytesIO(plain + tar.END)) as archive:
        infos = archive.getmembers()
    assert [info.name for info in infos] == list(reader.names)
    assert {(info.mode, info.uid, info.gid, info.mtime, info.uname) for info in infos} == {(0o644, 0, 0, 0, "")}
