"""What a record is searched by is told by its line alone, whatever wrote the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.terms import folded, term_hash, words
from evidence.formats import BY_NAME
from evidence.line import Identity, Rejected, derive
from evidence.terms import described, record_terms, stored_terms, terms_of_line
from evidence.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

    from evidence.formats import Facts
    from evidence.line import Row

PURL = "pkg:npm/%40Acme/app@1.0"

DOCUMENTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "an OSV advisory": (
        {
            "id": "OSV-1",
            "modified": "2024-01-01T00:00:00Z",
            "aliases": ["CVE-2024-1"],
            "summary": "Überlauf in C",
            "affected": [
                {"package": {"ecosystem": "npm", "name": "@Acme/app", "purl": PURL}},
                {"package": {"name": 7}},
            ],
        },
        {"osv-1", "cve-2024-1", PURL.lower(), "pkg:npm/%40acme/app", "@acme/app", "acme", "app", "Überlauf", "in"},
    ),
    "a CVE record": (
        {
            "dataType": "CVE_RECORD",
            "cveMetadata": {"cveId": "CVE-2024-2"},
            "containers": {
                "cna": {"title": "No check", "affected": [{"vendor": "Acme", "product": "Big App"}]},
                "adp": [{"affected": [{"packageName": "lib.x"}]}],
            },
        },
        {"cve-2024-2", "no", "check", "big app", "big", "app", "lib.x", "lib"},
    ),
    "a CSAF document": (
        {
            "document": {
                "category": "csaf_vex",
                "csaf_version": "2.0",
                "title": "VEX",
                "tracking": {"id": "ACME-1"},
            },
            "product_tree": {
                "branches": [
                    {
                        "category": "vendor",
                        "name": "Acme",
                        "branches": [
                            {
                                "category": "product_name",
                                "name": "Tool",
                                "branches": [
                                    {"category": "product_version", "name": "9", "product": {"name": "Tool 9"}}
                                ],
                            }
                        ],
                    }
                ],
                "full_product_names": [{"name": "Whole"}],
                "relationships": [{"full_product_name": {"name": "Tool on Whole"}}],
            },
            "vulnerabilities": [{"cve": "CVE-2024-3"}],
        },
        {"acme-1", "vex", "cve-2024-3", "tool", "tool 9", "whole", "tool on whole", "on"},
    ),
    "a CycloneDX SBOM": (
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "serialNumber": "urn:uuid:1",
            "metadata": {"component": {"name": "image", "version": "22"}},
            "components": [{"name": "outer", "purl": "pkg:deb/a@1", "components": [{"name": "inner"}]}],
        },
        {"urn:uuid:1", "image", "22", "outer", "inner", "pkg:deb/a@1", "pkg:deb/a"},
    ),
    "an SPDX 2 document": (
        {"spdxVersion": "SPDX-2.3", "documentNamespace": "https://x/y", "name": "doc", "packages": [{"name": "glibc"}]},
        {"https://x/y", "doc", "glibc"},
    ),
    "a Trivy report": (
        {
            "SchemaVersion": 2,
            "ArtifactName": "alpine:3.10",
            "ArtifactType": "container_image",
            "Results": [
                {"Packages": [{"Name": "musl"}], "Vulnerabilities": [{"VulnerabilityID": "CVE-1", "PkgName": "apk"}]}
            ],
        },
        {"a/b.json", "alpine", "10", "musl", "apk", "cve-1"},
    ),
    "a Grype report": (
        {
            "descriptor": {"name": "grype"},
            "matches": [{"vulnerability": {"id": "GHSA-1"}, "artifact": {"name": "rack"}}],
        },
        {"a/b.json", "ghsa-1", "rack"},
    ),
}


def derived(document: bytes) -> Row:
    made = derive(document, Identity("default", "feed", "a/b.json"))
    assert not isinstance(made, Rejected), made
    return made


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_record_is_searched_by_its_identifiers_and_words(case: str) -> None:
    document, terms = DOCUMENTS[case]
    row = derived(json.dumps(document).encode())
    assert described(row.line).terms == terms
    assert row.terms == stored_terms(terms)
    assert row.terms == sorted(set(row.terms))


def test_numbers_of_yaml_are_no_texts_as_they_are_none_in_the_line() -> None:
    row = derived(
        b"id: OSV-1\nmodified: 2024-01-01T00:00:00Z\nsummary: 2024\naffected: [{package: {ecosystem: x, name: 77}}]"
    )
    assert row.title == "2024"
    assert row.terms == terms_of_line(row.line) == stored_terms(["osv-1"])


def test_the_lines_of_all_sample_documents_tell_what_they_are_searched_by(sample_evidence: Path) -> None:
    formats, rows = set(), 0
    for document in walk(sorted(sample_evidence.glob("*.tar.zst")), None):
        made = derive(document.data, Identity("default", "feed", document.locator))
        if not isinstance(made, Rejected):
            assert made.terms == terms_of_line(made.line), document.origin
            assert {*stored_terms([folded(made.upstream_id), *words(made.title or "")])} <= {*made.terms}
            formats.add(made.format.partition("/")[0])
            rows += 1
    assert rows > 1_000
    assert {"osv", "openvex", "cyclonedx", "spdx2", "spdx3", "csaf", "csaf-vex", "trivy-json", "sarif"} <= formats


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HOLDERS = st.sampled_from(
    ["affected", "aliases", "packages", "components", "product_tree", "Results", "matches", "runs"]
)


@given(name=st.sampled_from(sorted(BY_NAME)), content=st.dictionaries(HOLDERS, JSON, max_size=4))
def test_whatever_a_document_holds_its_line_can_be_told(name: str, content: dict[str, Any]) -> None:
    line = json.dumps({"content": content, "format": f"{name}/1", "id": "ID"}).encode() + b"\n"
    facts: Facts = BY_NAME[name].facts(content)
    assert described(line).terms >= {"id", *map(str.lower, filter(str.isascii, facts.packages))}
    assert described(line).terms == record_terms("ID", facts)


def test_a_format_that_nobody_knows_is_found_by_its_id() -> None:
    told = described(b'{"content":{"name":"x"},"format":"new/9","id":"ID"}')
    assert (told.title, told.terms) == (None, {"id"})


@pytest.mark.parametrize("number", ["9" * 5_000, "1e999", "-1.5"])
def test_numbers_of_any_size_are_read_over(number: str) -> None:
    row = derived(
        b'{"id": "OSV-1", "modified": "2024-01-01T00:00:00Z", "summary": "xx", "n": ' + number.encode() + b"}"
    )
    assert terms_of_line(row.line) == row.terms == stored_terms(["osv-1", "xx"])


@given(terms=st.lists(st.text(st.characters(codec="utf-8"))))
def test_the_column_holds_the_bits_of_the_hashes_as_numbers_that_delta_tables_know(terms: list[str]) -> None:
    stored = stored_terms(terms)
    assert stored == sorted(set(stored))
    assert all(-(2**31) <= number < 2**31 for number in stored)
    assert {number % 2**32 for number in stored} == {*map(term_hash, terms)}


def test_what_is_gone_has_no_terms() -> None:
    assert terms_of_line(b"") == []
