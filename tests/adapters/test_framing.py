"""The columnar cut and index are those of the plain reference code, however the stream is divided."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.framed import FramedWriter
from adapters.framing import FrameCutter
from bundle import search
from bundle.frames import FrameParameters, cut, parse_entries
from bundle.index import IndexEntry, build

if TYPE_CHECKING:
    from pathlib import Path

PARAMETERS = FrameParameters(minimum=50, mean=200, maximum=500)
SIZES = st.lists(st.one_of(st.integers(2, 60), st.integers(400, 1200)), min_size=1, max_size=120)


def _keys(count: int) -> list[bytes]:
    return [hashlib.sha256(str(number).encode()).digest() for number in range(count)]


def _columnar(sizes: list[int], keys: list[bytes], batch: int) -> list[int]:
    cutter, frames, held = FrameCutter(PARAMETERS), [], 0
    for start in range(0, len(sizes), batch):
        part = np.array(sizes[start : start + batch], dtype=np.int64)
        for piece in cutter.cuts(part, pa.array(keys[start : start + batch], pa.binary())):
            held += piece.end - piece.start
            if piece.closes:
                frames.append(held)
                held = 0
    return [*frames, held] if held else frames


@settings(max_examples=300, deadline=None)
@given(sizes=SIZES, batch=st.integers(1, 130))
def test_columns_cut_where_the_law_says(sizes: list[int], batch: int) -> None:
    keys = _keys(len(sizes))
    assert _columnar(sizes, keys, batch) == list(cut(zip(sizes, keys, strict=True), PARAMETERS))


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(2, 60), min_size=60, max_size=200), where=st.integers(0, 20))
def test_cuts_fall_into_step_again_after_a_removal(sizes: list[int], where: int) -> None:
    keys = _keys(len(sizes))

    def ends(indexes: list[int]) -> set[int]:
        counts = cut(((sizes[each], keys[each]) for each in indexes), PARAMETERS)
        position, found = 0, set()
        for count in counts:
            position += count
            found.add(indexes[position - 1])
        return found

    everything = list(range(len(sizes)))
    without = [each for each in everything if each != where]
    assert len(ends(everything) ^ ends(without)) <= len(ends(everything))
    assert max(ends(everything)) == max(ends(without))


def _batch(lines: list[bytes], keys: list[bytes]) -> pa.RecordBatch:
    digests = [hashlib.sha256(line).digest() for line in lines]
    return pa.RecordBatch.from_pydict(
        {
            "line": pa.array(lines, pa.binary()),
            "key_hash": pa.array(keys, pa.binary()),
            "id_hash": pa.array([key[:8] for key in keys], pa.binary()),
            "raw_sha256": pa.array(digests, pa.binary()),
            "line_sha256": pa.array(digests, pa.binary()),
            "terms": pa.array([_terms(key) for key in keys], pa.list_(pa.int32())),
        }
    )


def _terms(key: bytes) -> list[int]:
    """Return a term that few share, and up to two that many do."""
    return sorted({int.from_bytes(key[:4], "big") >> 1, *(key[5 : 5 + key[4] % 3])})


def _write(folder: Path, lines: list[bytes], keys: list[bytes], **how: Any) -> tuple[bytes, ...]:
    folder.mkdir()
    writer = FramedWriter(folder, "records", parameters=PARAMETERS, workers=how["workers"])
    for start in range(0, len(lines), how["batch"]):
        writer.add(_batch(lines[start : start + how["batch"]], keys[start : start + how["batch"]]))
    data, indexes = writer.finish()
    writer.close()
    return (data.path.read_bytes(), *(index.path.read_bytes() for index in indexes))


def test_bytes_depend_neither_on_batches_nor_on_threads(tmp_path: Path) -> None:
    lines = [b'{"n":%d,"text":"%s"}\n' % (number, b"x" * (number % 90)) for number in range(3000)]
    keys = _keys(len(lines))
    first = _write(tmp_path / "a", lines, keys, workers=1, batch=7)
    assert first == _write(tmp_path / "b", lines, keys, workers=3, batch=1000)
    assert first == _write(tmp_path / "c", lines, keys, workers=2, batch=10_000)


def test_the_indexes_are_those_of_the_reference(tmp_path: Path) -> None:
    lines = [b'{"n":%d}\n' % number for number in range(2000)]
    keys = _keys(len(lines))
    _, frames, pages, root, *searched = _write(tmp_path / "a", lines, keys, workers=2, batch=300)
    entries, pairs, first = [], [], 0
    for number, count in enumerate(cut(((len(line), key) for line, key in zip(lines, keys, strict=True)), PARAMETERS)):
        offset = 0
        for line, key in zip(lines[first : first + count], keys[first : first + count], strict=True):
            digest = hashlib.sha256(line).digest()
            entries.append(IndexEntry(key[:8], key, digest, digest, number, offset))
            offset += len(line)
            pairs += [(term, number) for term in _terms(key)]
        first += count
    assert (pages, root) == build(entries)
    assert tuple(searched) == search.build(pairs)
    assert parse_entries(frames)[-1].first_record < len(lines)
