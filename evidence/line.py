"""From the bytes of one document to everything that is stored of it: the one entry point of ingest workers."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from bundle.digests import id_hash, key_hash, observation_id
from evidence.affected import affected_rows
from evidence.document import Unreadable, parse
from evidence.formats import Unrecognised, facts_of, recognise
from evidence.parsed import YAML
from evidence.terms import facts_of_content, record_terms, stored_terms
from evidence.times import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from evidence.document import Parsed
    from evidence.formats import Facts

DERIVED_FIELDS = frozenset(
    {
        "_export_center",
        "aggregated_severity",
        "consensus",
        "consensus_status",
        "derived_severity",
        "effective_range",
        "effective_severity",
        "effective_status",
        "effectiveRange",
        "effectiveSeverity",
        "effectiveStatus",
        "merged_from",
        "mergedFrom",
        "normalized_severity",
        "normalizedSeverity",
    }
)
"""Names at the top level of a document that only a program which merges or judges evidence writes.

The Aggregation-Only Contract keeps such documents out: what is stored is what upstream stated.
"""


LONGEST_HINT = 4_096
"""Characters of an id, alias, subject, purl, ecosystem, CPE or stated severity."""

_SHORT = ("upstream_id", "subject", "aliases", "purls", "ecosystems", "cpes", "severity_stated")


class Identity(NamedTuple):
    """Where a document comes from."""

    tenant: str
    source: str
    locator: str


class Rejected(NamedTuple):
    """Why a document is not stored, as a sentence."""

    reason: str


class Row(NamedTuple):
    """The columns of :data:`evidence.schema.RECORDS` in its order, without those that ingest knows.

    Left out are ``revision``, ``observed_at`` and ``tombstone``. ``affected`` comes after the columns: rows of
    :data:`evidence.affected.AFFECTED`.
    """

    tenant: str
    source: str
    kind: str
    upstream_id: str
    locator: str
    sha256: str
    key_hash: bytes
    id_hash: bytes
    raw_sha256: bytes
    line_sha256: bytes
    line_bytes: int
    subject: str | None
    title: str | None
    published: datetime | None
    modified: datetime | None
    withdrawn: datetime | None
    aliases: list[str]
    purls: list[str]
    ecosystems: list[str]
    cpes: list[str]
    severity_stated: list[str]
    format: str
    media_type: str
    normaliser: str
    terms: list[int]
    line: bytes
    raw: bytes
    affected: list[dict[str, Any]]


def derive(document: bytes, identity: Identity) -> Row | Rejected:
    """Read one document and make its row. Never raises; the result can be sent between processes."""
    parsed = parse(document)
    if isinstance(parsed, Unreadable):
        return Rejected(parsed.reason)
    if refusal := _refusal(parsed, identity):
        return Rejected(refusal)
    known = recognise(parsed)
    if isinstance(known, Unrecognised):
        return Rejected(known.reason)
    facts = facts_of(parsed, known)
    if refusal := _refusal_of_hints(facts):
        return Rejected(refusal)
    return _row(document, parsed, facts, identity)


def jsonl_line(content: bytes, envelope: dict[str, Any]) -> bytes:
    r"""Return the JSONL line of a record: its canonical envelope with the document inside, then a newline.

    Args:
        content: The document's minified JSON, copied as it is.
        envelope: The other fields; all of them sort after "content".
    """
    rest = json.dumps(envelope, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return b'{"content":' + content + b"," + rest[1:].encode() + b"\n"


def _refusal(parsed: Parsed, identity: Identity) -> str | None:
    try:
        "".join(identity).encode()
    except UnicodeEncodeError:
        return "the path is not UTF-8: it has no place in JSON, rename the file"
    named = sorted(DERIVED_FIELDS & parsed.value.keys()) if isinstance(parsed.value, dict) else []
    if not named:
        return None
    names = ", ".join(f'"{name}"' for name in named)
    return f"the document carries derived fields ({names}): the Aggregation-Only Contract takes only what upstream said"


def _refusal_of_hints(facts: Facts) -> str | None:
    """Refuse hints that nobody can mean: they travel on into selections, counts and envelopes."""
    for name in _SHORT:
        value = getattr(facts, name)
        longest = max((len(each) for each in (value if isinstance(value, list) else [value or ""])), default=0)
        if longest > LONGEST_HINT:
            return f"a hint is too long: {name} has {longest:,} characters, more than {LONGEST_HINT:,}"
    return None


def _row(document: bytes, parsed: Parsed, facts: Facts, identity: Identity) -> Row:
    raw_sha256 = hashlib.sha256(document).digest()
    key = {**identity._asdict(), "kind": facts.kind, "upstream_id": facts.upstream_id or identity.locator}
    logical_key = key_hash(**key)
    line = jsonl_line(parsed.minified, _envelope(facts, key, raw_sha256.hex()))
    record = {**identity._asdict(), "upstream_id": key["upstream_id"], "sha256": raw_sha256.hex()}
    rows = affected_rows(facts.format, parsed.value)
    return Row(
        **key,
        sha256=raw_sha256.hex(),
        key_hash=logical_key,
        id_hash=id_hash(key["upstream_id"]),
        raw_sha256=raw_sha256,
        line_sha256=hashlib.sha256(line).digest(),
        line_bytes=len(line),
        **_hints(facts),
        media_type=parsed.media_type,
        terms=_search_terms(key["upstream_id"], parsed, facts),
        line=line,
        raw=document,
        affected=[
            {**record, "key_hash": logical_key, "position": position, **row} for position, row in enumerate(rows)
        ],
    )


def _search_terms(upstream_id: str, parsed: Parsed, facts: Facts) -> list[int]:
    """Return the terms of a record, as its line tells them to others: there, numbers of YAML are no texts."""
    if parsed.media_type == YAML:
        told = facts_of_content(parsed.minified, facts.format)
        facts = facts if told is None else told
    return stored_terms(record_terms(upstream_id, facts))


def _hints(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in _HINTS}


_HINTS = (
    *("subject", "title", "published", "modified", "withdrawn", "aliases", "purls", "ecosystems", "cpes"),
    *("severity_stated", "format", "normaliser"),
)


def _envelope(facts: Facts, key: dict[str, str], sha256: str) -> dict[str, Any]:
    """Return the fields of a line besides its content (docs/format.md, "Records")."""
    envelope = {
        "ecosystems": facts.ecosystems,
        "format": facts.format,
        "id": key["upstream_id"],
        "kind": facts.kind,
        "locator": key["locator"],
        "modified": None if facts.modified is None else format_time(facts.modified),
        "observationId": observation_id(**key, sha256=sha256),
        "purls": facts.purls,
        "sha256": sha256,
        "source": key["source"],
        "subject": facts.subject,
        "tenant": key["tenant"],
    }
    return {**envelope, "policySnapshotId": None} if facts.kind == "finding" else envelope
