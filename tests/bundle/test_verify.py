"""The verifier accepts what the writer made, and nothing else."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from bundle import seekable, tar
from bundle.content import ContentChecks, Limits
from bundle.envelope import FIRST, LAST
from bundle.errors import UnreadableError, VerificationError
from bundle.forms import LocalFile
from bundle.keys import generate_key_pair, load_public_key
from bundle.manifest import Member
from bundle.source import open_archive, open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


PACK = zstandard.ZstdCompressor().compress


def test_a_whole_archive_is_verified(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    verified = verify(made.path, keys=[made.key], deep=True)
    assert verified.manifest == made.manifest
    assert verified.key_id == made.key.key_id
    assert verified.archive_sha256 == made.written.sha256


def test_a_stream_is_verified_like_a_file(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    assert verify(io.BytesIO(made.path.read_bytes()), keys=[made.key]).manifest == made.manifest


def test_a_folder_is_verified(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle(layout="dir", name="folder")
    assert verify(made.path, keys=[made.key], deep=True).manifest == made.manifest


def test_the_same_inputs_give_the_same_bytes(make_bundle: Callable[..., Any]) -> None:
    first, second = make_bundle(name="a.tar.zst"), make_bundle(name="b.tar.zst")
    assert first.path.read_bytes() == second.path.read_bytes()


def test_an_untrusted_key_is_refused_at_step_2(make_bundle: Callable[..., Any]) -> None:
    made = make_bundle()
    stranger = load_public_key(generate_key_pair()[1])
    with pytest.raises(VerificationError, match=r"step 2, export\.json\.sig"):
        verify(made.path, keys=[stranger])


def test_any_of_several_trusted_keys_will_do(make_one: Callable[..., Any]) -> None:
    made = make_one()
    stranger = load_public_key(generate_key_pair()[1])
    assert verify(made.path, keys=[stranger, made.key]).key_id == made.key.key_id


def test_a_missing_file_is_unreadable(tmp_path: Path, make_one: Callable[..., Any]) -> None:
    made = make_one(8)
    with pytest.raises(UnreadableError):
        verify(tmp_path / "absent.tar.zst", keys=[made.key])


def test_an_extra_file_in_a_folder_is_refused(make_one: Callable[..., Any]) -> None:
    made = make_one(8, layout="dir", name="folder")
    (made.path / "data" / "more.json").write_text("{}")
    with pytest.raises(VerificationError, match="not listed"):
        verify(made.path, keys=[made.key])


def test_python_tar_reads_the_members(make_one: Callable[..., Any]) -> None:
    made = make_one(8)
    reader = open_archive(LocalFile(made.path))
    plain = b"".join(
        tar.header(name, reader.size(name)) + reader.read(name) + tar.padding(reader.size(name))
        for name in reader.names
    )
    with tarfile.open(fileobj=io.BytesIO(plain + tar.END)) as archive:
        infos = archive.getmembers()
    assert [info.name for info in infos] == list(reader.names)
    assert {(info.mode, info.uid, info.gid, info.mtime, info.uname) for info in infos} == {(0o644, 0, 0, 0, "")}


def test_a_pipe_is_verified(make_one: Callable[..., Any]) -> None:
    made = make_one(8)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source, ThreadPoolExecutor(1) as pool:
        with os.fdopen(writing, "wb") as target:
            verified = pool.submit(verify, source, keys=[made.key])
            target.write(made.path.read_bytes())
        assert verified.result().archive_sha256 == made.written.sha256


def test_a_stream_that_gives_few_bytes_at_a_time_is_verified(make_one: Callable[..., Any]) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 777))

    made = make_one(8)
    assert verify(Slow(made.path.read_bytes()), keys=[made.key]).layout == "tar.zst"


def test_a_bundle_without_records_is_verified(make_one: Callable[..., Any], layout: str) -> None:
    made = make_one(0, layout=layout)
    assert verify(made.path, keys=[made.key], deep=True).manifest == made.manifest


SEARCH_INDEX = ("search/advisories.root", "search/advisories.terms")


def _part(made: Any, name: str) -> bytes:
    return open_bundle(made.path).read(name)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("indexes/advisories.frames", lambda data: data[:-1] + b"x", "step 7.*does not list the frames"),
        ("indexes/advisories.frames", lambda data: data + bytes(64), "step 7.*does not list the frames"),
        ("indexes/advisories.root", lambda data: data[:-40], "step 8.*does not list the pages"),
        ("indexes/advisories.root", lambda data: data[40:] + data[:40], "step 8.*does not list the pages"),
        ("indexes/advisories.pages", lambda data: data[112:224] + data[:112] + data[224:], "step 8.*not sorted"),
        ("indexes/advisories.pages", lambda data: data[:-1], "step 8.*no multiple"),
        ("indexes/advisories.pages", lambda data: data[:-1] + b"x", "step 12.*exactly its records"),
        ("indexes/advisories.pages", lambda data: data[112:], "step 8.*one row for every record"),
        ("indexes/advisories.pages", lambda data: data[:112] + data[:-112], "step 12.*exactly its records"),
        ("indexes/search/advisories.terms", lambda data: data[8:16] + data[:8] + data[16:], "step 8.*not sorted"),
        ("indexes/search/advisories.terms", lambda data: data[:8] + data, "step 8.*comes twice"),
        ("indexes/search/advisories.terms", lambda data: data[:-1], "step 8.*no multiple"),
        ("indexes/search/advisories.terms", lambda data: data[:-4] + b"\xff" * 4, "step 8.*does not have"),
        ("indexes/search/advisories.root", lambda data: data[:-40], "step 8.*does not list the pages"),
        ("indexes/search/advisories.root", lambda data: data + data, "step 8.*does not list the pages"),
        ("data/advisories.jsonl.zst", lambda data: data + data, "step 7"),
        ("data/advisories.jsonl.zst", lambda data: data[:-1], "step 7.*cut off"),
        ("data/advisories.jsonl.zst", lambda _: b"plain text", "step 7.*does not begin"),
        ("data/advisories.jsonl.zst", lambda _: PACK(bytes(100_000_000)), "step 7.*plain bytes"),
        ("data/advisories.jsonl.zst", lambda data: PACK(b"no newline") + data, "step 7"),
    ],
)
def test_what_was_signed_wrongly_is_refused_too(
    make_one: Callable[..., Any], name: str, change: Callable[[bytes], bytes], message: str
) -> None:
    data = _part(make_one(700, name="right"), name)
    made = make_one(700, change={name: change(data)})
    with pytest.raises(VerificationError, match=message) as caught:
        verify(made.path, keys=[made.key], deep=True)
    assert caught.value.member == name or caught.value.step == 12


@pytest.mark.parametrize(
    ("part", "step"),
    [("advisories.frames", 7), *((part, 8) for part in ("advisories.pages", "advisories.root", *SEARCH_INDEX))],
)
def test_a_framed_member_has_whole_indexes(make_one: Callable[..., Any], part: str, step: int) -> None:
    made = make_one(5, change={f"indexes/{part}": None})
    message = rf"step {step}, data/advisories\.jsonl\.zst: export\.json lists no indexes/{part}"
    with pytest.raises(VerificationError, match=message):
        verify(made.path, keys=[made.key])


def test_no_two_framed_members_share_an_index() -> None:
    facts = {"media_type": "a/b", "bytes": 0, "sha256": "0" * 64, "records": 0, "plain_bytes": 0}
    table = {
        ("data/a.jsonl.zst", "other/a.jsonl.zst"): "other/a",
        ("data/a.jsonl",): "data/a",
        ("README.md",): "README.md",
        ("data/a.jsonl.zst", "data/search/a.jsonl.zst"): "data/search/a",
    }
    for names, refused in table.items():
        members = [Member(path=name, frames_sha256="0" * 64, **facts) for name in names]  # type: ignore[arg-type]
        parts = ("a.frames", "a.pages", "a.root", "search/a.root", "search/a.terms")
        indexes = [Member(path=f"indexes/{part}", **facts) for part in parts]  # type: ignore[arg-type]
        with pytest.raises(VerificationError, match=f"step 7, {refused}.*no index of its own"):
            ContentChecks(Limits(), deep=False).check_listing([*members, *indexes])


@pytest.mark.parametrize("facts", [{"records": 9}, {"plain_bytes": 9}, {"frames_sha256": "0" * 64}])
def test_facts_about_frames_must_be_true(make_one: Callable[..., Any], facts: dict[str, Any]) -> None:
    made = make_one(8, facts={"data/advisories.jsonl.zst": facts})
    with pytest.raises(VerificationError, match=r"step 7, data/advisories\.jsonl\.zst"):
        verify(made.path, keys=[made.key])


def test_deep_verification_looks_at_every_record(make_one: Callable[..., Any], make_record: Callable[..., Any]) -> None:
    def changed(old: bytes, new: bytes) -> list[dict[str, Any]]:
        records = [make_record(number) for number in range(9)]
        assert old in records[4]["line"]
        records[4]["line"] = records[4]["line"].replace(old, new)
        return records

    plain = [make_record(number) for number in range(9)]
    table = {
        "out of order": [*plain[:3], plain[4], plain[3], *plain[5:]],
        "record 'ID-0002' is out of order": [*plain[:3], *plain[2:]],
        "wrong observationId": changed(b'"source":"feed"', b'"source":"fool"'),
        "not in canonical form": changed(b'{"content"', b'{ "content"'),
        "the line of 'ID-0004' is not": changed(b'{"id":"ID', b'{"id": "ID'),
        "is no record": changed(b'"purls":[],', b""),
        "no record: Object contains unknown field": changed(b'"purls":[],', b'"purls":[],"severity":7,'),
        "a line is no record: JSON is malformed": changed(b'"purls":[]', b'"purls":['),
        "a line is no record: .*hexadecimal": changed(b'"sha256":"', b'"sha256":"zz'),
        "exactly its records": [*plain[:4], {**plain[4], "key": bytes(32)}, *plain[5:]],
    }
    for at, (message, lines) in enumerate(table.items()):
        made = make_one(name=str(at), lines=lines)
        assert verify(made.path, keys=[made.key]), "only a deep look finds it"
        with pytest.raises(VerificationError, match=f"step 12, data/advisories.*{message}"):
            verify(made.path, keys=[made.key], deep=True)


def test_a_frame_larger_than_allowed_is_refused(make_one: Callable[..., Any]) -> None:
    made = make_one(20)
    with pytest.raises(VerificationError, match="between 1 and 100 are allowed"):
        verify(made.path, keys=[made.key], limits=Limits(frame=100))


def test_an_envelope_member_larger_than_allowed_is_refused(make_one: Callable[..., Any]) -> None:
    made = make_one(2)
    with pytest.raises(VerificationError, match=r"step 1, export\.json: .*more than the 100"):
        verify(made.path, keys=[made.key], limits=Limits(manifest=100))


@pytest.mark.parametrize("name", [*FIRST[1:], *LAST])
def test_no_member_of_the_envelope_is_read_that_is_larger_than_it_can_be(
    make_one: Callable[..., Any], name: str
) -> None:
    made = make_one(2, layout="dir", name="folder")
    with (made.path / name).open("ab") as file:
        file.truncate(60 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(VerificationError, match=rf"{name} has 62914560 bytes, more than the \d+ that are allowed"):
            verify(made.path, keys=[made.key])
        assert tracemalloc.get_traced_memory()[1] < 24 << 20
    finally:
        tracemalloc.stop()


def test_nothing_behind_the_signature_is_read_before_it_has_been_checked(make_one: Callable[..., Any]) -> None:
    made = make_one(2)
    names: list[str] = []
    with pytest.raises(VerificationError, match="step 2"):
        verify(made.path, keys=[], consume=lambda name, _: names.append(name))
    assert names == ["export.json", "export.json.sig"]


def _link(folder: Path) -> None:
    (folder / "README.md").rename(folder.parent / "README.md")
    (folder / "README.md").symlink_to(folder.parent / "README.md")


def _link_folder(folder: Path) -> None:
    (folder / "data").rename(folder.parent / "data")
    (folder / "data").symlink_to(folder.parent / "data")


def _pipe(folder: Path) -> None:
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")


FOLDER_CHANGES: dict[str, Callable[[Path], object]] = {
    "an extra file": lambda folder: (folder / "data" / "more.json").write_text("{}"),
    "an extra folder": lambda folder: (folder / "empty").mkdir(),
    "an extra link to a folder": lambda folder: (folder / "viewer").symlink_to(folder / "data"),
    "a missing file": lambda folder: (folder / "README.md").unlink(),
    "a file that became a folder": lambda folder: ((folder / "README.md").unlink(), (folder / "README.md").mkdir()),
    "a link in the place of a file": _link,
    "a link in the place of a folder": _link_folder,
    "a pipe in the place of a file": _pipe,
    "a longer file": lambda folder: (folder / "README.md").write_bytes(b"# A bundle\n\n"),
    "a changed file": lambda folder: (folder / "README.md").write_bytes(b"# A bundlE\n"),
}


@pytest.mark.parametrize("what", FOLDER_CHANGES)
def test_a_folder_is_verified_as_strictly(make_one: Callable[..., Any], what: str) -> None:
    made = make_one(2, layout="dir", name="folder")
    FOLDER_CHANGES[what](made.path)
    with pytest.raises(VerificationError):
        verify(made.path, keys=[made.key])


@pytest.mark.parametrize("name", [*FIRST, *LAST])
def test_any_changed_or_missing_envelope_file_of_a_folder_is_refused(make_one: Callable[..., Any], name: str) -> None:
    made = make_one(2, layout="dir", name="folder")
    data = (made.path / name).read_bytes()
    for changed in (data + b"\n", data[:-1], b"", data.replace(data[5:6], b"~", 1)):
        (made.path / name).write_bytes(changed)
        with pytest.raises(VerificationError):
            verify(made.path, keys=[made.key])
    (made.path / name).unlink()
    with pytest.raises((VerificationError, UnreadableError)):
        verify(made.path, keys=[made.key])


def test_a_broken_medium_is_unreadable_and_any_other_fault_a_refusal(make_one: Callable[..., Any]) -> None:
    made = make_one(2)

    class Broken(io.BytesIO):
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

        def read(self, _: int | None = -1) -> bytes:
            raise self.error

    with pytest.raises(UnreadableError, match="medium"):
        verify(Broken(OSError(5, "the medium failed")), keys=[made.key])
    with pytest.raises(VerificationError, match="RecursionError"):
        verify(Broken(RecursionError("too deep")), keys=[made.key])


def test_damage_to_the_container_is_told_as_such(make_one: Callable[..., Any]) -> None:
    data = bytearray((made := make_one(2)).path.read_bytes())
    data[seekable.FRAME_HEADER] ^= 2
    with pytest.raises(VerificationError, match="step 1, archive: a block of the container"):
        verify(io.BytesIO(data), keys=[made.key])
