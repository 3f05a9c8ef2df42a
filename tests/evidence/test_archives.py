"""Archives and files as strangers send them: nothing is written, nothing is followed, nothing is lost silently."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import subprocess
import tarfile
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.found import Document, Limits
from evidence.walk import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A, B = b'{"id": "A-1"}', b'{"id": "B-1"}'


def _member(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, data


def _tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def _zip(content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def _walk(folder: Path, name: str, data: bytes, limits: Limits | None = None) -> list[Document]:
    (folder / name).write_bytes(data)
    return list(walk([folder / name], None, *([limits] if limits else [])))


@contextmanager
def _placed(name: str, data: bytes) -> Iterator[Path]:
    """Keep data in a file of that name for as long as it is looked at."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        yield path


def _read(documents: list[Document]) -> dict[str, bytes]:
    return {each.locator: each.data for each in documents if not each.problem}


def _problems(documents: list[Document]) -> dict[str, str]:
    return {each.locator: each.problem for each in documents if each.problem}


PLAIN = _tar(_member("a.json", A), _member("dir/b.json", B))
PACKED: dict[str, bytes] = {
    ".tar": PLAIN,
    ".tar.gz": gzip.compress(PLAIN),
    ".tgz": gzip.compress(PLAIN),
    ".tar.bz2": bz2.compress(PLAIN),
    ".tar.xz": lzma.compress(PLAIN),
    ".tar.zst": zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN),
    ".TAR": PLAIN,
    ".zip": _zip({"a.json": A, "dir/": b"", "dir/b.json": B}),
}


@pytest.mark.parametrize("suffix", PACKED)
def test_an_archive_gives_its_members(tmp_path: Path, suffix: str) -> None:
    documents = _walk(tmp_path, f"feed{suffix}", PACKED[suffix])

    assert _read(documents) == {"a.json": A, "dir/b.json": B}
    assert {(each.source, each.origin == each.locator, each.line) for each in documents} == {("feed", True, 0)}


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_a_compressed_file_gives_its_content(tmp_path: Path, suffix: str) -> None:
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}[suffix]

    assert _read(_walk(tmp_path, f"a.json{suffix}", pack(A))) == {f"a.json{suffix}": A}


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"])
def test_files_that_were_packed_in_several_runs_are_read_whole(tmp_path: Path, suffix: str) -> None:
    pack = {
        ".tar.gz": gzip.compress, ".tar.bz2": bz2.compress,
        ".tar.xz": lzma.compress, ".tar.zst": zstandard.compress,
    }[suffix]  # fmt: skip
    half = len(PLAIN) // 2

    documents = _walk(tmp_path, f"feed{suffix}", pack(PLAIN[:half]) + pack(PLAIN[half:]))

    assert _read(documents) == {"a.json": A, "dir/b.json": B}
    assert _problems(documents) == {}


