"""Finding records by id, reading little, and trusting nothing that was not checked."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from bundle import records
from bundle.errors import FormatError
from bundle.forms import LocalFile
from bundle.lines import EVALUATIONS, id_of
from bundle.records import checked_stream, find_records, iterate_lines
from bundle.source import open_archive, open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_record_is_found_by_its_id(
    make_one: Callable[..., Any], make_record: Callable[..., Any], layout: str
) -> None:
    reader = open_bundle(make_one(40, layout=layout).path)
    for number in range(40):
        found = list(find_records(reader, f"ID-{number:04d}"))
        assert [one.line for one in found] == [make_record(number)["line"]]
        assert found[0].member == "data/advisories.jsonl.zst"


def test_an_id_that_is_not_there_is_not_found(make_one: Callable[..., Any]) -> None:
    reader = open_bundle(make_one(40).path)
    assert not list(find_records(reader, "ID-9999"))
    assert not list(find_records(reader, ""))
    assert not list(find_records(reader, os.fsdecode(b"ID-\xff")))


def test_all_records_of_an_id_are_found_and_no_others(
    make_one: Callable[..., Any], make_record: Callable[..., Any]
) -> None:
    lines = [make_record(number, source=source) for source in ("a", "b", "c") for number in range(30)]
    reader = open_bundle(make_one(lines=lines).path)
    assert {one.line for one in find_records(reader, "ID-0007")} == {
        make_record(7, source=source)["line"] for source in ("a", "b", "c")
    }


def test_an_id_with_the_same_hash_is_not_mistaken_for_it(
    make_one: Callable[..., Any], make_record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{**make_record(number), "id": bytes(8)} for number in range(20)]
    reader = open_bundle(make_one(lines=lines).path)
    monkeypatch.setattr(records, "id_hash", lambda _: bytes(8))
    assert [one.line for one in find_records(reader, "ID-0003")] == [make_record(3)["line"]]


@pytest.mark.parametrize("form", ["tar.zst", "zip"])
def test_one_record_of_a_large_bundle_takes_few_bytes(
    make_one: Callable[..., Any], make_record: Callable[..., Any], form: str
) -> None:
    noise = random.Random(9).randbytes(4 << 20)
    file = LocalFile(make_one(lines=[make_record(n) for n in range(3000)], layout=form, change={"extra": noise}).path)
    assert list(find_records(open_archive(file), "ID-1234"))
    assert file.bytes_read < 300_000 < file.size / 10


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("indexes/advisories.root", "not the one that export.json lists"),
        ("indexes/advisories.pages", "not the one that the index root names"),
        ("indexes/advisories.frames", "not the one that export.json lists"),
        ("data/advisories.jsonl.zst", "frame|cannot be decompressed|a record is not the one"),
    ],
)
def test_changed_members_are_refused_when_read(
    make_one: Callable[..., Any], tmp_path: Path, member: str, message: str
) -> None:
    made = make_one(5, layout="dir", name="folder")
    path = tmp_path / "folder" / member
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    reader = open_bundle(made.path)
    with pytest.raises(FormatError, match=message):
        [list(find_records(reader, f"ID-{number:04d}")) for number in range(5)]


def test_all_lines_are_read_in_order(make_one: Callable[..., Any], make_record: Callable[..., Any]) -> None:
    made = make_one(50)
    member = next(member for member in made.manifest.members if member.frames_sha256)
    assert list(iterate_lines(open_bundle(made.path), member)) == [make_record(n)["line"] for n in range(50)]


def test_lines_of_another_member_are_refused_at_the_end(make_one: Callable[..., Any]) -> None:
    made, other = make_one(50), make_one(49, name="other")
    member = next(member for member in made.manifest.members if member.frames_sha256)
    with pytest.raises(FormatError, match="does not hold the frames"):
        list(iterate_lines(open_bundle(other.path), member))


@pytest.mark.parametrize("own", ["E-1", 7, None, {"id": "ID-0001"}])
def test_an_evaluation_is_found_by_its_finding_whatever_id_it_has_of_its_own(
    make_one: Callable[..., Any], make_evaluation: Callable[..., Any], own: object
) -> None:
    one = make_evaluation(finding="ID-0001", decision="warn", rule="r", id=own, source=3)
    reader = open_bundle((made := make_one(3, evaluations=[one])).path)
    found = [(one.member, one.line) for one in find_records(reader, "ID-0001")]
    assert [member for member, _ in found] == ["data/advisories.jsonl.zst", EVALUATIONS]
    assert found[1][1] == one["line"]
    assert not list(find_records(reader, str(own)))
    assert verify(made.path, keys=[made.key], deep=True)


def test_a_line_without_the_field_that_its_member_asks_for_has_no_id() -> None:
    assert id_of(EVALUATIONS, b'{"finding":"F-1","id":"E-1"}\n') == "F-1"
    assert id_of("data/findings.jsonl.zst", b'{"finding":"F-1","id":"E-1"}\n') == "E-1"
    for member, line in ((EVALUATIONS, b'{"id":"E-1"}'), ("data/vex.jsonl.zst", b'{"finding":"F-1"}'), ("", b"[1]")):
        with pytest.raises(FormatError, match="a line has no id"):
            id_of(member, line)


def test_a_changed_member_is_told_after_its_last_piece(make_one: Callable[..., Any], layout: str) -> None:
    made = make_one(2, layout=layout)
    for name in open_bundle(made.path).names:
        assert b"".join(checked_stream(open_bundle(made.path), name)) == open_bundle(made.path).read(name)
    for path in [made.path / "README.md"] if layout == "dir" else [made.path]:
        path.write_bytes(path.read_bytes().replace(b"# A bundle\n", b"# a bundle\n"))
    pieces = checked_stream(open_bundle(made.path), "README.md")
    assert next(pieces) == b"# a bundle\n"
    with pytest.raises(FormatError, match=r"README\.md is not the one that export\.json lists"):
        next(pieces)
