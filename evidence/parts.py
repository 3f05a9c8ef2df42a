"""Parts: the Parquet files of a table on this machine, written in the order of their rows.

delta-rs deals a stream out to several writers, which breaks the order that a stream came in; an export wants to read a
table front to back. So Arrow writes the files here, and delta-rs commits them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction, RemoveAction

from bundle.durable import make_durable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PART_BYTES = 512 << 20
"""Content of a part, before compression."""

GROUP_BYTES = 16 << 20
GROUP_ROWS = 20_000
"""Limits of a row group: what is read to fetch a single row, and what a reader holds of each part."""

CONTENT = ("line", "raw")
"""Columns with documents: never in statistics, never in dictionaries."""

DIGESTS = ("sha256", "key_hash", "id_hash", "raw_sha256", "line_sha256")
"""Columns of which no two values are alike."""

TERMS = "terms.list.element"
"""Hashes: a dictionary makes them no smaller, and reading them takes four times as long."""

TAIL = 8
"""Bytes that end a Parquet file: the size of the footer, and a magic number."""

DIGEST_DIGITS = 32
_NAMED = re.compile(rf"part-[0-9a-f-]{{36}}-([0-9a-f]{{{DIGEST_DIGITS}}})\.parquet")
_UNFINISHED = re.compile(r"part-[0-9a-f-]{36}\.parquet")

LONGEST_STATISTIC = 256
"""Characters of a smallest or largest value; a table with longer ones goes without them."""


@dataclass
class _Statistics:
    """What the log says of a part, for readers that want to skip it."""

    columns: tuple[str, ...]
    rows: int = 0
    smallest: dict[str, Any] = field(default_factory=dict)
    largest: dict[str, Any] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        for name in self.columns:
            column = batch.column(name)
            self.nulls[name] = self.nulls.get(name, 0) + column.null_count
            if pa.types.is_boolean(column.type):
                continue
            found = pc.min_max(column).as_py()
            if found["min"] is not None:
                self.smallest[name] = min(self.smallest.get(name, found["min"]), found["min"])
                self.largest[name] = max(self.largest.get(name, found["max"]), found["max"])

    def to_json(self) -> str:
        short = [name for name in self.largest if len(str(self.largest[name])) <= LONGEST_STATISTIC]
        value = {
            "numRecords": self.rows,
            "minValues": {name: self.smallest[name] for name in short if name in self.smallest},
            "maxValues": {name: self.largest[name] for name in short},
            "nullCount": self.nulls,
        }
        return json.dumps(value, ensure_ascii=False)


class _Part:
    """One Parquet file that is being written."""

    def __init__(self, folder: Path, schema: pa.Schema, columns: tuple[str, ...]) -> None:
        self.path = folder / f"part-{uuid.uuid4()}.parquet"
        self.bytes = 0
        self._statistics = _Statistics(columns)
        self._writer = pq.ParquetWriter(self.path, schema, **_options(schema, columns))

    def add(self, group: pa.RecordBatch, size: int) -> None:
        self._writer.write_batch(group, row_group_size=group.num_rows)
        self._statistics.add(group)
        self.bytes += size

    def close(self) -> AddAction:
        """End the file, name it after its footer, make it durable, and return what a commit says of it."""
        self._writer.close()
        self.path = self.path.rename(self.path.with_name(f"{self.path.stem}-{_footer_digest(self.path)}.parquet"))
        make_durable(self.path)
        make_durable(self.path.parent)
        written = self.path.stat()
        return AddAction(
            path=self.path.name,
            size=written.st_size,
            partition_values={},
            modification_time=written.st_mtime_ns // 1_000_000,
            data_change=True,
            stats=self._statistics.to_json(),
        )

    def discard(self) -> None:
        self._writer.close()
        self.path.unlink(missing_ok=True)


def is_part(path: Path) -> bool:
    """Whether a file is a part that was written here, or was being written; what others write has other names."""
    return bool(_NAMED.fullmatch(path.name) or _UNFINISHED.fullmatch(path.name))


def check_footer(path: Path) -> None:
    """Compare a part's footer with the digest in its name; files that others wrote have none.

    Pages carry checksums of their own, which their reader checks, but nothing else guards the footer.

    Raises:
        OSError: It is another, or there is none.
    """
    named = _NAMED.fullmatch(path.name)
    if named and _footer_digest(path) != named[1]:
        raise OSError(f"{path} is damaged: its footer is not the one that was written")


def _footer_digest(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - TAIL - length, 0))
        return hashlib.sha256(file.read()).hexdigest()[:DIGEST_DIGITS]


def write_parts(
    folder: Path, rows: pa.RecordBatchReader, *, statistics: tuple[str, ...]
) -> list[AddAction | RemoveAction]:
    """Write a stream of rows as parts in a table's folder, in its order, holding one batch in memory.

    Args:
        folder: Folder of the table.
        rows: The rows.
        statistics: Columns whose smallest and largest values readers may know.

    Returns:
        What a commit has to say: without it the files are of no table.

    Raises:
        OSError, pa.ArrowException: The disk is full or the stream failed; no file is left.
    """
    done: list[AddAction | RemoveAction] = []
    part: _Part | None = None
    try:
        for group, size in _groups(rows):
            part = part or _Part(folder, rows.schema, statistics)
            part.add(group, size)
            if part.bytes >= PART_BYTES:
                done, part = [*done, part.close()], None
        return [*done, part.close()] if part else done
    except BaseException:
        if part:
            part.discard()
        for action in done:
            (folder / action.path).unlink(missing_ok=True)
        raise


def _groups(rows: pa.RecordBatchReader) -> Iterator[tuple[pa.RecordBatch, int]]:
    """Yield (row group, bytes of its content)."""
    for batch in rows:
        sizes = np.zeros(batch.num_rows, dtype=np.int64)
        for name in _content(batch.schema):
            sizes += pc.binary_length(batch.column(name)).to_numpy(zero_copy_only=False)
        for start, length in cuts(sizes, limit=GROUP_BYTES, rows=GROUP_ROWS):
            yield batch.slice(start, length), int(sizes[start : start + length].sum())


def cuts(sizes: np.ndarray[Any, Any], *, limit: int, rows: int) -> Iterator[tuple[int, int]]:
    """Yield (start, length) of runs of at most ``rows`` rows and, but for a single row, ``limit`` bytes."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        budget = (ends[start - 1] if start else 0) + limit
        length = int(np.searchsorted(ends, budget, side="right")) - start
        length = min(max(1, length), rows, len(sizes) - start)
        yield start, length
        start += length


