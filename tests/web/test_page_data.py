"""What the pages say, before any markup."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from bundle.manifest import Counts
from web.charts import LISTED, SHOWN, charts, halves
from web.figures import number, percent, permille, shorten, size, visible
from web.page_data import PageData, page_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.facts import BundleFacts

PAGES = {"README.md": (7_000, "aa" * 32), "viewer/style.css": (900, "bb" * 32)}


@pytest.fixture
def data(friendly: BundleFacts) -> PageData:
    return page_data(friendly, PAGES)


def spaced(text: str) -> str:
    return text.replace("\u202f", " ")


def test_the_head_says_what_was_exported_when_and_for_whom(data: PageData) -> None:
    assert data.title == "nightly-advisories"
    assert spaced(data.summary) == "412 907 records of security evidence from 8 sources, exported as json:policy."
    assert {fact.name: spaced(fact.value) for fact in data.key_facts} == {
        "Records": "412 907",
        "Sources": "8",
        "Evidence": "234.8 MB",
        "As of": "2026-03-31",
        "Tenants": "acme",
    }


def test_the_signer_is_named_by_algorithm_and_key_id(data: PageData) -> None:
    assert [fact.value for fact in data.signer] == ["ECDSA P-256 with SHA-256", "06" * 32]


def test_selectors_that_restrict_come_first_and_the_others_say_any(data: PageData) -> None:
    assert [(one.name, one.values) for one in data.selectors] == [
        ("Ecosystems", ("PyPI", "npm", "Debian:12")),
        ("Missing modified", ("include",)),
        ("Products", ("pkg:oci/webshop*", "pkg:npm/%40acme/*")),
        ("Shared", ("yes",)),
        ("Tenants", ("acme",)),
        ("Time window", ("from: 2025-01-01T00:00:00Z",)),
        ("Ids", ("any",)),
        ("Severities", ("any",)),
        ("Sources", ("any",)),
    ]


def test_a_long_selector_says_how_much_is_left_out(changed: Callable[..., BundleFacts]) -> None:
    facts = changed(selectors={"ids": [f"CVE-2026-{place:04d}" for place in range(30)]})
    (ids,) = page_data(facts, PAGES).selectors
    assert (len(ids.values), ids.more) == (24, "and 6 more; export.json lists them all")


def test_a_chart_draws_twelve_values_and_gathers_the_rest(data: PageData) -> None:
    (chart,) = [chart for chart in data.charts if chart.anchor == "by-ecosystem"]
    assert len(chart.bars) == 13
    assert [chart.bars[0].name, chart.bars[0].length] == ["npm", 1000]
    assert [chart.bars[12].name, spaced(chart.bars[12].count), chart.bars[12].rest] == [
        "other (12 more)",
        "4 638",
        True,
    ]
    assert len(chart.full) == 24


def test_severities_run_from_worst_to_least_then_whatever_else_was_stated(data: PageData) -> None:
    (chart,) = [chart for chart in data.charts if chart.anchor == "by-severity"]
    assert [bar.name for bar in chart.bars] == ["CRITICAL", "HIGH", "MEDIUM", "LOW", "CVSS_V3"]


def test_the_largest_values_are_drawn_even_where_worse_ones_come_first(
    friendly: BundleFacts, changed: Callable[..., BundleFacts]
) -> None:
    stated = {f"word-{place:02d}": 1 for place in range(14)} | {"low": 2, "CVSS_V3": 300, "HIGH": 5, "zz": 9}
    counts = msgspec.structs.replace(friendly.counts, by_severity=stated)
    (chart,) = [one for one in page_data(changed(counts=counts), PAGES).charts if one.anchor == "by-severity"]
    assert [bar.name for bar in chart.bars][:4] == ["HIGH", "low", "CVSS_V3", "zz"]
    assert chart.bars[-1].count == "6"


def test_every_member_has_a_row_and_only_the_page_has_no_digest(data: PageData, friendly: BundleFacts) -> None:
    assert [row.path for row in data.rows[:3]] == ["README.md", "index.html", "viewer/style.css"]
    assert [row.path for row in data.rows[3:]] == [member.path for member in friendly.members]
    assert [row.path for row in data.rows if not row.digest] == ["index.html"]


def test_the_graph_gathers_small_sources_in_its_last_line(data: PageData) -> None:
    assert [spaced(end.title) for end in data.graph.inputs][-1] == "3 more sources"
    assert data.graph.outputs[0].label == "advisories.jsonl.zst"


def test_an_empty_bundle_says_that_absence_is_no_clean_bill(changed: Callable[..., BundleFacts]) -> None:
    none = Counts(
        records=0,
        by_kind={},
        by_source={},
        by_format={},
        by_ecosystem={},
        by_severity={},
        without_modified=0,
        findings_without_policy=0,
    )
    data = page_data(changed(counts=none, members=[], normalisers=[]), PAGES)
    assert data.charts == ()
    assert data.remarks == ("This bundle holds no records. That says nothing about the products it was asked about.",)


@pytest.mark.parametrize(
    ("algorithm", "command"),
    [
        ("ecdsa-p256-sha256", 'openssl dgst -sha256 -verify "$KEY" -signature signature.bin export.json'),
        (
            "ed25519",
            'openssl pkeyutl -verify -pubin -inkey "$KEY" -rawin -in export.json -sigfile signature.bin',
        ),
    ],
)
def test_the_signature_step_fits_the_algorithm(
    changed: Callable[..., BundleFacts], algorithm: str, command: str
) -> None:
    commands = [one for step in page_data(changed(algorithm=algorithm), PAGES).steps for one in step.commands]
    assert [one for one in commands if one.startswith(("openssl dgst", "openssl pkeyutl"))] == [command]


FIGURES = {
    "bytes stay whole": (size(999), "999 B"),
    "powers of 1000": (size(1_000), "1.0 kB"),
    "a half rounds up": (size(1_250), "1.3 kB"),
    "no 1000.0 of a unit": (size(999_960), "1.0 MB"),
    "beyond the last unit": (size(10**19), "10 000.0 PB"),
    "a share": (percent(1, 3), "33.3 %"),
    "a share that would vanish": (percent(1, 100_000), "<0.1 %"),
    "a share of nothing": (percent(0, 0), "0 %"),
    "a bar that would vanish": (permille(1, 100_000), 1),
    "no bar for nothing": (permille(0, 5), 0),
    "invisible characters show": (visible("a\u202eb\n\ud800\u200b"), "a\\u{202e}b\\u{a}\\u{d800}\\u{200b}"),
    "ordinary letters stay": (visible("Ünïcode 漢字 🙂"), "Ünïcode 漢字 🙂"),
    "long names lose their middle": (shorten("abcdefghij", 7), "abc…hij"),
}


@pytest.mark.parametrize(("shown", "expected"), FIGURES.values(), ids=FIGURES)
def test_figures_read_the_same_everywhere(shown: str | int, expected: str | int) -> None:
    assert (spaced(shown) if isinstance(shown, str) else shown) == expected


def test_a_table_of_very_many_values_lists_the_first_and_counts_the_rest() -> None:
    counts = Counts(
        records=50_000, by_kind={}, by_source={}, by_format={}, by_severity={}, without_modified=0,
        findings_without_policy=0, by_ecosystem={f"e{number:05d}": 1 for number in range(50_000)},
    )  # fmt: skip
    (chart,) = charts(counts)
    assert (len(chart.bars), len(chart.full), chart.left_out) == (SHOWN + 1, LISTED, number(45_000))


REMARKS = {
    (0, 0): [],
    (1, 1): ["1 record states no usable modification time.", "1 finding was not evaluated by the policy snapshot."],
    (2, 1234): [
        "2 records state no usable modification time.",
        "1 234 findings were not evaluated by the policy snapshot.",
    ],
}


@pytest.mark.parametrize("numbers", REMARKS)
def test_what_is_missing_is_remarked_in_words_that_fit_its_number(
    friendly: BundleFacts, numbers: tuple[int, int]
) -> None:
    without_modified, without_policy = numbers
    counts = msgspec.structs.replace(
        friendly.counts, without_modified=without_modified, findings_without_policy=without_policy
    )
    data = page_data(replace(friendly, counts=counts), PAGES)
    assert [spaced(remark) for remark in data.remarks] == REMARKS[numbers]


def test_charts_stand_in_two_columns_of_about_the_same_height(data: PageData) -> None:
    left, right = halves(data.charts)
    assert (*left, *right) == data.charts
    tall = [sum(len(chart.bars) for chart in half) for half in (left, right)]
    assert max(tall) <= 2 * min(tall)
    assert halves(()) == ((), ())
