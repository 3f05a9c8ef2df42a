"""The cut law, the frame table, and splitting members into frames."""

from __future__ import annotations

import hashlib
import random
import tracemalloc

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.errors import FormatError
from bundle.frames import FrameEntry, FrameParameters, cut, parse_entries
from bundle.zblocks import MAX_WINDOW, Buffer, take_blocks, take_header
from bundle.zframes import STREAMED, read_frame, read_frames

SMALL = FrameParameters(minimum=200, mean=600, maximum=2000)
RECORDS = st.lists(st.tuples(st.integers(1, 3000), st.binary(min_size=32, max_size=32)), max_size=60)
U64 = st.integers(0, 2**64 - 1)


def _frames(records: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    rest = iter(records)
    return [[next(rest) for _ in range(count)] for count in cut(records, SMALL)]


@given(records=RECORDS)
def test_frames_hold_all_records_in_order(records: list[tuple[int, bytes]]) -> None:
    assert [record for frame in _frames(records) for record in frame] == records
    assert all(_frames(records))


@given(records=RECORDS)
def test_only_a_record_of_its_own_exceeds_the_maximum(records: list[tuple[int, bytes]]) -> None:
    for frame in _frames(records):
        assert len(frame) == 1 or sum(size for size, _ in frame) <= SMALL.maximum


@given(before=RECORDS, other=RECORDS, after=RECORDS)
def test_cuts_fall_into_step_again(
    before: list[tuple[int, bytes]], other: list[tuple[int, bytes]], after: list[tuple[int, bytes]]
) -> None:
    """After a record with the smallest hash in a frame that is full enough, what came before does not matter."""
    sure = [(SMALL.minimum, bytes(32))]
    tail = [frame for frame in _frames(after) if frame]
    for head in (before, other):
        assert _frames(head + sure + after)[-len(tail) or None :] == tail or not tail


def test_frames_have_the_mean_size_they_should() -> None:
    source = random.Random(3)
    records = [(source.randint(10, 60), source.randbytes(32)) for _ in range(40_000)]
    sizes = [sum(size for size, _ in frame) for frame in _frames(records)]
    assert SMALL.mean * 0.85 < sum(sizes) / len(sizes) < SMALL.mean * 1.15


def test_the_cut_law_is_the_one_written_down() -> None:
    never, always = b"\xff" * 32, bytes(32)
    table = {
        "a frame ends after a record whose hash is small, once it is full enough": (
            [(200, always), (9, never)],
            [1, 1],
        ),
        "a frame that is not full enough goes on": ([(199, always), (1, always), (9, never)], [2, 1]),
        "a frame ends before a record that would make it too large": ([(399, never)] * 5 + [(6, never)], [5, 1]),
        "a frame may be exactly as large as allowed": ([(399, never)] * 5 + [(5, never), (1, never)], [6, 1]),
        "no records make no frames": ([], []),
    }
    for sentence, (records, counts) in table.items():
        assert list(cut(records, SMALL)) == counts, sentence


@given(numbers=st.tuples(U64, U64, U64, U64), sha256=st.binary(min_size=32, max_size=32))
def test_a_row_of_the_table_is_read_back(numbers: tuple[int, int, int, int], sha256: bytes) -> None:
    offset, compressed, plain, first = numbers
    entry = FrameEntry(offset=offset, compressed_bytes=compressed, plain_bytes=plain, first_record=first, sha256=sha256)
    assert len(entry.to_bytes()) == 64
    assert parse_entries(entry.to_bytes() * 2) == [entry, entry]


def test_a_table_that_ends_within_a_row_is_refused() -> None:
    with pytest.raises(FormatError):
        parse_entries(bytes(65))


_packed = zstandard.ZstdCompressor(level=3).compress


def _member(parts: list[bytes]) -> bytes:
    return b"".join(map(_packed, parts))


def _chopped(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.binary(min_size=1, max_size=3000), max_size=8), piece=st.integers(1, 700))
def test_frames_are_found_wherever_the_pieces_end(parts: list[bytes], piece: int) -> None:
    found = list(read_frames(iter(_chopped(_member(parts), piece)), limit=3000, workers=2, keep=True))
    assert [frame.plain for frame in found] == parts
    assert sum(frame.row.compressed_bytes for frame in found) == len(_member(parts))


