"""Headers of tar: one form, which stock readers understand."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle import tar
from bundle.errors import FormatError

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=100)


@given(name=NAMES, size=st.integers(0, tar.MAX_SIZE))
def test_a_header_is_read_back(name: str, size: int) -> None:
    assert tar.parse(tar.header(name, size)) == (name, size)


@pytest.mark.parametrize("size", [0, 1, 511, 512, tar.MAX_OCTAL, tar.MAX_OCTAL + 1, 2**40])
def test_python_reads_the_header_as_it_was_meant(size: int) -> None:
    info = tarfile.TarInfo.frombuf(tar.header("data/a.json", size), "ascii", "strict")
    assert (info.name, info.size, info.mode, info.uid, info.gid) == ("data/a.json", size, 0o644, 0, 0)
    assert (info.mtime, info.uname, info.gname, info.isreg()) == (0, "", "", True)


@given(block=st.binary(min_size=512, max_size=512))
def test_what_is_accepted_is_what_would_be_written(block: bytes) -> None:
    with pytest.raises(FormatError):
        tar.parse(block)


@pytest.mark.parametrize("size", [77, tar.MAX_OCTAL + 1])
def test_no_changed_bit_of_a_header_keeps_its_meaning(size: int) -> None:
    block = bytearray(tar.header("data/a.json", size))
    for place in range(8 * len(block)):
        block[place // 8] ^= 1 << place % 8
        with pytest.raises(FormatError):
            tar.parse(bytes(block))
        block[place // 8] ^= 1 << place % 8


@pytest.mark.parametrize("name", ["", "a" * 101, "naïve", "a\N{SNOWMAN}"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        tar.header(name, 0)


@pytest.mark.parametrize("size", [-1, tar.MAX_SIZE + 1])
def test_a_size_that_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(FormatError):
        tar.header("a", size)


@given(sizes=st.lists(st.integers(0, 2000), max_size=6))
def test_members_take_the_space_that_arithmetic_says(sizes: list[int]) -> None:
    plain = b"".join(tar.header(f"m{at}", size) + bytes(size) + tar.padding(size) for at, size in enumerate(sizes))
    assert len(plain) == sum(map(tar.span, sizes))
    with tarfile.open(fileobj=io.BytesIO(plain + tar.END)) as archive:
        assert [info.size for info in archive] == sizes
