"""The index of any number of records is the one that the plain reference code makes, in bounded memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.indexing import IndexSpill, write_index
from adapters.staged import StagedFile
from bundle.index import PAGE_BYTES, IndexEntry, build, parse_page

if TYPE_CHECKING:
    from pathlib import Path

# Few values a field, so that rows often agree in the first ones and the later decide.
FEW = st.sampled_from([0, 1, 255])
ENTRY = st.builds(
    lambda id_, key, sha256, line, frame, offset: IndexEntry(
        bytes([id_]) * 8, bytes([key]) * 32, bytes([sha256]) * 32, bytes([line]) * 32, frame, offset
    ),
    FEW, FEW, FEW, FEW, st.integers(0, 300), st.integers(0, 70_000),
)  # fmt: skip


def _index(folder: Path, entries: list[IndexEntry], *, batch: int, run: int) -> tuple[bytes, bytes]:
    spill = IndexSpill(folder, run_entries=run)
    pages, root = StagedFile(folder / "pages"), StagedFile(folder / "root")
    for start in range(0, len(entries), batch):
        part = entries[start : start + batch]
        columns = {
            "id_hash": pa.array([entry.id_hash for entry in part], pa.binary()),
            "key_hash": pa.array([entry.key_hash for entry in part], pa.binary()),
            "raw_sha256": pa.array([entry.sha256 for entry in part], pa.binary()),
            "line_sha256": pa.array([entry.line_sha256 for entry in part], pa.binary()),
        }
        places = [np.array([getattr(entry, name) for entry in part], np.int64) for name in ("frame", "offset")]
        spill.add(pa.RecordBatch.from_pydict(columns), *places)
    with ThreadPoolExecutor(2) as pool:
        write_index(spill.sorted_pages(), pages, root, pool)
    for each in (spill, pages, root):
        each.close()
    return pages.path.read_bytes(), root.path.read_bytes()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.lists(ENTRY, max_size=60), batch=st.integers(1, 20), run=st.sampled_from([1, 5, 20, 1000]))
def test_rows_are_sorted_whether_they_fit_into_memory_or_not(
    tmp_path: Path, entries: list[IndexEntry], batch: int, run: int
) -> None:
    assert _index(tmp_path, entries, batch=batch, run=run) == build(entries)


@pytest.mark.parametrize("run", [500, 1 << 18])
def test_many_rows_make_full_pages(tmp_path: Path, run: int) -> None:
    source = np.random.default_rng(3)
    rows = source.integers(0, 256, (3000, 104), dtype=np.uint8)
    entries = [
        IndexEntry(row[:8].tobytes(), row[8:40].tobytes(), row[40:72].tobytes(), row[72:].tobytes(), at % 7, at * 99)
        for at, row in enumerate(rows)
    ]
    pages, root = _index(tmp_path, entries, batch=333, run=run)
    assert (pages, root) == build(entries)
    assert len(root) == 40 * 6
    assert [entry.to_bytes()[:8] for entry in parse_page(pages)][:: PAGE_BYTES // 112] == [
        root[at : at + 8] for at in range(0, len(root), 40)
    ]