@pytest.mark.parametrize("keep", [True, False])
def test_large_frames_are_read_like_small_ones(keep: bool) -> None:
    """Above a size, frames nobody wants as a whole are decompressed piece by piece."""
    large = random.Random(5).randbytes(700_000).hex().encode() * (STREAMED // 1_400_000 + 1)
    parts = [b"one\ntwo\n", large + b"\n", b"three\n", large[:-7] + b"\n\n", b"four"]
    offset = records = 0
    found = list(read_frames(iter(_chopped(_member(parts), 300_001)), limit=32 << 20, workers=2, keep=keep))
    for frame, plain, packed in zip(found, parts, map(_packed, parts), strict=True):
        row = FrameEntry(
            offset=offset, compressed_bytes=len(packed), plain_bytes=len(plain), first_record=records,
            sha256=hashlib.sha256(plain).digest(),
        )  # fmt: skip
        assert frame == (row, plain.count(b"\n"), plain.endswith(b"\n"), plain if keep else b"")
        offset, records = offset + len(packed), records + plain.count(b"\n")


def test_a_large_frame_is_never_held_as_a_whole() -> None:
    packed = _packed(bytes(40 << 20))
    for keep, most in ((False, 12 << 20), (True, 90 << 20)):
        tracemalloc.start()
        assert len(list(read_frames(iter([packed]), limit=40 << 20, workers=1, keep=keep))) == 1
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most
    assert peak > 40 << 20, "what is asked for is held, and is seen to be"


@pytest.mark.parametrize("keep", [True, False])
def test_a_large_frame_that_is_damaged_is_refused(keep: bool) -> None:
    plain = random.Random(5).randbytes(STREAMED + 1)
    packed = bytearray(_packed(plain))
    start = len(_packed(plain)) - STREAMED // 2
    for place, flip in ((6, 1), (start, 255)):
        packed[place] ^= flip
        try:
            (frame,) = read_frames(iter([bytes(packed)]), limit=STREAMED + 256, workers=1, keep=keep)
        except FormatError:
            frame = None
        assert frame is None or frame.row.sha256 != hashlib.sha256(plain).digest()
        packed[place] ^= flip


@settings(deadline=None)
@given(data=st.binary(min_size=1, max_size=300))
def test_garbage_is_refused_with_one_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(read_frames(iter([b"\x28\xb5\x2f\xfd" + data]), limit=1000, workers=1, keep=True))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zstandard.ZstdCompressor().compress(bytes(2000)), "2000 plain bytes"),
        (zstandard.ZstdCompressor(write_content_size=False).compress(b"x" * 9), "plain bytes"),
        (zstandard.ZstdCompressor(write_checksum=True).compress(b"x" * 9), "checksum"),
        (zstandard.ZstdCompressor().compress(b"x" * 9)[:-1], "cut off"),
        (b"PK" + bytes(30), "does not begin"),
        (zstandard.ZstdCompressor().compress(random.Random(1).randbytes(9000)), "9000 plain bytes"),
        (b"\x28\xb5\x2f\xfd\x20\x09" + b"\xf8\x3f\x00" + bytes(2047), "more than they can need"),
    ],
)
def test_a_frame_that_breaks_the_rules_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        list(read_frames(iter([data]), limit=1000, workers=1, keep=False))


def test_a_frame_with_bytes_after_it_is_not_one_frame() -> None:
    with pytest.raises(FormatError):
        read_frame(_member([b"a", b"b"]), limit=10)


def test_no_bytes_are_no_frames() -> None:
    assert list(read_frames(iter([]), limit=10, workers=1, keep=True)) == []


def test_a_frame_that_asks_for_too_much_memory_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24)
    packed = zstandard.ZstdCompressor(compression_params=wide).compress(bytes(2 * MAX_WINDOW + 1))
    with pytest.raises(FormatError, match="asks for a window"):
        list(read_frames(iter([packed]), limit=1 << 30, workers=1, keep=False))


@given(data=st.binary(max_size=300))
def test_blocks_are_those_of_the_member(data: bytes) -> None:
    packed = _packed(data + b"x")
    source = Buffer(iter(_chopped(packed + b"more", 3)))
    assert take_header(source) + b"".join(take_blocks(source, 400)) == packed
    assert source.take(4) == b"more"


@pytest.mark.parametrize(("blocks", "allowed"), [(64, True), (65, True), (66, False)])
def test_a_frame_has_no_more_blocks_than_it_can_need(blocks: int, allowed: bool) -> None:
    size = 512
    empty = (blocks - 1) * (0).to_bytes(3, "little")
    packed = b"\x28\xb5\x2f\xfd\x60\x00\x01" + empty + (size << 3 | 0b011).to_bytes(3, "little") + b"x"
    if allowed:
        assert read_one(packed) == b"x" * size
    else:
        with pytest.raises(FormatError, match="more than they can need"):
            read_one(packed)


def read_one(packed: bytes) -> bytes:
    (frame,) = read_frames(iter([packed]), limit=1 << 20, workers=1, keep=True)
    return frame.plain
