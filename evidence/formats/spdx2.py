"""SPDX 2.x in JSON (https://spdx.github.io/spdx-spec/v2.3/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, first, objects, only, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCUMENT = "SPDXRef-DOCUMENT"
_CPES = frozenset({"cpe22Type", "cpe23Type"})


def matches(value: Any) -> bool:
    """Tell an SPDX 2 document by its stated version."""
    return (text(value, "spdxVersion") or "").startswith("SPDX-2")


def facts(value: Any) -> Facts:
    """Read an SPDX 2 document."""
    packages = objects(value, "packages")
    return Facts(
        kind="sbom",
        format=versioned("spdx2", (text(value, "spdxVersion") or "").removeprefix("SPDX-")),
        normaliser="spdx2/1",
        upstream_id=text(value, "documentNamespace") or "",
        subject=_subject(value, packages),
        title=text(value, "name"),
        modified=parse_time(at(value, "creationInfo", "created")),
        purls=unique(purl for package in packages for purl in _purls(package)),
        cpes=unique(_cpes(packages)),
        packages=unique(text(package, "name") for package in packages),
    )


def _purls(package: dict[str, Any]) -> Iterator[str | None]:
    for reference in objects(package, "externalRefs"):
        if text(reference, "referenceType") == "purl":
            yield text(reference, "referenceLocator")


def _cpes(packages: list[dict[str, Any]]) -> Iterator[str | None]:
    for package in packages:
        for reference in objects(package, "externalRefs"):
            if text(reference, "referenceType") in _CPES:
                yield text(reference, "referenceLocator")


def _subject(value: Any, packages: list[dict[str, Any]]) -> str | None:
    """Return the one package that the document says it describes: its purl, or else its name."""
    described = only(unique([*texts(value, "documentDescribes"), *_described_by_relationship(value)]))
    package = next((package for package in packages if described and text(package, "SPDXID") == described), None)
    return None if package is None else first(*unique(_purls(package)), text(package, "name"))


def _described_by_relationship(value: Any) -> Iterator[str | None]:
    for relationship in objects(value, "relationships"):
        ends = (text(relationship, "spdxElementId"), text(relationship, "relationshipType"))
        if ends == (_DOCUMENT, "DESCRIBES"):
            yield text(relationship, "relatedSpdxElement")


FORMAT = Format("spdx2", matches, facts)
