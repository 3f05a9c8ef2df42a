"""From rows to records: the same as ingest makes, or a reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.line import Identity, Rejected, Row, derive
from evidence.schema import KIND_OF_TABLE
from flows.sources.columns import COLUMNS, LINE_COLUMNS
from flows.sources.rows import record_of, stage_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flows.conftest import RealStore

RAW = (
    b'{"id": "OSV-1", "modified": "2024-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "npm", "name": "x"}}]}'
)
DOCUMENT: dict[str, Any] = {"tenant": "acme", "source": "feed", "locator": "a/b.json", "raw": RAW}


def derived(values: dict[str, Any] = DOCUMENT) -> Row:
    made = derive(values["raw"], Identity(values["tenant"], values["source"], values["locator"]))
    assert isinstance(made, Row)
    return made._replace(affected=[])


def given_whole(made: Row) -> dict[str, Any]:
    """Return everything that a relation can say of a record."""
    return {name: getattr(made, name) for name in (*COLUMNS, *LINE_COLUMNS) if name in Row._fields}


def test_a_document_makes_the_record_that_ingest_makes() -> None:
    assert record_of(DOCUMENT, "advisory") == derived()


def test_a_row_without_a_locator_has_an_empty_one() -> None:
    without = {**DOCUMENT, "locator": None}
    assert record_of(without, "advisory") == derived({**DOCUMENT, "locator": ""})
    assert record_of({name: without[name] for name in ("tenant", "source", "raw")}, "advisory") == record_of(
        without, "advisory"
    )


def test_hints_beside_a_document_change_nothing() -> None:
    hints = {"modified": None, "purls": ["pkg:npm/other"], "severity_stated": ["LOW"], "normaliser": "x/1"}
    assert record_of({**DOCUMENT, **hints}, "advisory") == derived()


def test_what_a_store_derived_is_taken_over_as_it_is(real_store: RealStore) -> None:
    looked_at = 0
    for table, kind in KIND_OF_TABLE.items():
        for file in real_store.files[table]:
            for stored in pq.read_table(file).slice(0, 100).to_pylist():
                values = {name: stored[name] for name in (*COLUMNS, *LINE_COLUMNS)}
                made = record_of(values, kind)
                assert isinstance(made, Row), made
                assert {name: getattr(made, name) for name in Row._fields if name in stored} == {
                    name: stored[name] for name in Row._fields if name in stored
                }
                looked_at += 1
    assert looked_at > 300


def test_a_line_says_enough_of_its_record_but_for_what_made_it() -> None:
    made = derived()
    least = {
        "tenant": "acme",
        "source": "feed",
        "line": made.line,
        "normaliser": made.normaliser,
        "severity_stated": None,
    }
    taken = record_of(least, "advisory")
    assert taken == made._replace(media_type="", raw=b"")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no document": ({"raw": None}, "the row has neither a document nor a line"),
    "half a document": ({"raw": b'{"id": '}, "not JSON"),
    "a document nobody knows": ({"raw": b'{"hello": 1}'}, "not a format this program knows"),
    "derived fields": ({"raw": RAW[:-1] + b', "effective_severity": 1}'}, "derived fields"),
    "another kind": ({"raw": b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'}, "the document is of kind sbom, not advisory"),
    "a digest of other bytes": ({"sha256": "0" * 64}, f"the column sha256 says {'0' * 64}, the document says "),
    "another id": ({"upstream_id": "OSV-2"}, "the column upstream_id says OSV-2, the document says OSV-1"),
    "another key": ({"key_hash": bytes(32)}, f"the column key_hash says {'00' * 32}"),
    "a source in capitals": ({"source": "Feed"}, "'Feed' is no name of a source"),
    "a source with a slash": ({"source": "a/b"}, "'a/b' is no name of a source"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_row_that_is_no_evidence_is_refused_with_a_reason(case: str) -> None:
    values, reason = REFUSED[case]
    made = record_of({**DOCUMENT, **values}, "advisory")
    assert isinstance(made, Rejected)
    assert reason in made.reason


def test_a_document_that_nothing_names_is_refused() -> None:
    raw = b'{"matches": [], "descriptor": {"name": "grype", "version": "0.80.0"}, "source": {"type": "image"}}'
    unnamed = record_of({**DOCUMENT, "raw": raw, "locator": ""}, "finding")
    assert isinstance(unnamed, Rejected)
    assert "no locator to stand for one" in unnamed.reason
    named = record_of({**DOCUMENT, "raw": raw}, "finding")
    assert isinstance(named, Row)
    assert named.upstream_id == "a/b.json"


def changed(line: bytes, **fields: Any) -> bytes:
    record = {**json.loads(line), **fields}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


BAD_LINES: dict[str, tuple[dict[str, Any], str]] = {
    "no JSON": ({"line": b"x\n"}, "the line is no record: "),
    "a field too few": ({"line": b'{"content":{}}\n'}, "the line is no record: Object missing required field"),
    "no newline": ({"line": derived().line[:-1]}, "it is not in canonical form"),
    "white space in it": ({"line": derived().line.replace(b'"format":', b'"format": ')}, "it is not in canonical form"),
    "white space in its document": (
        {"line": derived().line.replace(b'"id":"OSV-1","modified"', b'"id": "OSV-1","modified"')}, "no JSON object without white space",
    ),
    "a list for a document": ({"line": changed(derived().line, content=[])}, "no JSON object without white space"),
    "derived fields": ({"line": changed(derived().line, content={"merged_from": []})}, "derived fields (merged_from)"),
    "a digest that is none": ({"line": changed(derived().line, sha256="ab")}, "its sha256 is none"),
    "a digest in no hexadecimal": ({"line": changed(derived().line, sha256="z" * 64)}, "the line is no record: "),
    "another record's observation": ({"line": changed(derived().line, locator="x")}, "its observationId is another record's"),
    "a time written otherwise": ({"line": changed(derived().line, modified="2024-01-01T00:00:00+00:00")}, "its time is not written as"),
    "room for a policy": ({"line": changed(derived().line, policySnapshotId=None)}, "findings, and no others, leave room"),
    "an owner that the row contradicts": ({"tenant": "other"}, "the column tenant says other, the document says acme"),
    "hints that the row contradicts": ({"purls": ["pkg:npm/y"]}, "the column purls says ['pkg:npm/y'], the document says []"),
    "other original bytes": ({"raw": RAW + b" "}, "the column raw does not have the SHA-256 that the line states"),
    "nothing that made it": ({"normaliser": None}, "does not say what made its line"),
    "a list with a hole": ({"severity_stated": ["LOW", None]}, "has a list with nothing in it"),
    "the digest of another line": ({"line_sha256": bytes(32)}, "the column line_sha256 says 0000"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_line_that_ingest_could_not_have_written_is_refused(case: str) -> None:
    values, reason = BAD_LINES[case]
    made = record_of({**given_whole(derived()), **values}, "advisory")
    assert isinstance(made, Rejected), made
    assert reason in made.reason


@given(place=st.integers(0, len(derived().line) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_never_makes_a_line_another_record(place: int, bit: int) -> None:
    line = bytearray(derived().line)
    line[place] ^= 1 << bit
    least = {"tenant": "acme", "source": "feed", "line": bytes(line), "normaliser": "osv/1", "severity_stated": []}
    made = record_of(least, "advisory")
    assert isinstance(made, Rejected) or (made.key_hash, made.sha256) == (derived().key_hash, derived().sha256)
    assert isinstance(record_of({**least, "line_sha256": derived().line_sha256}, "advisory"), Rejected)


def test_a_chunk_names_a_few_of_the_refused_and_counts_the_others(tmp_path: Path) -> None:
    bad = [{**DOCUMENT, "raw": b"{", "locator": f"{number}.json"} for number in range(5)]
    chunk = stage_rows([DOCUMENT, *bad], "advisories", tmp_path, 1)
    assert (chunk.records, chunk.refused, len(chunk.named)) == (1, 5, 3)
    assert chunk.named[0].startswith("acme/feed/0.json: not JSON")
    with pa.memory_map(str(tmp_path / "00000001-advisories.arrow")) as mapped:
        assert pa.ipc.open_file(mapped).read_all().column("raw").to_pylist() == [RAW]


@given(st.permutations(range(6)), st.integers(1, 5))
@settings(max_examples=20)
def test_the_digest_of_what_was_read_knows_neither_order_nor_chunks(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cut: int
) -> None:
    rows = [{**DOCUMENT, "locator": f"{number}.json"} for number in order]
    folder = tmp_path_factory.mktemp("chunks")
    whole = stage_rows([{**DOCUMENT, "locator": f"{number}.json"} for number in range(6)], "advisories", folder, 1)
    parts = stage_rows(rows[:cut], "advisories", folder, 2)
    parts.add(stage_rows(rows[cut:], "advisories", folder, 3))
    assert parts == whole
    other = stage_rows([*rows[:-1], {**rows[-1], "tenant": "b"}], "advisories", folder, 4)
    assert other.digest != whole.digest
