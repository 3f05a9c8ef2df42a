"""CVE records of version 5 (https://cveproject.github.io/cve-schema/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, objects, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator


def matches(value: Any) -> bool:
    """Tell a CVE record: its type is stated; version 4 has no ``cveMetadata``."""
    return text(value, "dataType") == "CVE_RECORD" and text(value, "cveMetadata", "cveId") is not None


def containers(value: Any) -> list[dict[str, Any]]:
    """Return the CNA's container and then those of the ADPs."""
    cna = at(value, "containers", "cna")
    return ([cna] if isinstance(cna, dict) else []) + objects(value, "containers", "adp")


def facts(value: Any) -> Facts:
    """Read a CVE record."""
    stated = containers(value)
    products = [product for container in stated for product in objects(container, "affected")]
    return Facts(
        kind="advisory",
        format=versioned("cve5", at(value, "dataVersion")),
        normaliser="cve5/1",
        upstream_id=text(value, "cveMetadata", "cveId") or "",
        title=text(value, "containers", "cna", "title"),
        published=parse_time(at(value, "cveMetadata", "datePublished")),
        modified=parse_time(at(value, "cveMetadata", "dateUpdated")),
        withdrawn=parse_time(at(value, "cveMetadata", "dateRejected")),
        purls=unique(text(product, "packageURL") for product in products),
        cpes=unique(cpe for product in products for cpe in texts(product, "cpes")),
        severity_stated=unique(_words(stated)) or unique(_vectors(stated)),
        packages=unique(text(product, key) for product in products for key in ("packageName", "product")),
    )


def _scores(stated: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for container in stated:
        for metric in objects(container, "metrics"):
            yield from ((name, score) for name, score in metric.items() if name.startswith("cvss"))


def _words(stated: list[dict[str, Any]]) -> Iterator[str | None]:
    return (text(score, "baseSeverity") for _, score in _scores(stated))


def _vectors(stated: list[dict[str, Any]]) -> Iterator[str]:
    return (name for name, _ in _scores(stated))


FORMAT = Format("cve5", matches, facts)
