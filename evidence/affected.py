"""What advisories say they affect: packages and ranges of versions, one row an interval.

Taken as stated: no version is compared, sorted or interpreted, and no two statements are merged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from evidence.formats.cve5 import containers
from evidence.formats.facts import first, objects, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

AFFECTED = pa.schema(
    [
        # The record that the row was read from.
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("upstream_id", pa.string(), nullable=False),
        pa.field("locator", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("key_hash", pa.binary(), nullable=False),  # bundle.digests.key_hash
        pa.field("position", pa.int32(), nullable=False),  # of the row in its document, from 0
        # The package.
        pa.field("ecosystem", pa.string()),  # as stated, suffix included: "Alpaquita:23"; CVE: the collection's URL
        pa.field("package", pa.string()),
        pa.field("vendor", pa.string()),  # CVE only
        pa.field("purl", pa.string()),
        pa.field("status", pa.string(), nullable=False),  # "affected"; CVE also "unaffected", "unknown"
        # Either an enumeration (versions) or an interval (the rest).
        pa.field("versions", pa.list_(pa.string()), nullable=False),
        pa.field("range_type", pa.string()),  # OSV: SEMVER, ECOSYSTEM, GIT; CVE: versionType
        pa.field("repo", pa.string()),  # of GIT ranges
        pa.field("introduced", pa.string()),  # first affected version; "0" is before every version
        pa.field("fixed", pa.string()),  # first version no longer affected
        pa.field("last_affected", pa.string()),  # last affected version
        pa.field("limit", pa.string()),  # OSV: versions from here on are not covered by the interval
    ]
)
"""Table ``affected``: what the normalised adapters read."""

_ENDS = ("fixed", "last_affected", "limit")
_EMPTY: dict[str, Any] = {
    "ecosystem": None,
    "package": None,
    "vendor": None,
    "purl": None,
    "status": "affected",
    "versions": [],
    "range_type": None,
    "repo": None,
    "introduced": None,
    "fixed": None,
    "last_affected": None,
    "limit": None,
}


def affected_rows(format_name: str, value: Any) -> list[dict[str, Any]]:
    """Return the rows of a document, without the columns of its record; empty for formats without ranges.

    Args:
        format_name: With or without version: "osv/1.6.0", "osv+yaml", "cve5/5.1".
        value: The document, whatever it holds.
    """
    reader = _READERS.get(format_name.partition("/")[0].partition("+")[0])
    return [{**_EMPTY, **row} for row in reader(value)] if reader else []


def _osv(value: Any) -> Iterator[dict[str, Any]]:
    for affected in objects(value, "affected"):
        package = {
            "ecosystem": text(affected, "package", "ecosystem"),
            "package": text(affected, "package", "name"),
            "purl": text(affected, "package", "purl"),
        }
        rows = [*_osv_ranges(affected), *_enumeration(texts(affected, "versions"))]
        named: list[dict[str, Any]] = [{}] if any(package.values()) else []
        yield from ({**package, **row} for row in rows or named)


def _enumeration(versions: list[str]) -> list[dict[str, Any]]:
    return [{"versions": versions}] if versions else []


def _osv_ranges(affected: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for stated in objects(affected, "ranges"):
        kind = {"range_type": text(stated, "type"), "repo": text(stated, "repo")}
        yield from ({**kind, **interval} for interval in _intervals(objects(stated, "events")))


def _intervals(events: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Pair the events of one range, in the order stated.

    ``introduced`` opens an interval and every end after it closes one: ranges of commits may have an end on
    several branches. An event "0", which is before every version, is taken first wherever it stands. An end
    without a start, and a start without an end, are intervals that are open on the other side.
    """
    start: dict[str, str] = {}
    is_open = False
    for event in sorted(events, key=lambda event: event.get("introduced") != "0"):
        introduced = text(event, "introduced")
        if introduced:
            if is_open:
                yield start
            start, is_open = {"introduced": introduced}, True
        for end in _ENDS:
            if found := text(event, end):
                yield {**start, end: found}
                is_open = False
    if is_open:
        yield start


def _cve5(value: Any) -> Iterator[dict[str, Any]]:
    for container in containers(value):
        for product in objects(container, "affected"):
            yield from _cve5_product(product)


def _cve5_product(product: dict[str, Any]) -> Iterator[dict[str, Any]]:
    package = {
        "ecosystem": text(product, "collectionURL"),
        "package": first(text(product, "packageName"), text(product, "product")),
        "vendor": text(product, "vendor"),
        "purl": text(product, "packageURL"),
        "repo": text(product, "repo"),
    }
    # The default holds for all versions that no entry names; alone it speaks of every version.
    default = {"status": text(product, "defaultStatus") or "unknown"}
    rows = [row for version in objects(product, "versions") for row in _cve5_version(version)]
    yield from ({**package, **row} for row in rows or [default])


def _cve5_version(version: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield one row of a version entry, and one more for each change of status inside its range."""
    stated = {"status": text(version, "status") or "unknown", "range_type": text(version, "versionType")}
    start = text(version, "version")
    end = {"fixed": text(version, "lessThan"), "last_affected": text(version, "lessThanOrEqual")}
    if not any(end.values()):
        yield {**stated, "versions": [start] if start else []}
        return
    for change in objects(version, "changes"):
        if changed := text(change, "at"):
            yield {**stated, "introduced": start, "fixed": changed}
            stated, start = {**stated, "status": text(change, "status") or "unknown"}, changed
    yield {**stated, "introduced": start, **end}


_READERS = {"osv": _osv, "cve5": _cve5}
