"""What the browser finds a record by is what this program finds it by: over every sample document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evidence.line import Identity, Row, derive
from evidence.terms import described
from evidence.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.counterpart

DIFFER = """
const differ = [];
const seen = {};
const expected = lines(input.expected);
const plain = (one) => JSON.stringify(Array.isArray(one) ? one.sort() : one);
for (const line of lines(input.lines)) {
  const record = JSON.parse(line);
  const { terms, ...said } = JSON.parse(expected.next().value);
  const format = ExportCenter.facts.formatName(record);
  seen[format] = (seen[format] ?? 0) + 1;
  const facts = ExportCenter.facts.of(record);
  const ours = { ...facts, terms: [...ExportCenter.terms.of(record)] };
  for (const [key, theirs] of Object.entries({ ...said, terms })) {
    if (plain(ours[key]) !== plain(theirs)) differ.push([record.id, record.format, key, plain(theirs), plain(ours[key])]);
  }
  // Numbers as they were spelled must not change what a record is found by.
  const spelled = [...ExportCenter.terms.of(ExportCenter.json.parse(line))];
  if (plain(spelled) !== plain(terms)) differ.push([record.id, record.format, "lexemes"]);
}
return { differ: differ.slice(0, 20), seen };
"""


@pytest.fixture(scope="session")
def sample_rows(sample_evidence: Path) -> list[Row]:
    """Return what ingest makes of every sample document that is evidence."""
    derived = (
        derive(document.data, Identity("default", document.source, document.locator))
        for document in walk(sorted(sample_evidence.glob("*.tar.zst")), None)
        if not document.problem
    )
    return [row for row in derived if isinstance(row, Row)]


def test_every_sample_record_has_the_same_facts_and_terms_in_the_browser_as_in_the_store(
    sample_rows: list[Row], in_node: Callable[..., Any], tmp_path: Path
) -> None:
    said = [
        {
            "id": row.upstream_id,
            "title": row.title or "",
            "subject": row.subject or "",
            "aliases": row.aliases,
            "purls": row.purls,
            "terms": sorted(described(row.line).terms),
        }
        for row in sample_rows
    ]
    (tmp_path / "lines").write_bytes(b"".join(row.line for row in sample_rows))
    (tmp_path / "expected").write_text("\n".join(json.dumps(each) for each in said))
    found = in_node(DIFFER, {"lines": str(tmp_path / "lines"), "expected": str(tmp_path / "expected")})
    assert found["differ"] == []
    assert set(found["seen"]) == {row.format.partition("/")[0].partition("+")[0] for row in sample_rows}
    assert sum(found["seen"].values()) == len(sample_rows) > 2_000
