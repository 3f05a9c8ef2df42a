"""The search index of any frames is the one that the plain reference code makes, in bounded memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.searching import SLOTS, SearchWriter
from adapters.staged import StagedFile
from bundle.search import PAGE_BYTES, build

if TYPE_CHECKING:
    from pathlib import Path

Frames = list[list[list[int]]]

# Some of them share the slot that sorts out repetitions, and all their buckets are few.
HASH = st.sampled_from([0, 1, SLOTS, SLOTS + 1, 2 * SLOTS, 7 << 24, 255 << 24, 2**32 - 1])
FRAMES = st.lists(st.lists(st.lists(HASH, max_size=4), max_size=6), max_size=12)


def _index(folder: Path, frames: Frames, run: int) -> tuple[bytes, bytes]:
    """Write the terms of records, frame by frame, as slices of one column."""
    records = [[5], *(record for frame in frames for record in frame), [6]]
    stored = [[number - ((number >> 31) << 32) for number in record] for record in records]
    column = pa.array(stored, pa.list_(pa.int32()))[1:-1]
    terms, root = StagedFile(folder / "terms"), StagedFile(folder / "root")
    writer, start = SearchWriter(folder, run_pairs=run), 0
    for frame in frames:
        half = len(frame) // 2
        writer.add(column, start, start + half)
        writer.add(column, start + half, start + len(frame))
        writer.end_frame()
        start += len(frame)
    with ThreadPoolExecutor(2) as pool:
        writer.write(terms, root, pool)
    for each in (writer, terms, root):
        each.close()
    return terms.path.read_bytes(), root.path.read_bytes()


def _pairs(frames: Frames) -> list[tuple[int, int]]:
    return [(term, number) for number, frame in enumerate(frames) for record in frame for term in record]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES, run=st.sampled_from([1, 5, 20, 1000]))
def test_terms_are_sorted_and_stated_once_whether_they_fit_into_memory_or_not(
    tmp_path: Path, frames: Frames, run: int
) -> None:
    assert _index(tmp_path, frames, run) == build(_pairs(frames))


@pytest.mark.parametrize("run", [3_000, 1 << 20])
def test_many_terms_make_full_pages(tmp_path: Path, run: int) -> None:
    frames = [[[(number * 2_654_435_761) % 2**32, number % 50] for number in range(at, 30_000, 40)] for at in range(40)]
    terms, root = _index(tmp_path, frames, run)
    assert (terms, root) == build(_pairs(frames))
    assert len(root) == 40 * -(-len(terms) // PAGE_BYTES) > 120
