"""Reports of Grype in JSON (``grype IMAGE -o json``). They state no schema version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, first, objects, text, texts, unique
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator


def matches(value: Any) -> bool:
    """Tell a Grype report: its matches, and what it says of itself or of an artifact."""
    found = at(value, "matches")
    return isinstance(found, list) and (text(value, "descriptor", "name") == "grype" or _is_match(found))


def facts(value: Any) -> Facts:
    """Read a Grype report."""
    found = objects(value, "matches")
    vulnerabilities = [at(match, "vulnerability") for match in found]
    return Facts(
        kind="finding",
        format="grype-json",
        normaliser="grype-json/1",
        subject=_target(value),
        title=_target(value),
        modified=parse_time(at(value, "descriptor", "timestamp")),
        aliases=unique(text(vulnerability, "id") for vulnerability in vulnerabilities),
        purls=unique(text(match, "artifact", "purl") for match in found),
        cpes=unique(cpe for match in found for cpe in texts(match, "artifact", "cpes")),
        severity_stated=unique(_severities(vulnerabilities)),
        packages=unique(text(match, "artifact", "name") for match in found),
    )


def _is_match(found: list[Any]) -> bool:
    return bool(found) and text(found[0], "vulnerability", "id") is not None and bool(at(found[0], "artifact"))


def _target(value: Any) -> str | None:
    """Return what was scanned: an image as the user named it, or a path."""
    target = at(value, "source", "target")
    return target if isinstance(target, str) and target else first(text(target, "userInput"), text(target, "imageID"))


def _severities(vulnerabilities: list[Any]) -> Iterator[str | None]:
    return (text(vulnerability, "severity") for vulnerability in vulnerabilities)


FORMAT = Format("grype-json", matches, facts)
