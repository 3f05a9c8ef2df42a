"""Listing ids: of a bundle and of the store, in every format, and one tenant's only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
import zstandard

from cli.streams import AT_ONCE, show_each
from cli.text import json_text, yaml_text

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

MEMBER = "data/advisories.jsonl.zst"


def test_the_records_of_a_member_are_listed_as_its_lines_state_them(program: Program, folder: Path) -> None:
    plain = zstandard.ZstdDecompressor().stream_reader((folder / MEMBER).read_bytes(), read_across_frames=True).read()
    lines = [json.loads(line) for line in plain.splitlines()]
    names = ("id", "tenant", "source", "kind", "locator", "format", "modified", "sha256")
    listed = program.json("bundle", "list", folder, MEMBER)
    assert len(listed) == 834
    assert listed == [{"member": MEMBER, **{name: line[name] for name in names}} for line in lines]
    assert program.json("bundle", "list", folder, "--records") == listed


def test_evaluations_are_listed_by_their_findings(program: Program, tmp_path: Path) -> None:
    (policy,) = program.json("evidence", "stats")["policySnapshots"]
    bundle = program.json("export", "json-policy", "--policy-snapshot", policy, "--out", tmp_path / "p.tar.zst")[
        "bundle"
    ]
    listed = program.json("bundle", "list", bundle, "--records")
    evaluations = [one for one in listed if one["member"] == "data/policy/evaluations.jsonl.zst"]
    assert evaluations
    assert {one["kind"] for one in evaluations} == {None}
    assert program.done("bundle", "cat", bundle, "--id", evaluations[0]["id"]).returncode == 0
    assert len(listed) > len(evaluations)


def test_a_member_without_records_is_told_from_those_that_have_some(program: Program, archive: Path) -> None:
    said = program.error("bundle", "list", archive, "README.md", code=1)
    assert "no member 'README.md' with records" in said
    assert MEMBER in said


@pytest.mark.parametrize("command", ["the store", "a bundle"])
def test_every_format_lists_the_same(command: str, program: Program, archive: Path) -> None:
    words = {
        "the store": ("evidence", "list", "--source", "osv-crates", "--kind", "advisory"),
        "a bundle": ("bundle", "list", archive, MEMBER),
    }[command]
    listed = program.json(*words)
    assert yaml.safe_load(program.done(*words, "--format", "yaml").stdout) == listed
    header, *rows = program.done(*words, "--format", "table").stdout.decode().splitlines()
    assert header.split() == ["id", "kind", "source", "locator", "modified"]
    assert [row.split()[0] for row in rows] == [one["id"] for one in listed]
    assert len(listed) == 834 > AT_ONCE


def test_the_store_lists_what_a_bundle_of_it_holds(program: Program, archive: Path) -> None:
    listed = program.json("bundle", "list", archive, MEMBER)
    stored = program.json("evidence", "list", "--source", "osv-crates", "--kind", "advisory")
    assert stored == [{name: one[name] for name in stored[0]} for one in listed]
    kinds = {one["kind"] for one in program.json("evidence", "list")}
    assert kinds == {"advisory", "vex", "sbom", "finding"}


def test_one_tenant_sees_its_own_records_and_those_that_all_share(fresh: Program, tmp_path: Path) -> None:
    for tenant in ("acme", "default", "_shared"):
        document = {"id": "A-1", "modified": "2024-01-01T00:00:00Z", "affected": [], "summary": f"of {tenant}"}
        (tmp_path / "a.json").write_text(json.dumps(document))
        fresh.json("ingest", tmp_path / "a.json", "--tenant", tenant, "--source", "feed")

    def owners(*words: str, **environment: str) -> list[list[str]]:
        commands = (("evidence", "list"), ("evidence", "show", "A-1"))
        return [[one["tenant"] for one in fresh.json(*each, *words, **environment)] for each in commands]

    assert owners() == [["_shared", "default"]] * 2
    assert owners("--tenant", "acme") == owners(EXPORT_CENTER_TENANT="acme") == [["_shared", "acme"]] * 2
    assert b"of acme" not in fresh.done("evidence", "show", "A-1", "--raw").stdout
    assert owners("--tenant", "_shared") == [["_shared"]] * 2
    (tmp_path / "b.json").write_text('{"id": "B-1", "modified": "2024-01-01T00:00:00Z", "affected": []}')
    fresh.json("ingest", tmp_path / "b.json", "--tenant", "acme", "--source", "feed")
    assert "no current record with the id 'B-1' of tenant default" in fresh.error("evidence", "show", "B-1", code=1)


ITEMS: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "one": [{"id": "A-1", "modified": None}],
    "many, some of them strange": [
        {"id": f"A\x1b-{n}" if n % 7 else "yes", "modified": "x\n- y"} for n in range(1_200)
    ],
}


@pytest.mark.parametrize("case", ITEMS)
def test_a_list_is_printed_piece_by_piece_as_it_would_be_as_a_whole(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    items = ITEMS[case]
    for wanted, whole in (("json", json_text(items)), ("yaml", yaml_text(items))):
        show_each(iter(items), wanted, columns=("id",))
        assert capsys.readouterr().out == whole
    show_each(iter(items), "table", columns=("id", "modified"))
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(items) + 1
    assert "\x1b" not in printed


def test_a_list_is_printed_while_it_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> Any:
        for number in range(10 * AT_ONCE):
            yield {"id": number}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_each(endless(), "json", columns=("id",))
    assert capsys.readouterr().out.count("id") > 8 * AT_ONCE


def test_stats_and_quarantine_speak_of_the_tenant_asked_for(fresh: Program, tmp_path: Path) -> None:
    for tenant in ("acme", "globex", "_shared"):
        folder = tmp_path / tenant
        folder.mkdir()
        (folder / "good.json").write_text(f'{{"id": "{tenant}", "modified": "2026-01-01T00:00:00Z", "affected": []}}')
        (folder / "bad.json").write_text("{")
        said = fresh.done("ingest", folder, "--tenant", tenant).stderr.decode()
        assert f"`export-center evidence stats --tenant {tenant}`" in said

    def seen(*words: str) -> tuple[set[str], set[str]]:
        counted = fresh.json("evidence", "stats", *words)
        listed = fresh.json("evidence", "quarantine", *words)
        assert counted["quarantine"] == dict.fromkeys((one["tenant"] for one in listed), 1)
        return {*counted["tenants"]}, {one["tenant"] for one in listed}

    expected: dict[tuple[str, ...], set[str]] = {
        ("--tenant", "acme"): {"acme", "_shared"},
        (): {"_shared"},
        ("--all-tenants",): {"acme", "globex", "_shared"},
    }
    for words, whose in expected.items():
        assert seen(*words) == (whose, whose)
    assert fresh.json("evidence", "stats", EXPORT_CENTER_TENANT="globex")["tenants"] == {"globex": 1, "_shared": 1}
    assert fresh.done("evidence", "stats", "--tenant", "acme").stderr == b""
    assert "do not go together" in fresh.error("evidence", "stats", "--tenant", "acme", "--all-tenants", code=2)
    said = fresh.error("evidence", "quarantine", "absent.json", "--tenant", "acme", code=1)
    assert "no document of tenant acme is quarantined under 'absent.json'" in said


def test_a_tenant_that_has_nothing_is_told_from_a_store_that_has_nothing(fresh: Program, tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text('{"id": "A-1", "modified": "2026-01-01T00:00:00Z", "affected": []}')
    said = fresh.done("evidence", "stats").stderr.decode()
    assert "nothing was ingested yet" in said
    assert "of tenant" not in said
    fresh.json("ingest", tmp_path / "good.json", "--tenant", "acme")
    said = fresh.done("evidence", "stats").stderr.decode()
    assert said == "warning: there is nothing of tenant default; --all-tenants counts everybody's\n"
