"""What export.json states of records, counted and hashed again while they pass: the last part of step 12."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bundle.counting import Recounted
from bundle.envelope import MANIFEST
from bundle.errors import VerificationError

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from bundle.record import Envelope

STEP = 12
YEAR_TWO = "0002"
"""Times before it say nothing: upstreams write year 1 for "unknown"."""


class Recount:
    """Counts records, which come in the order of the bundle.

    What a line does not tell is not counted: severities and normalisers are not in it, and ``asOf`` may be a time that
    the caller gave. Memory: a number a value that export.json lists; the number of records does not matter.
    """

    def __init__(self, manifest: Manifest) -> None:
        """Start before the first record."""
        counts = manifest.counts
        self.policy = manifest.policy_snapshot
        self._manifest = manifest
        self._kinds, self._sources = Recounted(counts.by_kind), Recounted(counts.by_source)
        self._formats, self._ecosystems = Recounted(counts.by_format), Recounted(counts.by_ecosystem)
        self._without_modified = self._without_policy = 0
        self._snapshot = hashlib.sha256()

    def add(self, record: Envelope, key: bytes, sha256: bytes) -> None:
        """Take the next record, the hash of its logical key, and the SHA-256 of its original bytes."""
        self._kinds.add(record.kind)
        self._sources.add(record.source)
        self._formats.add(record.format)
        for ecosystem in record.ecosystems:
            self._ecosystems.add(ecosystem)
        self._without_modified += record.modified is None or record.modified < YEAR_TWO
        self._without_policy += record.policy_snapshot_id is None
        self._snapshot.update(key + sha256)

    def finish(self) -> None:
        """Compare what was counted with what is stated.

        Raises:
            VerificationError: Something is stated that the records do not bear out.
        """
        counts = self._manifest.counts
        agreed = {
            "counts.byKind": self._kinds.agrees(),
            "counts.bySource": self._sources.agrees(),
            "counts.byFormat": self._formats.agrees(),
            "counts.byEcosystem": self._ecosystems.agrees(),
            "counts.withoutModified": self._without_modified == counts.without_modified,
            "counts.findingsWithoutPolicy": self._without_policy == counts.findings_without_policy,
            "snapshotDigest": self._snapshot.hexdigest() == self._manifest.snapshot_digest,
        }
        wrong = [name for name, agrees in agreed.items() if not agrees]
        if wrong:
            raise VerificationError(STEP, MANIFEST, f"{', '.join(wrong)}: not what its records give")
