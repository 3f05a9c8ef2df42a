"""CycloneDX JSON (https://cyclonedx.org): SBOMs, VEX and VDR.

The three share one schema, so the content decides: vulnerabilities with an analysis make a VEX document,
vulnerabilities without any a vulnerability disclosure report (VDR), none an SBOM. Both of the first may list
components as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, descend, first, objects, text, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator


def _is_cyclonedx(value: Any) -> bool:
    return text(value, "bomFormat") == "CycloneDX"


def _has_analysis(value: Any) -> bool:
    return any(at(vulnerability, "analysis") for vulnerability in objects(value, "vulnerabilities"))


def matches(value: Any) -> bool:
    """Tell a CycloneDX document without vulnerabilities."""
    return _is_cyclonedx(value) and not objects(value, "vulnerabilities")


def matches_vex(value: Any) -> bool:
    """Tell a CycloneDX document with an analysis of some vulnerability."""
    return _is_cyclonedx(value) and _has_analysis(value)


def matches_vdr(value: Any) -> bool:
    """Tell a CycloneDX document with vulnerabilities and no analysis."""
    return _is_cyclonedx(value) and bool(objects(value, "vulnerabilities")) and not _has_analysis(value)


def facts(value: Any) -> Facts:
    """Read a CycloneDX SBOM."""
    return _facts(value, kind="sbom", name="cyclonedx")


def facts_vex(value: Any) -> Facts:
    """Read a CycloneDX VEX document."""
    return _facts(value, kind="vex", name="cyclonedx-vex")


def facts_vdr(value: Any) -> Facts:
    """Read a CycloneDX vulnerability disclosure report."""
    return _facts(value, kind="vex", name="cyclonedx-vdr")


def _facts(value: Any, *, kind: str, name: str) -> Facts:
    described = at(value, "metadata", "component")
    components = list(_components(value))
    vulnerabilities = objects(value, "vulnerabilities")
    return Facts(
        kind=kind,
        format=versioned(name, at(value, "specVersion")),
        normaliser="cyclonedx/1",
        upstream_id=text(value, "serialNumber") or "",
        subject=first(text(described, "purl"), _name(described)),
        title=text(described, "name"),
        modified=parse_time(at(value, "metadata", "timestamp")),
        aliases=unique(text(vulnerability, "id") for vulnerability in vulnerabilities),
        purls=unique(text(component, "purl") for component in components),
        cpes=unique(text(component, "cpe") for component in components),
        severity_stated=unique(_ratings(vulnerabilities, "severity")) or unique(_ratings(vulnerabilities, "method")),
        packages=unique(text(component, "name") for component in components),
    )


def _components(value: Any) -> Iterator[dict[str, Any]]:
    described = at(value, "metadata", "component")
    roots = [described] if isinstance(described, dict) else []
    return descend([*roots, *objects(value, "components")], "components")


def _name(component: Any) -> str | None:
    name, version = text(component, "name"), text(component, "version")
    return f"{name}@{version}" if name and version else name


def _ratings(vulnerabilities: list[dict[str, Any]], key: str) -> Iterator[str | None]:
    return (text(rating, key) for vulnerability in vulnerabilities for rating in objects(vulnerability, "ratings"))


FORMAT = Format("cyclonedx", matches, facts)
VEX_FORMAT = Format("cyclonedx-vex", matches_vex, facts_vex)
VDR_FORMAT = Format("cyclonedx-vdr", matches_vdr, facts_vdr)
