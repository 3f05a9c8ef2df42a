"""Real documents as the batches that adapters receive, and what adapters wrote as plain values again."""

from __future__ import annotations

import dataclasses
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import zstandard

from adapters import ADAPTERS
from adapters.adapter import BATCH_COLUMNS, Adapted, PolicySnapshot, Request
from bundle.frames import FrameEntry, FrameParameters, parse_entries
from bundle.index import IndexEntry, parse_page
from evidence.line import Identity, Rejected, derive
from evidence.schema import EXPORT_ORDER, RECORDS, TABLE_OF_KIND

if TYPE_CHECKING:
    from pathlib import Path

Row = dict[str, Any]
Tables = dict[str, list[Row]]

ARCHIVES = ("osv-crates", "openvex-aqua-vexhub", "spdx-examples", "trivy-goldens")
SCHEMA = pa.schema([RECORDS.field(name) for name in BATCH_COLUMNS])
SMALL_FRAMES = FrameParameters(minimum=2_000, mean=20_000, maximum=60_000)


def row_of(document: bytes, locator: str, *, source: str = "feed", tenant: str = "default") -> Row:
    """Return what ingest derives from a document."""
    row = derive(document, Identity(tenant, source, locator))
    assert not isinstance(row, Rejected), row
    return row._asdict()


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [row[name].encode() for name in EXPORT_ORDER])


def real_rows(archive: Path) -> Iterator[Row]:
    """Yield the rows of an archive's documents, those that ingest would store."""
    source = archive.name.removesuffix(".tar.zst")
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as plain,
        tarfile.open(fileobj=plain, mode="r|") as members,
    ):
        for member in members:
            content = members.extractfile(member)
            row = derive(content.read(), Identity("default", source, member.name)) if content else None
            if row is not None and not isinstance(row, Rejected):
                yield row._asdict()


@pytest.fixture(scope="session")
def real_tables(sample_evidence: Path) -> Tables:
    """Rows of real evidence by table, in the order of export."""
    tables: Tables = {table: [] for table in TABLE_OF_KIND.values()}
    for name in ARCHIVES:
        for row in real_rows(sample_evidence / f"{name}.tar.zst"):
            tables[TABLE_OF_KIND[row["kind"]]].append(row)
    assert all(tables.values())
    return {table: in_order(rows) for table, rows in tables.items()}


@dataclass(frozen=True)
class Shape:
    """How rows are cut into batches, and how their columns are stored: nothing of it may reach the bytes."""

    size: int = 1000
    sliced: bool = False
    empty: bool = False
    dictionaries: bool = False
    fixed: bool = False

    def batches(self, rows: list[Row]) -> Iterator[pa.RecordBatch]:
        if self.empty:
            yield self._batch([])
        for start in range(0, len(rows), self.size):
            part = rows[start : start + self.size]
            # A slice of a larger batch has offsets of its own.
            around = [rows[0], *part, rows[0]] if self.sliced else part
            yield self._batch(around).slice(int(self.sliced), len(part))
            if self.empty:
                yield self._batch(rows[:1]).slice(1, 0)

    def _batch(self, rows: list[Row]) -> pa.RecordBatch:
        batch = pa.RecordBatch.from_pylist([{name: row[name] for name in BATCH_COLUMNS} for row in rows], SCHEMA)
        columns = dict(zip(BATCH_COLUMNS, batch.columns, strict=True))
        if self.fixed:
            columns |= {name: columns[name].cast(pa.binary(32)) for name in ("key_hash", "raw_sha256", "line_sha256")}
            columns["id_hash"] = columns["id_hash"].cast(pa.binary(8))
        if self.dictionaries:
            columns |= {name: columns[name].dictionary_encode() for name in ("tenant", "source", "kind", "format")}
        return pa.RecordBatch.from_pydict(columns)


class Written:
    """What an adapter made."""

    def __init__(self, adapted: Adapted) -> None:
        self.adapted = adapted
        self._files = {staged.member.path: staged for staged in (*adapted.data, *adapted.indexes)}

    @property
    def names(self) -> list[str]:
        return [staged.member.path for staged in (*self.adapted.data, *self.adapted.indexes)]

    def member(self, name: str) -> Any:
        return self._files[name].member

    def bytes(self, name: str) -> bytes:
        return self._files[name].path.read_bytes()

    def all(self) -> dict[str, bytes]:
        return {name: self.bytes(name) for name in self.names}

    def frames(self, name: str) -> list[bytes]:
        """Return the plain bytes of each frame, found by the frame table and read by a stock decoder."""
        data, rows = self.bytes(f"data/{name}.jsonl.zst"), self.table(name)
        assert sum(row.compressed_bytes for row in rows) == len(data)
        pieces = [data[row.offset : row.offset + row.compressed_bytes] for row in rows]
        return [zstandard.ZstdDecompressor().decompress(piece, allow_extra_data=False) for piece in pieces]

    def lines(self, name: str) -> list[bytes]:
        return b"".join(self.frames(name)).splitlines(keepends=True)

    def table(self, name: str) -> list[FrameEntry]:
        return parse_entries(self.bytes(f"indexes/{name}.frames"))

    def entries(self, name: str) -> list[IndexEntry]:
        return parse_page(self.bytes(f"indexes/{name}.pages"))


@dataclass(frozen=True)
class Adapting:
    """Runs an adapter over rows; each run gets a folder of its own."""

    folder: Path
    adapter: str
    frames: FrameParameters = SMALL_FRAMES
    shape: Shape = dataclasses.field(default_factory=Shape)
    workers: int = 2
    policy: PolicySnapshot | None = None
    progress: Callable[[str, int, int], None] = lambda _table, _records, _size: None

    def __call__(self, tables: Tables, **changes: Any) -> Written:
        settings = dataclasses.replace(self, **changes)
        staging = self.folder / str(len(list(self.folder.iterdir())))
        staging.mkdir()
        request = Request(
            tables={table: partial(settings.shape.batches, rows) for table, rows in tables.items()},
            policy=settings.policy,
            options={},
            staging=staging,
            frames=settings.frames,
            workers=settings.workers,
            progress=settings.progress,
        )
        return Written(ADAPTERS[settings.adapter].adapt(request))


@pytest.fixture
def raw(tmp_path: Path) -> Adapting:
    """The adapter json:raw."""
    return Adapting(tmp_path, "json:raw")


@pytest.fixture
def with_policy(tmp_path: Path) -> Adapting:
    """The adapter json:policy."""
    return Adapting(tmp_path, "json:policy")


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    """Return the function that derives a row from a document."""
    return row_of


@pytest.fixture(scope="session")
def make_shape() -> Callable[..., Shape]:
    """Return the class that says how rows are cut into batches."""
    return Shape


@pytest.fixture(scope="session")
def sort_rows() -> Callable[[list[Row]], list[Row]]:
    """Return the function that puts rows into the order of export."""
    return in_order
