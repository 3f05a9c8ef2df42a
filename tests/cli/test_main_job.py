"""The main job as a user does it: real evidence in, a verified bundle out, through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bundle.keys import generate_key_pair, save_key_pair

PROGRAM = [sys.executable, "-c", "from cli.main import main; main()"]


def run(*arguments: object, home: Path, code: int = 0, **environment: str) -> Any:
    """Run the program; return its JSON, or its error text when it is to fail."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, "EXPORT_CENTER_HOME": str(home), **environment},
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr
    if code:
        return done.stderr
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    save_key_pair(folder, "shared", generate_key_pair())
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Path:
    """A home with the sample evidence and one policy snapshot."""
    folder = tmp_path_factory.mktemp("home")
    report = run("ingest", *sorted(sample_evidence.glob("*.tar.zst")), home=folder)
    assert report["seen"] == report["stored"] + report["unchanged"] + report["superseded"] + report["quarantined"]
    policy = sample_evidence.parent / "policy" / "policy-snapshot.json"
    run("ingest", "--kind", "policy-snapshot", policy, home=folder)
    return folder


def test_the_second_ingest_adds_nothing(home: Path, sample_evidence: Path) -> None:
    before = run("evidence", "stats", home=home)
    report = run("ingest", *sorted(sample_evidence.glob("*.tar.zst")), home=home)
    assert (report["stored"], report["superseded"]) == (0, 0)
    assert run("evidence", "stats", home=home) == before


