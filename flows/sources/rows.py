"""From a row of a relation to a record, exactly as ingest would make it. One chunk of rows is one piece on disk.

A row gives either the document, from which everything is derived, or the line that some other store derived from it,
which is checked and taken over. What further columns say is never used to change a record: it must agree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from bundle.digests import id_hash, key_hash, observation_id
from bundle.errors import BundleError
from bundle.record import Envelope, canonical_line
from evidence.errors import ValidationError
from evidence.line import DERIVED_FIELDS, Identity, Rejected, Row, derive
from evidence.names import checked_source
from evidence.schema import KIND_OF_TABLE
from evidence.staging import Origin, write_rows
from evidence.terms import terms_of_line
from evidence.times import format_time, parse_time
from flows.sources.columns import COLUMNS, CONTENT, LINE_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = 3
"""Refused rows that a chunk names; the others are counted."""

_HISTORY = ("revision", "tombstone")
_COMPARED = tuple(name for name in COLUMNS if name not in (*CONTENT, *_HISTORY))
_COMPARED_WITH_LINES = (*_COMPARED, "subject", "modified", "purls", "ecosystems", "format")
_TAKEN_OVER = tuple(name for name in LINE_COLUMNS if name not in _COMPARED_WITH_LINES)
_LISTS = ("aliases", "cpes", "severity_stated")


@dataclass
class Chunk:
    """What became of one chunk of rows.

    ``named`` are some of the refused rows, in words; ``digest`` is a sum over the rows, so that it does not depend on
    how a relation was cut and in which order it came.
    """

    records: int = 0
    bytes: int = 0
    refused: int = 0
    named: list[str] = field(default_factory=list)
    digest: int = 0

    def add(self, other: Chunk) -> None:
        """Take in another chunk."""
        self.records += other.records
        self.bytes += other.bytes
        self.refused += other.refused
        self.named = [*self.named, *other.named][:SHOWN]
        self.digest += other.digest


def stage_rows(rows: list[dict[str, Any]], table: str, folder: Path, number: int) -> Chunk:
    """Make records of rows, and write them as a numbered piece; never raises for what rows hold."""
    chunk = Chunk()
    records = []
    for values in rows:
        made = record_of(values, KIND_OF_TABLE[table])
        if isinstance(made, Rejected):
            chunk.add(Chunk(refused=1, named=[f"{_place(values)}: {made.reason}"]))
            continue
        records.append((made, Origin("", 0, 0)))
        chunk.add(Chunk(records=1, bytes=made.line_bytes, digest=_digest(made)))
    if records:
        write_rows({table: records}, folder, number)
    return chunk


def record_of(values: dict[str, Any], kind: str) -> Row | Rejected:
    """Return the record that a row stands for.

    Args:
        values: The row, by the names of columns; what it leaves out is absent or None.
        kind: What the record must be: the relation's record type.
    """
    line, raw = values.get("line"), values.get("raw")
    if line is None and raw is None:
        return Rejected("the row has neither a document nor a line")
    made = _of_document(values) if line is None else _of_line(values)
    if isinstance(made, Rejected):
        return made
    reason = _disagreement(made, values, kind)
    return made if reason is None else Rejected(reason)


def _of_document(values: dict[str, Any]) -> Row | Rejected:
    identity = Identity(values["tenant"], values["source"], values.get("locator") or "")
    made = derive(values["raw"], identity)
    return made if isinstance(made, Rejected) else made._replace(affected=[])


def _of_line(values: dict[str, Any]) -> Row | Rejected:
    line = values["line"]
    try:
        record = msgspec.json.decode(line, type=Envelope)
        reason = _malformed(record, line) or _inconsistent(record)
        terms = [] if reason else terms_of_line(line)
    except (msgspec.MsgspecError, ValueError, RecursionError, BundleError) as error:
        reason = str(error)
    if reason is not None:
        return Rejected(f"the line is no record: {reason}")
    if not values.get("normaliser") or any(None in (values.get(name) or ()) for name in _LISTS):
        return Rejected("the row does not say what made its line, or has a list with nothing in it")
    return _row(record, values, terms)


def _malformed(record: Envelope, line: bytes) -> str | None:
    """Return why a line is not the one that states its record; the document's own JSON is read once, and fast."""
    content = bytes(record.content)
    if msgspec.json.format(content, indent=-1) != content or content[:1] != b"{":
        return "its content is no JSON object without white space"
    if canonical_line(record) != line:
        return "it is not in canonical form"
    named = DERIVED_FIELDS & msgspec.json.decode(content, type=dict[str, msgspec.Raw]).keys()
    return f"the document carries derived fields ({', '.join(sorted(named))})" if named else None