def _content(schema: pa.Schema) -> list[str]:
    """Return the columns of a table that hold documents; elsewhere a line may be a number."""
    return [name for name in CONTENT if name in schema.names and pa.types.is_binary(schema.field(name).type)]


def _options(schema: pa.Schema, statistics: tuple[str, ...]) -> Mapping[str, Any]:
    """Return how columns are written: exported lines so that they are read fast, originals so that they are small."""
    leaves = _leaves(schema)
    content = _content(schema)
    plain = {*content, *DIGESTS, TERMS}
    return {
        # Neither LZ4 nor zstd as Parquet uses them would notice a flipped bit.
        "write_page_checksum": True,
        "compression": {name: _compression(name) for name in leaves},
        "use_dictionary": [name for name in leaves if name not in plain],
        "write_statistics": [name for name in leaves if name in statistics],
    }


def _compression(name: str) -> str:
    """Return how a column is compressed: small where no export reads it, fast elsewhere, and bytes of digests not."""
    if name in ("raw", "sha256"):
        return "zstd"
    return "none" if name in (*DIGESTS, TERMS) else "lz4"


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the names that Parquet gives to columns: those of lists go on, as in "aliases.list.element"."""
    sink = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), sink)
    written = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    return [written.column(number).path for number in range(len(written))]