LINKS = {
    "a symbolic link": _member("x", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": _member("x", type=tarfile.LNKTYPE, linkname="a.json"),
    "a link out of the archive": _member("x", type=tarfile.SYMTYPE, linkname="../../../etc/passwd"),
}
DEVICES = {
    "a character device": _member("x", type=tarfile.CHRTYPE),
    "a block device": _member("x", type=tarfile.BLKTYPE),
    "a pipe": _member("x", type=tarfile.FIFOTYPE),
}


@pytest.mark.parametrize("case", [*LINKS, *DEVICES])
def test_what_is_no_file_is_told_and_not_followed(tmp_path: Path, case: str) -> None:
    documents = _walk(tmp_path, "feed.tar", _tar(_member("a.json", A), (LINKS | DEVICES)[case], _member("b.json", B)))

    problem = "a link: links are not followed" if case in LINKS else "a device, pipe or socket: only files are read"
    assert _problems(documents) == {"x": problem}
    assert _read(documents) == {"a.json": A, "b.json": B}
    assert not any(each.broken for each in documents)


HOSTILE = [
    "/etc/passwd",
    "../../../etc/passwd",
    "a/../../b",
    "-rf",
    "a\nb",
    "a\x1bb",
    "x" * 300,
    "bytes:a",
    "C:\\a",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    before = sorted(Path("/etc").iterdir())

    documents = _walk(tmp_path, "feed.tar", _tar(_member(name, A), _member("b.json", B)))

    expected = {"bytes:a": "bytes:bytes%3Aa"}.get(name, name)
    assert _read(documents) == {expected: A, "b.json": B}
    assert [each.name for each in tmp_path.iterdir()] == ["feed.tar"]
    assert sorted(Path("/etc").iterdir()) == before


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_are_not_utf8_stay_apart(tmp_path: Path, form: int) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for name, data in ((b"caf\xe9", A), (b"caf\xe8", B)):
            member, _ = _member(os.fsdecode(name), data)
            archive.addfile(member, io.BytesIO(data))

    assert _read(_walk(tmp_path, "feed.tar", file.getvalue())) == {"bytes:caf%E9": A, "bytes:caf%E8": B}


def test_one_name_twice_is_two_documents(tmp_path: Path) -> None:
    documents = _walk(tmp_path, "feed.tar", _tar(_member("a.json", A), _member("a.json", B)))

    assert [(each.locator, each.data) for each in documents] == [("a.json", A), ("a.json", B)]


def test_a_sparse_member_is_read_with_its_holes(tmp_path: Path) -> None:
    with (tmp_path / "sparse.json").open("wb") as file:
        file.seek(1 << 20)
        file.write(A)
    subprocess.run(["tar", "--sparse", "-cf", "feed.tar", "sparse.json"], cwd=tmp_path, check=True)

    documents = list(walk([tmp_path / "feed.tar"], None))

    assert (tmp_path / "feed.tar").stat().st_size < 1 << 16
    assert _read(documents) == {"sparse.json": bytes(1 << 20) + A}


@pytest.mark.parametrize("size", [(1 << 63) - 1, 1 << 62, 1 << 41])
def test_a_member_of_an_impossible_size_ends_at_once(tmp_path: Path, size: int) -> None:
    member, _ = _member("a.json", A)
    member.size = size
    header = member.tobuf(tarfile.GNU_FORMAT)

    documents = _walk(tmp_path, "feed.tar", header + A + bytes(2048))

    assert [each.broken for each in documents] == [True]
    assert "cannot be read to its end" in documents[0].problem


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_of_an_impossible_size_is_not_read(tmp_path: Path, kind: bytes) -> None:
    member, _ = _member("a.json", type=kind)
    member.size = 1 << 50
    header = member.tobuf(tarfile.GNU_FORMAT)

    documents = _walk(tmp_path, "feed.tar", header + bytes(4096))

    assert [each.problem for each in documents] == [
        "cannot be read to its end: the archive is damaged: it has a header of an impossible size"
    ]


LIMITS = Limits(document=100, members=3, archive=250)


def test_a_document_beyond_the_limit_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    members = [_member("a.json", A), _member("x.json", b"x" * 101), _member("y.json", b"y" * 100)]

    documents = _walk(tmp_path, "feed.tar", _tar(*members), LIMITS)

    assert _read(documents) == {"a.json": A, "y.json": b"y" * 100}
    assert _problems(documents) == {"x.json": "larger than the 0 MiB a document may have"}


def test_a_line_beyond_the_limit_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    lines = b"\n".join([A, b"x" * 101, B, b"y" * 5000])

    documents = _walk(tmp_path, "feed.jsonl", lines, LIMITS)

    assert [(each.line, each.data, bool(each.problem)) for each in documents] == [
        (1, A, False), (2, b"", True), (3, B, False), (4, b"", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("members", "told"), [(4, "more than 3 members"), (3, "more than 0 MiB")])
def test_an_archive_beyond_the_limits_is_broken_off(tmp_path: Path, members: int, told: str) -> None:
    content = {f"{number}.json": b"x" * (1 if members == 4 else 90) for number in range(members)}
    for name, data in (("feed.tar", _tar(*(_member(*each) for each in content.items()))), ("feed.zip", _zip(content))):
        *read, last = _walk(tmp_path, name, data, LIMITS)
        assert told in last.problem
        assert last.broken
        assert len(read) < members


BROKEN: dict[str, tuple[str, bytes]] = {
    "a tar without an end mark": (".tar", PLAIN[:1024]),
    "a tar that ends in a header": (".tar", PLAIN[:1300]),
    "a tar that ends in a member": (".tar", PLAIN[: 512 + 5]),
    "two tars in one file": (".tar", PLAIN + PLAIN),
    "no tar at all": (".tar", b"not a tar" * 100),
    "an empty tar": (".tar", b""),
    "a truncated gzip": (".tar.gz", gzip.compress(PLAIN)[:-12]),
    "a gzip without its check": (".tar.gz", gzip.compress(PLAIN)[:-8]),
    "a gzip with a wrong check": (".tar.gz", gzip.compress(PLAIN)[:-8] + bytes(8)),
    "a gzip with something after it": (".tar.gz", gzip.compress(PLAIN) + b"garbage"),
    "a truncated bzip2": (".tar.bz2", bz2.compress(PLAIN)[:-4]),
    "a truncated xz": (".tar.xz", lzma.compress(PLAIN)[:-4]),
    "a truncated zstd": (".tar.zst", PACKED[".tar.zst"][:-6]),
    "a zstd with a wrong check": (".tar.zst", PACKED[".tar.zst"][:-4] + bytes(4)),
    "no zstd at all": (".tar.zst", PLAIN),
    "a truncated zip": (".zip", PACKED[".zip"][:-30]),
    "no zip at all": (".zip", b"PK\3\4nonsense"),
    "a truncated compressed document": (".json.zst", PACKED[".tar.zst"][:-6]),
    "truncated lines": (".jsonl.gz", gzip.compress(A + b"\n" + B)[:-9]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_an_archive_that_cannot_be_read_to_its_end_is_told_with_its_bytes(tmp_path: Path, case: str) -> None:
    suffix, data = BROKEN[case]

    *before, last = _walk(tmp_path, f"feed{suffix}", data)

    assert (last.locator, last.broken, last.data) == (f"feed{suffix}", True, data)
    assert last.problem.startswith("cannot be read to its end: ")
    assert not any(each.broken for each in before)


def _flipped(data: bytes, where: bytes) -> bytes:
    """Return data with a bit flipped in the first place where some bytes are."""
    position = data.index(where)
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def _locked() -> bytes:
    """Return a zip whose first member says that it is encrypted."""
    data = bytearray(_zip({"a.json": A, "b.json": B}, zipfile.ZIP_STORED))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1
    return bytes(data)


def _unknown_method() -> bytes:
    data = bytearray(_zip({"a.json": A, "b.json": B}, zipfile.ZIP_STORED))
    for header, method in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(header) + method] = 99
    return bytes(data)


ZIPS: dict[str, Callable[[], bytes]] = {
    "a wrong CRC": lambda: _flipped(_zip({"a.json": A, "b.json": B}, zipfile.ZIP_STORED), A),
    "encryption": _locked,
    "a method that nobody knows": _unknown_method,
}


@pytest.mark.parametrize("case", ZIPS)
def test_a_member_of_a_zip_with_this_is_told_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    documents = _walk(tmp_path, "feed.zip", ZIPS[case]())

    assert _read(documents) == {"b.json": B}
    assert [each.broken for each in documents] == [True, False]
    assert documents[0].problem.startswith("the member cannot be read: ")


def test_a_link_in_a_zip_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("x")
    link.external_attr = 0o120777 << 16
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(link, "/etc/passwd")

    assert _problems(_walk(tmp_path, "feed.zip", file.getvalue())) == {"x": "a link: links are not followed"}


def test_names_in_a_zip_keep_their_bytes(tmp_path: Path) -> None:
    data = _zip({"caf_.json": A, "s\u0435ril.json": B})

    assert _read(_walk(tmp_path, "feed.zip", data.replace(b"caf_", b"caf\xe9"))) == {
        "bytes:caf%E9.json": A, "s\u0435ril.json": B,
    }  # fmt: skip


def test_what_is_no_file_in_a_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    folder.mkdir()
    (folder / "a.json").write_bytes(A)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(folder / "socket"))
    server.close()

    documents = list(walk([folder], None))

    assert _read(documents) == {"a.json": A}
    link, device = "a link: links are not followed", "a device, pipe or socket: only files are read"
    assert _problems(documents) == {"dangling": link, "loop": link, "pipe": device, "socket": device}


def test_a_folder_is_walked_in_the_order_of_bytes(tmp_path: Path) -> None:
    for name in (b"z", b"B", b"\xe9", b"a", b"a.json", b"\xc3\xa9", b"a-b"):
        (tmp_path / os.fsdecode(name)).write_bytes(A)

    found = [each.locator for each in walk([tmp_path], None)]

    assert found == ["B", "a", "a-b", "a.json", "z", "é", "bytes:%E9"]


def test_lines_are_split_at_line_feeds_alone(tmp_path: Path) -> None:
    parts = [b'{"id": "A"}\r', b'{"s": "\xe2\x80\xa8"}', b"\x0b", b'{"last": 1}']

    documents = _walk(tmp_path, "feed.jsonl", b"\n".join(parts))

    assert [(each.line, each.data) for each in documents] == [(1, parts[0]), (2, parts[1]), (4, parts[3])]


@pytest.mark.parametrize("data", [b"", b"\n", b" \n\t\r\n"])
def test_a_file_of_lines_without_a_line_is_told(tmp_path: Path, data: bytes) -> None:
    assert [each.problem for each in _walk(tmp_path, "feed.jsonl", data)] == ["a file of JSON lines without a line"]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return an archive of any form with bytes changed, cut off or put in."""
    suffix = draw(st.sampled_from(sorted(PACKED)))
    data = PACKED[suffix]
    position = draw(st.integers(0, len(data) - 1))
    match draw(st.sampled_from(["flip", "cut", "insert"])):
        case "flip":
            return suffix, data[:position] + bytes([data[position] ^ draw(st.integers(1, 255))]) + data[position + 1 :]
        case "cut":
            return suffix, data[:position]
        case _:
            return suffix, data[:position] + draw(st.binary(min_size=1, max_size=20)) + data[position:]


@settings(max_examples=300)
@given(damaged())
def test_no_damage_is_an_error_or_goes_on_for_ever(archive: tuple[str, bytes]) -> None:
    """Compressed archives are checked as a whole: whatever was damaged is told, or changed nothing."""
    suffix, data = archive
    with _placed(f"feed{suffix}", data) as path:
        documents = list(walk([path], None))
    if suffix not in (".tar", ".TAR", ".zip") and not any(each.broken for each in documents):
        assert _read(documents) == {"a.json": A, "dir/b.json": B}


@st.composite
def forged(draw: st.DrawFn) -> bytes:
    """Return a tar archive with headers that say anything, under a right checksum."""
    data = bytearray(_tar(_member("a.json", A), _member("d/" * 60 + "b", B), form=draw(st.sampled_from([0, 1, 2]))))
    headers = [place for place in range(0, len(data), 512) if data[place + 257 : place + 262] == b"ustar"]
    fields = [(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (345, 155)]
    for _ in range(draw(st.integers(1, 3))):
        header, (place, length) = draw(st.sampled_from(headers)), draw(st.sampled_from(fields))
        value = draw(st.binary(max_size=length) | st.sampled_from([b"\x80" + b"\xff" * 11, b"\xff" * 12, b"7" * 11]))
        data[header + place : header + place + len(value[:length])] = value[:length]
        total = 256 + sum(data[header : header + 148]) + sum(data[header + 156 : header + 512])
        data[header + 148 : header + 156] = b"%06o\0 " % total
    return bytes(data)


@settings(max_examples=300)
@given(forged())
def test_no_forged_header_is_an_error_or_goes_on_for_ever(data: bytes) -> None:
    with _placed("feed.tar", data) as path:
        documents = list(walk([path], None))
    assert all(len(each.data) <= len(data) for each in documents)
