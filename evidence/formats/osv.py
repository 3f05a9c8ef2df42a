"""OSV advisories (https://ossf.github.io/osv-schema/), as JSON or YAML; GitHub's advisories are OSV too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, objects, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALSO = ("schema_version", "affected", "withdrawn", "published", "details", "summary", "aliases")


def matches(value: Any) -> bool:
    """Tell an OSV document: its id and time, and one of the fields that make it an advisory.

    A document that leaves out the required time counts when it names an affected package of some ecosystem.
    """
    if text(value, "id") is None or not isinstance(at(value, "affected") or [], list):
        return False
    if "modified" not in value:
        return any(text(affected, "package", "ecosystem") for affected in objects(value, "affected"))
    return isinstance(value["modified"], str) and any(key in value for key in _ALSO)


def facts(value: Any) -> Facts:
    """Read an OSV document."""
    affected = objects(value, "affected")
    return Facts(
        kind="advisory",
        format=versioned("osv", at(value, "schema_version")),
        normaliser="osv/1",
        upstream_id=text(value, "id") or "",
        title=text(value, "summary"),
        published=parse_time(at(value, "published")),
        modified=parse_time(at(value, "modified")),
        withdrawn=parse_time(at(value, "withdrawn")),
        aliases=unique(texts(value, "aliases")),
        purls=unique(text(package, "package", "purl") for package in affected),
        ecosystems=unique(text(package, "package", "ecosystem") for package in affected),
        severity_stated=unique(_words(value, affected)) or unique(_vectors(value, affected)),
        packages=unique(text(package, "package", "name") for package in affected),
    )


def _words(value: Any, affected: list[dict[str, Any]]) -> Iterator[str | None]:
    yield text(value, "database_specific", "severity")
    for package in affected:
        yield text(package, "database_specific", "severity")
        yield text(package, "ecosystem_specific", "severity")


def _vectors(value: Any, affected: list[dict[str, Any]]) -> Iterator[str | None]:
    for holder in (value, *affected):
        yield from (text(severity, "type") for severity in objects(holder, "severity"))


FORMAT = Format("osv", matches, facts)
