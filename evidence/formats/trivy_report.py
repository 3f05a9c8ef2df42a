"""Reports of Trivy in JSON (``trivy image --format json``), schema version 1 and later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, objects, text, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_ISSUES = ("Vulnerabilities", "Misconfigurations", "Secrets", "Licenses")


def matches(value: Any) -> bool:
    """Tell a Trivy report; one without any result has no ``Results``."""
    version = at(value, "SchemaVersion")
    return type(version) is int and isinstance(at(value, "ArtifactName"), str) and "ArtifactType" in value


def facts(value: Any) -> Facts:
    """Read a Trivy report."""
    results = objects(value, "Results")
    return Facts(
        kind="finding",
        format=versioned("trivy-json", str(at(value, "SchemaVersion"))),
        normaliser="trivy-json/1",
        upstream_id=text(value, "ReportID") or "",
        subject=text(value, "ArtifactName"),
        title=text(value, "ArtifactName"),
        modified=parse_time(at(value, "CreatedAt")),
        aliases=unique(text(issue, "VulnerabilityID") for issue in _issues(results)),
        purls=unique(_purls(results)),
        severity_stated=unique(text(issue, "Severity") for issue in _issues(results)),
        packages=unique(_names(results)),
    )


def _issues(results: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (issue for result in results for key in _ISSUES for issue in objects(result, key))


def _purls(results: list[dict[str, Any]]) -> Iterator[str | None]:
    for result in results:
        yield from (text(package, "Identifier", "PURL") for package in objects(result, "Packages"))
        yield from (text(issue, "PkgIdentifier", "PURL") for issue in objects(result, "Vulnerabilities"))


def _names(results: list[dict[str, Any]]) -> Iterator[str | None]:
    for result in results:
        yield from (text(package, "Name") for package in objects(result, "Packages"))
        yield from (text(issue, "PkgName") for key in _ISSUES for issue in objects(result, key))


FORMAT = Format("trivy-json", matches, facts)
