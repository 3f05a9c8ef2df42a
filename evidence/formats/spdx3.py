"""SPDX 3.x in JSON-LD (https://spdx.github.io/spdx-spec/v3.0.1/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, first, objects, only, text, texts, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTEXT = re.compile(r"https?://spdx\.(?:org|github\.io)/.*?(?P<version>3(?:\.\d+)*)/.*", re.ASCII)
_PURLS = frozenset({"packageUrl", "packageURL", "purl"})
_CPES = frozenset({"cpe22", "cpe23"})


def matches(value: Any) -> bool:
    """Tell an SPDX 3 document by its JSON-LD context."""
    return _context_version(value) is not None


def facts(value: Any) -> Facts:
    """Read an SPDX 3 document."""
    elements = objects(value, "@graph") or [value]
    document = next((element for element in elements if text(element, "type") == "SpdxDocument"), None)
    packages = [element for element in elements if text(element, "type") == "software_Package"]
    return Facts(
        kind="sbom",
        format=versioned("spdx3", first(_stated_version(elements), _context_version(value))),
        normaliser="spdx3/1",
        upstream_id=text(document, "spdxId") or text(document, "@id") or "",
        subject=_subject(document, elements, packages),
        title=text(document, "name"),
        modified=parse_time(_created(document, elements)),
        purls=unique(purl for package in packages for purl in _purls(package)),
        cpes=unique(cpe for package in packages for cpe in _identifiers(package, _CPES)),
        packages=unique(text(package, "name") for package in packages),
    )


def _context_version(value: Any) -> str | None:
    contexts = [text(value, "@context"), *texts(value, "@context")]
    versions = (_CONTEXT.match(context) for context in contexts if context)
    return next((version["version"] for version in versions if version), None)


def _stated_version(elements: list[dict[str, Any]]) -> str | None:
    infos = (element for element in elements if text(element, "type") == "CreationInfo")
    return next((version for info in infos if (version := text(info, "specVersion"))), None)


def _created(document: Any, elements: list[dict[str, Any]]) -> str | None:
    """Return the time of creation: of the object in the document, or of the one that it names by id."""
    info = at(document, "creationInfo")
    named = (element for element in elements if isinstance(info, str) and text(element, "@id") == info)
    return text(info, "created") or text(next(named, None), "created")


def _identifiers(package: dict[str, Any], types: frozenset[str]) -> Iterator[str | None]:
    for identifier in objects(package, "externalIdentifier"):
        if text(identifier, "externalIdentifierType") in types:
            yield text(identifier, "identifier")


def _purls(package: dict[str, Any]) -> Iterator[str | None]:
    yield text(package, "software_packageUrl")
    yield from _identifiers(package, _PURLS)


def _subject(document: Any, elements: list[dict[str, Any]], packages: list[dict[str, Any]]) -> str | None:
    """Return the one root package of the document, or of the SBOM that is its root: its purl, or else its name."""
    roots = frozenset(texts(document, "rootElement"))
    inner = [element for element in elements if text(element, "spdxId") in roots]
    nested = [root for element in inner for root in texts(element, "rootElement")]
    name = only(unique([*roots, *nested])) or only(unique(nested))
    package = next((package for package in packages if name and text(package, "spdxId") == name), None)
    return None if package is None else first(*unique(_purls(package)), text(package, "name"))


FORMAT = Format("spdx3", matches, facts)
