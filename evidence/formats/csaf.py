"""CSAF 2.x documents (https://docs.oasis-open.org/csaf/): advisories, and VEX by their category."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, descend, objects, only, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_VEX = "csaf_vex"


def _is_csaf(value: Any) -> bool:
    return text(value, "document", "category") is not None and text(value, "document", "csaf_version") is not None


def matches(value: Any) -> bool:
    """Tell a CSAF document of any category but VEX."""
    return _is_csaf(value) and text(value, "document", "category") != _VEX


def matches_vex(value: Any) -> bool:
    """Tell a CSAF document of the category VEX."""
    return _is_csaf(value) and text(value, "document", "category") == _VEX


def facts(value: Any) -> Facts:
    """Read a CSAF advisory."""
    return _facts(value, kind="advisory", name="csaf")


def facts_vex(value: Any) -> Facts:
    """Read a CSAF VEX document."""
    return _facts(value, kind="vex", name="csaf-vex")


def _facts(value: Any, *, kind: str, name: str) -> Facts:
    helpers = list(_identification_helpers(value))
    vulnerabilities = objects(value, "vulnerabilities")
    purls = unique(purl for helper in helpers for purl in (text(helper, "purl"), *texts(helper, "purls")))
    tracking = at(value, "document", "tracking")
    return Facts(
        kind=kind,
        format=versioned(name, at(value, "document", "csaf_version")),
        normaliser="csaf/1",
        upstream_id=text(tracking, "id") or "",
        subject=only(purls),
        title=text(value, "document", "title"),
        published=parse_time(at(tracking, "initial_release_date")),
        modified=parse_time(at(tracking, "current_release_date")),
        aliases=unique([*texts(tracking, "aliases"), *_vulnerability_ids(vulnerabilities)]),
        purls=purls,
        cpes=unique(text(helper, "cpe") for helper in helpers),
        severity_stated=unique(_words(value, vulnerabilities)) or unique(_vectors(vulnerabilities)),
        packages=unique(_products(at(value, "product_tree"))),
    )


def _identification_helpers(value: Any) -> Iterator[Any]:
    tree = at(value, "product_tree")
    yield from (at(branch, "product", "product_identification_helper") for branch in _branches(tree))
    yield from (at(name, "product_identification_helper") for name in objects(tree, "full_product_names"))
    for relationship in objects(tree, "relationships"):
        yield at(relationship, "full_product_name", "product_identification_helper")


def _branches(tree: Any) -> Iterator[dict[str, Any]]:
    return descend(objects(tree, "branches"), "branches")


def _products(tree: Any) -> Iterator[str | None]:
    """Yield the names of products: of whole ones, and of the branches that name a product without its version."""
    for branch in _branches(tree):
        if text(branch, "category") == "product_name":
            yield text(branch, "name")
        yield text(branch, "product", "name")
    yield from (text(product, "name") for product in objects(tree, "full_product_names"))
    yield from (text(each, "full_product_name", "name") for each in objects(tree, "relationships"))


def _vulnerability_ids(vulnerabilities: list[dict[str, Any]]) -> Iterator[str | None]:
    for vulnerability in vulnerabilities:
        yield text(vulnerability, "cve")
        yield from (text(named, "text") for named in objects(vulnerability, "ids"))


def _scores(vulnerabilities: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield (name of the scoring system, score): CSAF 2.0 has ``scores``, 2.1 has ``metrics`` with ``content``."""
    for vulnerability in vulnerabilities:
        contents = (at(metric, "content") for metric in objects(vulnerability, "metrics"))
        for score in (*objects(vulnerability, "scores"), *contents):
            if isinstance(score, dict):
                yield from ((name, found) for name, found in score.items() if name.startswith("cvss"))


def _words(value: Any, vulnerabilities: list[dict[str, Any]]) -> Iterator[str | None]:
    yield text(value, "document", "aggregate_severity", "text")
    yield from (text(score, "baseSeverity") for _, score in _scores(vulnerabilities))


def _vectors(vulnerabilities: list[dict[str, Any]]) -> Iterator[str]:
    return (name for name, _ in _scores(vulnerabilities))


FORMAT = Format("csaf", matches, facts)
VEX_FORMAT = Format("csaf-vex", matches_vex, facts_vex)
