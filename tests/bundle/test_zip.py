"""The zip layout: stock tools read it, and the verifier accepts exactly what the writer makes."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from bundle import ziplayout
from bundle.errors import FormatError
from bundle.hashing import StreamDigest
from bundle.verify import verify
from bundle.writers import ZipWriter
from bundle.ziplayout import Entry, directory, header_size, local_header, parse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = st.one_of(st.integers(0, 2**63 - 1), st.sampled_from([ziplayout.FULL32 - 1, ziplayout.FULL32, 2**32]))


def _archive(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with StreamDigest() as digest:
        writer = ZipWriter(out, digest)
        for name, data in members:
            writer.add(name, len(data), lambda data=data: [data])
        writer.finish()
    return out.getvalue()


def _members(path: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


@given(name=st.from_regex(r"[a-z/]{1,100}", fullmatch=True), size=SIZES, crc=st.integers(0, 2**32 - 1))
def test_a_header_is_read_back(name: str, size: int, crc: int) -> None:
    header = local_header(name, size, crc)
    assert parse(header) == (name, size, crc)
    assert len(header) == header_size(name, size) == ziplayout.FIXED + ziplayout.rest_of_header(header[:30])


def test_a_whole_zip_is_verified(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(layout="zip", name="bundle.zip")
    verified = verify(io.BytesIO(made.path.read_bytes()), keys=[made.key], deep=True)
    assert (verified.layout, verified.archive_sha256) == ("zip", made.written.sha256)


def test_python_reads_every_member_as_the_same_plain_file(make_one: Callable[..., Any]) -> None:
    made = make_one(layout="zip", name="bundle.zip")
    with zipfile.ZipFile(made.path) as archive:
        assert archive.testzip() is None
        facts = {
            (info.date_time, info.compress_type, info.external_attr >> 16, info.flag_bits)
            for info in archive.infolist()
        }
    assert facts == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED, 0o100644, 0)}


def test_repacking_the_members_gives_the_same_zip(make_one: Callable[..., Any]) -> None:
    made = make_one(layout="zip", name="bundle.zip")
    assert _archive(_members(made.path)) == made.path.read_bytes()


def test_python_reads_members_beyond_four_gibibytes(tmp_path: Path) -> None:
    """The file is sparse: only headers, the last member and the directory are ever written."""
    large = 2**32 + 5
    first = local_header("large", large, 7)
    second = Entry("small", 2, 0x2BDDD04F, len(first) + large)
    with (tmp_path / "large.zip").open("wb") as file:
        file.write(first)
        file.seek(second.offset)
        file.write(local_header("small", 2, second.crc) + b"\x00\x00")
        end = file.tell()
        file.write(directory([Entry("large", large, 7, 0), second], end))
    with zipfile.ZipFile(tmp_path / "large.zip") as archive:
        assert [info.file_size for info in archive.infolist()] == [large, 2]
        with archive.open("large") as member:
            assert member.read(3) == bytes(3)
        info = archive.getinfo("small")
        assert (info.header_offset, info.CRC) == (second.offset, second.crc)


def test_python_reads_a_directory_of_many_members() -> None:
    count = ziplayout.FULL16 + 5
    data = local_header("m", 0, 0)
    entries = [Entry("m", 0, 0, 0)] * count
    with zipfile.ZipFile(io.BytesIO(data + directory(entries, len(data)))) as archive:
        assert len(archive.infolist()) == count


@given(data=st.binary(max_size=60))
def test_a_damaged_header_is_refused_with_one_error(data: bytes) -> None:
    header = local_header("a", 3, 9)
    broken = header[:14] + data + header[14 + len(data) :]
    if len(broken) == len(header) and broken[:4] == ziplayout.MAGIC:
        try:
            name, size, crc = parse(broken)
        except FormatError:
            return
        assert local_header(name, size, crc) == broken
