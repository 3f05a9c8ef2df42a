"""From a document's bytes to its row and line."""

from __future__ import annotations

import hashlib
import json
import pickle
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.canonical import canonical_json
from bundle.digests import id_hash, key_hash, observation_id
from evidence.affected import AFFECTED
from evidence.line import DERIVED_FIELDS, LONGEST_HINT, Identity, Rejected, Row, derive
from evidence.schema import RECORDS

IDENTITY = Identity("default", "osv-go", "ID/GO-2021-0001.json")
OF_INGEST = ("revision", "observed_at", "tombstone")

ADVISORY = b"""{
  "schema_version": "1.3.1",
  "id": "GO-2021-0001",
  "modified": "0001-01-01T00:00:00Z",
  "affected": [
    {"package": {"name": "github.com/a/b", "ecosystem": "Go"},
     "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.6.0"}]}]}
  ],
  "database_specific": {"score": 9.0, "epss": 1e-05, "serial": 8040020210810210707, "text": "\\u00e9\\/"}
}"""


def _row(document: bytes, identity: Identity = IDENTITY) -> Row:
    row = derive(document, identity)
    assert isinstance(row, Row), row
    return row


def test_the_line_is_the_canonical_envelope_around_the_minified_document() -> None:
    row = _row(ADVISORY)

    envelope = json.loads(row.line)
    content = envelope.pop("content")
    assert content == json.loads(ADVISORY)
    assert row.line == b'{"content":' + _content(row) + b"," + canonical_json(envelope)[1:] + b"\n"
    assert envelope == {
        "ecosystems": ["Go"],
        "format": "osv/1.3.1",
        "id": "GO-2021-0001",
        "kind": "advisory",
        "locator": "ID/GO-2021-0001.json",
        "modified": "0001-01-01T00:00:00Z",
        "observationId": observation_id(
            **IDENTITY._asdict(), kind="advisory", upstream_id="GO-2021-0001", sha256=row.sha256
        ),
        "purls": [],
        "sha256": hashlib.sha256(ADVISORY).hexdigest(),
        "source": "osv-go",
        "subject": None,
        "tenant": "default",
    }


def _content(row: Row) -> bytes:
    return row.line[len(b'{"content":') : row.line.rindex(b',"ecosystems":')]


def test_lexemes_of_the_document_survive() -> None:
    content = _content(_row(ADVISORY))

    assert b'{"score":9.0,"epss":1e-05,"serial":8040020210810210707,"text":"\\u00e9\\/"}' in content


def test_digests_are_those_of_the_format() -> None:
    row = _row(ADVISORY)

    key = {**IDENTITY._asdict(), "kind": "advisory", "upstream_id": "GO-2021-0001"}
    assert row.key_hash == key_hash(**key)
    assert row.id_hash == id_hash("GO-2021-0001")
    assert row.raw_sha256 == hashlib.sha256(ADVISORY).digest() == bytes.fromhex(row.sha256)
    assert row.line_sha256 == hashlib.sha256(row.line).digest()
    assert row.line_bytes == len(row.line)
    assert row.raw == ADVISORY


def test_a_row_has_the_columns_of_the_schema_in_order() -> None:
    columns = [name for name in RECORDS.names if name not in OF_INGEST]
    schema = pa.schema([RECORDS.field(name) for name in columns])

    row = _row(ADVISORY)

    assert [*Row._fields] == [*columns, "affected"]
    table = pa.Table.from_pylist([dict(zip(columns, row, strict=False))], schema=schema)
    table.validate(full=True)
    assert pa.Table.from_pylist(row.affected, schema=AFFECTED).column("fixed").to_pylist() == ["1.6.0"]
    assert pickle.loads(pickle.dumps(row)) == row


def test_a_document_without_an_id_is_named_by_its_locator() -> None:
    row = _row(b'{"bomFormat":"CycloneDX","specVersion":"1.5"}', Identity("t", "s", "dir/bom.json"))

    assert row.upstream_id == "dir/bom.json"
    assert json.loads(row.line)["id"] == "dir/bom.json"