def _inconsistent(record: Envelope) -> str | None:
    """Return why the fields of a line cannot have been written by ingest."""
    moment = parse_time(record.modified)
    if len(bytes.fromhex(record.sha256)) != hashlib.sha256().digest_size:
        return "its sha256 is none"
    if record.observation_id != observation_id(**record.key, sha256=record.sha256):
        return "its observationId is another record's"
    if record.modified is not None and (moment is None or format_time(moment) != record.modified):
        return "its time is not written as lines write it"
    if not record.lists_are_sorted:
        return "its ecosystems or purls are not sorted, or name something twice"
    if (record.policy_snapshot_id is None) != (record.kind == "finding"):
        return "findings, and no others, leave room for a policy snapshot"
    return None


def _row(record: Envelope, values: dict[str, Any], terms: list[int]) -> Row:
    key: dict[str, Any] = record.key
    line = values["line"]
    taken_over: dict[str, Any] = {
        name: values.get(name) or ([] if name in _LISTS else None) for name in _TAKEN_OVER if name != "media_type"
    }
    return Row(
        **key,
        sha256=record.sha256,
        key_hash=key_hash(**key),
        id_hash=id_hash(record.id),
        raw_sha256=bytes.fromhex(record.sha256),
        line_sha256=hashlib.sha256(line).digest(),
        line_bytes=len(line),
        subject=record.subject,
        modified=parse_time(record.modified),
        purls=record.purls,
        ecosystems=record.ecosystems,
        format=record.format,
        terms=terms,
        media_type=values.get("media_type") or "",
        line=line,
        raw=values.get("raw") or b"",
        affected=[],
        **taken_over,
    )


def _disagreement(made: Row, values: dict[str, Any], kind: str) -> str | None:
    """Return what speaks against a record; what a row does not say speaks against nothing."""
    if made.kind != kind:
        return f"the document is of kind {made.kind}, not {kind}"
    if made.raw and hashlib.sha256(made.raw).digest() != made.raw_sha256:
        return "the column raw does not have the SHA-256 that the line states"
    for name in _COMPARED if values.get("line") is None else _COMPARED_WITH_LINES:
        given = values.get(name)
        if given not in (None, "") and given != getattr(made, name):
            return f"the column {name} says {_shown(given)}, the document says {_shown(getattr(made, name))}"
    return _unnamed(made)


def _unnamed(made: Row) -> str | None:
    """Return why a record cannot be named as those of ingest are."""
    if not made.upstream_id:
        return "the document has no id of its own, and the row has no locator to stand for one"
    try:
        checked = checked_source(made.source)
    except ValidationError:
        checked = ""
    if checked != made.source:
        return f"{made.source!r} is no name of a source: a-z, 0-9, dot, underscore and hyphen only"
    return None


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _place(values: dict[str, Any]) -> str:
    parts = (values.get(name) for name in ("tenant", "source", "upstream_id", "locator"))
    return "/".join(str(part) for part in parts if part)


def _digest(made: Row) -> int:
    narrow = made._replace(terms=[], line=b"", raw=b"", affected=[])
    return int.from_bytes(hashlib.sha256(msgspec.json.encode(narrow)).digest(), "big")
