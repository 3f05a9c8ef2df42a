"""Step 12 of verification: every record is what its index entry says, and records are in the order of export."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from bundle.digests import id_hash, key_hash, observation_id
from bundle.errors import BundleError, FormatError, VerificationError
from bundle.index import IndexEntry, parse_page
from bundle.lines import EVALUATIONS, id_of

STEP = 12
ORDER = ("tenant", "source", "kind", "id", "locator", "sha256")


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """The fields of a record's line."""

    content: msgspec.Raw
    ecosystems: list[str]
    format: str
    id: str
    kind: str
    locator: str
    modified: str | None
    observation_id: str
    purls: list[str]
    sha256: str
    source: str
    subject: str | None
    tenant: str
    policy_snapshot_id: str | msgspec.UnsetType | None = msgspec.UNSET


FIELDS = tuple((field.encode_name, field.name) for field in msgspec.structs.fields(Envelope))


class RecordCheck:
    """Looks at the records of one member, then at the index that must list exactly these.

    Memory: a digest a record is folded into one sum, so it does not grow with their number.
    """

    def __init__(self, member: str) -> None:
        """Start before the first record of a member."""
        self._member = member
        self._evaluations = member == EVALUATIONS
        self._last: tuple[bytes, ...] = ()
        self._frame = 0
        self._sum = 0
        self._listed = 0

    def add(self, plain: bytes) -> None:
        """Check the records of the next frame."""
        offset = 0
        for line in _lines(plain):
            entry = self._evaluation(line) if self._evaluations else self._record(line)
            self._sum += _fold(msgspec.structs.replace(entry, frame=self._frame, offset=offset))
            offset += len(line)
        self._frame += 1

    def add_page(self, page: bytes) -> None:
        """Take the entries of one index page."""
        for entry in parse_page(page):
            self._listed += _fold(entry)

    def finish(self) -> None:
        """Raise when the index listed other entries than the records ask for."""
        if self._sum != self._listed:
            raise VerificationError(STEP, self._member, "its index does not list exactly its records")

    def _record(self, line: bytes) -> IndexEntry:
        try:
            record = msgspec.json.decode(line, type=Envelope)
            content = bytes(record.content)
            json.loads(content)
            digest = bytes.fromhex(record.sha256)
            canonical = canonical_line(record) == line and msgspec.json.format(content, indent=-1) == content
        except (ValueError, RecursionError, BundleError) as error:
            raise VerificationError(STEP, self._member, f"a line is no record: {error}") from error
        if not canonical or len(digest) != hashlib.sha256().digest_size:
            raise VerificationError(STEP, self._member, f"the line of {record.id!r} is not in canonical form")
        place = tuple(getattr(record, name).encode() for name in ORDER)
        if place <= self._last:
            raise VerificationError(STEP, self._member, f"record {record.id!r} is out of order")
        self._last = place
        identity = _identity(record)
        if record.observation_id != observation_id(**identity, sha256=record.sha256):
            raise VerificationError(STEP, self._member, f"record {record.id!r} has a wrong observationId")
        line_digest = hashlib.sha256(line).digest()
        return IndexEntry(id_hash(record.id), key_hash(**identity), digest, line_digest, 0, 0)

    def _evaluation(self, line: bytes) -> IndexEntry:
        try:
            hashed = id_hash(id_of(self._member, line))
        except (ValueError, FormatError) as error:
            raise VerificationError(STEP, self._member, f"a line is no evaluation: {error}") from error
        digest = hashlib.sha256(line).digest()
        return IndexEntry(hashed, digest, digest, digest, 0, 0)


def canonical_line(record: Envelope) -> bytes:
    """Return the one line that states a record: canonical JSON, but for the document that is copied into it."""
    found = {field: getattr(record, name) for field, name in FIELDS}
    values = {field: value for field, value in found.items() if value is not msgspec.UNSET}
    del values["content"]
    rest = json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return b"".join((b'{"content":', bytes(record.content), b",", rest[1:], b"\n"))


def _identity(record: Envelope) -> dict[str, Any]:
    return {
        "tenant": record.tenant,
        "source": record.source,
        "kind": record.kind,
        "upstream_id": record.id,
        "locator": record.locator,
    }


def _lines(plain: bytes) -> list[bytes]:
    """Split at newlines only; a raw carriage return inside JSON would be a fault of its own."""
    return [line + b"\n" for line in plain.split(b"\n")[:-1]]


def _fold(entry: IndexEntry) -> int:
    """Return a number that stands for an entry; sums of them compare two multisets."""
    return int.from_bytes(hashlib.sha256(entry.to_bytes()).digest(), "big")
