"""OpenVEX documents (https://github.com/openvex/spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, first, is_purl, objects, only, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTEXT = "https://openvex.dev/ns"


def matches(value: Any) -> bool:
    """Tell an OpenVEX document by its JSON-LD context."""
    return (text(value, "@context") or "").startswith(_CONTEXT)


def facts(value: Any) -> Facts:
    """Read an OpenVEX document. Up to version 0.0.x products and vulnerabilities are plain strings."""
    statements = objects(value, "statements")
    products = unique(product for statement in statements for product in _components(statement, "products"))
    nested = (part for statement in statements for part in _subcomponents(statement))
    return Facts(
        kind="vex",
        format=versioned("openvex", _version(value)),
        normaliser="openvex/1",
        upstream_id=text(value, "@id") or "",
        subject=only(products),
        published=parse_time(at(value, "timestamp")),
        modified=parse_time(first(text(value, "last_updated"), text(value, "timestamp"))),
        aliases=unique(name for statement in statements for name in _vulnerability_names(statement)),
        purls=[name for name in unique([*products, *nested]) if is_purl(name)],
        cpes=unique(_cpes(statements)),
    )


def _version(value: Any) -> str | None:
    context = text(value, "@context") or ""
    return context.removeprefix(_CONTEXT).strip("/").removeprefix("v") or None


def _components(holder: Any, key: str) -> Iterator[str | None]:
    yield from texts(holder, key)
    for component in objects(holder, key):
        yield first(text(component, "@id"), text(component, "identifiers", "purl"))
        yield text(component, "identifiers", "purl")


def _subcomponents(statement: dict[str, Any]) -> Iterator[str | None]:
    yield from _components(statement, "subcomponents")
    for product in objects(statement, "products"):
        yield from _components(product, "subcomponents")


def _vulnerability_names(statement: dict[str, Any]) -> Iterator[str | None]:
    vulnerability = at(statement, "vulnerability")
    if isinstance(vulnerability, str):
        yield vulnerability
    yield first(text(vulnerability, "name"), text(vulnerability, "@id"))
    yield from texts(vulnerability, "aliases")


def _cpes(statements: list[dict[str, Any]]) -> Iterator[str | None]:
    for statement in statements:
        for product in objects(statement, "products"):
            yield text(product, "identifiers", "cpe22")
            yield text(product, "identifiers", "cpe23")


FORMAT = Format("openvex", matches, facts)
