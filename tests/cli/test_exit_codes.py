"""Every exit code, made to happen: what the program says then, and that it leaves nothing behind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from cli import exits

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

KEY = ("--key", "{key}")
CASES: dict[str, tuple[list[str], int, str]] = {
    "no command": ([], 2, "Usage: export-center"),
    "a group without a command": (["bundle"], 2, "Usage: export-center bundle"),
    "an unknown command": (["expotr"], 2, "no such command 'expotr'. Did you mean 'export'?"),
    "an unknown option": (["bundle", "cat", "x", "--idd", "y"], 2, "no such option '--idd'. Did you mean '--id'?"),
    "a missing argument": (["export"], 2, "missing argument 'PROFILE'\nSee `export-center export --help`."),
    "a number that is none": (["evidence", "stats", "--snapshot", "x"], 2, "invalid value for '--snapshot'"),
    "an empty path": (["ingest", ""], 2, "invalid value for 'PATH...': the path is empty"),
    "an empty path of a bundle": (["bundle", "list", ""], 2, "invalid value for 'BUNDLE': the path is empty"),
    "an empty path for a bundle": (["export", "json-raw", "--out", ""], 2, "'--out': the path is empty"),
    "an unknown profile": (["export", "json-rww"], 2, "error: no profile 'json-rww'\nDid you mean json-raw?"),
    "a profile that is no file": (["plan", "absent.yaml"], 2, "profile absent.yaml cannot be read: No such file"),
    "a bad profile": (["export", "{bad}"], 2, "bad.yaml:6:1: encrypton: unknown field; did you mean 'encryption'?"),
    "a profile that is no YAML": (["export", "{broken}"], 2, "broken.yaml:2:"),
    "a profile that needs an adapter to come": (["export", "trivy-db"], 2, "no adapter"),
    "a time that is none": (["export", "json-raw", "--from", "yesterday"], 2, "timeWindow.from"),
    "a window that ends before it begins": (
        ["plan", "json-raw", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], 2, "must be later"),
    "an empty selector": (["export", "json-raw", "--ecosystem", ""], 2, "ecosystems[0]"),
    "an --as-of that is no time": (["export", "json-raw", "--as-of", "now"], 2, "--as-of 'now' is no time"),
    "a name that promises another layout": (
        ["export", "json-raw", "--out", "{tmp}/x.zip"], 2, "x.zip ends with .zip, but the profile's layout is tar.zst"),
    "a name that promises no layout": (["export", "json-raw", "--out", "{tmp}/x.tar.gz"], 2, "ends with .tar.gz, but"),
    "a file that is no bundle": (["export", "json-raw", "--out", "{bad}"], 2, "bad.yaml exists, and is no bundle"),
    "a base, before there are deltas": (["export", "mirror-delta", "--base", "x"], 2, "--base is for deltas"),
    "a policy snapshot that is required": (["export", "json-policy"], 2, "requires a policy snapshot"),
    "a policy snapshot that is not there": (["export", "json-policy", "--policy-snapshot", "no"], 2, "'no'"),
    "a path that does not exist": (["ingest", "absent.json"], 2, "absent.json"),
    "a sync without a source": (["ingest", "--sync", "."], 2, "--sync needs --source"),
    "a kind that is not known": (["ingest", "--kind", "gossip", "."], 2, "gossip"),
    "no trusted key": (["bundle", "verify", "{archive}"], 2, "--key is missing: a bundle cannot vouch for itself"),
    "a trusted key that is not there": (["bundle", "verify", "{archive}", "--key", "no.pub"], 2, "--key no.pub cannot"),
    "a trusted key that is garbled": (
        ["bundle", "verify", "{archive}", "--key", "{bad}"], 2, "bad.yaml: not a public key in PEM"),
    "neither member nor id": (["bundle", "cat", "{archive}"], 2, "name either a member or --id"),
    "a key that cannot be rotated": (["keys", "rotate", "--name", "no"], 2, "there is no key 'no'"),
    "a key that exists": (["keys", "generate"], 1, "key 'default' exists"),
    "an id in another encoding": (["evidence", "show", "caf\udce9"], 2, "'caf\\udce9' is not UTF-8"),
    "a locator in another encoding": (["evidence", "quarantine", "caf\udce9"], 2, "'caf\\udce9' is not UTF-8"),
    "a name of a hundred thousand letters": (["export", "y" * 100_000], 4, "File name too long"),
    "a record that the store lacks": (["evidence", "show", "CVE-0"], 1, "no current record with the id 'CVE-0'"),
    "a record that the bundle lacks": (["bundle", "cat", "{archive}", "--id", "CVE-0"], 1, "no record has the id"),
    "a member that the bundle lacks": (["bundle", "cat", "{archive}", "data/no"], 1, "no member 'data/no'"),
    "a damaged bundle": (["bundle", "verify", "{damaged}", *KEY], 3, "error: step "),
    "a damaged bundle to extract": (["bundle", "extract", "{damaged}", "{tmp}/to", *KEY], 3, "error: step "),
    "a bundle of somebody else": (["bundle", "verify", "{archive}", "--key", "{other}"], 3, "error: step 2"),
    "a bundle that is not there": (["bundle", "verify", "no.tar.zst", *KEY], 4, "no.tar.zst cannot be read"),
    "a bundle that is none": (["bundle", "inspect", "{bad}"], 4, "bad.yaml is no bundle"),
    "a text to verify": (["bundle", "verify", "{bad}", *KEY], 4, "bad.yaml is no bundle: it does not begin like one"),
    "a text to extract": (["bundle", "extract", "{bad}", "{tmp}/to", *KEY], 4, "bad.yaml is no bundle"),
    "a folder that is no bundle": (["bundle", "list", "{tmp}"], 4, "export.json is missing"),
    "a folder that is not empty": (["bundle", "extract", "{archive}", "{filled}", *KEY], 4, "not an empty folder"),
    "an evidence snapshot that is not there": (["plan", "json-raw", "--snapshot", "99"], 4, "no snapshot 99"),
    "a place that is a file": (["export", "json-raw", "--out", "{bad}/x.tar.zst"], 4, "cannot be written"),
    "evidence that does not match": (
        ["export", "json-raw", "--ecosystem", "no", "--out", "{tmp}/x.tar.zst"], 8, "no record matches"),
}  # fmt: skip


@pytest.fixture(scope="module")
def names(program: Program, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files that the cases name."""
    folder = tmp_path_factory.mktemp("named")
    bad = "profileId: bad\nname: Bad\nkind: json\nvariant: raw\ninclude: [advisories]\nencrypton: {}\n"
    (folder / "bad.yaml").write_text(bad)
    (folder / "broken.yaml").write_text("profileId: [\n")
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "damaged.tar.zst").write_bytes(data)
    (folder / "filled").mkdir()
    (folder / "filled" / "file").touch()
    other = program.json("keys", "generate", "--name", "other", EXPORT_CENTER_HOME=str(folder))["public"]
    return {
        "archive": archive, "key": program.public_key, "other": other, "bad": folder / "bad.yaml",
        "broken": folder / "broken.yaml", "damaged": folder / "damaged.tar.zst", "filled": folder / "filled",
    }  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_goes_wrong_is_said_with_its_code(
    case: str, program: Program, names: dict[str, Path], tmp_path: Path
) -> None:
    arguments, code, text = CASES[case]
    filled = [argument.format(**names, tmp=tmp_path) for argument in arguments]
    before = _contents(program)
    said = program.error(*filled, code=code, cwd=tmp_path)
    assert text in said
    assert len(said.splitlines()) <= 3 or said.startswith("Usage:")
    assert list(tmp_path.iterdir()) == []
    assert _contents(program) == before


