"""Everything the page and README.md say, as plain texts: data first, markup second."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from web import stated
from web.around import ALONE, Archive, Target, archive, targets
from web.charts import Chart, charts
from web.checking import Step, steps
from web.delta_section import DeltaSection, delta_section
from web.figures import number, visible
from web.graph import Graph, graph
from web.members import ENVELOPE, LISTED, Row, holds_lines, rows
from web.sealing import Sealed, sealed
from web.selection_words import Selector, selectors
from web.trivy_section import STUB, TrivySection, section_of, stub_is_declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from web.around import Around
    from web.facts import BundleFacts
    from web.layout import Layout


@dataclass(frozen=True, kw_only=True)
class PageData:
    """One bundle, ready to be written down.

    Attributes:
        alarm: What must not be overlooked, as a title and what it means; None when there is nothing.
        rows_left_out: How many of ``total`` members the page has no room for; empty when it lists all.
        record_members: Paths of members that hold records, quoted for a shell.
        sealed: How it is encrypted; None when everybody can read it.
        delta: What it adds, changes and removes; None for bundles that stand alone.
        trivy: What its Trivy database cannot express; None for other bundles.
        archive: Where it can be fetched; None inside the bundle itself.
        targets: Where it was sent, as far as the page knows.
    """

    title: str
    summary: str
    key_facts: tuple[stated.Fact, ...]
    identity: tuple[stated.Fact, ...]
    selectors: tuple[Selector, ...]
    signer: tuple[stated.Fact, ...]
    charts: tuple[Chart, ...]
    remarks: tuple[str, ...]
    graph: Graph
    digests: tuple[stated.Fact, ...]
    policy: tuple[stated.Fact, ...]
    toolchain: tuple[stated.Fact, ...]
    rows: tuple[Row, ...]
    rows_left_out: str
    total: int
    envelope: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    record_members: tuple[str, ...]
    alarm: tuple[str, str] | None
    sealed: Sealed | None
    delta: DeltaSection | None
    trivy: TrivySection | None
    archive: Archive | None
    targets: tuple[Target, ...]


def page_data(
    facts: BundleFacts, pages: Mapping[str, tuple[int, str]], layout: Layout | None = None, around: Around = ALONE
) -> PageData:
    """Turn facts into what the page says.

    Args:
        facts: What export.json is going to say.
        pages: Path to (bytes, SHA-256) of the payload members made before the page itself, in payload order.
        layout: Where the page lies; None for README.md, which is no page.
        around: What is known beside the manifest.
    """
    listed = rows(facts, pages)
    return PageData(
        title=visible(facts.profile.id),
        summary=_summary(facts),
        key_facts=stated.key_facts(facts),
        identity=stated.identity(facts),
        selectors=selectors(facts.selectors),
        signer=stated.signer(facts),
        charts=charts(facts.counts),
        remarks=tuple(_remarks(facts)),
        graph=graph(facts, around.receipts),
        digests=stated.digests(facts),
        policy=stated.policy(facts),
        toolchain=stated.toolchain(facts),
        rows=listed[:LISTED],
        rows_left_out=number(len(listed) - LISTED) if len(listed) > LISTED else "",
        total=len(listed),
        envelope=ENVELOPE,
        steps=steps(facts),
        record_members=tuple(quote(visible(member.path)) for member in facts.members if holds_lines(member)),
        alarm=STUB if stub_is_declared(facts) else None,
        sealed=sealed(facts.encryption),
        delta=delta_section(facts),
        trivy=section_of(facts),
        archive=None if layout is None else archive(layout, around),
        targets=targets(around.receipts),
    )


def _summary(facts: BundleFacts) -> str:
    records, sources = facts.counts.records, len(facts.counts.by_source)
    form = f"{visible(facts.profile.kind)}:{visible(facts.profile.variant)}"
    if stated.counts_are_untold(facts):
        return f"Encrypted security evidence, exported as {form}."
    return (
        f"{number(records)} record{'' if records == 1 else 's'} of security evidence from "
        f"{number(sources)} source{'' if sources == 1 else 's'}, exported as {form}."
    )


def _remarks(facts: BundleFacts) -> list[str]:
    """Return what a reader would otherwise take for a clean bill of health."""
    counts, remarks = facts.counts, []
    if stated.counts_are_untold(facts):
        remarks.append("Encryption is strict: this bundle does not state how many records it holds.")
    elif not counts.records:
        remarks.append("This bundle holds no records. That says nothing about the products it was asked about.")
    if counts.without_modified:
        states = _counted(counts.without_modified, "record states", "records state")
        remarks.append(f"{states} no usable modification time.")
    if counts.findings_without_policy:
        findings = _counted(counts.findings_without_policy, "finding was", "findings were")
        remarks.append(f"{findings} not evaluated by the policy snapshot.")
    return remarks


def _counted(count: int, one: str, many: str) -> str:
    return f"{number(count)} {one if count == 1 else many}"
