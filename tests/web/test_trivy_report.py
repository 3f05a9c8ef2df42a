"""What a Trivy database cannot say: read from a file that anybody may have written, and said in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.trivy_report import EXAMPLES, LARGEST, LONGEST, OTHER, REASONS, Example, read
from web.trivy_section import WORDS, trivy_section

REPORT: dict[str, Any] = {
    "schema": 2,
    "vulnerabilities": 1_234,
    "buckets": {"npm::Export Center": 900, "alpine 3.19": 77},
    "severities": {"LOW": 3, "CRITICAL": 4, "HIGH": 12},
    "unexpressed": [
        {"reason": "version-grammar", "id": "GHSA-1", "package": "left-pad", "ecosystem": "npm", "detail": "<1.2.3.4"},
        {"reason": "no-driver", "count": 40, "examples": [{"id": "HSEC-1", "ecosystem": "Hackage"}]},
        {"reason": "version-grammar", "id": "GHSA-2"},
        {"reason": "of-tomorrow", "id": "X-1"},
    ],
    "redHatStub": False,
    "applyVex": False,
}


def encoded(**changes: Any) -> bytes:
    return json.dumps(REPORT | changes).encode()


def spaced(text: str) -> str:
    return text.replace("\u202f", " ")


def test_reasons_are_gathered_with_their_examples_most_frequent_first() -> None:
    report = read(encoded())
    assert [(one.code, one.count) for one in report.reasons] == [
        ("no-driver", 40), ("version-grammar", 2), ("of-tomorrow", 1),
    ]  # fmt: skip
    assert report.reasons[1].examples == (
        Example(id="GHSA-1", package="left-pad", ecosystem="npm", detail="<1.2.3.4"),
        Example(id="GHSA-2"),
    )
    assert (report.unexpressed, report.unreadable) == (43, "")


def test_the_section_says_how_much_is_missing_and_why() -> None:
    section = trivy_section(read(encoded()))
    assert section.sentence == "43 advisories or ranges could not be expressed."
    assert [(one.title, one.count, one.left_out) for one in section.reasons] == [
        (WORDS["no-driver"][0], "40", "39"), (WORDS["version-grammar"][0], "2", ""), ("of-tomorrow", "1", ""),
    ]  # fmt: skip
    assert [(one.title, [bar.name for bar in one.bars]) for one in section.charts] == [
        ("Buckets", ["npm::Export Center", "alpine 3.19"]),
        ("Severity in the database", ["CRITICAL", "HIGH", "LOW"]),
    ]


SENTENCES = {
    "nothing was left out": (encoded(unexpressed=[]), "Everything that was selected could be expressed."),
    "one was left out": (
        encoded(unexpressed=[{"reason": "withdrawn", "id": "X"}]),
        "1 advisory or range could not be expressed.",
    ),
    "no list at all is not an empty one": (b"{}", "What could not be expressed is not known here."),
    "not JSON": (b"\xff", "What could not be expressed is not known here."),
    "not an object": (b"[]", "What could not be expressed is not known here."),
    "more than is read": (b" " * (LARGEST + 1), "What could not be expressed is not known here."),
    "nested beyond reason": (b"[" * 100_000, "What could not be expressed is not known here."),
}


@pytest.mark.parametrize(("data", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_what_is_not_known_is_never_called_nothing(data: bytes, sentence: str) -> None:
    assert trivy_section(read(data)).sentence == sentence


def test_a_list_with_strange_entries_says_that_more_may_be_left_out() -> None:
    report = read(encoded(unexpressed=["GHSA-1", {"reason": "withdrawn", "id": "GHSA-2"}]))
    assert report.unexpressed == 1
    assert report.unreadable in trivy_section(report).notes


STUBS = {
    "an absent word is a no": ({}, False),
    "false": ({"redHatStub": False}, False),
    "true": ({"redHatStub": True}, True),
    "what is no boolean is shouted too": ({"redHatStub": "no"}, True),
}


@pytest.mark.parametrize(("fields", "stub"), STUBS.values(), ids=STUBS)
def test_a_stub_of_red_hat_is_seen(fields: dict[str, Any], stub: bool) -> None:
    assert read(json.dumps(fields).encode()).red_hat_stub is stub


def test_vex_that_was_applied_is_said() -> None:
    notes = trivy_section(read(encoded(applyVex="suppress"))).notes
    assert any("not in the database" in note for note in notes)
    assert any("of-tomorrow" in note for note in trivy_section(read(encoded(applyVex="of-tomorrow"))).notes)


def test_a_report_of_any_size_is_bounded_and_still_counts_everything() -> None:
    many = [{"reason": f"reason-{place % 300}", "id": "i" * 500} for place in range(9_000)]
    report = read(encoded(unexpressed=many))
    assert len(report.reasons) == REASONS + 1
    assert report.unexpressed == 9_000
    assert report.reasons[0].code == OTHER
    assert max(len(one.examples) for one in report.reasons) == EXAMPLES
    assert {len(example.id) for one in report.reasons for example in one.examples} == {LONGEST}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
FIELDS = ["schema", "vulnerabilities", "buckets", "severities", "unexpressed", "redHatStub", "applyVex"]
ENTRY = ["reason", "count", "examples", "id", "package", "ecosystem", "source", "detail"]
entries = st.lists(st.dictionaries(st.sampled_from(ENTRY), json_values) | json_values, max_size=4)


@given(st.dictionaries(st.sampled_from(FIELDS), json_values), entries)
def test_whatever_a_report_holds_it_can_be_shown(fields: dict[str, Any], listed: list[Any]) -> None:
    report = read(json.dumps({"unexpressed": listed} | fields).encode())
    section = trivy_section(report)
    assert sum(one.count for one in report.reasons) == report.unexpressed
    assert len(section.reasons) == len(report.reasons)
