"""What the viewer says of a record: in its publisher's words, for every stored format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.test_facts_in_browser import sample_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evidence.line import Row

__all__ = ["sample_rows"]

pytestmark = pytest.mark.counterpart

SAY = "return input.map((text) => ExportCenter.summary.of(ExportCenter.json.parse(text)))"


def line(kind: str, format_name: str, content: str) -> str:
    return f'{{"content":{content},"format":"{format_name}","id":"ID","kind":"{kind}"}}'


def osv(**more: Any) -> str:
    return line("advisory", "osv/1.7.0", json.dumps({"id": "ID", **more}))


def ranges(*events: dict[str, str], kind: str = "SEMVER") -> str:
    return osv(affected=[{"package": {"name": "p"}, "ranges": [{"type": kind, "events": list(events)}]}])


COMMIT = "0123456789abcdef" * 2 + "01234567"

RANGES = {
    "from the beginning to a fix": (ranges({"introduced": "0"}, {"fixed": "1.2"}), ["before 1.2"]),
    "every version": (ranges({"introduced": "0"}), ["all versions"]),
    "from a version on": (ranges({"introduced": "1.0"}), ["from 1.0 on"]),
    "up to a last one": (ranges({"introduced": "1"}, {"last_affected": "2"}), ["from 1, up to and including 2"]),
    "two intervals": (
        ranges({"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}, {"fixed": "4"}),
        ["from 1, before 2", "from 3, before 4"],
    ),
    "an end without a start": (ranges({"fixed": "2"}), ["before 2"]),
    "the beginning stated last": (ranges({"fixed": "2"}, {"introduced": "0"}), ["before 2"]),
    "commits, shortened": (ranges({"introduced": "0"}, {"fixed": COMMIT}, kind="GIT"), ["before 0123456789ab…"]),
}


def test_ranges_are_said_in_words_as_stated(in_node: Callable[..., Any]) -> None:
    said = in_node(SAY, [text for text, _ in RANGES.values()])
    words = [[one["words"] for package in each["packages"] for one in package["ranges"]] for each in said]
    assert dict(zip(RANGES, words, strict=True)) == {case: expected for case, (_, expected) in RANGES.items()}


CVE = """{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-1","state":"PUBLISHED"},"containers":{"cna":{
"providerMetadata":{"shortName":"acme"},"title":"T",
"affected":[{"vendor":"v","product":"p","defaultStatus":"unaffected","versions":[{"version":"1.0","status":"affected"},
{"version":"2","lessThan":"2.5","status":"affected","versionType":"semver"},
{"version":"3","lessThan":"*","status":"affected","changes":[{"at":"3.4","status":"unaffected"}]}]}],
"metrics":[{"cvssV3_1":{"baseScore":9.0,"baseSeverity":"CRITICAL","vectorString":"CVSS:3.1/AV:N"}}]},
"adp":[{"providerMetadata":{"shortName":"adp"},"metrics":[{"cvssV3_1":{"baseScore":7.10}}]}]}}"""

STATED = {
    "OSV: type and vector, and the word of a database": (
        osv(severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}], database_specific={"severity": "MODERATE"}),
        [("CVSS_V3", "", "", "CVSS:3.1/AV:N", ""), ("", "MODERATE", "", "", "")],
    ),
    "OSV: nothing is derived from nothing": (osv(), []),
    "CVE: a score keeps its digits, and who stated it": (
        line("advisory", "cve5/5.1", CVE),
        [("cvssV3_1", "CRITICAL", "9.0", "CVSS:3.1/AV:N", "acme"), ("cvssV3_1", "", "7.10", "", "adp")],
    ),
    "CSAF: the document's word and the scores of vulnerabilities": (
        line(
            "vex",
            "csaf-vex/2.0",
            '{"document":{"aggregate_severity":{"text":"Important"}},"vulnerabilities":[{"cve":"CVE-1","scores":'
            '[{"cvss_v3":{"baseScore":5.0,"baseSeverity":"MEDIUM","vectorString":"V"},"products":["P"]}]}]}',
        ),
        [("", "Important", "", "", "document"), ("cvss_v3", "MEDIUM", "5.0", "V", "CVE-1")],
    ),
    "CycloneDX: a rating of each source": (
        line(
            "vex",
            "cyclonedx-vdr/1.5",
            '{"vulnerabilities":[{"id":"CVE-1","ratings":[{"source":{"name":"NVD"},"score":9.80,"severity":"critical",'
            '"method":"CVSSv31","vector":"AV:N"}]}]}',
        ),
        [("CVSSv31", "critical", "9.80", "AV:N", "CVE-1, NVD")],
    ),
}


def test_severities_are_those_stated_with_the_digits_stated(in_node: Callable[..., Any]) -> None:
    said = in_node(SAY, [text for text, _ in STATED.values()])
    found = [
        [tuple(one[key] for key in ("system", "word", "score", "vector", "by")) for one in each["severities"]]
        for each in said
    ]
    assert dict(zip(STATED, found, strict=True)) == {case: expected for case, (_, expected) in STATED.items()}


def test_versions_of_a_cve_are_said_with_their_changes_and_the_default(in_node: Callable[..., Any]) -> None:
    (said,) = in_node(SAY, [line("advisory", "cve5/5.1", CVE)])
    (package,) = said["packages"]
    assert package["versions"] == ["1.0"]
    assert [f"{one['status']}: {one['words']}" for one in package["ranges"]] == [
        "affected: from 2, before 2.5",
        "affected: from 3, before *; unaffected from 3.4 on",
    ]
    assert package["fallback"] == "unaffected"


CSAF = {
    "product_tree": {
        "branches": [{"category": "product_version", "name": "1", "product": {"product_id": "A", "name": "app 1"}}],
        "product_groups": [{"group_id": "G", "product_ids": ["A"]}],
    },
    "vulnerabilities": [
        {
            "cve": "CVE-1",
            "product_status": {"known_not_affected": ["A"], "fixed": ["B"], "under_investigation": ["C"]},
            "flags": [{"label": "vulnerable_code_not_present", "group_ids": ["G"]}],
            "threats": [{"category": "impact", "details": "none", "product_ids": ["A"]}],
            "remediations": [{"category": "vendor_fix", "details": "update", "product_ids": ["B", "D"]}],
        }
    ],
}
OPENVEX = {
    "statements": [
        {
            "vulnerability": {"name": "CVE-1"},
            "products": [{"@id": "pkg:oci/a", "subcomponents": [{"@id": "pkg:npm/x@1"}]}],
            "status": "not_affected",
            "justification": "inline_mitigations_already_exist",
            "impact_statement": "why",
        },
        {"vulnerability": "CVE-2", "products": ["pkg:oci/b"], "status": "affected", "action_statement": "update"},
    ]
}
CYCLONEDX = {
    "components": [{"bom-ref": "r", "name": "n", "version": "1"}],
    "vulnerabilities": [
        {"id": "CVE-1", "analysis": {"state": "exploitable", "response": ["will_not_fix"]}, "affects": [{"ref": "r"}]}
    ],
}
STATEMENTS = {
    "CSAF by product, with groups, and products without a status": (
        line("vex", "csaf-vex/2.0", json.dumps(CSAF)),
        [
            ("CVE-1", "known not affected", "not-affected", "app 1", "vulnerable code not present", "impact: none", ""),
            ("CVE-1", "fixed", "fixed", "B", "", "", "vendor fix: update"),
            ("CVE-1", "under investigation", "open", "C", "", "", ""),
            ("CVE-1", "not stated", "other", "D", "", "", "vendor fix: update"),
        ],
    ),
    "OpenVEX of both shapes": (
        line("vex", "openvex/0.2.0", json.dumps(OPENVEX)),
        [
            ("CVE-1", "not affected", "not-affected", "pkg:oci/a, pkg:npm/x@1", "inline mitigations already exist",
             "why", ""),
            ("CVE-2", "affected", "affected", "pkg:oci/b", "", "", "update"),
        ],
    ),
    "CycloneDX by component": (
        line("vex", "cyclonedx-vex/1.5", json.dumps(CYCLONEDX)),
        [("CVE-1", "exploitable", "affected", "n@1", "", "", "will not fix")],
    ),
}  # fmt: skip


def test_statements_say_product_status_and_why(in_node: Callable[..., Any]) -> None:
    said = in_node(SAY, [text for text, _ in STATEMENTS.values()])
    keys = ("vulnerability", "status", "group", "product", "justification", "detail", "action")
    found = [[tuple(one[key] for key in keys) for one in each["statements"]] for each in said]
    assert dict(zip(STATEMENTS, found, strict=True)) == {case: expected for case, (_, expected) in STATEMENTS.items()}


COUNTED = """
const counts = {};
for (const line of lines(input)) {
  const record = ExportCenter.json.parse(line);
  const said = ExportCenter.summary.of(record);
  const name = ExportCenter.facts.formatName(record);
  const count = (counts[name] ??= { records: 0, packages: 0, statements: 0, components: 0, findings: 0 });
  count.records += 1;
  for (const key of ["packages", "statements", "components", "findings"]) count[key] += said[key].length;
}
return counts;
"""


def described(row: Row) -> dict[str, int]:
    """Count, straight from a document, what its summary must list."""
    content = json.loads(row.line)["content"]
    of = lambda value, key: [one for one in value.get(key) or [] if isinstance(one, dict)]  # noqa: E731
    match row.format.partition("/")[0]:
        case "osv" | "osv+yaml":
            return {"packages": len(of(content, "affected"))}
        case "spdx2":
            return {"components": len(of(content, "packages"))}
        case "trivy-json":
            kinds = ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses")
            return {"findings": sum(len(of(result, kind)) for result in of(content, "Results") for kind in kinds)}
        case "sarif":
            return {"findings": sum(len(of(run, "results")) for run in of(content, "runs"))}
    return {}


def test_nothing_is_left_out_of_any_sample_record(
    sample_rows: list[Row], in_node: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "lines").write_bytes(b"".join(row.line for row in sample_rows))
    counts = in_node(COUNTED, str(tmp_path / "lines"))
    assert sum(count["records"] for count in counts.values()) == len(sample_rows)
    for name in ("osv", "spdx2", "trivy-json", "sarif"):
        wanted = [described(row) for row in sample_rows if row.format.partition("/")[0].partition("+")[0] == name]
        for key in {key for each in wanted for key in each}:
            assert counts[name][key] == sum(each[key] for each in wanted) > 0, (name, key)
    for name in ("cyclonedx", "spdx3"):
        assert counts[name]["components"] > counts[name]["records"]
    for name in ("openvex", "csaf-vex", "cyclonedx-vex"):
        assert counts[name]["statements"] >= counts[name]["records"]


HOSTILE = ["null", "[]", '"text"', "7", '{"affected":7,"vulnerabilities":[null,7,{"scores":[7]}],"runs":[[]]}',
           '{"document":7,"product_tree":{"branches":[{"product":null}]},"@graph":[7],"packages":[null]}',
           '{"affected":[{"package":"x","ranges":[{"events":[{"introduced":7}]}]}],"statements":[{"products":7}]}',
           '{"Results":[{"Vulnerabilities":[{"Title":{}}]}],"matches":[7,{}],"containers":{"cna":[],"adp":7}}']  # fmt: skip
FORMATS = ("osv", "cve5", "csaf", "csaf-vex", "openvex", "cyclonedx", "cyclonedx-vex", "cyclonedx-vdr", "spdx2",
           "spdx3", "trivy-json", "grype-json", "sarif", "unheard-of", "__proto__", "constructor")  # fmt: skip


def test_documents_that_hold_anything_are_summarised_without_an_error(in_node: Callable[..., Any]) -> None:
    texts = [line("vex", name, content) for name in FORMATS for content in HOSTILE]
    said = in_node(SAY, texts)
    assert [each["id"] for each in said] == ["ID"] * len(texts)


def cve_of(count: int) -> str:
    versions = [{"version": f"1.{place}", "status": "affected"} for place in range(count)]
    return line("advisory", "cve5/5.1", json.dumps({"containers": {"cna": {"affected": [{"versions": versions}]}}}))


def csaf_of(count: int) -> str:
    threats = [{"category": "impact", "details": f"d{place}", "product_ids": ["P"]} for place in range(count)]
    one = {"cve": "CVE-1", "threats": threats, "product_status": {"fixed": ["P"] * count}}
    return line("vex", "csaf/2.0", json.dumps({"vulnerabilities": [one]}))


LONG: Mapping[str, Callable[[int], str]] = {
    "severities of an OSV document": lambda count: osv(severity=[{"type": "T", "score": "A/B"}] * count),
    "versions of a CVE record": cve_of,
    "threats of a product, and its statements": csaf_of,
}
STEPS = """
let steps = 0;
const { includes } = Array.prototype;
Array.prototype.includes = function (...told) { steps += this.length; return includes.apply(this, told); };
Array.prototype[Symbol.iterator] = function* () { for (let at = 0; at < this.length; at++) { steps++; yield this[at]; } };
return input.map((text) => { steps = 0; ExportCenter.summary.of(ExportCenter.json.parse(text)); return steps; });
"""
"""How many items of lists are gone through to summarise each text."""


@pytest.mark.parametrize("document", LONG.values(), ids=LONG)
def test_four_times_as_long_a_list_is_four_times_the_work(
    document: Callable[[int], str], in_node: Callable[..., Any]
) -> None:
    short, long = in_node(STEPS, [document(500), document(2000)])
    assert 0 < long <= 4.5 * short