def test_only_a_finding_names_its_policy_snapshot() -> None:
    finding = json.loads(_row(b'{"version":"2.1.0","runs":[]}').line)

    assert finding["kind"] == "finding"
    assert finding["policySnapshotId"] is None
    assert "policySnapshotId" not in json.loads(_row(ADVISORY).line)


def test_content_is_no_part_of_the_key_but_of_the_observation() -> None:
    first, second = _row(ADVISORY), _row(ADVISORY + b"\n")

    assert first.key_hash == second.key_hash
    assert _content(first) == _content(second)
    assert json.loads(first.line)["observationId"] != json.loads(second.line)["observationId"]


REJECTED = {
    "empty": (b"", "the document is empty"),
    "a key twice": (b'{"id":"a","id":"b"}', 'the key "id" occurs twice'),
    "no known format": (b'{"a":1}', "not a format this program knows"),
    "a derived field": (
        ADVISORY.replace(b'"schema_version"', b'"effective_status": "x", "schema_version"'),
        'derived fields ("effective_status"): the Aggregation-Only Contract',
    ),
    "two derived fields": (b'{"merged_from":[],"consensus":1}', '("consensus", "merged_from")'),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_document_is_rejected_with_a_reason(case: str) -> None:
    document, reason = REJECTED[case]

    rejected = derive(document, IDENTITY)

    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason


@pytest.mark.parametrize("name", sorted(DERIVED_FIELDS))
def test_every_derived_field_is_refused_at_the_top_level_only(name: str) -> None:
    document = json.loads(ADVISORY)

    assert isinstance(derive(json.dumps({**document, name: 1}).encode(), IDENTITY), Rejected)
    assert isinstance(derive(json.dumps({**document, "database_specific": {name: 1}}).encode(), IDENTITY), Row)


def test_a_path_that_is_not_utf8_is_refused() -> None:
    rejected = derive(ADVISORY, Identity("t", "s", "a\udcff.json"))

    assert isinstance(rejected, Rejected)
    assert "not UTF-8" in rejected.reason


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.text(), st.sampled_from([None, 2]))
def test_the_line_means_what_the_document_means(fields: dict[str, Any], locator: str, indent: int | None) -> None:
    document = json.dumps({**fields, "id": "X", "modified": "", "affected": []}, indent=indent).encode()

    row = derive(document, Identity("default", "s", locator))

    if isinstance(row, Row):
        line = json.loads(row.line)
        assert line.pop("content") == json.loads(document)
        assert row.line.endswith(canonical_json(line)[1:] + b"\n")
        assert row.line.count(b"\n") == 1
    else:
        assert "derived fields" in row.reason or "a hint is too long" in row.reason or "affected" in row.reason


@given(st.binary() | JSON_VALUES.map(json.dumps).map(str.encode), st.text(max_size=5))
def test_no_document_makes_it_raise(document: bytes, locator: str) -> None:
    assert isinstance(derive(document, Identity("t", "s", locator)), Row | Rejected)


LONG = {
    "id": {"id": "x" * (LONGEST_HINT + 1)},
    "alias": {"aliases": ["A-1", "x" * (LONGEST_HINT + 1)]},
    "ecosystem": {"affected": [{"package": {"ecosystem": "x" * (LONGEST_HINT + 1), "name": "n"}}]},
    "severity": {"database_specific": {"severity": "x" * (LONGEST_HINT + 1)}},
}


@pytest.mark.parametrize("case", LONG)
def test_a_hint_of_absurd_length_is_refused(case: str) -> None:
    document = {"id": "A-1", "modified": "2024-05-01T00:00:00Z", "affected": [], **LONG[case]}

    made = derive(json.dumps(document).encode(), IDENTITY)
    shorter = derive(json.dumps(document).replace("x" * LONGEST_HINT, "x" * (LONGEST_HINT - 1)).encode(), IDENTITY)

    assert isinstance(made, Rejected)
    assert "has 4,097 characters, more than 4,096" in made.reason
    assert isinstance(shorter, Row)
