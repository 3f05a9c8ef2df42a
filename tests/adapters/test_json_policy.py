"""json:policy: the same records, findings that name the snapshot which decided about them, and its decisions."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from adapters.adapter import PolicySnapshot
from bundle.digests import id_hash
from bundle.frames import FrameParameters, cut
from bundle.manifest import PolicySnapshotFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Adapt = Any


def evaluation(finding: str, rule: str = "no-critical", decision: str = "warn", **more: Any) -> dict[str, Any]:
    return {"finding": finding, "decision": decision, "rule": rule, **more}


def snapshot(
    evaluations: Iterable[Any], *, name: str = "policy-7", tenants: tuple[str, ...] = ("_shared", "default")
) -> PolicySnapshot:
    """Return a stored snapshot, spelt with white space and an unusual key order."""
    value = {"policies": [{"id": "no-critical", "limit": 1}], "evaluations": list(evaluations), "id": name}
    text = json.dumps({**value, "createdAt": "2026-08-23T00:00:00Z"}, indent=3, ensure_ascii=False)
    # Numbers keep their spelling, which Python's own would not.
    document = text.replace('"limit": 1', '"limit": 7.50, "huge": 123456789012345678901234567890').encode()
    return PolicySnapshot(id=name, sha256=hashlib.sha256(document).hexdigest(), document=document, tenants=tenants)


@pytest.fixture
def mentioned(real_tables: Any) -> list[str]:
    """Ids of some findings, not of all."""
    return sorted({row["upstream_id"] for row in real_tables["findings"]})[::3]


def test_findings_name_the_snapshot_that_decided_about_them_and_the_others_are_counted(
    with_policy: Adapt, real_tables: Any, mentioned: list[str], make_shape: Callable[..., Any]
) -> None:
    policy = snapshot([evaluation(mentioned[0]), *(evaluation(f"{each}#CVE-2024-1") for each in mentioned[1:])])
    written = with_policy(real_tables, policy=policy)
    named = 0
    for line, row in zip(written.lines("findings"), real_tables["findings"], strict=True):
        record = json.loads(line)
        expected = "policy-7" if record["id"] in mentioned else None
        assert record["policySnapshotId"] == expected
        assert line.replace(b'"policySnapshotId":"policy-7"', b'"policySnapshotId":null') == row["line"]
        named += expected is not None
    assert named > 20 > len(mentioned) > 1
    assert written.adapted.tally.findings_without_policy == len(real_tables["findings"]) - named > 0
    other = with_policy(real_tables, policy=policy, shape=make_shape(size=5, sliced=True, fixed=True), workers=1)
    assert other.all() == written.all()
    assert other.adapted.tally.findings_without_policy == written.adapted.tally.findings_without_policy


def test_the_index_of_findings_is_that_of_the_lines_as_written(
    with_policy: Adapt, real_tables: Any, mentioned: list[str]
) -> None:
    written = with_policy(real_tables, policy=snapshot(map(evaluation, mentioned)))
    frames = written.frames("findings")
    for entry in written.entries("findings"):
        line = frames[entry.frame][entry.offset :].split(b"\n", 1)[0] + b"\n"
        assert entry.line_sha256 == hashlib.sha256(line).digest()
        assert entry.id_hash == id_hash(json.loads(line)["id"])
    counts = [frame.count(b"\n") for frame in frames]
    lines = written.lines("findings")
    keys = [row["key_hash"] for row in real_tables["findings"]]
    sizes = zip(map(len, lines), keys, strict=True)
    assert counts == list(cut(sizes, FrameParameters(minimum=2_000, mean=20_000, maximum=60_000)))


def test_other_tables_are_those_of_json_raw(
    raw: Adapt, with_policy: Adapt, real_tables: Any, mentioned: list[str]
) -> None:
    others = {table: rows for table, rows in real_tables.items() if table != "findings"}
    written, plain = with_policy(real_tables, policy=snapshot(map(evaluation, mentioned))), raw(others)
    assert {name: written.bytes(name) for name in plain.names} == plain.all()


def test_a_run_without_a_snapshot_has_no_policy_members_and_counts_every_finding(
    with_policy: Adapt, raw: Adapt, real_tables: Any
) -> None:
    written = with_policy(real_tables)
    assert written.all() == raw(real_tables).all()
    assert written.adapted.policy is None
    assert written.adapted.tally.findings_without_policy == len(real_tables["findings"])
    assert not [name for name in written.names if "policy" in name]


def test_the_snapshot_is_described_without_its_decisions(with_policy: Adapt, real_tables: Any) -> None:
    policy = snapshot(map(evaluation, "abc"))
    written = with_policy(real_tables, policy=policy)
    name = "data/policy/snapshot.json"
    assert written.bytes(name) == (
        b'{"createdAt":"2026-08-23T00:00:00Z","evaluations":3,"id":"policy-7",'
        b'"policies":[{"id":"no-critical","limit":7.50,"huge":123456789012345678901234567890}],'
        b'"sha256":"' + policy.sha256.encode() + b'"}'
    )
    assert written.member(name).media_type == "application/json"
    assert written.adapted.policy == PolicySnapshotFacts(id="policy-7", sha256=policy.sha256)
    assert written.names[:6] == [
        "data/advisories.jsonl.zst", "data/findings.jsonl.zst", "data/policy/evaluations.jsonl.zst", name,
        "data/sboms.jsonl.zst", "data/vex.jsonl.zst",
    ]  # fmt: skip


def test_evaluations_are_ordered_by_finding_rule_and_line_whatever_their_order_was(with_policy: Adapt) -> None:
    ordered = [
        evaluation("F-1", "a", "fail"),
        evaluation("F-1", "a", "pass"),
        evaluation("F-1", "b", "fail"),
        evaluation("F-10", "a", "fail"),
        evaluation("F-2", "Z", "fail", reason="because"),
        evaluation("F-2", "a", "fail"),
        evaluation("F-2", "a", "fail"),
        # In UTF-8, a character beyond the basic plane comes after all of it; in UTF-16 it would not.
        evaluation("é", "a", "fail"),
        evaluation("\uffee", "a", "fail"),
        evaluation("\U0001f600", "a", "fail"),
    ]
    lines = [json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for each in ordered]
    for order in (ordered, ordered[::-1], ordered[5:] + ordered[:5]):
        written = with_policy({"findings": []}, policy=snapshot(order))
        assert written.lines("policy/evaluations") == lines
        assert written.member("data/policy/evaluations.jsonl.zst").records == len(lines)


def test_an_evaluation_is_found_by_its_finding_and_keyed_by_its_line(with_policy: Adapt) -> None:
    small = FrameParameters(minimum=200, mean=500, maximum=900)
    evaluations = [evaluation(f"F-{number % 30}", f"rule-{number}") for number in range(90)]
    written = with_policy({"findings": []}, policy=snapshot(evaluations), frames=small)
    frames = written.frames("policy/evaluations")
    found = []
    for entry in written.entries("policy/evaluations"):
        line = frames[entry.frame][entry.offset :].split(b"\n", 1)[0] + b"\n"
        digest = hashlib.sha256(line).digest()
        assert (entry.key_hash, entry.sha256, entry.line_sha256) == (digest, digest, digest)
        assert entry.id_hash == id_hash(json.loads(line)["finding"])
        found.append(line)
    assert sorted(found) == sorted(written.lines("policy/evaluations"))
    assert len(found) == 90
    assert len(frames) > 5


def test_an_evaluation_keeps_its_spelling(with_policy: Adapt) -> None:
    document = (
        b'{"id":"p","createdAt":"2026-01-01T00:00:00Z","policies":[],"evaluations":'
        b'[{"rule": "r", "finding": "F",\n "decision": "warn", "score": 1e3, "limit": 7.50, "note": "caf\\u00e9"}]}'
    )
    policy = PolicySnapshot(
        id="p", sha256=hashlib.sha256(document).hexdigest(), document=document, tenants=("default",)
    )
    (line,) = with_policy({"findings": []}, policy=policy).lines("policy/evaluations")
    assert line == (b'{"rule":"r","finding":"F","decision":"warn","score":1e3,"limit":7.50,"note":"caf\\u00e9"}\n')


def test_no_evaluations_make_an_empty_member(with_policy: Adapt, real_tables: Any) -> None:
    written = with_policy(real_tables, policy=snapshot([]))
    assert written.member("data/policy/evaluations.jsonl.zst").records == 0
    assert written.bytes("data/policy/evaluations.jsonl.zst") == b""
    assert written.adapted.tally.findings_without_policy == len(real_tables["findings"])
    assert written.adapted.policy is not None


SARIF = (
    b'{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":'
    b'{"name":"x","properties":{"policySnapshotId":null,"purls":["pkg:npm/x"]}}},"results":[]}],'
    b'"properties":{"policySnapshotId":null,"purls":[]}}'
)


@pytest.mark.parametrize("name", ["policy-7", 'quo"ted', "käse", "back\\slash", "\U0001f600"])
def test_only_the_envelope_names_the_snapshot_whatever_the_document_holds(
    with_policy: Adapt, make_row: Callable[..., Any], name: str
) -> None:
    row = make_row(SARIF, "scan.sarif")
    written = with_policy({"findings": [row]}, policy=snapshot([evaluation(row["upstream_id"])], name=name))
    (line,) = written.lines("findings")
    record = json.loads(line)
    assert record["policySnapshotId"] == name
    assert record["content"] == json.loads(SARIF)
    assert line.startswith(b'{"content":' + SARIF + b",")


PARTS = {
    "the finding itself": ("scan.sarif", True),
    "a part of it": ("scan.sarif#CVE-2024-1", True),
    "a part of a part, of which only the last is cut off": ("scan.sarif#a#b", False),
    "another finding that begins like it": ("scan.sarif2", False),
    "nothing at all": ("", False),
    "a part of nothing": ("#scan.sarif", False),
}


@pytest.mark.parametrize("what", PARTS)
def test_an_evaluation_mentions_a_finding_or_a_part_of_it(
    with_policy: Adapt, make_row: Callable[..., Any], what: str
) -> None:
    finding, decided = PARTS[what]
    row = make_row(SARIF, "scan.sarif")
    assert row["upstream_id"] == "scan.sarif"
    written = with_policy({"findings": [row]}, policy=snapshot([evaluation(finding)]))
    assert (json.loads(written.lines("findings")[0])["policySnapshotId"] is not None) == decided
    assert written.adapted.tally.findings_without_policy == (not decided)


def test_findings_of_another_tenant_with_the_same_ids_are_not_named(
    with_policy: Adapt, make_row: Callable[..., Any], sort_rows: Callable[..., Any], make_shape: Callable[..., Any]
) -> None:
    report = b'{"SchemaVersion":2,"ArtifactName":"scan-1","ArtifactType":"container_image","Results":[]}'
    rows = sort_rows([make_row(report, "scan.json", tenant=tenant) for tenant in ("_shared", "acme", "beta")])
    assert len({row["upstream_id"] for row in rows}) == 1
    policy = snapshot([evaluation(rows[0]["upstream_id"])], tenants=("_shared", "acme"))
    for shape in (make_shape(), make_shape(size=1)):
        written = with_policy({"findings": rows}, policy=policy, shape=shape)
        named = {(line := json.loads(each))["tenant"]: line["policySnapshotId"] for each in written.lines("findings")}
        assert named == {"_shared": "policy-7", "acme": "policy-7", "beta": None}
        assert written.adapted.tally.findings_without_policy == 1
