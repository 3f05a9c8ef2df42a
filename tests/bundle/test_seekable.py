"""The outer layer: frames of raw blocks, whose places are arithmetic."""

from __future__ import annotations

import io
import random
import struct

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle import seekable
from bundle.errors import FormatError

PLAIN = random.Random(5).randbytes(3 * seekable.CHUNK)
EDGES = (1, seekable.RAW_BLOCK, seekable.RAW_BLOCK + 1, seekable.CHUNK, seekable.CHUNK + 1, 2 * seekable.CHUNK)
TOTALS = st.one_of(st.sampled_from(EDGES), st.integers(1, len(PLAIN)))


def _container(plain: bytes) -> bytes:
    chunks = [plain[start : start + seekable.CHUNK] for start in range(0, len(plain), seekable.CHUNK)]
    return b"".join(map(seekable.frame, chunks)) + seekable.seek_table(len(plain))


@settings(max_examples=40, deadline=None)
@given(total=TOTALS)
def test_any_zstd_reads_a_container(total: int) -> None:
    with zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(_container(PLAIN[:total])), read_across_frames=True
    ) as reader:
        assert reader.read() == PLAIN[:total]


@settings(max_examples=40, deadline=None)
@given(total=TOTALS)
def test_sizes_are_arithmetic(total: int) -> None:
    container = _container(PLAIN[:total])
    assert len(container) == seekable.container_size(total)
    assert seekable.plain_size(len(container), -(-total // seekable.CHUNK)) == total


@settings(max_examples=60, deadline=None)
@given(offset=st.integers(0, len(PLAIN) - 1), length=st.integers(0, 300_000))
def test_ranges_are_arithmetic(offset: int, length: int) -> None:
    container = CONTAINER
    found = b"".join(container[place : place + size] for place, size in seekable.spans(offset, length))
    wanted = min(length, len(PLAIN) - offset)
    assert found[:wanted] == PLAIN[offset : offset + wanted]


CONTAINER = _container(PLAIN)


def test_the_seek_table_follows_its_specification() -> None:
    table = seekable.seek_table(seekable.CHUNK + 5)
    magic, size = struct.unpack("<II", table[:8])
    assert (magic, size) == (0x184D2A5E, len(table) - 8)
    assert list(struct.iter_unpack("<II", table[8:-9])) == [
        (seekable.frame_size(seekable.CHUNK), seekable.CHUNK),
        (seekable.frame_size(5), 5),
    ]
    assert struct.unpack("<IBI", table[-9:]) == (2, 0, 0x8F92EAB1)


@pytest.mark.parametrize("change", [1, 3, -seekable.FULL_FRAME])
def test_a_file_of_another_size_than_its_table_says_is_refused(change: int) -> None:
    with pytest.raises(FormatError):
        seekable.plain_size(len(CONTAINER) + change, 3)
