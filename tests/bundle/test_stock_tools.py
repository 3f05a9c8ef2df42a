"""Real bundles, checked by programs that know nothing of us: tar, zstd, unzip, sha256sum, openssl, Sigstore, cosign."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bundle.keys import ECDSA, ED25519
from bundle.records import iterate_lines
from bundle.source import open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.counterpart

HERE = Path(__file__).parent
NODE = HERE.parent / "node"
FORMAT = (HERE.parent.parent / "docs" / "format.md").read_text()
DOCUMENTED = re.search(r"### With stock tools\n\n```sh\n(.+?)```", FORMAT, re.DOTALL)
ED25519_LINE = re.search(r"For Ed25519 keys the third line is `(.+?)`", FORMAT, re.DOTALL)
COSIGN = re.findall(r"`(cosign verify-blob .+?)`", FORMAT, re.DOTALL)
TOOLS = ("sh", "tar", "zstd", "base64", "openssl", "grep", "sed", "sha256sum")


@pytest.fixture(params=[ECDSA, ED25519])
def real(request: pytest.FixtureRequest, real_bundle: Callable[..., Any], tmp_path: Path) -> Any:
    """A bundle of the sample, and its key as team.pub, in an empty folder."""
    made = real_bundle("json-policy", "tar.zst", request.param)
    shutil.copy(made.path, tmp_path / "bundle.tar.zst")
    (tmp_path / "team.pub").write_bytes(made.key.pem)
    return made


@pytest.fixture
def extracted(real: Any, tmp_path: Path, counterpart: Callable[[str], str]) -> Path:
    """The folder that stock tar makes of it."""
    counterpart("zstd")
    (tmp_path / "out").mkdir()
    command = [counterpart("tar"), "--zstd", "-xf", "bundle.tar.zst", "-C", "out"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert verify(tmp_path / "out", keys=[real.key], deep=True).layout == "dir"
    return tmp_path / "out"


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-ec", command], cwd=folder, check=False, capture_output=True, text=True)


def documented(algorithm: str) -> str:
    """Return the commands of docs/format.md, for a kind of key."""
    assert DOCUMENTED
    assert ED25519_LINE
    commands = DOCUMENTED[1]
    if algorithm == ED25519:
        lines = commands.splitlines()
        commands = "\n".join([*lines[:2], ED25519_LINE[1].replace("\n", " "), *lines[3:]])
    return commands


def test_the_documented_commands_accept_a_bundle(real: Any, tmp_path: Path, counterpart: Callable[[str], str]) -> None:
    for tool in TOOLS:
        counterpart(tool)
    done = shell(documented(real.key.algorithm), tmp_path)
    assert done.returncode == 0, done.stderr
    assert ("Verified" in done.stdout) or ("Verified" in done.stderr)
    checked = [line.removesuffix(": OK") for line in done.stdout.splitlines() if line.endswith(": OK")]
    assert checked == [member.path for member in real.manifest.members]


@pytest.mark.parametrize("name", ["export.json", "data/vex.jsonl.zst", "README.md", "indexes/vex.root"])
def test_the_documented_commands_refuse_a_changed_member(
    real: Any, tmp_path: Path, counterpart: Callable[[str], str], name: str
) -> None:
    for tool in TOOLS:
        counterpart(tool)
    unpack, _, rest = documented(real.key.algorithm).partition("\n")
    assert shell(unpack, tmp_path).returncode == 0
    path = tmp_path / "out" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert shell(rest, tmp_path / "out").returncode != 0


SIGNED = ("export.json", "provenance.json")
CHECKS = {
    ECDSA: "openssl dgst -sha256 -verify ../team.pub -signature sig.der {name}",
    ED25519: "openssl pkeyutl -verify -rawin -pubin -inkey ../team.pub -sigfile sig.der -in {name}",
}


@pytest.mark.parametrize("name", SIGNED)
def test_openssl_accepts_both_signatures_and_neither_for_other_bytes(
    real: Any, extracted: Path, counterpart: Callable[[str], str], name: str
) -> None:
    counterpart("openssl")
    check = f"base64 -d {name}.sig > sig.der; " + CHECKS[real.key.algorithm].format(name=name)
    assert shell(check, extracted).returncode == 0
    other = next(other for other in SIGNED if other != name)
    shutil.copy(extracted / other, extracted / name)
    assert shell(check, extracted).returncode != 0


def test_checksums_cover_every_file_but_themselves(extracted: Path, counterpart: Callable[[str], str]) -> None:
    done = shell(f"{counterpart('sha256sum')} -c --strict checksums.txt", extracted)
    assert done.returncode == 0, done.stderr
    files = {path.relative_to(extracted).as_posix() for path in extracted.rglob("*") if path.is_file()}
    assert {line.removesuffix(": OK") for line in done.stdout.splitlines()} == files - {"checksums.txt"}
    (extracted / "index.html").write_bytes(b"<html>")
    assert shell("sha256sum -c --strict checksums.txt", extracted).returncode != 0


def test_zstd_decompresses_every_data_member(real: Any, extracted: Path, counterpart: Callable[[str], str]) -> None:
    reader, records = open_bundle(real.path), 0
    for member in real.manifest.members:
        if member.frames_sha256 is not None:
            command = [counterpart("zstd"), "-dc", member.path]
            plain = subprocess.run(command, cwd=extracted, check=True, capture_output=True).stdout
            assert plain == b"".join(iterate_lines(reader, member))
            assert (len(plain), plain.count(b"\n")) == (member.plain_bytes, member.records)
            records += len([json.loads(line) for line in plain.splitlines()])
    assert records > real.manifest.counts.records > 2000


def test_zstd_tests_the_whole_archive(real: Any, counterpart: Callable[[str], str]) -> None:
    listed = subprocess.run([counterpart("zstd"), "-lv", real.path], check=True, capture_output=True, text=True).stdout
    assert "# Skippable Frames: 1" in listed
    subprocess.run([counterpart("zstd"), "-tq", real.path], check=True)


def test_unzip_reads_a_zip(real_bundle: Callable[..., Any], tmp_path: Path, counterpart: Callable[[str], str]) -> None:
    made = real_bundle("json-policy", "zip")
    subprocess.run([counterpart("unzip"), "-tqq", made.path], check=True)
    subprocess.run([counterpart("unzip"), "-qq", made.path, "-d", tmp_path / "out"], check=True)
    assert verify(tmp_path / "out", keys=[made.key], deep=True).manifest == made.manifest
    assert shell("sha256sum -c --strict --quiet checksums.txt", tmp_path / "out").returncode == 0
    (tmp_path / "damaged.zip").write_bytes(made.path.read_bytes().replace(b"\n## ", b"\n#! ", 1))
    assert subprocess.run(["unzip", "-tqq", tmp_path / "damaged.zip"], check=False, capture_output=True).returncode


def sigstore(node: str, requests: list[dict[str, str]]) -> list[str]:
    """Ask npm's @sigstore/verify about bundles."""
    if not (NODE / "node_modules" / "@sigstore" / "verify").is_dir():
        pytest.skip("@sigstore/verify is not installed: run `npm ci` in tests/node")
    done = subprocess.run(
        [node, HERE / "sigstore_verify.mjs", NODE],
        input=json.dumps(requests).encode(), capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    answers: list[str] = json.loads(done.stdout)
    return answers


def test_sigstore_accepts_the_signed_manifest_and_the_provenance(
    real: Any, extracted: Path, counterpart: Callable[[str], str]
) -> None:
    manifest = (extracted / "export.json").read_bytes()
    key = {"key": real.key.pem.decode()}
    message = {**key, "bundle": (extracted / "export.json.sigstore.json").read_text()}
    statement = {**key, "bundle": (extracted / "provenance.sigstore.json").read_text()}
    payload = json.loads(statement["bundle"])["dsseEnvelope"]["payload"]
    assert base64.b64decode(payload) == (extracted / "provenance.json").read_bytes()
    altered = base64.b64encode(base64.b64decode(payload).replace(b"export.json", b"import.json")).decode()
    answers = sigstore(
        counterpart("node"),
        [
            {**message, "artifact": base64.b64encode(manifest).decode()},
            {**message, "artifact": base64.b64encode(manifest.replace(b"2026", b"2027", 1)).decode()},
            statement,
            {**statement, "bundle": statement["bundle"].replace(payload, altered)},
        ],
    )
    refused = "refused: signature verification failed"
    # @sigstore/verify 3.1 can verify no message that is signed with Ed25519; see test_sigstore.py.
    first = "verified" if real.key.algorithm == ECDSA else refused
    assert answers == [first, refused, "verified", refused]


@pytest.mark.optional
def test_cosign_accepts_what_the_documentation_says_it_does(extracted: Path, counterpart: Callable[[str], str]) -> None:
    program, attested = counterpart("cosign"), "provenance.sigstore.json --insecure-ignore-tlog --type slsaprovenance1"
    with_bundle, with_signature = COSIGN
    checks = [
        with_signature,
        with_bundle,
        f"cosign verify-blob-attestation --key team.pub --bundle {attested} export.json",
    ]
    commands = [
        check.replace("\n", " ").replace("cosign", program, 1).replace("team.pub", "../team.pub") for check in checks
    ]
    answers = [shell(command, extracted) for command in commands]
    assert answers[0].returncode == 0, answers[0].stderr
    manifest = (extracted / "export.json").read_bytes()
    (extracted / "export.json").write_bytes(manifest.replace(b"2026", b"2027", 1))
    assert all(shell(command, extracted).returncode for command in commands)
    if "tuf refresh failed" in answers[1].stderr:
        pytest.skip("this cosign is older than 3: it reads no bundle without a network")
    assert [answer.returncode for answer in answers] == [0, 0, 0], [answer.stderr for answer in answers]
