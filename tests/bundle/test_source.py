"""Reading ranges of members without reading the rest."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from bundle import seekable, tar
from bundle.errors import FormatError, MemberNotFoundError, UnreadableError
from bundle.forms import LocalFile
from bundle.source import open_archive, open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE = random.Random(2).randbytes(3 * seekable.CHUNK)


def test_every_range_is_that_of_the_member(make_one: Callable[..., Any], layout: str) -> None:
    reader = open_bundle(make_one(2, layout=layout, change={"extra.bin": NOISE}).path)
    source = random.Random(4)
    for _ in range(60):
        offset, length = source.randrange(len(NOISE) + 9), source.randrange(2 * seekable.CHUNK)
        assert reader.read("extra.bin", offset, length) == NOISE[offset : offset + length]
    assert reader.read("extra.bin") == b"".join(reader.stream("extra.bin")) == NOISE
    assert reader.size("extra.bin") == len(NOISE)


def test_a_member_that_is_not_there_is_told(make_one: Callable[..., Any], layout: str) -> None:
    with pytest.raises(MemberNotFoundError, match="no member 'absent'"):
        open_bundle(make_one(2, layout=layout).path).read("absent")


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
def test_opening_and_reading_a_range_reads_little(make_one: Callable[..., Any], form: str) -> None:
    file = LocalFile(make_one(2, layout=form, change={"extra.bin": NOISE}).path)
    open_archive(file).read("extra.bin", 300_000, 100)
    assert file.bytes_read < 20_000


def test_a_moved_member_is_noticed_when_it_is_read(make_one: Callable[..., Any]) -> None:
    path = make_one(2).path
    data = path.read_bytes()
    assert data.count(b"README.md\0") == 1
    path.write_bytes(data.replace(b"README.md\0", b"README.mx\0"))
    reader = open_bundle(path)
    with pytest.raises(FormatError, match="tar header"):
        reader.read("README.md")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x28\xb5\x2f\xfd" * 9, seekable.frame(tar.END)])
def test_what_is_no_bundle_is_unreadable(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)
    for path in (tmp_path / "file", tmp_path / "absent", tmp_path):
        with pytest.raises(UnreadableError):
            open_bundle(path)


def test_a_cut_off_archive_is_unreadable(make_one: Callable[..., Any]) -> None:
    path = make_one(2).path
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnreadableError):
        open_bundle(path)


def _link(path: Path) -> None:
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["export.json", "export.json.sig", "README.md", "cosign.pub"])
@pytest.mark.parametrize("change", [_link, _pipe])
def test_a_folder_with_a_link_or_a_pipe_in_it_is_unreadable(
    make_one: Callable[..., Any], name: str, change: Callable[[Path], None]
) -> None:
    folder = make_one(2, layout="dir", name="folder").path
    change(folder / name)
    with pytest.raises(UnreadableError, match=f"{name} is"):
        open_bundle(folder)


def test_a_link_that_came_after_the_folder_was_opened_is_not_followed(make_one: Callable[..., Any]) -> None:
    folder = make_one(2, layout="dir", name="folder").path
    reader = open_bundle(folder)
    _link(folder / "README.md")
    with pytest.raises(FormatError, match=r"README\.md is a link"):
        reader.read("README.md")
