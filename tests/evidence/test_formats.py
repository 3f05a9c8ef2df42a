"""Which format a document has, and what its facts are; excerpts of real documents."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.affected import AFFECTED, affected_rows
from evidence.document import Parsed, parse
from evidence.formats import FORMATS, Facts, Unrecognised, facts_of, recognise
from evidence.times import format_time

OSV = {
    "schema_version": "1.6.2",
    "id": "BIT-nextcloud-2023-28999",
    "modified": "2025-05-20T10:02:07.006Z",
    "withdrawn": "2025-06-01T00:00:00Z",
    "aliases": ["GHSA-8875", "CVE-2023-28999"],
    "affected": [
        {
            "package": {"ecosystem": "Bitnami", "name": "nextcloud", "purl": "pkg:bitnami/nextcloud"},
            "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
        }
    ],
}
CVE5 = {
    "dataType": "CVE_RECORD",
    "dataVersion": "5.1",
    "cveMetadata": {"cveId": "CVE-1999-0059", "datePublished": "1999-09-29T04:00:00", "dateUpdated": "2024-08-01"},
    "containers": {
        "cna": {"affected": [{"cpes": ["cpe:2.3:o:sgi:irix"], "packageURL": "pkg:generic/irix"}], "title": "IRIX"},
        "adp": [{"metrics": [{"cvssV3_1": {"baseScore": 9.0, "baseSeverity": "CRITICAL"}}, {"other": {}}]}],
    },
}
CSAF = {
    "document": {
        "category": "csaf_security_advisory",
        "csaf_version": "2.0",
        "title": "T",
        "aggregate_severity": {"text": "Important"},
        "tracking": {"id": "RHSA-2003:315", "current_release_date": "2024-01-01T00:00:00+00:00", "aliases": ["A"]},
    },
    "product_tree": {
        "branches": [{"branches": [{"product": {"product_identification_helper": {"purl": "pkg:rpm/a", "cpe": "c"}}}]}],
        "relationships": [{"full_product_name": {"product_identification_helper": {"purl": "pkg:rpm/b"}}}],
    },
    "vulnerabilities": [{"cve": "CVE-2003-1", "scores": [{"cvss_v3": {"baseSeverity": "LOW"}}]}],
}
OPENVEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://openvex.dev/docs/public/vex-1",
    "timestamp": "2023-01-16T19:07:16.853479631-06:00",
    "statements": [
        {
            "vulnerability": {"name": "CVE-2024-45336", "aliases": ["GO-2025-3420"]},
            "products": [{"@id": "pkg:golang/a", "subcomponents": [{"@id": "pkg:golang/stdlib@v1.22.7"}]}],
        }
    ],
}
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "serialNumber": "urn:uuid:1",
    "metadata": {"timestamp": "2024-01-01T00:00:00Z", "component": {"name": "app", "version": "1", "purl": "pkg:npm/app"}},
    "components": [{"purl": "pkg:npm/a", "cpe": "cpe:2.3:a:a", "components": [{"purl": "pkg:npm/b"}]}],
}  # fmt: skip
SPDX2 = {
    "spdxVersion": "SPDX-2.3",
    "name": "doc",
    "documentNamespace": "https://example.com/1",
    "creationInfo": {"created": "2024-01-01T00:00:00Z"},
    "packages": [
        {
            "SPDXID": "SPDXRef-a",
            "name": "a",
            "externalRefs": [
                {"referenceType": "purl", "referenceLocator": "pkg:npm/a"},
                {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:a:a"},
            ],
        }
    ],
    "relationships": [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-a"}
    ],
}
SPDX3 = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2024-05-31T00:00:00Z"},
        {"type": "SpdxDocument", "spdxId": "urn:d", "name": "doc", "creationInfo": "_:c", "rootElement": ["urn:s"]},
        {"type": "software_Sbom", "spdxId": "urn:s", "rootElement": ["urn:p"]},
        {"type": "software_Package", "spdxId": "urn:p", "name": "p", "software_packageUrl": "pkg:npm/p"},
    ],
}
TRIVY = {
    "SchemaVersion": 2,
    "ReportID": "017b7d41",
    "CreatedAt": "2021-08-25T12:20:30.000000005Z",
    "ArtifactName": "alpine:3.10",
    "ArtifactType": "container_image",
    "Results": [
        {
            "Packages": [{"Identifier": {"PURL": "pkg:apk/alpine/apk-tools"}}],
            "Vulnerabilities": [{"VulnerabilityID": "CVE-2019-14697", "Severity": "CRITICAL"}],
        }
    ],
}
GRYPE = {
    "matches": [
        {
            "vulnerability": {"id": "CVE-2011-3374", "severity": "Negligible"},
            "artifact": {"purl": "pkg:deb/debian/apt", "cpes": ["cpe:2.3:a:apt:apt"]},
        }
    ],
    "source": {"type": "image", "target": {"userInput": "debian:12"}},
    "descriptor": {"name": "grype", "version": "0.74.0", "timestamp": "2024-01-01T00:00:00Z"},
}
SARIF = {
    "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
    "version": "2.1.0",
    "runs": [{"tool": {"driver": {"name": "Grype"}}, "results": [{"ruleId": "CVE-1-apk", "level": "warning"}]}],
}


def _with(base: dict[str, Any], /, **fields: Any) -> dict[str, Any]:
    return {**base, **fields}


RECOGNISED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "OSV: only a vector is stated, so its type is": (OSV, {
        "kind": "advisory", "format": "osv/1.6.2", "upstream_id": "BIT-nextcloud-2023-28999", "ecosystems": ["Bitnami"],
        "aliases": ["CVE-2023-28999", "GHSA-8875"], "purls": ["pkg:bitnami/nextcloud"], "severity_stated": ["CVSS_V3"],
        "modified": "2025-05-20T10:02:07.006Z", "withdrawn": "2025-06-01T00:00:00Z",
    }),
    "OSV: a word beats a vector": (_with(OSV, database_specific={"severity": "HIGH"}), {"severity_stated": ["HIGH"]}),
    "OSV without a version": ({"id": "X", "modified": "", "affected": []}, {"format": "osv", "modified": None}),
    "OSV without its required time": (
        {"id": "JLSEC-2025-1", "affected": [{"package": {"ecosystem": "Julia", "name": "HTTP"}}]},
        {"format": "osv", "ecosystems": ["Julia"]},
    ),
    "OSV with a version that is no version": (_with(OSV, schema_version="1\n/x"), {"format": "osv"}),
    "OSV that is withdrawn and affects nothing": (
        {"id": "BELL-CVE-2000-0344", "modified": "2025-01-01T00:00:00Z", "affected": None, "withdrawn": "2025-01-01"},
        {"format": "osv", "withdrawn": "2025-01-01T00:00:00Z"},
    ),
    "CVE record": (CVE5, {
        "kind": "advisory", "format": "cve5/5.1", "upstream_id": "CVE-1999-0059", "published": "1999-09-29T04:00:00Z",
        "title": "IRIX", "cpes": ["cpe:2.3:o:sgi:irix"], "purls": ["pkg:generic/irix"], "severity_stated": ["CRITICAL"],
    }),
    "CSAF advisory": (CSAF, {
        "kind": "advisory", "format": "csaf/2.0", "upstream_id": "RHSA-2003:315", "aliases": ["A", "CVE-2003-1"],
        "purls": ["pkg:rpm/a", "pkg:rpm/b"], "cpes": ["c"], "severity_stated": ["Important", "LOW"], "subject": None,
    }),
    "CSAF VEX": (_with(CSAF, document=_with(CSAF["document"], category="csaf_vex")), {"kind": "vex", "format": "csaf-vex/2.0"}),
    "OpenVEX": (OPENVEX, {
        "kind": "vex", "format": "openvex/0.2.0", "upstream_id": "https://openvex.dev/docs/public/vex-1",
        "subject": "pkg:golang/a", "aliases": ["CVE-2024-45336", "GO-2025-3420"],
        "purls": ["pkg:golang/a", "pkg:golang/stdlib@v1.22.7"], "modified": "2023-01-17T01:07:16.853479Z",
    }),
    "OpenVEX of old, with plain strings": (
        {"@context": "https://openvex.dev/ns", "statements": [{"vulnerability": "CVE-1", "products": ["pkg:apk/git"]}]},
        {"format": "openvex", "upstream_id": "", "aliases": ["CVE-1"], "purls": ["pkg:apk/git"]},
    ),
    "CycloneDX SBOM": (CYCLONEDX, {
        "kind": "sbom", "format": "cyclonedx/1.5", "upstream_id": "urn:uuid:1", "subject": "pkg:npm/app",
        "purls": ["pkg:npm/a", "pkg:npm/app", "pkg:npm/b"], "cpes": ["cpe:2.3:a:a"],
    }),
    "CycloneDX with empty vulnerabilities": (_with(CYCLONEDX, vulnerabilities=[]), {"format": "cyclonedx/1.5"}),
    "CycloneDX VEX": (
        _with(CYCLONEDX, vulnerabilities=[{"id": "CVE-1"}, {"id": "CVE-2", "analysis": {"state": "exploitable"}}]),
        {"kind": "vex", "format": "cyclonedx-vex/1.5", "aliases": ["CVE-1", "CVE-2"]},
    ),
    "CycloneDX VDR: an empty analysis is none": (
        _with(CYCLONEDX, vulnerabilities=[{"id": "CVE-1", "analysis": {}, "ratings": [{"severity": "high"}]}]),
        {"kind": "vex", "format": "cyclonedx-vdr/1.5", "severity_stated": ["high"]},
    ),
    "SPDX 2": (SPDX2, {
        "kind": "sbom", "format": "spdx2/2.3", "upstream_id": "https://example.com/1", "subject": "pkg:npm/a",
        "purls": ["pkg:npm/a"], "cpes": ["cpe:2.3:a:a"], "title": "doc", "modified": "2024-01-01T00:00:00Z",
    }),
    "SPDX 3": (SPDX3, {
        "kind": "sbom", "format": "spdx3/3.0.1", "upstream_id": "urn:d", "subject": "pkg:npm/p",
        "purls": ["pkg:npm/p"], "modified": "2024-05-31T00:00:00Z",
    }),
    "Trivy report": (TRIVY, {
        "kind": "finding", "format": "trivy-json/2", "upstream_id": "017b7d41", "subject": "alpine:3.10",
        "aliases": ["CVE-2019-14697"], "severity_stated": ["CRITICAL"], "modified": "2021-08-25T12:20:30Z",
    }),
    "Grype report": (GRYPE, {
        "kind": "finding", "format": "grype-json", "upstream_id": "", "subject": "debian:12",
        "aliases": ["CVE-2011-3374"], "purls": ["pkg:deb/debian/apt"], "severity_stated": ["Negligible"],
    }),
    "SARIF log": (SARIF, {
        "kind": "finding", "format": "sarif/2.1.0", "title": "Grype", "aliases": ["CVE-1-apk"],
        "severity_stated": ["warning"],
    }),
}  # fmt: skip

NOT_EVIDENCE = {
    "an in-toto statement": ({"_type": "https://in-toto.io/Statement/v0.1", "subject": []}, "in-toto statement"),
    "a DSSE envelope": ({"payload": "", "payloadType": "x", "signatures": []}, "DSSE envelope"),
    "a FriendsOfPHP advisory": ({"title": "x", "reference": "composer://a/b"}, "FriendsOfPHP"),
    "a list": ([{}, {}], "a list of 2 items, not one document"),
    "an old Trivy report": ([{"Target": "alpine"}], "Trivy report of before"),
    "a scalar": (5, "a single value"),
    "an empty object": ({}, "a JSON object without keys: not a format this program knows"),
    "something else": ({"ID": "x", "Sources": []}, 'with the keys "ID", "Sources": not a format'),
    "CycloneDX of a wrong spelling": ({"bomFormat": "AnotherFormat", "specVersion": "1.2", "components": []}, "bomFormat"),
    "an advisory of the npm feed": ({"id": 1, "created_at": "2015", "title": "x"}, "not a format this program knows"),
}  # fmt: skip


def _facts(value: object) -> Facts:
    parsed = parse(json.dumps(value).encode())
    assert isinstance(parsed, Parsed)
    known = recognise(parsed)
    assert not isinstance(known, Unrecognised), known
    return facts_of(parsed, known)


def _shown(facts: Facts, name: str) -> object:
    found = getattr(facts, name)
    return format_time(found) if name in {"published", "modified", "withdrawn"} and found else found


@pytest.mark.parametrize("case", RECOGNISED)
def test_a_document_is_recognised_by_its_content(case: str) -> None:
    document, expected = RECOGNISED[case]

    facts = _facts(document)

    assert {name: _shown(facts, name) for name in expected} == expected
    assert pickle.loads(pickle.dumps(facts)) == facts


@pytest.mark.parametrize("case", NOT_EVIDENCE)
def test_what_is_no_evidence_is_said_to_be_so(case: str) -> None:
    document, reason = NOT_EVIDENCE[case]
    parsed = parse(json.dumps(document).encode())
    assert isinstance(parsed, Parsed)

    answer = recognise(parsed)

    assert isinstance(answer, Unrecognised)
    assert reason in answer.reason


def test_yaml_is_told_by_the_name_of_the_format() -> None:
    parsed = parse(b"id: PYSEC-2024-1\nmodified: 2024-01-01T00:00:00Z\nschema_version: '1.6.0'\naffected: []\n")
    assert isinstance(parsed, Parsed)
    known = recognise(parsed)
    assert not isinstance(known, Unrecognised)

    facts = facts_of(parsed, known)

    assert facts.format == "osv+yaml/1.6.0"
    assert facts.modified is not None
    assert format_time(facts.modified) == "2024-01-01T00:00:00Z"


def test_no_sample_matches_two_formats() -> None:
    for document, _ in RECOGNISED.values():
        assert len([known.name for known in FORMATS if known.matches(document)]) == 1


def _events(*events: dict[str, str]) -> dict[str, Any]:
    return {
        "affected": [
            {"package": {"ecosystem": "npm", "name": "a"}, "ranges": [{"type": "SEMVER", "events": [*events]}]}
        ]
    }


INTERVALS = {
    "introduced and fixed make one interval": (_events({"introduced": "0"}, {"fixed": "2"}), [("0", "2", None, None)]),
    "an interval without an end": (_events({"introduced": "1"}), [("1", None, None, None)]),
    "two intervals": (
        _events({"introduced": "0"}, {"fixed": "2"}, {"introduced": "3"}, {"last_affected": "4"}),
        [("0", "2", None, None), ("3", None, "4", None)],
    ),
    "fixed on two branches": (
        _events({"introduced": "a"}, {"fixed": "b"}, {"fixed": "c"}),
        [("a", "b", None, None), ("a", "c", None, None)],
    ),
    "fixed stated before introduced 0": (_events({"fixed": "2"}, {"introduced": "0"}), [("0", "2", None, None)]),
    "introduced twice": (_events({"introduced": "1"}, {"introduced": "2"}), [("1", None, None, None), ("2", None, None, None)]),
    "both in one event": (_events({"introduced": "1", "fixed": "2"}), [("1", "2", None, None)]),
    "a limit": (_events({"introduced": "1"}, {"limit": "9"}), [("1", None, None, "9")]),
    "fixed alone": (_events({"fixed": "2"}), [(None, "2", None, None)]),
    "nothing": (_events(), [(None, None, None, None)]),
}  # fmt: skip


@pytest.mark.parametrize("case", INTERVALS)
def test_range_events_become_intervals(case: str) -> None:
    document, expected = INTERVALS[case]

    rows = affected_rows("osv/1.6.0", document)

    assert [(row["introduced"], row["fixed"], row["last_affected"], row["limit"]) for row in rows] == expected
    assert {(row["ecosystem"], row["package"]) for row in rows} == {("npm", "a")}


def test_versions_are_a_row_of_their_own() -> None:
    rows = affected_rows(
        "osv+yaml", {"affected": [{"versions": ["1.0", "1.1"], "ranges": [{"events": [{"fixed": "2"}]}]}]}
    )

    assert [(row["versions"], row["fixed"]) for row in rows] == [([], "2"), (["1.0", "1.1"], None)]


def test_a_cve_range_is_split_where_its_status_changes() -> None:
    version = {"version": "1", "lessThan": "3", "status": "affected", "changes": [{"at": "2", "status": "unaffected"}]}
    document = {"containers": {"cna": {"affected": [{"vendor": "v", "product": "p", "versions": [version]}]}}}

    rows = affected_rows("cve5/5.1", document)

    assert [(row["status"], row["introduced"], row["fixed"]) for row in rows] == [
        ("affected", "1", "2"),
        ("unaffected", "2", "3"),
    ]


def test_every_column_of_a_row_is_in_the_schema() -> None:
    record = {"tenant", "source", "upstream_id", "locator", "sha256", "key_hash", "position"}

    (row,) = affected_rows("osv", _events({"introduced": "0"}))

    assert record | set(row) == set(AFFECTED.names)
    assert affected_rows("spdx2/2.3", SPDX2) == []


# Real key names with any value below them: what a hostile document would try.
_NAMES = st.sampled_from(sorted({name for document, _ in RECOGNISED.values() for name in document}))
_INNER = st.sampled_from(
    [
        "id",
        "package",
        "purl",
        "events",
        "introduced",
        "fixed",
        "cna",
        "adp",
        "affected",
        "category",
        "csaf_version",
        "cveId",
    ]
)
_HOSTILE = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["CycloneDX", "SPDX-2.3", "CVE_RECORD", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_INNER | _NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(_NAMES | _INNER, _HOSTILE, max_size=8))
def test_no_object_makes_a_reader_raise(value: dict[str, Any]) -> None:
    for known in FORMATS:
        known.matches(value)
        facts = known.facts(value)
        affected_rows(facts.format, value)


@given(st.sampled_from(sorted(RECOGNISED)), st.data())
def test_no_replaced_part_makes_a_reader_raise(case: str, data: st.DataObject) -> None:
    document, _ = RECOGNISED[case]
    name = data.draw(st.sampled_from(sorted(document)))
    parsed = parse(json.dumps({**document, name: data.draw(_HOSTILE)}).encode())
    assert isinstance(parsed, Parsed)

    known = recognise(parsed)

    if not isinstance(known, Unrecognised):
        affected_rows(facts_of(parsed, known).format, parsed.value)
