"""What the fields of a profile mean, in words: one fact a field, from the profile as JSON has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from web.figures import number, visible
from web.schedules import schedule_words
from web.stated import Fact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KINDS = {
    "json:raw": "JSON Lines: every record as upstream wrote it, unjudged and unmerged",
    "json:policy": "JSON Lines, with findings and what a policy decided about them",
    "trivy:db": "a vulnerability database that Trivy loads",
    "trivy:java-db": "the database by which Trivy recognises Java archives",
    "mirror:full": "a whole mirror: the complete evidence, to start from",
    "mirror:delta": "what changed since an earlier mirror",
}
INCLUDED = {
    "advisories": "advisories",
    "vex": "VEX statements",
    "sboms": "SBOMs",
    "policy": "findings and policy decisions",
}
TARGETS = {"http": "download from the service", "object": "an object store", "oci": "an OCI registry"}
POLICY = {
    "required": "every run must name one",
    "optional": "a run may name one",
    "none": "none is used",
}


def words(fields: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return what a profile says, in the order in which people ask; ``fields`` as the API's ``config`` has them."""
    pair = f"{fields['kind']}:{fields['variant']}"
    return (
        Fact(name="Makes", value=visible(pair), note=KINDS.get(pair, "")),
        Fact(name="Holds", value=_listed(fields["include"], INCLUDED)),
        Fact(name="Runs", value=_schedule(fields.get("schedule"))),
        Fact(name="Goes to", value=_listed(fields.get("distribution", ()), TARGETS)),
        Fact(name="Kept", value=_retention(fields.get("retention"))),
        Fact(name="Layout", value=visible(str(fields.get("layout", "not stated")))),
        Fact(name="Encryption", value=_encryption(fields.get("encryption"))),
        Fact(name="Policy snapshot", value=POLICY.get(fields.get("policySnapshotMode", ""), "not stated")),
    )


def _listed(names: Sequence[str], meanings: Mapping[str, str]) -> str:
    return ", ".join(meanings.get(name, visible(name)) for name in names) or "nothing"


def _schedule(schedule: Mapping[str, Any] | None) -> str:
    if not schedule:
        return "when asked"
    return schedule_words(schedule["cron"], schedule.get("timezone", "UTC"))


def _retention(retention: Mapping[str, Any] | None) -> str:
    if not retention:
        return "not stated"
    value = number(retention.get("value") or 0)
    many = retention.get("value") != 1
    match retention["mode"]:
        case "days":
            return f"{value} day{'s' if many else ''}"
        case "count":
            return f"the newest {value} bundles" if many else "the newest bundle"
        case "forever":
            return "forever"
        case mode:
            return visible(str(mode))


def _encryption(encryption: Mapping[str, Any] | None) -> str:
    if not encryption or not encryption.get("enabled"):
        return "none"
    recipients = len(encryption.get("recipientKeys", ()))
    strict = ", indexes and counts too" if encryption.get("strict") else ""
    return f"age, for {number(recipients)} recipient{'' if recipients == 1 else 's'}{strict}"