def _contents(program: Program) -> set[str]:
    return {str(path) for path in program.home.rglob("*")}


def test_every_code_is_made_to_happen() -> None:
    """Those of the network, of interruptions and of success are made elsewhere; nothing here has a quota yet."""
    elsewhere = {exits.SUCCESS, exits.OFFLINE, exits.CANCELED, exits.QUOTA}
    assert {code for _, code, _ in CASES.values()} | elsewhere == _codes().keys()


def _codes() -> dict[int, str]:
    return {value: name for name, value in vars(exits).items() if isinstance(value, int)}


def test_strict_ingest_fails_after_it_has_stored_what_it_could(fresh: Program, sample_evidence: Path) -> None:
    fixtures = sample_evidence / "vex-fixtures-gocsaf.tar.zst"
    done = fresh.done("ingest", fixtures, "--strict")
    assert (done.returncode, b"were quarantined" in done.stderr) == (1, True)
    assert sum(fresh.json("evidence", "stats")["records"].values()) > 0


BAD_KEYS = {
    "there is none": ("file:/nowhere/a.key", r"signing key /nowhere/a.key cannot be read: No such file"),
    "it is garbled": ("file:{bad}", r"bad.yaml holds no private key in PEM"),
    "no scheme is known": ("ftp:key", r"a signing key is named by a URI"),
    "its service has no signer yet": ("awskms:alias/x", r"no signer for awskms: keys"),
}


@pytest.mark.parametrize("case", BAD_KEYS)
def test_a_signing_key_that_cannot_be_used_fails_the_run(
    case: str, program: Program, names: dict[str, Path], tmp_path: Path
) -> None:
    uri, text = BAD_KEYS[case]
    options: dict[str, Any] = {"EXPORT_CENTER_KEY": uri.format(**names)}
    said = program.error("export", "json-raw", "--out", tmp_path / "x.tar.zst", code=1, **options)
    assert re.search(text, said)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_read_is_named(fresh: Program, tmp_path: Path) -> None:
    store = fresh.home / "evidence" / "snapshots" / "_delta_log"
    store.mkdir(parents=True)
    (store / "00000000000000000000.json").write_text("{broken")
    for command in (["evidence", "stats"], ["plan", "json-raw"], ["export", "json-raw", "--out", tmp_path / "x"]):
        assert "snapshots of the store cannot be read" in fresh.error(*command, code=4)


def test_a_run_that_cannot_be_makes_no_key(fresh: Program) -> None:
    for command in (["export", "json-rww"], ["plan", "json-raw"]):
        fresh.done(*command)
    assert not fresh.home.exists()
