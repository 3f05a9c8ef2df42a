"""Columns of the evidence tables, and the order in which everything is exported."""

from __future__ import annotations

import pyarrow as pa

from bundle import lines
from evidence.affected import AFFECTED

EXPORT_ORDER = ("tenant", "source", "kind", "upstream_id", "locator", "sha256")
"""Sort key of every table and every member: compared as UTF-8 bytes; total, so there are no ties."""

KIND_OF_TABLE = lines.KIND_OF_TABLE
"""The record tables, in the order of their members in a bundle, and the ``kind`` their records carry."""

TABLE_OF_KIND = {kind: table for table, kind in KIND_OF_TABLE.items()}

_STRINGS = pa.list_(pa.string())
_TIME = pa.timestamp("us", tz="UTC")

RECORDS = pa.schema(
    [
        # Identity, and the order of export.
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("upstream_id", pa.string(), nullable=False),
        pa.field("locator", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # of the original bytes, 64 hexadecimal digits
        # History of this store; never reaches a bundle.
        pa.field("revision", pa.int64(), nullable=False),  # of the ingest call: grows by one a call
        pa.field("observed_at", _TIME, nullable=False),
        pa.field("tombstone", pa.bool_(), nullable=False),
        # Fixed-size digests, made once so that exporting needs no Python per record.
        pa.field("key_hash", pa.binary(), nullable=False),  # bundle.digests.key_hash
        pa.field("id_hash", pa.binary(), nullable=False),  # bundle.digests.id_hash
        pa.field("raw_sha256", pa.binary(), nullable=False),  # the same digest as sha256, as bytes
        pa.field("line_sha256", pa.binary(), nullable=False),  # of line, its newline included
        pa.field("line_bytes", pa.int64(), nullable=False),  # size of line, its newline included
        # Hints for selection; never written back into the document.
        pa.field("subject", pa.string()),
        pa.field("title", pa.string()),
        pa.field("published", _TIME),
        pa.field("modified", _TIME),
        pa.field("withdrawn", _TIME),
        pa.field("aliases", _STRINGS, nullable=False),
        pa.field("purls", _STRINGS, nullable=False),
        pa.field("ecosystems", _STRINGS, nullable=False),
        pa.field("cpes", _STRINGS, nullable=False),
        pa.field("severity_stated", _STRINGS, nullable=False),
        pa.field("format", pa.string(), nullable=False),  # with version: "osv/1.6.0", "cyclonedx/1.5"
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("normaliser", pa.string(), nullable=False),  # "osv/1": name and version of the code that derived
        # What the record is searched by: evidence.terms.stored_terms; null where a release without them wrote it.
        pa.field("terms", pa.list_(pa.int32())),
        # Content. A tombstone has empty content.
        pa.field("line", pa.binary(), nullable=False),  # the JSONL line as exported, its newline included
        pa.field("raw", pa.binary(), nullable=False),  # the original bytes
    ]
)
"""One row an observation, append-only: tables advisories, vex, sboms and findings."""

QUARANTINE = pa.schema(
    [
        # Identity: where the document lay, and what it was.
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("locator", pa.string(), nullable=False),  # of the file, also when it is one of JSON lines
        pa.field("line_number", pa.int64(), nullable=False),  # in a file of JSON lines, else 0
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("key_hash", pa.binary(), nullable=False),  # SHA-256 of the canonical JSON array of the above
        # History, as in RECORDS; a tombstone says that the document is quarantined no longer.
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("observed_at", _TIME, nullable=False),
        pa.field("tombstone", pa.bool_(), nullable=False),
        # Content. A tombstone has none.
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
"""Documents that were not stored, with their bytes and a reason for people."""

DOCUMENTS = pa.schema(
    [
        pa.field("tenant", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("observed_at", _TIME, nullable=False),
        pa.field("raw", pa.binary(), nullable=False),
    ]
)
"""Policy snapshots and VEX consensus documents, kept as given."""

SNAPSHOTS = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
        pa.field("made_at", _TIME, nullable=False),
        pa.field("tables", pa.map_(pa.string(), pa.int64()), nullable=False),
    ]
)
"""One row a snapshot: the version of every table."""

AFFECTED_OBSERVED = AFFECTED.append(pa.field("revision", pa.int64(), nullable=False))
"""What advisories affect, with the revision of the observation it was read from: (key_hash, revision) names that."""

STORE_TABLES = {
    **dict.fromkeys(KIND_OF_TABLE, RECORDS),
    "policy_snapshots": DOCUMENTS,
    "consensus": DOCUMENTS,
    "affected": AFFECTED_OBSERVED,
    "quarantine": QUARANTINE,
    "snapshots": SNAPSHOTS,
}
"""Every table of the store, by name."""
