"""Facts of a manifest as pages name them: name, value, and a note where the value alone does not say enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bundle.canonical import canonical_json
from web.checking import algorithm_name
from web.figures import number, size, visible
from web.selection_words import tenants

if TYPE_CHECKING:
    from web.facts import BundleFacts


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A named value.

    Attributes:
        instant: The value as RFC 3339 when it is a time, for scripts that say how long ago that was.
    """

    name: str
    value: str
    note: str = ""
    instant: str = ""


def key_facts(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return the figures at the head of the page."""
    evidence = [member for member in facts.members if member.is_evidence]
    untold = counts_are_untold(facts)
    return (
        Fact(name="Records", value="not stated" if untold else number(facts.counts.records)),
        Fact(name="Sources", value="not stated" if untold else number(len(facts.counts.by_source))),
        Fact(name="Evidence", value=size(sum(member.bytes for member in evidence)), note="compressed"),
        _day(visible(facts.as_of)),
        Fact(name="Tenants", value=", ".join(tenants(facts.selectors)) or "not stated"),
    )


def _day(instant: str) -> Fact:
    """Return a time as a day, with the time of the day as its note."""
    return Fact(name="As of", value=instant[:10], note=instant[11:].replace("Z", " UTC"), instant=instant)


def counts_are_untold(facts: BundleFacts) -> bool:
    """Return whether counts are missing because encryption is strict, rather than zero."""
    return facts.encryption is not None and facts.encryption.strict and not facts.counts.by_source


def identity(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return what identifies the bundle: profile, time, encryption, base."""
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


def digests(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return the digests that stand for the bundle."""
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


def policy(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return the policy snapshot; nothing when none was used."""
    snapshot = facts.policy_snapshot
    if snapshot is None:
        return ()
    return (
        Fact(name="Policy snapshot", value=visible(snapshot.id)),
        Fact(name="Policy SHA-256", value=visible(snapshot.sha256)),
    )


def toolchain(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return everything beside the inputs that decides the bytes."""
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


def signer(facts: BundleFacts) -> tuple[Fact, ...]:
    """Return who is said to have signed."""
    return (
        Fact(name="Algorithm", value=algorithm_name(facts.algorithm)),
        Fact(name="Key id", value=visible(facts.key_id), note="SHA-256 of the public key (SPKI, DER)"),
    )
