"""Extracting: everything or nothing, and nothing outside."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bundle.dsse import encode
from bundle.errors import UnreadableError, VerificationError
from bundle.extract import extract
from bundle.keys import generate_key_pair, load_public_key
from bundle.source import open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from bundle.keys import Signer


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_extraction_writes_exactly_the_members(make_one: Callable[..., Any], tmp_path: Path, layout: str) -> None:
    made = make_one(layout=layout)
    extract(made.path, tmp_path / "out", keys=[made.key])
    reader = open_bundle(made.path)
    assert _files(tmp_path / "out") == {name: reader.read(name) for name in reader.names}
    assert verify(tmp_path / "out", keys=[made.key], deep=True).layout == "dir"


def test_all_that_is_written_is_told(make_one: Callable[..., Any], tmp_path: Path) -> None:
    made = make_one()
    told: dict[str, bytes] = {}

    def progress(name: str, piece: bytes) -> None:
        told[name] = told.get(name, b"") + piece

    extract(made.path, tmp_path / "out", keys=[made.key], progress=progress)
    assert told == _files(tmp_path / "out")


def test_empty_members_are_extracted(make_one: Callable[..., Any], tmp_path: Path, layout: str) -> None:
    made = make_one(0, layout=layout, change={"extra.txt": b""})
    extract(made.path, tmp_path / "out", keys=[made.key])
    assert _files(tmp_path / "out")["extra.txt"] == b""
    assert verify(tmp_path / "out", keys=[made.key], deep=True).manifest == made.manifest


def test_an_empty_folder_and_missing_parents_will_do(make_one: Callable[..., Any], tmp_path: Path) -> None:
    made = make_one(2)
    (tmp_path / "empty").mkdir()
    extract(made.path, tmp_path / "empty", keys=[made.key])
    extract(made.path, tmp_path / "a" / "b" / "c", keys=[made.key])
    assert _files(tmp_path / "empty") == _files(tmp_path / "a" / "b" / "c")


def test_a_stream_is_extracted(make_one: Callable[..., Any], tmp_path: Path) -> None:
    made = make_one(2)
    with made.path.open("rb") as file:
        extract(file, tmp_path / "out", keys=[made.key])
    assert "export.json" in _files(tmp_path / "out")


@pytest.mark.parametrize("place", [10, 3000, -3000, -1])
def test_a_failed_extraction_leaves_nothing(make_one: Callable[..., Any], tmp_path: Path, place: int) -> None:
    made = make_one()
    data = bytearray(made.path.read_bytes())
    data[place] ^= 1
    (tmp_path / "bad.tar.zst").write_bytes(data)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(VerificationError):
        extract(tmp_path / "bad.tar.zst", tmp_path / "out", keys=[made.key])
    assert sorted(tmp_path.iterdir()) == before


def test_an_untrusted_bundle_is_not_extracted(make_one: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="step 2"):
        extract(make_one(2).path, tmp_path / "out", keys=[load_public_key(generate_key_pair()[1])])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_is_refused(make_one: Callable[..., Any]) -> None:
    made = make_one(2)
    with pytest.raises(UnreadableError, match="not an empty folder"):
        extract(made.path, made.path.parent, keys=[made.key])
    assert made.path.exists()


@pytest.mark.parametrize("name", ["extra/../../escaped", "extra\\\\..\\\\escaped", "extra/.ssh/keys", "extra//etc"])
def test_names_that_leave_the_folder_are_refused_though_signed(
    make_one: Callable[..., Any], one_signer: Signer, tmp_path: Path, name: str
) -> None:
    """A trusted signer with another program could sign such names; ours refuses to write them."""
    made = make_one(2, layout="dir", name="folder", change={"extra": b"owned"})
    manifest = (made.path / "export.json").read_bytes()
    assert b'"path":"extra"' in manifest
    manifest = manifest.replace(b'"path":"extra"', b'"path":"%s"' % name.encode())
    (made.path / "export.json").write_bytes(manifest)
    (made.path / "export.json.sig").write_text(encode(one_signer.sign(manifest)) + "\n")
    with pytest.raises(VerificationError, match=r"step 3, export\.json"):
        extract(made.path, tmp_path / "deep" / "out", keys=[made.key])
    assert not (tmp_path / "escaped").exists()


def test_a_parent_that_is_a_file_is_told(make_one: Callable[..., Any]) -> None:
    made = make_one(2)
    with pytest.raises(UnreadableError, match="cannot be written"):
        extract(made.path, made.path / "out", keys=[made.key])


def test_everything_is_on_the_disk_before_extraction_says_done(
    make_one: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_one()
    kept: list[Path] = []
    fsync = os.fsync

    def keep(descriptor: int) -> None:
        fsync(descriptor)
        kept.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", keep)
    out = tmp_path / "new" / "out"
    extract(made.path, out, keys=[made.key])
    beside = next(path for path in kept if path.suffix == ".partial")
    inside = {path.relative_to(beside).as_posix() for path in kept if path.is_relative_to(beside)}
    assert inside == {".", *(path.relative_to(out).as_posix() for path in out.rglob("*"))}
    # The folder's own name last, when all that it stands for is there; the new folder's name before.
    assert [path for path in kept if not path.is_relative_to(beside)] == [tmp_path, out.parent]
    assert kept[-1] == out.parent


def test_a_disk_that_does_not_keep_a_member_is_told_and_nothing_is_left(
    make_one: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_one(2)
    before = sorted(tmp_path.iterdir())

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UnreadableError, match=f"^{tmp_path / 'out'} cannot be written"):
        extract(made.path, tmp_path / "out", keys=[made.key])
    assert sorted(tmp_path.iterdir()) == before
