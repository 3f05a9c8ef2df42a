"""Writing a bundle: the same bytes for the same inputs, and a whole bundle or none."""

from __future__ import annotations

import hashlib
import os
import secrets
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from bundle.build import PayloadFile, write_bundle
from bundle.envelope import FIRST, LAST, sign_envelope
from bundle.errors import FormatError, UnreadableError
from bundle.hashing import StreamDigest
from bundle.manifest import Member
from bundle.source import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.keys import Signer


def test_members_come_in_the_order_of_the_format(make_one: Callable[..., Any], tmp_path: Path) -> None:
    order = [*FIRST, *(member.path for member in make_one().manifest.members), *LAST]
    make_one(layout="zip", name="bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        assert archive.namelist() == order
    with (
        (tmp_path / "bundle.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        assert archive.getnames() == order


def test_the_same_inputs_give_the_same_bytes(make_one: Callable[..., Any], layout: str) -> None:
    first, second = make_one(name="a", layout=layout), make_one(name="b", layout=layout)
    one, other = open_bundle(first.path), open_bundle(second.path)
    assert [one.read(name) for name in one.names] == [other.read(name) for name in other.names]
    assert first.written.sha256 == second.written.sha256


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
def test_what_is_said_of_the_file_is_true(make_one: Callable[..., Any], form: str) -> None:
    made = make_one(layout=form)
    data = made.path.read_bytes()
    assert (made.written.sha256, made.written.bytes) == (hashlib.sha256(data).hexdigest(), len(data))


def test_all_layouts_hold_the_same_members(make_one: Callable[..., Any]) -> None:
    readers = [open_bundle(make_one(layout=form, name=form).path) for form in ("tar.zst", "zip", "dir")]
    first, *others = [[(name, reader.read(name)) for name in reader.names] for reader in readers]
    assert all(other == first for other in others)


def test_an_existing_file_is_replaced(make_one: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.zst").write_bytes(b"old")
    assert make_one().path.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"


def test_what_is_no_plain_file_is_never_replaced(make_one: Callable[..., Any], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UnreadableError, match="no plain file"):
        make_one(name="pipe")
    assert pipe.is_fifo()
    assert list(tmp_path.glob(".pipe*")) == []


PLANTED: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda place, precious: place.symlink_to(precious),
    "a dangling link": lambda place, precious: place.symlink_to(precious.with_name("nothing")),
    "a hard link": lambda place, precious: place.hardlink_to(precious),
    "a file": lambda place, _: place.write_text("precious"),
    "a link to a folder": lambda place, precious: place.symlink_to(precious.parent / "folder"),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_what_somebody_planted_beside_a_bundle_is_neither_followed_nor_removed(
    make_one: Callable[..., Any],
    tmp_path: Path,
    layout: str,
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[Path, Path], object],
) -> None:
    """The name is drawn at random; here it was foreseen."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "foreseen")
    elsewhere, planted = tmp_path / "elsewhere", tmp_path / ".foreseen.partial"
    (elsewhere / "folder").mkdir(parents=True)
    (elsewhere / "precious").write_text("precious")
    plant(planted, elsewhere / "precious")
    with pytest.raises(UnreadableError, match="could not be written"):
        make_one(layout=layout)
    assert [path.name for path in elsewhere.rglob("*") if path.is_file()] == ["precious"]
    assert (elsewhere / "precious").read_text() == "precious"
    assert planted.is_symlink() or planted.read_text() == "precious"
    assert list(tmp_path.glob("bundle*")) == []


def test_the_name_beside_a_bundle_is_another_each_time(
    make_one: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, target: names.append(path.name) or rename(path, target))
    for name in ("a", "b", "c"):
        make_one(name=name)
    assert len(set(names)) == 3
    assert all(name.endswith(".partial") for name in names)


def _write(folder: Path, layout: Any, signer: Signer, made: Any, file: PayloadFile) -> None:
    write_bundle(folder / "out", layout=layout, envelope=sign_envelope(made.manifest, signer), payload=[file])


def _member(name: str, size: int) -> Member:
    return Member(path=name, media_type="text/plain", bytes=size, sha256="0" * 64)


@pytest.mark.parametrize("size", [2, 4])
def test_a_file_of_another_size_leaves_nothing(
    make_one: Callable[..., Any], one_signer: Signer, tmp_path: Path, layout: str, size: int
) -> None:
    made = make_one(2)
    (tmp_path / "part").write_bytes(b"abc")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(FormatError, match=f"was to hold {size} bytes, and held 3"):
        _write(tmp_path, layout, one_signer, made, PayloadFile(_member("a.txt", size), tmp_path / "part"))
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_file_leaves_nothing(
    make_one: Callable[..., Any], one_signer: Signer, tmp_path: Path, layout: str
) -> None:
    made = make_one(2)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UnreadableError, match="could not be written"):
        _write(tmp_path, layout, one_signer, made, PayloadFile(_member("a.txt", 3), tmp_path / "absent"))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a//b", "a/./b", ".hidden", "a\\b", "a\0", "naïve", "", "a" * 101, "export.json", "a\n"]
)
def test_an_unsafe_name_is_refused(
    make_one: Callable[..., Any], one_signer: Signer, tmp_path: Path, layout: str, name: str
) -> None:
    made = make_one(2)
    (tmp_path / "part").write_bytes(b"abc")
    with pytest.raises(FormatError):
        _write(tmp_path, layout, one_signer, made, PayloadFile(_member(name, 3), tmp_path / "part"))
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_a_file_and_a_folder_is_refused(
    make_one: Callable[..., Any], one_signer: Signer, tmp_path: Path
) -> None:
    envelope = sign_envelope(make_one(2).manifest, one_signer)
    files = [PayloadFile(_member(name, 0), tmp_path) for name in ("a", "a/b")]
    with pytest.raises(FormatError, match="of a file and of a folder"):
        write_bundle(tmp_path / "out", layout="zip", envelope=envelope, payload=files)


def test_a_digest_in_a_thread_is_that_of_all_pieces_in_order() -> None:
    pieces = [bytes([number]) * (number * 9000) for number in range(90)]
    with StreamDigest() as digest:
        for piece in pieces:
            digest.update(piece)
        assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
