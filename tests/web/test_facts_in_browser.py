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


CRAFTED = {
    "openvex": [
        (
            '{"statements":[{"vulnerability":{"@id":"https://a/CVE-1","aliases":["GHSA-x"]},"products":[{"identifiers":'
            '{"purl":"pkg:oci/a@1?x=y"}}]}]}'
        ),
        '{"statements":[{"vulnerability":"CVE-2","products":["pkg:oci/b"],"subcomponents":["pkg:npm/c@2#d"]}]}',
    ],
    "csaf-vex": [
        (
            '{"document":{"title":"T","tracking":{"aliases":["A",7]}},"product_tree":{"branches":[{"category":"product_name",'
            '"name":"N","branches":[{"product":{"name":"P","product_identification_helper":{"purls":["pkg:rpm/a@1"]}}}]}],'
            '"relationships":[{"full_product_name":{"name":"R"}}]},"vulnerabilities":[{"ids":[{"text":"I"}]}]}'
        ),
    ],
    "spdx3": [
        (
            '{"@graph":[{"type":"SpdxDocument","name":"D","rootElement":["s"]},{"type":"software_Sbom","spdxId":"s",'
            '"rootElement":["p"]},{"type":"software_Package","spdxId":"p","name":"n","software_packageUrl":"pkg:npm/b@1",'
            '"externalIdentifier":[{"externalIdentifierType":"packageURL","identifier":"pkg:npm/\U0001f600"},'
            '{"externalIdentifierType":"purl","identifier":"pkg:npm/\uffee"}]}]}'
        ),
    ],
    "spdx2": [
        (
            '{"packages":[{"SPDXID":"x","name":"N","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:a/b"}]}],'
            '"relationships":[{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"x"}]}'
        ),
    ],
    "cyclonedx": [
        '{"metadata":{"component":{"name":"n","version":"1","components":[{"name":"m"}]}},"components":[{}]}'
    ],
    "grype-json": [
        '{"source":{"target":{"imageID":"sha256:1"}},"matches":[{"vulnerability":{"id":"CVE-1"},"artifact":{"name":"n"}}]}'
    ],
    "sarif": ['{"runs":[{"tool":{"driver":{}},"results":[{"rule":{"id":"R"}},{"ruleId":""}]}]}'],
    "trivy-json": ['{"ArtifactName":"a","Results":[{"Secrets":[{"PkgName":"s"}],"Packages":[{"Name":"p"}]}]}'],
    "cve5": ['{"containers":{"cna":{"title":"\u0130 T","affected":[{"product":"P","packageName":"Q"}]},"adp":[7]}}'],
    "osv+yaml": [
        '{"summary":"S","aliases":["A",1.10],"affected":[{"package":{"name":"@a/b","purl":"pkg:npm/%40a/b@1"}}]}'
    ],
}
ANYTHING = ["null", "[]", '"text"', '{"id":7,"affected":{},"statements":[[]],"matches":null,"packages":[{"name":[]}]}']


def test_crafted_documents_have_the_same_terms_in_the_browser(in_node: Callable[..., Any]) -> None:
    cases = [(name, content) for name, contents in CRAFTED.items() for content in (*contents, *ANYTHING)]
    lines = [f'{{"content":{content},"format":"{name}/1","id":"ID"}}' for name, content in cases]
    found = in_node("return input.map((line) => [...ExportCenter.terms.of(JSON.parse(line))].sort())", lines)
    for case, line, terms in zip(cases, lines, found, strict=True):
        assert set(terms) == described(line.encode()).terms, case


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
