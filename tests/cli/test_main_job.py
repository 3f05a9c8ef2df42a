"""The main job as a user does it: real evidence in, a verified bundle out, through the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


def accounted_for(report: dict[str, Any]) -> bool:
    parts = ("stored", "unchanged", "superseded", "quarantined")
    return bool(report["seen"] == sum(report[part] for part in parts))


def test_the_second_ingest_adds_nothing(program: Program, sample_evidence: Path) -> None:
    before = program.json("evidence", "stats")
    report = program.json("ingest", *sorted(sample_evidence.glob("*.tar.zst")))
    assert accounted_for(report)
    assert (report["stored"], report["superseded"]) == (0, 0)
    assert program.json("evidence", "stats") == before


def test_an_export_is_verified_and_read_back(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "raw.tar.zst"
    summary = program.json("export", "json-raw", "--out", out)
    verified = program.json("bundle", "verify", out, "--key", program.public_key, "--deep")
    assert verified["contentDigest"] == summary["contentDigest"]
    assert verified["records"] == summary["records"] > 2000
    line = program.json("bundle", "cat", out, "--id", "RUSTSEC-2021-0001")
    assert line["content"] == program.json("evidence", "show", "RUSTSEC-2021-0001", "--raw")


def test_neither_home_nor_order_nor_locale_reaches_the_bytes(
    program: Program, fresh: Program, tmp_path: Path, sample_evidence: Path
) -> None:
    key = f"file:{program.home / 'keys' / 'default.key'}"
    archives = sorted(sample_evidence.glob("*.tar.zst"), reverse=True)
    changed = tmp_path / "osv-crates.jsonl"
    changed.write_text(
        '{"id": "RUSTSEC-2021-0001", "summary": "an older text"}\n{"id": "GONE", "modified": "2020-01-01T00:00:00Z"}\n'
    )
    for archive in archives[:6]:
        fresh.json("ingest", archive)
    fresh.json("ingest", changed, "--source", "osv-crates")
    for archive in archives[6:]:
        fresh.json("ingest", archive, TZ="Asia/Tokyo")
    crates = sample_evidence / "osv-crates.tar.zst"
    fresh.json("ingest", crates, "--source", "osv-crates", "--sync", "--allow-removals", 5)
    first = program.json("export", "json-raw", "--out", tmp_path / "a.tar.zst", EXPORT_CENTER_KEY=key)
    second = fresh.json(
        "export", "json-raw", "--out", tmp_path / "b.tar.zst", EXPORT_CENTER_KEY=key,
        TZ="America/New_York", LC_ALL="C", PYTHONHASHSEED="7", EXPORT_CENTER_WORKERS="1",
    )  # fmt: skip
    assert first["sha256"] == second["sha256"]


def test_an_empty_bundle_can_be_asked_for(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "empty.tar.zst"
    program.json("export", "json-raw", "--ecosystem", "nonesuch", "--allow-empty", "--out", out)
    assert program.json("bundle", "verify", out, "--key", program.public_key, "--deep")["records"] == 0


def test_no_key_is_made_for_a_run_that_comes_to_nothing(fresh: Program, sample_evidence: Path, tmp_path: Path) -> None:
    fresh.json("ingest", sample_evidence / "vex-fixtures-grype.tar.zst")
    out = tmp_path / "none.tar.zst"
    for selector in (("--id", "NOBODY-HAS-THIS"), ("--from", "2999-01-01T00:00:00Z")):
        said = fresh.error("export", "json-raw", *selector, "--source", "vex-fixtures-grype", "--out", out, code=8)
        assert "DEVELOPMENT" not in said
        assert not (fresh.home / "keys").exists()
        assert not out.exists()
    made = fresh.done("export", "json-raw", "--out", out).stderr.decode()
    assert made.count("made a DEVELOPMENT signing key") == 1
    assert fresh.json("bundle", "verify", out, "--key", fresh.public_key)["verified"]


def test_numbers_longer_than_python_reads_go_all_the_way(fresh: Program, tmp_path: Path) -> None:
    """Python refuses to make an integer of more than 4,300 digits; an upstream that writes one is quoted."""
    digits = "7" * 10_000
    numbers = f'{{"n":[{digits},-{digits}],"f":{digits}.5,"e":1e999}}'
    raw = f'{{"id":"LONG-1","modified":"2026-01-01T00:00:00Z","affected":[],"database_specific":{numbers}}}'
    (tmp_path / "long.json").write_text(raw)
    report = fresh.json("ingest", tmp_path / "long.json")
    assert (report["stored"], report["quarantined"]) == (1, 0)
    out = tmp_path / "long.tar.zst"
    fresh.json("export", "json-raw", "--out", out)
    assert fresh.json("bundle", "verify", out, "--key", fresh.public_key, "--deep")["records"] == 1
    assert raw in fresh.done("bundle", "cat", out, "--id", "LONG-1").stdout.decode()
    assert fresh.done("evidence", "show", "LONG-1", "--raw").stdout.decode() == raw
    assert digits in fresh.done("evidence", "show", "LONG-1", "--format", "yaml").stdout.decode()


def test_a_policy_export_names_the_snapshot_in_the_findings_it_evaluated(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "policy.tar.zst"
    (name,) = program.json("evidence", "stats")["policySnapshots"]
    program.json("export", "json-policy", "--policy-snapshot", name, "--out", out)
    assert program.json("bundle", "verify", out, "--key", program.public_key, "--deep")["verified"]
    manifest = program.json("bundle", "inspect", out)
    assert 0 < manifest["counts"]["findingsWithoutPolicy"] < manifest["counts"]["byKind"]["finding"]
    assert program.json("bundle", "cat", out, "data/policy/snapshot.json")["id"] == name


def test_plan_counts_what_export_writes(program: Program, tmp_path: Path) -> None:
    wanted = ("json-raw", "--ecosystem", "crates.io", "--from", "2021-01-01T00:00:00Z", "--to", "2022-01-01T00:00:00Z")
    plan = program.json("plan", *wanted)
    assert program.json("export", *wanted, "--out", tmp_path / "crates.tar.zst")["records"] == plan["records"]
    assert 10 < plan["records"] < 800


def test_every_selector_reaches_the_bundle(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "selected.tar.zst"
    program.json(
        "export", "json-raw", "--out", out, "--allow-empty", "--as-of", "2026-01-31T12:00:00Z", "--snapshot", 1,
        "--tenant", "a", "--tenant", "b", "--product", "pkg:npm/*", "--sbom", "s", "--ecosystem", "npm",
        "--source", "feed", "--severity", "HIGH", "--id", "CVE-1", "--id", "CVE-2",
        "--from", "2025-01-01T00:00:00Z", "--to", "2026-01-01T01:00:00+01:00",
    )  # fmt: skip
    manifest = program.json("bundle", "inspect", out)
    assert manifest["asOf"] == "2026-01-31T12:00:00Z"
    assert manifest["selectors"] == {
        "ecosystems": ["npm"], "ids": ["CVE-1", "CVE-2"], "missingModified": "include", "products": ["pkg:npm/*"],
        "sboms": ["s"], "severities": ["HIGH"], "shared": True, "sources": ["feed"], "tenants": ["a", "b"],
        "timeWindow": {"from": "2025-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
    }  # fmt: skip


def test_the_epoch_of_the_environment_is_now_unless_a_time_is_given(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "x.tar.zst"
    for options, as_of in (([], "1970-01-02T00:00:00Z"), (["--as-of", "2026-01-01"], "2026-01-01T00:00:00Z")):
        program.json("export", "json-raw", "--id", "none", "--allow-empty", "--out", out, *options,
                     SOURCE_DATE_EPOCH="86400")  # fmt: skip
        assert program.json("bundle", "inspect", out)["asOf"] == as_of
    said = program.error("plan", "json-raw", code=2, SOURCE_DATE_EPOCH="yesterday")
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in said


def test_a_bundle_without_a_place_gets_a_name_in_the_home(fresh: Program, sample_evidence: Path) -> None:
    fresh.json("ingest", sample_evidence / "vex-fixtures-grype.tar.zst")
    done = fresh.done("export", "json-raw")
    assert b"made a DEVELOPMENT signing key" in done.stderr
    summary = json.loads(done.stdout)
    name = f"export-json-raw-{summary['contentDigest'][:12]}.tar.zst"
    assert summary["bundle"] == str(fresh.home / "bundles" / name)
    assert (fresh.home / "keys" / "default.key").stat().st_mode & 0o777 == 0o600
    assert fresh.home.stat().st_mode & 0o777 == 0o700
    again = fresh.done("export", "json-raw")
    assert (json.loads(again.stdout)["sha256"], again.stderr) == (summary["sha256"], b"")


def test_a_bundle_differs_from_its_successor_by_what_changed(program: Program, tmp_path: Path) -> None:
    everything, crates = tmp_path / "all.tar.zst", tmp_path / "crates.tar.zst"
    total = program.json("export", "json-raw", "--out", everything)["records"]
    kept = program.json("export", "json-raw", "--source", "osv-crates", "--out", crates)["records"]
    result = program.json("bundle", "diff", everything, crates)
    assert sum(counts.get("removed", 0) for counts in result["counts"].values()) == total - kept
    assert program.json("bundle", "diff", crates, crates)["changes"] == []


QUICK = "sha256", "contentDigest", "records"


def test_quickstart_ends_with_a_verified_bundle_and_its_pages_and_can_be_repeated(fresh: Program) -> None:
    first = fresh.json("quickstart")
    assert first["records"] > 2000
    assert first["viewer"] == f"file://{fresh.home}/view/{first['contentDigest'][:12]}/index.html"
    verified = fresh.json("bundle", "verify", first["bundle"], "--key", first["publicKey"])
    assert [verified[name] for name in QUICK] == [first[name] for name in QUICK]
    second = fresh.json("quickstart")
    assert [second[name] for name in QUICK] == [first[name] for name in QUICK]


def test_quickstart_takes_evidence_and_a_key_of_ones_own(
    fresh: Program, program: Program, sample_evidence: Path
) -> None:
    own = fresh.json(
        "quickstart", "--evidence", sample_evidence / "vex-fixtures-grype.tar.zst",
        EXPORT_CENTER_KEY=f"file:{program.home}/keys/default.key",
    )  # fmt: skip
    assert fresh.json("bundle", "verify", own["bundle"], "--key", program.public_key)["records"] == own["records"] == 13
    assert program.public_key.read_bytes() == (fresh.home / "quickstart.pub").read_bytes()
