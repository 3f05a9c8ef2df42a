"""Policy snapshots and VEX consensus documents."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from evidence.documents import StoredDocument, find
from evidence.errors import ValidationError
from evidence.policy import policy_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Depot


def _policy(name: str = "snap-1", **fields: Any) -> bytes:
    evaluation = {"finding": "scan-1#0", "decision": "fail", "rule": "no-critical", "note": "kept"}
    value = {"id": name, "createdAt": "2026-01-31T00:00:00Z", "policies": [{"id": "p"}], "evaluations": [evaluation]}
    return json.dumps({**value, **fields}).encode()


def _found(depot: Depot, name: str, tenant: str = "default", snapshot: int | None = None) -> StoredDocument | None:
    return policy_snapshot(depot.store, depot.store.snapshot(snapshot), tenant=tenant, snapshot_id=name)


def _consensus(depot: Depot, name: str) -> bytes | None:
    found = find(depot.store, depot.store.snapshot(), "consensus", "default", name)
    return found.document if found else None


def test_a_policy_snapshot_is_kept_as_given(depot: Depot) -> None:
    document = b" \n" + _policy(extra=7)

    report = depot.put({"p.json": document}, kind="policy-snapshot")

    assert (report.seen, report.stored, report.snapshot) == (1, 1, 1)
    found = _found(depot, "snap-1")
    assert found is not None
    assert found.document == document
    assert _found(depot, "snap-2") is None
    assert _found(depot, "snap-1", tenant="other") is None
    assert _found(depot, "snap-1", snapshot=0) is None


def test_the_example_is_a_policy_snapshot(depot: Depot, sample_evidence: Path) -> None:
    example = sample_evidence.parent / "policy" / "policy-snapshot.json"

    assert depot.ingest(example, kind="policy-snapshot").stored == 1


def test_documents_are_current_as_records_are(depot: Depot) -> None:
    first, second = _policy(), _policy(policies=[])
    for document, stored in ((first, 1), (first, 0), (second, 1), (first, 1), (first, 0)):
        report = depot.put({"p.json": document}, kind="policy-snapshot")
        assert (report.stored, report.unchanged) == (stored, 1 - stored)

    documents = [_found(depot, "snap-1", snapshot=number) for number in (1, 2, 3)]
    assert [each.document for each in documents if each] == [first, second, first]
    assert depot.store.snapshot().id == 3


def test_tenants_have_policy_snapshots_of_their_own(depot: Depot) -> None:
    depot.put({"p.json": _policy()}, kind="policy-snapshot")

    assert depot.put({"p.json": _policy()}, kind="policy-snapshot", tenant="other").stored == 1


@pytest.mark.parametrize("backwards", [False, True])
def test_of_two_contents_in_one_call_the_last_name_counts(depot: Depot, backwards: bool) -> None:
    texts = {"a.json": _policy(policies=[1]), "b.json": _policy(policies=[2]), "c.json": _policy("snap-2")}
    folders = [depot.files({name: text}) for name, text in texts.items()]

    report = depot.ingest(*(folders[::-1] if backwards else folders), kind="policy-snapshot")

    assert (report.stored, report.superseded, report.unchanged) == (2, 1, 0)
    found = _found(depot, "snap-1")
    assert found is not None
    assert found.document == texts["b.json"]


def test_equal_bytes_twice_in_one_call_are_one_document(depot: Depot) -> None:
    report = depot.put({"a.json": _policy(), "b.json": _policy()}, kind="policy-snapshot")

    assert (report.stored, report.superseded, report.unchanged) == (1, 0, 1)
    assert len(depot.history("policy_snapshots")) == 1


WRONG = {
    "an id that is missing": (b'{"createdAt": "2026-01-01", "policies": [], "evaluations": []}', "`id`"),
    "an empty id": (_policy(""), "the id is empty"),
    "no time": (_policy(createdAt="yesterday"), "'yesterday' is no time - at `$.createdAt`"),
    "policies that are no list": (_policy(policies={}), "`$.policies`"),
    "an evaluation without a decision": (_policy(evaluations=[{"finding": "f", "rule": "r"}]), "`$.evaluations[0]`"),
    "a decision that is no text": (
        _policy(evaluations=[{"finding": "f", "rule": "r", "decision": 1}]), "`$.evaluations[0].decision`",
    ),
    "a list": (b"[]", "Expected `object`"),
    "no JSON": (b"{", "not JSON"),
    "YAML": (b"id: a\n", "it is no JSON"),
    "a key twice": (_policy().replace(b'"id"', b'"id": "x", "id"', 1), "occurs twice"),
    "another encoding": (_policy().decode().encode("utf-16"), "UTF-16"),
    "nothing": (b"", "the document is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_policy_snapshot_with_this_is_refused_and_nothing_is_stored(depot: Depot, case: str) -> None:
    document, told = WRONG[case]

    with pytest.raises(ValidationError) as refused:
        depot.put({"a.json": _policy("right"), "wrong.json": document}, kind="policy-snapshot")

    assert refused.value.message.startswith("wrong.json is no policy-snapshot: ")
    assert told in refused.value.message
    assert "createdAt" in refused.value.advice
    assert depot.store.snapshot().id == 0


def test_a_file_that_cannot_be_read_is_told(depot: Depot) -> None:
    folder = depot.files({"p.json.gz": gzip.compress(_policy())[:-9]})

    with pytest.raises(ValidationError, match=r"p\.json\.gz: cannot be read to its end"):
        depot.ingest(folder, kind="policy-snapshot")


def test_an_unknown_kind_is_refused(depot: Depot) -> None:
    with pytest.raises(ValidationError, match="--kind 'advisory' is not known") as refused:
        depot.put({"a.json": _policy()}, kind="advisory")
    assert refused.value.advice == "Known: policy-snapshot, vex-consensus."


def test_consensus_documents_are_kept_under_their_id_or_name(depot: Depot) -> None:
    content = {
        "a.json": b'{"id": "C-1", "status": "fixed"}',
        "b.json": b'{"@id": "https://example.com/vex", "statements": []}',
        "deep/c.json": b'{"id": 7}',
        "d.jsonl": b'{"id": "L-1"}\n\n["a list"]',
    }

    assert depot.put(content, kind="vex-consensus").stored == 5

    assert _consensus(depot, "C-1") == content["a.json"]
    assert _consensus(depot, "https://example.com/vex") == content["b.json"]
    assert _consensus(depot, "deep/c.json") == content["deep/c.json"]
    assert _consensus(depot, "L-1") == b'{"id": "L-1"}'
    assert _consensus(depot, "d.jsonl#3") == b'["a list"]'


def test_documents_are_no_records(depot: Depot) -> None:
    depot.put({"a.json": b'{"id": "C-1"}'}, kind="vex-consensus")

    assert depot.records() == []
