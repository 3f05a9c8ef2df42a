"""A deep look: what a trusted key has signed is compared with the records, too."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bundle import counting
from bundle.counting import OTHERS
from bundle.errors import VerificationError
from bundle.keys import load_public_key
from bundle.manifest import PolicySnapshotFacts
from bundle.recount import Recount
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.manifest import Manifest

POLICY = PolicySnapshotFacts(id="policy-7", sha256="d" * 64)
POSSIBLE = {"stated": {"policy_snapshot": POLICY}}
"""Without a policy snapshot, nothing may name one."""


@pytest.fixture
def records(make_record: Callable[..., Any]) -> dict[str, list[dict[str, Any]]]:
    """Records of every type, by the name of their member."""
    moments = [None, "0001-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00.5Z"]
    advisories = [
        make_record(number, modified=moments[number % 4], ecosystems=["PyPI", "npm"][: number % 3], purls=["a", "b"])
        for number in range(9)
    ]
    findings = [
        make_record(number, kind="finding", policySnapshotId=[None, POLICY.id][number % 2], format="sarif/2.1.0")
        for number in range(5)
    ]
    return {
        "advisories": advisories,
        "findings": findings,
        "sboms": [make_record(1, kind="sbom", source="other")],
        "vex": [make_record(1, kind="vex")],
    }


def refusal(made: Any) -> str:
    """Return what a deep look has against a bundle that verifies without one."""
    verify(made.path, keys=[made.key])
    with pytest.raises(VerificationError) as caught:
        verify(made.path, keys=[made.key], deep=True)
    assert caught.value.step == 12
    return str(caught.value)


def test_what_is_stated_truly_is_verified(
    make_one: Callable[..., Any], records: dict[str, list[dict[str, Any]]], layout: str
) -> None:
    made = make_one(lines=records.pop("advisories"), tables=records, layout=layout, **POSSIBLE)
    counts = verify(made.path, keys=[made.key], deep=True).manifest.counts
    assert counts.by_kind == {"advisory": 9, "finding": 5, "sbom": 1, "vex": 1}
    assert counts.by_ecosystem == {"PyPI": 6, "npm": 3}
    assert (counts.without_modified, counts.findings_without_policy) == (5 + 5 + 2, 3)


FALSE: dict[str, dict[str, Any]] = {
    "counts.byKind": {"counts": {"by_kind": {"advisory": 10, "finding": 5, "sbom": 1}}},
    "counts.bySource": {"counts": {"by_source": {"feed": 16}}},
    "counts.byFormat": {"counts": {"by_format": {"osv": 11, "sarif/2.1.0": 5, "csaf": 0}}},
    "counts.byEcosystem": {"counts": {"by_ecosystem": {"PyPI": 6, OTHERS: 3}}},
    "counts.withoutModified": {"counts": {"without_modified": 11}},
    "counts.findingsWithoutPolicy": {"counts": {"findings_without_policy": 0}},
    "snapshotDigest": {"stated": {"policy_snapshot": POLICY, "snapshot_digest": "0" * 64}},
    "counts.byKind, counts.bySource": {"counts": {"by_kind": {}, "by_source": {OTHERS: 16}}},
}


@pytest.mark.parametrize("what", FALSE)
def test_what_is_stated_falsely_is_named(
    make_one: Callable[..., Any], records: dict[str, list[dict[str, Any]]], what: str
) -> None:
    made = make_one(lines=records.pop("advisories"), tables=records, **{**POSSIBLE, **FALSE[what]})
    assert refusal(made) == f"step 12, export.json: {what}: not what its records give"


def test_the_snapshot_digest_is_that_of_the_order_of_members(
    make_one: Callable[..., Any], records: dict[str, list[dict[str, Any]]]
) -> None:
    first = make_one(0, tables={name: records[name] for name in ("sboms", "vex")}, name="first")
    other = make_one(0, tables={name: records[name] for name in ("vex", "sboms")}, name="other")
    assert first.manifest.snapshot_digest != other.manifest.snapshot_digest
    stated = {"stated": {"snapshot_digest": first.manifest.snapshot_digest}}
    made = make_one(0, tables={name: records[name] for name in ("vex", "sboms")}, **stated)
    assert "snapshotDigest" in refusal(made)


def test_a_full_table_is_compared_without_what_it_leaves_out(
    make_one: Callable[..., Any], make_record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [make_record(number, ecosystems=[f"E{number}"]) for number in range(9)]
    full = {"by_ecosystem": {"E0": 1, "E1": 1, OTHERS: 7}}
    made = make_one(lines=lines, counts=full)
    assert "counts.byEcosystem" in refusal(made)
    monkeypatch.setattr(counting, "LISTED", 2)
    assert verify(made.path, keys=[made.key], deep=True)


def test_numbers_of_any_length_are_verified(make_one: Callable[..., Any], make_record: Callable[..., Any]) -> None:
    """Longer ones than Python makes integers of, and larger ones than any float."""
    digits = b"1" * 5_000
    long = make_record(1, content={"n": "HERE"})
    long["line"] = long["line"].replace(b'"HERE"', b"[%b,-%b,%b.5,1e999]" % (digits, digits, digits))
    made = make_one(lines=[long])
    assert verify(made.path, keys=[made.key], deep=True).manifest.counts.records == 1


MISPLACED: dict[str, tuple[str, dict[str, Any], str]] = {
    "an SBOM among advisories": ("advisories", {"kind": "sbom"}, "of kind 'sbom' does not belong here"),
    "an advisory among VEX": ("vex", {}, "of kind 'advisory' does not belong here"),
    "a kind that nobody knows": ("findings", {"kind": "gossip"}, "of kind 'gossip' does not belong here"),
    "an advisory with a policy snapshot": ("advisories", {"policySnapshotId": None}, "findings, and no others, have"),
    "a finding without room for one": ("findings", {"kind": "finding"}, "findings, and no others, have"),
    "a finding with another policy snapshot": (
        "findings", {"kind": "finding", "policySnapshotId": "policy-8"}, "names policy snapshot 'policy-8'",
    ),
    "ecosystems that are not sorted": ("advisories", {"ecosystems": ["npm", "PyPI"]}, "is not in canonical form"),
    "a package that is named twice": ("advisories", {"purls": ["a", "a"]}, "is not in canonical form"),
    "a digest in capitals": ("advisories", {"sha256": "AB" * 32}, "is not in canonical form"),
    "a time that is none": ("advisories", {"modified": "yesterday"}, "is not in canonical form"),
    "a time with a fraction of zero": ("advisories", {"modified": "2024-01-01T00:00:00.0Z"}, "is not in canonical form"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISPLACED)
def test_no_record_stands_where_it_does_not_belong(
    make_one: Callable[..., Any], make_record: Callable[..., Any], case: str
) -> None:
    member, envelope, message = MISPLACED[case]
    made = make_one(0, tables={member: [make_record(1, **envelope)]}, **POSSIBLE)
    said = refusal(made)
    assert said.startswith(f"step 12, data/{member}.jsonl.zst: ")
    assert message in said


def test_a_finding_names_no_policy_snapshot_of_a_bundle_without_one(
    make_one: Callable[..., Any], make_record: Callable[..., Any]
) -> None:
    findings = [make_record(1, kind="finding", policySnapshotId=POLICY.id)]
    assert "names policy snapshot 'policy-7'" in refusal(make_one(0, tables={"findings": findings}))


def test_records_of_an_unknown_type_are_refused(make_one: Callable[..., Any], make_record: Callable[..., Any]) -> None:
    made = make_one(0, tables={"rumours": [make_record(1)]})
    assert "data/rumours.jsonl.zst: it holds records of a type that this version does not know" in refusal(made)


def judged(*findings: str, **more: Any) -> list[dict[str, Any]]:
    return [{"finding": finding, "decision": "warn", "rule": "r", **more} for finding in findings]


UNJUST: dict[str, tuple[list[dict[str, Any]], str]] = {
    "findings out of order": (judged("F-2", "F-10"), "an evaluation of 'F-10' is out of order"),
    "rules out of order": (
        [*judged("F-1", rule="s"), *judged("F-1", rule="r")], "an evaluation of 'F-1' is out of order",
    ),
    "lines out of order": (
        [*judged("F-1", reason="z"), *judged("F-1", reason="a")], "an evaluation of 'F-1' is out of order",
    ),
    "a decision that is no text": (judged("F-1", decision=7), "a line is no evaluation: Expected `str`, got `int`"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNJUST)
def test_evaluations_are_in_order(make_one: Callable[..., Any], make_evaluation: Callable[..., Any], case: str) -> None:
    evaluations, message = UNJUST[case]
    made = make_one(2, evaluations=[make_evaluation(**each) for each in evaluations], **POSSIBLE)
    assert refusal(made).startswith(f"step 12, data/policy/evaluations.jsonl.zst: {message}")


def test_evaluations_are_in_canonical_form(make_one: Callable[..., Any], make_evaluation: Callable[..., Any]) -> None:
    for at, (old, new) in enumerate([(b'"warn"', b' "warn"'), (b"}\n", b"} \n"), (b"{", b"\t{")]):
        one = make_evaluation(**judged("F-1")[0])
        one["line"] = one["line"].replace(old, new)
        made = make_one(2, evaluations=[one], name=str(at))
        assert "an evaluation of 'F-1' is not in canonical form" in refusal(made)


def test_the_same_may_be_said_twice(make_one: Callable[..., Any], make_evaluation: Callable[..., Any]) -> None:
    made = make_one(2, evaluations=[make_evaluation(**each) for each in judged("F-1", "F-1", "F-2")])
    assert verify(made.path, keys=[made.key], deep=True)


def test_what_an_export_states_of_real_evidence_is_true(real_bundle: Callable[..., Any]) -> None:
    for profile in ("json-raw", "json-policy"):
        made = real_bundle(profile)
        counts = verify(made.path, keys=[load_public_key(made.key.pem)], deep=True).manifest.counts
        assert len(counts.by_kind) == {"json-raw": 3, "json-policy": 4}[profile]
        assert counts.by_ecosystem
        assert counts.by_severity


def test_values_without_end_take_no_memory(manifest: Manifest) -> None:
    recount = Recount(manifest)
    record: Any = msgspec.defstruct("Record", [(name, Any) for name in RECORD])
    tracemalloc.start()
    try:
        for number in range(20_000):
            recount.add(record(**{**RECORD, "ecosystems": [f"ecosystem {number}"], "source": f"s{number}"}), b"", b"")
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


RECORD = {"kind": "vex", "source": "", "format": "", "ecosystems": [], "modified": None, "policy_snapshot_id": None}
