"""Everything the page and README.md say, as plain texts: data first, markup second."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from bundle.canonical import canonical_json
from web.charts import Chart, charts
from web.checking import Step, algorithm_name, steps
from web.figures import number, size, visible
from web.graph import Graph, graph
from web.members import ENVELOPE, Row, holds_lines, rows
from web.selection_words import Selector, selectors, tenants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from web.facts import BundleFacts


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A named value; a digest can be copied."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PageData:
    """One bundle, ready to be written down.

    Attributes:
        record_members: Paths of members that hold records, quoted for a shell.
    """

    title: str
    summary: str
    key_facts: tuple[Fact, ...]
    identity: tuple[Fact, ...]
    selectors: tuple[Selector, ...]
    signer: tuple[Fact, ...]
    charts: tuple[Chart, ...]
    remarks: tuple[str, ...]
    graph: Graph
    digests: tuple[Fact, ...]
    policy: tuple[Fact, ...]
    toolchain: tuple[Fact, ...]
    rows: tuple[Row, ...]
    total: str
    envelope: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    record_members: tuple[str, ...]
    encrypted: bool


def page_data(facts: BundleFacts, pages: Mapping[str, tuple[int, str]]) -> PageData:
    """Turn facts into what the page says.

    Args:
        facts: What export.json is going to say.
        pages: Path to (bytes, SHA-256) of the payload members made before the page itself, in payload order.
    """
    listed = rows(facts, pages)
    return PageData(
        title=visible(facts.profile.id),
        summary=_summary(facts),
        key_facts=_key_facts(facts),
        identity=_identity(facts),
        selectors=selectors(facts.selectors),
        signer=(
            Fact(name="Algorithm", value=algorithm_name(facts.algorithm)),
            Fact(name="Key id", value=visible(facts.key_id), note="SHA-256 of the public key (SPKI, DER)"),
        ),
        charts=charts(facts.counts),
        remarks=tuple(_remarks(facts)),
        graph=graph(facts),
        digests=_digests(facts),
        policy=_policy(facts),
        toolchain=_toolchain(facts),
        rows=listed,
        total=f"{number(len(listed))} members",
        envelope=ENVELOPE,
        steps=steps(facts),
        record_members=tuple(quote(visible(member.path)) for member in facts.members if holds_lines(member)),
        encrypted=facts.encryption is not None,
    )


def _summary(facts: BundleFacts) -> str:
    records, sources = facts.counts.records, len(facts.counts.by_source)
    form = f"{visible(facts.profile.kind)}:{visible(facts.profile.variant)}"
    return (
        f"{number(records)} record{'' if records == 1 else 's'} of security evidence from "
        f"{number(sources)} source{'' if sources == 1 else 's'}, exported as {form}."
    )


def _key_facts(facts: BundleFacts) -> tuple[Fact, ...]:
    evidence = [member for member in facts.members if member.is_evidence]
    return (
        Fact(name="Records", value=number(facts.counts.records)),
        Fact(name="Sources", value=number(len(facts.counts.by_source))),
        Fact(name="Evidence", value=size(sum(member.bytes for member in evidence)), note="compressed"),
        Fact(name="As of", value=visible(facts.as_of)[:10], note=visible(facts.as_of)[10:]),
        Fact(name="Tenants", value=", ".join(tenants(facts.selectors)) or "not stated"),
    )


def _identity(facts: BundleFacts) -> tuple[Fact, ...]:
    profile = facts.profile
    stated = [
        Fact(name="Profile", value=visible(profile.id)),
        Fact(name="Revision", value=number(profile.revision)),
        Fact(name="Kind", value=f"{visible(profile.kind)}:{visible(profile.variant)}"),
        Fact(name="Includes", value=", ".join(map(visible, sorted(profile.include))) or "nothing"),
        Fact(name="As of", value=visible(facts.as_of), note="from the evidence or the request, never from a clock"),
        Fact(name="Profile commit", value=visible(profile.commit or "not from a git repository")),
        Fact(name="Encryption", value=_encryption(facts)),
    ]
    if facts.base is not None:
        stated.append(Fact(name="Delta from", value=visible(facts.base.content_digest), note="contentDigest"))
    return tuple(stated)


def _encryption(facts: BundleFacts) -> str:
    if facts.encryption is None:
        return "none"
    recipients = number(len(facts.encryption.recipients))
    return f"{visible(facts.encryption.mode)}, {recipients} recipient(s){', strict' if facts.encryption.strict else ''}"


def _remarks(facts: BundleFacts) -> list[str]:
    """Return what a reader would otherwise take for a clean bill of health."""
    counts, remarks = facts.counts, []
    if not counts.records:
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


def _digests(facts: BundleFacts) -> tuple[Fact, ...]:
    return (
        Fact(
            name="contentDigest",
            value=visible(facts.content_digest),
            note="Equal in two bundles that carry the same evidence, whatever made and signed them.",
        ),
        Fact(
            name="snapshotDigest",
            value=visible(facts.snapshot_digest),
            note="The selected records: their keys and the digests of their original documents.",
        ),
        Fact(
            name="contextDigest",
            value=visible(facts.context_digest),
            note="What was asked: selectors, snapshot, kind, variant and record types of the profile.",
        ),
        Fact(
            name="Profile SHA-256",
            value=visible(facts.profile.sha256),
            note="The profile file this bundle was made by.",
        ),
    )


def _policy(facts: BundleFacts) -> tuple[Fact, ...]:
    snapshot = facts.policy_snapshot
    if snapshot is None:
        return ()
    return (
        Fact(name="Policy snapshot", value=visible(snapshot.id)),
        Fact(name="Policy SHA-256", value=visible(snapshot.sha256)),
    )


def _toolchain(facts: BundleFacts) -> tuple[Fact, ...]:
    tools = facts.toolchain
    frames = " / ".join(number(each) for each in (tools.frame_minimum, tools.frame_mean, tools.frame_maximum))
    return (
        Fact(name="Export Center", value=visible(tools.export_center)),
        Fact(name="libzstd", value=visible(tools.libzstd), note=visible(tools.zstd_parameters)),
        Fact(name="Frames", value=frames, note="minimum / mean / maximum plain bytes"),
        Fact(name="Viewer", value=visible(tools.viewer)),
        *(
            Fact(name="Adapter", value=f"{visible(each.name)} {visible(each.version)}", note=_options(each.options))
            for each in facts.adapters
        ),
        *(Fact(name="Normaliser", value=f"{visible(each.name)} {visible(each.version)}") for each in facts.normalisers),
    )


def _options(options: dict[str, Any]) -> str:
    return visible(canonical_json(options).decode()) if options else ""