def test_an_export_is_verified_and_read_back(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.tar.zst"
    summary = run("export", "json-raw", "--out", out, home=home)
    verified = run("bundle", "verify", out, "--key", home / "keys/default.pub", "--deep", home=home)
    assert verified["contentDigest"] == summary["contentDigest"]
    assert verified["records"] == summary["records"] > 2000
    line = run("bundle", "cat", out, "--id", "RUSTSEC-2021-0001", home=home)
    shown = run("evidence", "show", "RUSTSEC-2021-0001", "--raw", home=home)
    assert line["content"] == shown


def test_a_damaged_bundle_ends_with_3(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "raw.tar.zst"
    run("export", "json-raw", "--out", out, home=home)
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    assert "step" in run("bundle", "verify", out, "--key", home / "keys/default.pub", home=home, code=3)


def test_neither_home_nor_order_nor_locale_reaches_the_bytes(
    keys: Path, home: Path, tmp_path: Path, sample_evidence: Path
) -> None:
    other, key = tmp_path / "other", f"file:{keys / 'shared.key'}"
    archives = sorted(sample_evidence.glob("*.tar.zst"), reverse=True)
    changed = tmp_path / "osv-crates.jsonl"
    changed.write_text(
        '{"id": "RUSTSEC-2021-0001", "summary": "an older text"}\n{"id": "GONE", "modified": "2020-01-01T00:00:00Z"}\n'
    )
    for archive in archives[:6]:
        run("ingest", archive, home=other)
    run("ingest", changed, "--source", "osv-crates", home=other)
    for archive in archives[6:]:
        run("ingest", archive, home=other, TZ="Asia/Tokyo")
    crates = sample_evidence / "osv-crates.tar.zst"
    run("ingest", crates, "--source", "osv-crates", "--sync", "--allow-removals", 5, home=other)
    first = run("export", "json-raw", "--out", tmp_path / "a.tar.zst", home=home, EXPORT_CENTER_KEY=key)
    second = run(
        "export", "json-raw", "--out", tmp_path / "b.tar.zst", home=other, EXPORT_CENTER_KEY=key,
        TZ="America/New_York", LC_ALL="C", PYTHONHASHSEED="7", EXPORT_CENTER_WORKERS="1",
    )  # fmt: skip
    assert first["sha256"] == second["sha256"]


CASES = {
    "an unknown profile": (["export", "json-rww"], 2, "json-raw"),
    "nothing matches": (["export", "json-raw", "--ecosystem", "nonesuch"], 8, "no record matches"),
    "a bad time": (["export", "json-raw", "--from", "yesterday"], 2, "from"),
    "a missing policy snapshot": (["export", "json-policy"], 2, "requires a policy snapshot"),
    "an unknown policy snapshot": (["export", "json-policy", "--policy-snapshot", "nope"], 2, "nope"),
    "an adapter that is not there yet": (["export", "trivy-db"], 2, "no adapter"),
    "a path that does not exist": (["ingest", "absent.json"], 2, "absent.json"),
    "a missing key": (["bundle", "verify", "x.tar.zst"], 2, "--key"),
    "sync without a source": (["ingest", "--sync", "."], 2, "--source"),
}


@pytest.mark.parametrize("case", CASES)
def test_errors_say_what_to_do_and_leave_nothing(case: str, home: Path, tmp_path: Path) -> None:
    arguments, code, text = CASES[case]
    out = ["--out", tmp_path / "out.tar.zst"] if arguments[0] == "export" else []
    assert text in run(*arguments, *out, home=home, code=code)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_bundle_can_be_asked_for(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "empty.tar.zst"
    run("export", "json-raw", "--ecosystem", "nonesuch", "--allow-empty", "--out", out, home=home)
    assert run("bundle", "verify", out, "--key", home / "keys/default.pub", "--deep", home=home)["records"] == 0


def test_a_policy_export_names_the_snapshot_in_the_findings_it_evaluated(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "policy.tar.zst"
    run("export", "json-policy", "--policy-snapshot", "policy-snap-example", "--out", out, home=home)
    assert run("bundle", "verify", out, "--key", home / "keys/default.pub", "--deep", home=home)
    manifest = run("bundle", "inspect", out, home=home)
    findings = manifest["counts"]["byKind"]["finding"]
    assert 0 < manifest["counts"]["findingsWithoutPolicy"] < findings
    snapshot = run("bundle", "cat", out, "data/policy/snapshot.json", home=home)
    assert snapshot["id"] == "policy-snap-example"


def test_plan_counts_what_export_writes(home: Path, tmp_path: Path) -> None:
    plan = run("plan", "json-raw", "--ecosystem", "crates.io", home=home)
    out = tmp_path / "crates.tar.zst"
    assert run("export", "json-raw", "--ecosystem", "crates.io", "--out", out, home=home)["records"] == plan["records"]
    assert plan["records"] > 500


def test_a_bundle_differs_from_its_successor_by_what_changed(home: Path, tmp_path: Path) -> None:
    everything, crates = tmp_path / "all.tar.zst", tmp_path / "crates.tar.zst"
    total = run("export", "json-raw", "--out", everything, home=home)["records"]
    kept = run("export", "json-raw", "--source", "osv-crates", "--out", crates, home=home)["records"]
    result = run("bundle", "diff", everything, crates, home=home)
    assert sum(counts.get("removed", 0) for counts in result["counts"].values()) == total - kept
    assert run("bundle", "diff", crates, crates, home=home)["changes"] == []


def test_commands_of_the_verifier_import_nothing_heavy() -> None:
    code = (
        "import sys, cli.main; "
        "print([m for m in ('duckdb', 'pyarrow', 'prefect', 'polars', 'deltalake', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["doctor", "config show", "profile list", "keys show"])
def test_commands_that_look_around_succeed(command: str, home: Path) -> None:
    run("export", "json-raw", "--source", "osv-crates", home=home)
    assert run(*command.split(), home=home)


def test_lint_passes_the_built_in_profiles_and_names_what_is_wrong(home: Path, tmp_path: Path) -> None:
    assert run("profile", "lint", home=home) == []
    bad = tmp_path / "bad.yaml"
    bad.write_text("profileId: bad\nname: Bad\nkind: json\nvariant: raw\ninclude: [advisories]\nencrypton: {}\n")
    done = subprocess.run([*PROGRAM, "profile", "lint", bad], capture_output=True, check=False, text=True)
    assert done.returncode == 2
    (finding,) = json.loads(done.stdout)
    assert (finding["line"], finding["field"]) == (6, "encrypton")


@pytest.mark.data
def test_the_whole_data_pack_is_accounted_for(data_pack: Path, tmp_path: Path) -> None:
    report = run("ingest", data_pack, home=tmp_path / "home")
    assert report["seen"] == report["stored"] + report["unchanged"] + report["superseded"] + report["quarantined"]
    assert report["seen"] > 60_000
    assert run("ingest", data_pack, home=tmp_path / "home")["stored"] == 0
