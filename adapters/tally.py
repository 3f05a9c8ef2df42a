"""Counting while records stream by: what the manifest says about a selection."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from hashlib import _Hash

YEAR_ONE_ENDS = datetime(2, 1, 1, tzinfo=UTC)
"""Upstreams write 0001-01-01 for "unknown": such a time says nothing, and is counted as missing."""

COUNTED = {"kind": "kinds", "source": "sources", "format": "formats", "normaliser": "normalisers"}
COUNTED_LISTS = {"ecosystems": "ecosystems", "severity_stated": "severities"}


@dataclass
class Tally:
    """Counts of one run, and the digest of what it selected.

    ``snapshot`` hashes, record by record in the order of export, the key hash and the SHA-256 of the original bytes,
    32 bytes each. The values depend only on the records, never on how they were cut into batches.
    """

    records: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    formats: Counter[str] = field(default_factory=Counter)
    normalisers: Counter[str] = field(default_factory=Counter)
    ecosystems: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    without_modified: int = 0
    findings_without_policy: int = 0
    newest: datetime | None = None
    snapshot: _Hash = field(default_factory=hashlib.sha256)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the records of one batch; the batches must come in the order of export."""
        self.records += batch.num_rows
        for column, name in COUNTED.items():
            getattr(self, name).update(value_counts(batch.column(column)))
        for column, name in COUNTED_LISTS.items():
            getattr(self, name).update(value_counts(pc.list_flatten(batch.column(column))))
        self._add_times(batch.column("modified"))
        keys = fixed_bytes(batch.column("key_hash"))
        digests = fixed_bytes(batch.column("raw_sha256"))
        self.snapshot.update(np.concatenate([keys, digests], axis=1).tobytes())

    def _add_times(self, modified: pa.Array) -> None:
        stated = modified.filter(pc.greater_equal(modified, pa.scalar(YEAR_ONE_ENDS, modified.type)))
        self.without_modified += len(modified) - len(stated)
        newest = pc.max(stated).as_py() if len(stated) else None
        if newest is not None and (self.newest is None or newest > self.newest):
            self.newest = newest


def value_counts(values: pa.Array) -> dict[str, int]:
    """Return how often each string occurs."""
    counted = pc.value_counts(values)
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def fixed_bytes(column: pa.Array) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return a binary column whose values are equally long as a (rows, width) array of bytes, without a copy."""
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        start, data = column.offset * width, column.buffers()[1]
    else:
        _, offset_buffer, data = column.buffers()
        offsets = np.frombuffer(offset_buffer, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
        start = int(offsets[0]) if len(column) else 0
        width = int(offsets[1]) - start if len(column) else 1
        if not np.array_equal(np.diff(offsets), np.full(len(column), width)):
            raise ValueError("digests of different lengths stand in one column")
    view = np.frombuffer(data or b"", dtype=np.uint8)
    return view[start : start + len(column) * width].reshape(len(column), width)
