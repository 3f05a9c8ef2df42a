"""Columns are looked at as bytes, without a copy: whatever Arrow did to them before."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.framed import line_buffer
from adapters.tally import fixed_bytes

LINES = st.lists(st.binary(max_size=9), max_size=9)
KINDS = {"binary": pa.binary(), "large binary": pa.large_binary(), "text": pa.string()}


@pytest.mark.parametrize("kind", KINDS)
@given(lines=LINES, before=st.integers(0, 3), after=st.integers(0, 3))
def test_lines_are_one_view_and_their_sizes(kind: str, lines: list[bytes], before: int, after: int) -> None:
    if kind == "text":
        lines = [line.hex().encode() for line in lines]
    values = [b"before"] * before + lines + [b"after"] * after
    column = pa.array(values, pa.binary()).cast(KINDS[kind]).slice(before, len(lines))
    view, sizes = line_buffer(column)
    assert bytes(view) == b"".join(lines)
    assert sizes.tolist() == [len(line) for line in lines]


def test_no_lines_are_an_empty_view() -> None:
    for column in (pa.array([], pa.binary()), pa.array([b""], pa.binary()), pa.array([b"x"], pa.binary()).slice(1)):
        view, sizes = line_buffer(column)
        assert bytes(view) == b""
        assert sizes.tolist() == [0] * len(column)


def test_lines_are_not_copied() -> None:
    column = pa.array([b"some", b"lines"], pa.binary())
    view, _ = line_buffer(column)
    assert pa.py_buffer(view).address == column.buffers()[2].address


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary(8)])
@given(values=st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=9), before=st.integers(0, 3))
def test_digests_are_rows_of_bytes(kind: pa.DataType, values: list[bytes], before: int) -> None:
    column = pa.array([bytes(8)] * before + values + [b"\xff" * 8], kind).slice(before, len(values))
    rows = fixed_bytes(column)
    assert rows.shape == (len(values), 8)
    assert [row.tobytes() for row in rows] == values


def test_digests_of_different_lengths_are_refused() -> None:
    with pytest.raises((ValueError, pa.ArrowInvalid)):
        fixed_bytes(pa.array([bytes(8), bytes(7)], pa.binary()))
