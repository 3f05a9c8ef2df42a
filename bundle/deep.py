"""Step 12 of verification: every record is what its index entry says, and what may stand where it stands."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec

from bundle.digests import id_hash, key_hash, observation_id
from bundle.errors import BundleError, VerificationError
from bundle.index import IndexEntry, parse_page
from bundle.lines import EVALUATIONS, KIND_OF_MEMBER, Evaluation
from bundle.record import Envelope, canonical_line
from bundle.recount import STEP

if TYPE_CHECKING:
    from bundle.recount import Recount

ORDER = ("tenant", "source", "kind", "id", "locator", "sha256")
FINDING = KIND_OF_MEMBER["data/findings.jsonl.zst"]


class RecordCheck:
    """Looks at the records of one member, then at the index that must list exactly these.

    Memory: a digest a record is folded into one sum, so it does not grow with their number.
    """

    def __init__(self, member: str, recount: Recount) -> None:
        """Start before the first record of a member."""
        if member != EVALUATIONS and member not in KIND_OF_MEMBER:
            raise VerificationError(STEP, member, "it holds records of a type that this version does not know")
        self._member = member
        self._recount = recount
        self._last: tuple[bytes, ...] = ()
        self._frame = 0
        self._sum = 0
        self._listed = 0

    def add(self, plain: bytes) -> None:
        """Check the records of the next frame."""
        offset = 0
        for line in _lines(plain):
            entry = self._evaluation(line) if self._member == EVALUATIONS else self._record(line)
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
            raise self._failed("its index does not list exactly its records")

    def _record(self, line: bytes) -> IndexEntry:
        try:
            record = msgspec.json.decode(line, type=Envelope)
            content = bytes(record.content)
            digest = bytes.fromhex(record.sha256)
            canonical = canonical_line(record) == line and _is_minified(content) and record.lists_are_sorted
            canonical = canonical and record.time_is_canonical and digest.hex() == record.sha256
        except (ValueError, RecursionError, BundleError) as error:
            raise self._failed(f"a line is no record: {error}") from error
        if not canonical or len(digest) != hashlib.sha256().digest_size:
            raise self._failed(f"the line of {record.id!r} is not in canonical form")
        place = tuple(getattr(record, name).encode() for name in ORDER)
        if place <= self._last:
            raise self._failed(f"record {record.id!r} is out of order")
        self._last = place
        if record.observation_id != observation_id(**record.key, sha256=record.sha256):
            raise self._failed(f"record {record.id!r} has a wrong observationId")
        self._check_place(record)
        key = key_hash(**record.key)
        self._recount.add(record, key, digest)
        return IndexEntry(id_hash(record.id), key, digest, hashlib.sha256(line).digest(), 0, 0)

    def _check_place(self, record: Envelope) -> None:
        """Look at what a record may say in this member, and in this bundle."""
        if record.kind != KIND_OF_MEMBER[self._member]:
            raise self._failed(f"record {record.id!r} of kind {record.kind!r} does not belong here")
        named = record.policy_snapshot_id
        if (named is msgspec.UNSET) == (record.kind == FINDING):
            raise self._failed(f"record {record.id!r}: findings, and no others, have a policySnapshotId")
        known = self._recount.policy
        if isinstance(named, str) and (known is None or named != known.id):
            raise self._failed(f"record {record.id!r} names policy snapshot {named!r}, which export.json does not")

    def _evaluation(self, line: bytes) -> IndexEntry:
        try:
            evaluation = msgspec.json.decode(line, type=Evaluation)
            canonical = _is_minified(line[:-1])
            place = (evaluation.finding.encode(), evaluation.rule.encode(), line)
        except (ValueError, RecursionError) as error:
            raise self._failed(f"a line is no evaluation: {error}") from error
        if not canonical:
            raise self._failed(f"an evaluation of {evaluation.finding!r} is not in canonical form")
        # A policy engine may say the same twice.
        if place < self._last:
            raise self._failed(f"an evaluation of {evaluation.finding!r} is out of order")
        self._last = place
        digest = hashlib.sha256(line).digest()
        return IndexEntry(id_hash(evaluation.finding), digest, digest, digest, 0, 0)

    def _failed(self, message: str) -> VerificationError:
        return VerificationError(STEP, self._member, message)


def _is_minified(document: bytes) -> bool:
    """Whether JSON has no insignificant white space.

    Raises:
        ValueError, RecursionError: It is no JSON.
    """
    json.loads(document, parse_int=str)  # Python refuses to make numbers of more than 4,300 digits
    return msgspec.json.format(document, indent=-1) == document


def _lines(plain: bytes) -> list[bytes]:
    """Split at newlines only; a raw carriage return inside JSON would be a fault of its own."""
    return [line + b"\n" for line in plain.split(b"\n")[:-1]]


def _fold(entry: IndexEntry) -> int:
    """Return a number that stands for an entry; sums of them compare two multisets."""
    return int.from_bytes(hashlib.sha256(entry.to_bytes()).digest(), "big")
