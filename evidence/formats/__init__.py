"""The formats this program knows, and which of them a document has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from evidence.formats import (
    csaf,
    cve5,
    cyclonedx,
    grype_report,
    openvex,
    osv,
    sarif,
    spdx2,
    spdx3,
    trivy_report,
)
from evidence.formats.facts import Facts, Format, at, text
from evidence.parsed import YAML, Parsed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BY_NAME", "FORMATS", "Facts", "Format", "Unrecognised", "facts_of", "recognise"]

FORMATS: tuple[Format, ...] = (
    osv.FORMAT,
    cve5.FORMAT,
    openvex.FORMAT,
    csaf.VEX_FORMAT,
    csaf.FORMAT,
    cyclonedx.FORMAT,
    cyclonedx.VEX_FORMAT,
    cyclonedx.VDR_FORMAT,
    spdx2.FORMAT,
    spdx3.FORMAT,
    trivy_report.FORMAT,
    grype_report.FORMAT,
    sarif.FORMAT,
)
"""Every format, most frequent first; no document matches two of them but by fraud, and then the first counts."""

BY_NAME = {known.name: known for known in FORMATS}


class Unrecognised(NamedTuple):
    """Why a document that could be read is no evidence, as a sentence."""

    reason: str


def recognise(parsed: Parsed) -> Format | Unrecognised:
    """Return the format of a document, judged by its content alone. Never raises."""
    value = parsed.value
    if not isinstance(value, dict):
        return Unrecognised(_reason_of_other(value))
    known = next((known for known in FORMATS if known.matches(value)), None)
    return known or Unrecognised(_reason_of_object(parsed))


def facts_of(parsed: Parsed, known: Format) -> Facts:
    """Return the facts of a document of a known format; YAML is told by the name: "osv+yaml/1.6.0"."""
    facts = known.facts(parsed.value)
    if parsed.media_type != YAML:
        return facts
    name, slash, version = facts.format.partition("/")
    return Facts(**{**_fields(facts), "format": f"{name}+yaml{slash}{version}"})


def _fields(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in Facts.__struct_fields__}


def _reason_of_other(value: Any) -> str:
    if isinstance(value, list):
        if value and text(value[0], "Target") is not None:
            return "a Trivy report of before version 0.20: run the scan again with a newer Trivy"
        items = "1 item" if len(value) == 1 else f"{len(value):,} items"
        return f"a list of {items}, not one document: give every document its own file, or use JSON lines"
    return "a single value, not an object: no format this program knows"


def _reason_of_object(parsed: Parsed) -> str:
    reason = next((reason for is_it, reason in _KNOWN_OTHERS if is_it(parsed.value)), None)
    if reason is not None:
        return reason
    shape = "a YAML mapping" if parsed.media_type == YAML else "a JSON object"
    return f"{shape} {_keys(parsed.value)}: not a format this program knows"


def _keys(value: dict[str, Any]) -> str:
    names = [name if len(name) <= 24 else name[:21] + "..." for name in list(value)[:6]]  # noqa: PLR2004 - one line
    shown = ", ".join(json.dumps(name, ensure_ascii=False) for name in names)
    return f"with the keys {shown}{', ...' if len(value) > len(names) else ''}" if names else "without keys"


def _has(*keys: str) -> Callable[[Any], bool]:
    return lambda value: all(key in value for key in keys)


_KNOWN_OTHERS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (
        lambda value: "in-toto.io/Statement" in (text(value, "_type") or ""),
        "an in-toto statement: attestations are not evidence records, ingest the document that it is about",
    ),
    (_has("payload", "payloadType"), "a DSSE envelope: ingest the document that is inside"),
    (
        lambda value: (text(value, "reference") or "").startswith("composer://"),
        "a FriendsOfPHP advisory: not read, the OSV export of Packagist carries the same advisories",
    ),
    (_has("vulnerability_id", "notes"), "an advisory of SAP project-kb: not read, no converter is known"),
    (_has("ghsaId"), "a GitHub advisory as its API gives it: not read, use the OSV form of the advisory database"),
    (_has("ghsa_id"), "a GitHub advisory as its API gives it: not read, use the OSV form of the advisory database"),
    (lambda value: text(value, "data_type") == "CVE", "a CVE record of version 4: not read, use version 5"),
    (_has("sourceIdentifier", "vulnStatus"), "a CVE of the NVD's API: not read, use the CVE record of version 5"),
    (_has("ClusterName"), "a report of `trivy k8s`: not read, scan the images with `trivy image --format json`"),
    (_has("dependencies", "scanInfo"), "a report of OWASP dependency-check: not read, write SARIF instead"),
    (_has("policies", "evaluations"), "a policy snapshot: ingest it with `--kind policy-snapshot`"),
    (_has("apiVersion", "kind"), "a Kubernetes manifest, not evidence"),
    (lambda value: isinstance(at(value, "$defs") or at(value, "definitions"), dict), "a JSON schema, not evidence"),
    (_has("document"), "like CSAF, but without `document.category` or `document.csaf_version`"),
    (_has("specVersion", "components"), "like CycloneDX, but without `bomFormat`"),
    (_has("cveMetadata"), "like a CVE record, but without `dataType` or `cveMetadata.cveId`"),
)
"""Documents that are known but not read, and what to do about them; the first match counts."""
