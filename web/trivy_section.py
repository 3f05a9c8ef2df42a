"""The page's section about a Trivy database: what is in it, and in words what could not be expressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.charts import Chart, chart, largest_first, worst_first
from web.figures import number, visible
from web.trivy_report import PATH

if TYPE_CHECKING:
    from web.facts import BundleFacts
    from web.trivy_report import Example, Reason, TrivyReport

WORDS = {
    "no-driver": ("No scanner for it", "Trivy has no driver for this ecosystem or operating system."),
    "version-grammar": (
        "Range not readable",
        "Trivy cannot read the range in this ecosystem's grammar and would pass over the whole advisory.",
    ),
    "git-only": (
        "Only commits",
        "The advisory names commits of a repository and no versions; Trivy compares versions.",
    ),
    "no-package": ("No package named", "The advisory names no package, so nothing installed could match it."),
    "no-versions": ("No versions named", "The advisory names a package and neither versions nor a range of them."),
    "withdrawn": ("Withdrawn", "Its source has withdrawn the advisory."),
    "rejected": ("Rejected", "The identifier was rejected by whoever assigned it."),
    "no-release": ("Release unknown", "The operating system's release is not stated or not one that Trivy knows."),
    "no-cpe": ("No product index", "The advisory's product has no CPE that a Red Hat host could be matched by."),
    "(other)": ("Further reasons", "More reasons than this page tells apart."),
}
"""By the adapter's code: a title, and what it means for whoever scans."""

STUB = (
    "Red Hat is a stub in this database.",
    "Trivy scans RHEL and CentOS hosts with it though it holds no Red Hat advisories: no finding is no all-clear.",
)
VEX = {
    "suppress": "VEX statements were applied: findings they call not affected or fixed are not in the database.",
    "annotate": "VEX statements were applied as notes: the database's advisories carry what they say.",
}


@dataclass(frozen=True, kw_only=True)
class ReasonShown:
    """A reason as the page shows it.

    Attributes:
        known: Whether there are words for the code.
        left_out: How many are not among the examples; empty when all are.
    """

    code: str
    title: str
    text: str
    count: str
    examples: tuple[Example, ...]
    left_out: str


@dataclass(frozen=True, kw_only=True)
class TrivySection:
    """The whole section.

    Attributes:
        sentence: How much could not be expressed, in a sentence.
        notes: Remarks that change how the database is to be read.
    """

    sentence: str
    notes: tuple[str, ...]
    reasons: tuple[ReasonShown, ...]
    charts: tuple[Chart, ...]


def stub_is_declared(facts: BundleFacts) -> bool:
    """Return whether the bundle holds a stub of Red Hat: its report says so, or the options of its adapters do."""
    options = any(each.options.get("redHatStub") not in (None, False) for each in facts.adapters)
    return options or (facts.trivy is not None and facts.trivy.red_hat_stub)


UNREAD = TrivySection(
    sentence="What could not be expressed is listed in the bundle, and was not read for this page.",
    notes=("The list is data/trivy/report.json; it is shown here once the bundle is open, unless it is encrypted.",),
    reasons=(),
    charts=(),
)


def section_of(facts: BundleFacts) -> TrivySection | None:
    """Return what a page says of a bundle's Trivy database; None for bundles without a report of one."""
    if facts.trivy is not None:
        return trivy_section(facts.trivy)
    return UNREAD if any(each.path in {PATH, f"{PATH}.age"} for each in facts.members) else None


def trivy_section(report: TrivyReport) -> TrivySection:
    """Turn a report into what the page says."""
    return TrivySection(
        sentence=_sentence(report),
        notes=tuple(_notes(report)),
        reasons=tuple(map(_shown, report.reasons)),
        charts=tuple(_charts(report)),
    )


def _sentence(report: TrivyReport) -> str:
    if report.unreadable and not report.reasons:
        return "What could not be expressed is not known here."
    if not report.unexpressed:
        return "Everything that was selected could be expressed."
    one = report.unexpressed == 1
    return (
        f"{number(report.unexpressed)} {'advisory or range' if one else 'advisories or ranges'} could not be expressed."
    )


def _notes(report: TrivyReport) -> list[str]:
    notes = [report.unreadable] if report.unreadable else []
    if report.apply_vex:
        notes.append(VEX.get(report.apply_vex, f"VEX statements were applied: {visible(report.apply_vex)}."))
    if report.schema is not None:
        notes.append(f"Schema version {number(report.schema)}.")
    return notes


def _shown(reason: Reason) -> ReasonShown:
    title, text = WORDS.get(reason.code, (visible(reason.code), ""))
    left = reason.count - len(reason.examples)
    return ReasonShown(
        code=visible(reason.code),
        title=title,
        text=text,
        count=number(reason.count),
        examples=tuple(map(_readable, reason.examples)),
        left_out=number(left) if left > 0 else "",
    )


def _readable(example: Example) -> Example:
    return type(example)(**{name: visible(text) for name, text in vars(example).items()})


def _charts(report: TrivyReport) -> list[Chart]:
    tables = (
        ("trivy-bucket", "Buckets", "Bucket", report.buckets, largest_first, "Advisories"),
        ("trivy-severity", "Severity in the database", "Severity", report.severities, worst_first, "Vulnerabilities"),
    )
    return [
        chart(anchor, title=title, column=column, items=sorted(table.items(), key=order), unit=unit)
        for anchor, title, column, table, order, unit in tables
        if any(table.values())
    ]
