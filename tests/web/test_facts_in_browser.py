"""What the browser finds a record by is what this program finds it by: over every sample document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from evidence.line import Identity, Row, derive
from evidence.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.counterpart

DIFFER = """
const differ = [];
const seen = {};
const expected = lines(input.expected);
for (const line of lines(input.lines)) {
  const record = JSON.parse(line);
  const facts = ExportCenter.facts.of(record);
  const said = JSON.parse(expected.next().value);
  seen[record.format.split("/")[0]] = (seen[record.format.split("/")[0]] ?? 0) + 1;
  for (const key of Object.keys(said)) {
    const [ours, theirs] = [facts[key], said[key]].map((one) => JSON.stringify(Array.isArray(one) ? one.sort() : one));
    if (ours !== theirs) differ.push([record.id, record.format, key, theirs.slice(0, 300), ours.slice(0, 300)]);
  }
}
return { differ, seen };
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


def test_every_sample_record_has_the_same_facts_in_the_browser_as_in_the_store(
    sample_rows: list[Row], in_node: Callable[..., Any], tmp_path: Path
) -> None:
    said = [
        {
            "id": row.upstream_id,
            "title": row.title or "",
            "subject": row.subject or "",
            "aliases": row.aliases,
            "purls": row.purls,
        }
        for row in sample_rows
    ]
    (tmp_path / "lines").write_bytes(b"".join(row.line for row in sample_rows))
    (tmp_path / "expected").write_text("\n".join(json.dumps(each) for each in said))
    found = in_node(DIFFER, {"lines": str(tmp_path / "lines"), "expected": str(tmp_path / "expected")})
    assert found["differ"] == []
    assert set(found["seen"]) == {row.format.partition("/")[0] for row in sample_rows}
    assert sum(found["seen"].values()) == len(sample_rows) > 2_000
