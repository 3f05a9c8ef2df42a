"""``keys``: pairs that belong together, are never lost, and are replaced without a moment in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bundle import keys
from bundle.keys import load_public_key, signer_from_uri
from cli import rim

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


def pair_of(folder: Path, name: str) -> tuple[bytes, bytes]:
    """Return a pair's public key, as the private half has it and as the public file has it."""
    return signer_from_uri(f"file:{folder}/{name}.key").public.pem, (folder / f"{name}.pub").read_bytes()


@pytest.mark.parametrize(("word", "algorithm"), [("ecdsa", "ecdsa-p256-sha256"), ("ed25519", "ed25519")])
def test_a_new_pair_is_described_and_belongs_together(word: str, algorithm: str, fresh: Program) -> None:
    made = fresh.json("keys", "generate", "--name", "team", "--algorithm", word)
    folder = fresh.home / "keys"
    private, public = pair_of(folder, "team")
    assert private == public
    assert made == {
        "name": "team",
        "algorithm": algorithm,
        "keyId": load_public_key(public).key_id,
        "public": str(folder / "team.pub"),
    }
    assert fresh.json("keys", "show") == [made]
    assert (folder / "team.key").stat().st_mode & 0o777 == 0o600


def test_a_home_without_keys_lists_none(fresh: Program) -> None:
    assert fresh.json("keys", "show") == []
    assert fresh.done("keys", "show", "--format", "table").stdout == b"nothing to list\n"


@pytest.mark.parametrize("word", ["ecdsa", "ed25519"])
def test_rotation_makes_a_new_pair_of_the_same_kind_and_keeps_the_old(word: str, fresh: Program) -> None:
    old = fresh.json("keys", "generate", "--algorithm", word)
    new = fresh.json("keys", "rotate")
    assert (new["name"], new["algorithm"]) == ("default", old["algorithm"])
    assert new["keyId"] != old["keyId"]
    listed = {key["keyId"]: key["name"] for key in fresh.json("keys", "show")}
    assert listed[new["keyId"]] == "default"
    kept = listed[old["keyId"]]
    for name in ("default", kept):
        private, public = pair_of(fresh.home / "keys", name)
        assert private == public
    assert sorted(path.name for path in (fresh.home / "keys").iterdir()) == sorted(
        f"{name}.{suffix}" for name in ("default", kept) for suffix in ("key", "pub")
    )


def test_bundles_of_before_and_after_a_rotation_verify_with_both_keys(fresh: Program, sample_evidence: Path) -> None:
    fresh.json("ingest", sample_evidence / "vex-fixtures-grype.tar.zst")
    before = fresh.json("export", "json-raw", "--out", fresh.home / "before.tar.zst")
    fresh.json("keys", "rotate")
    after = fresh.json("export", "json-raw", "--out", fresh.home / "after.tar.zst")
    trusted = [part for key in fresh.json("keys", "show") for part in ("--key", key["public"])]
    for summary in (before, after):
        assert fresh.json("bundle", "verify", summary["bundle"], *trusted)["verified"]
    fresh.error("bundle", "verify", before["bundle"], "--key", fresh.public_key, code=3)


def test_a_rotation_that_was_cut_off_is_done_by_the_next(fresh: Program) -> None:
    old = fresh.json("keys", "generate")
    left = fresh.home / "keys" / "default.next.key"
    left.write_text("half a key")
    new = fresh.json("keys", "rotate")
    assert new["keyId"] != old["keyId"]
    assert not left.exists()


def test_a_public_file_that_is_garbled_is_named(fresh: Program) -> None:
    fresh.json("keys", "generate")
    (fresh.home / "keys" / "team.pub").write_text("garbled")
    said = fresh.error("keys", "show", code=2)
    assert f"{fresh.home}/keys/team.pub: not a public key in PEM" in said


def test_a_private_key_that_others_may_read_is_told_once_and_by_doctor(fresh: Program, sample_evidence: Path) -> None:
    fresh.json("ingest", sample_evidence / "vex-fixtures-grype.tar.zst")
    fresh.json("keys", "generate")
    private = fresh.home / "keys" / "default.key"
    quiet = fresh.done("export", "json-raw").stderr.decode()
    assert str(private) not in quiet
    private.chmod(0o644)
    said = fresh.done("export", "json-raw").stderr.decode()
    assert said.count(f"warning: others may read or change the signing key {private}") == 1
    found = {check["check"]: check for check in fresh.json("doctor")}
    assert found["key"]["status"] == "warning"
    assert f"chmod 600 {private}" in found["key"]["advice"]


def test_first_exports_at_the_same_time_sign_with_one_key(
    fresh: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another process makes the key between the look for it and the making of it."""
    first = rim.first_key(None, fresh.home)
    assert first is not None
    made = keys.generate_key_pair

    def meanwhile(algorithm: str) -> tuple[bytes, bytes]:
        monkeypatch.setattr(keys, "generate_key_pair", made)
        fresh.json("keys", "generate")
        return made(algorithm)

    monkeypatch.setattr(keys, "generate_key_pair", meanwhile)
    assert first.public.pem == fresh.public_key.read_bytes()
    assert first.public.verify(first.sign(b"data"), b"data")
    assert capsys.readouterr().err == ""
    assert [path.name for path in sorted((fresh.home / "keys").iterdir())] == ["default.key", "default.pub"]
