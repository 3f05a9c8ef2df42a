"""Identity: what makes two documents the same thing, and what keeps them apart."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from evidence.errors import ValidationError
from evidence.names import locator_of, source_name

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Depot

BOM = b'{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": %d}'


def _tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_a_locator_is_the_path_below_the_folder(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "deep/er/b.json": depot.advisory("B-1")})

    assert depot.places() == {("A-1", "a.json"), ("B-1", "deep/er/b.json")}


def test_a_locator_is_the_path_below_the_archives_root(depot: Depot) -> None:
    archive = _tar(
        depot.files({}) / "feed.tar", {"./x/a.json": depot.advisory("A-1"), "./b.json": depot.advisory("B-1")}
    )

    depot.ingest(archive)

    assert depot.places() == {("A-1", "x/a.json"), ("B-1", "b.json")}


def test_a_single_file_is_located_by_its_own_name(depot: Depot) -> None:
    depot.ingest(depot.files({"dir/a.json": depot.advisory("A-1")}) / "dir" / "a.json")

    assert depot.places() == {("A-1", "a.json")}


def test_an_archive_in_a_folder_is_a_feed_of_its_own(depot: Depot) -> None:
    folder = depot.files({"loose.json": depot.advisory("A-1")}, name="feeds")
    _tar(folder / "OSV Crates.tar", {"b.json": depot.advisory("B-1")})

    report = depot.ingest(folder)

    assert report.sources == {"feeds": 1, "osv-crates": 1}
    assert depot.places() == {("A-1", "loose.json"), ("B-1", "b.json")}


SOURCES = {
    "an archive": ("osv-pypi.tar.zst", False, "osv-pypi"),
    "an archive in capitals": ("OSV.ZIP", False, "osv"),
    "a folder": ("my feed", False, "my-feed"),
    "a folder with dots": ("v1.2", False, "v1.2"),
    "JSON lines": ("osv.jsonl.zst", True, "osv"),
    "a single file": ("CVE-1.json", True, "local"),
    "letters of no name": ("Ж", False, "local"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_without_a_name_is_named_after(case: str, tmp_path: Path) -> None:
    name, alone, expected = SOURCES[case]

    assert source_name(tmp_path / name, alone=alone) == expected


def test_a_source_that_is_named_covers_everything(depot: Depot) -> None:
    folder = depot.files({"a.json": depot.advisory("A-1")})
    _tar(folder / "other.tar", {"b.json": depot.advisory("B-1")})

    assert depot.ingest(folder, source="My.Feed_1").sources == {"my.feed_1": 2}


@pytest.mark.parametrize("name", ["two words", "a/b", "", "ж", "a\n"])
def test_a_name_that_would_have_to_be_changed_is_refused(name: str, depot: Depot) -> None:
    with pytest.raises(ValidationError, match="no name of a source"):
        depot.put({"a.json": depot.advisory("A-1")}, source=name)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "x" * 129])
def test_a_tenant_has_a_plain_name(name: str, depot: Depot) -> None:
    with pytest.raises(ValidationError, match="no name of a tenant"):
        depot.put({"a.json": depot.advisory("A-1")}, tenant=name)


LOCATORS = {
    "plain": (b"a/b.json", "a/b.json"),
    "a leading ./": (b"./a.json", "./a.json"),
    "spaces and letters": ("SUSE Linux/é.json".encode(), "SUSE Linux/é.json"),
    "a leading hyphen": (b"-rf/a.json", "-rf/a.json"),
    "climbing": (b"../../etc/passwd", "../../etc/passwd"),
    "absolute": (b"/etc/passwd", "/etc/passwd"),
    "a homoglyph": ("s\u0435ril.json".encode(), "s\u0435ril.json"),
    "not composed": ("e\u0301.json".encode(), "e\u0301.json"),
    "not UTF-8": (b"caf\xe9/a.json", "bytes:caf%E9/a.json"),
    "half a surrogate": (b"\xed\xa0\x80", "bytes:%ED%A0%80"),
    "like an escaped one": (b"bytes:a", "bytes:bytes%3Aa"),
}


@pytest.mark.parametrize("case", LOCATORS)
def test_the_bytes_of_a_path_are_preserved(case: str) -> None:
    raw, expected = LOCATORS[case]

    assert locator_of(raw) == expected


MEMBERS = {
    "all with ./": (["./", "./a.json", "./b/c.json"], ["a.json", "b/c.json"]),
    "the first with ./": (["./a.json", "a.json", "./bytes:a", "bytes:a", "././a.json"],
                          ["a.json", "bytes:=a.json", "bytes:bytes%3Aa", "bytes:=bytes%3Aa", "./a.json"]),
    "the first without": (["a.json", "./a.json"], ["a.json", "./a.json"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MEMBERS)
@pytest.mark.parametrize("suffix", ["tar", "zip"])
def test_members_of_other_names_have_other_locators(depot: Depot, case: str, suffix: str) -> None:
    names, locators = MEMBERS[case]
    path = depot.files({}) / f"x.{suffix}"
    with tarfile.open(path, "w") if suffix == "tar" else zipfile.ZipFile(path, "w") as archive:
        for name in names:
            data = depot.advisory("A-1", name)
            if isinstance(archive, zipfile.ZipFile):
                archive.writestr(name, b"" if name.endswith("/") else data)
            elif name.endswith("/"):
                folder = tarfile.TarInfo(name)
                folder.type = tarfile.DIRTYPE
                archive.addfile(folder)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))

    assert depot.ingest(path).superseded == 0
    assert depot.places() == {("A-1", locator) for locator in locators}


def test_documents_that_share_an_id_in_different_places_stay_apart(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("SAME", "one"), "b.json": depot.advisory("SAME", "two")})

    assert depot.places() == {("SAME", "a.json"), ("SAME", "b.json")}


def test_a_document_without_an_id_is_named_by_its_place(depot: Depot) -> None:
    depot.put({"dir/bom.json": BOM % 1})

    assert depot.places() == {("dir/bom.json", "dir/bom.json")}


def test_tenants_and_sources_and_kinds_keep_documents_apart(depot: Depot) -> None:
    content = {"a.json": depot.advisory("A-1")}
    for options in ({}, {"tenant": "other"}, {"source": "else"}, {"tenant": "_shared"}):
        assert depot.put(content, **options).stored == 1

    kinds = {(row["tenant"], row["source"]) for row in depot.records()}
    assert kinds == {("default", "feed"), ("other", "feed"), ("default", "else"), ("_shared", "feed")}


def test_a_line_has_no_locator_and_the_second_of_one_id_has_its_number(depot: Depot) -> None:
    lines = [depot.advisory(name, text) for name, text in (("A-1", "1"), ("B-1", "1"), ("A-1", "2"), ("A-1", "3"))]

    report = depot.put({"feed.jsonl": b"\n".join(lines)})

    assert report.stored == 4
    assert depot.places() == {("A-1", ""), ("B-1", ""), ("A-1", "#2"), ("A-1", "#3")}
    summaries = {row["locator"]: row["raw"] for row in depot.records() if row["upstream_id"] == "A-1"}
    assert summaries == {"": lines[0], "#2": lines[2], "#3": lines[3]}


def test_ids_are_counted_for_each_file_of_lines(depot: Depot) -> None:
    first, second = depot.advisory("A-1"), depot.advisory("B-1")

    depot.put({"a.jsonl": first, "b.jsonl": second})

    assert depot.places() == {("A-1", ""), ("B-1", "")}


def test_lines_without_an_id_are_named_by_their_file_and_number(depot: Depot) -> None:
    lines = b"\n".join([BOM % 1, depot.advisory("A-1"), BOM % 2])

    report = depot.put({"x/boms.jsonl": lines, "y.jsonl": BOM % 3})

    assert (report.stored, report.superseded) == (4, 0)
    named = ["x/boms.jsonl#1", "x/boms.jsonl#2", "y.jsonl#1"]
    assert depot.places() == {("A-1", ""), *zip(named, named, strict=True)}


def test_a_line_that_was_numbered_is_stored_as_any_other(depot: Depot) -> None:
    content = {"feed.jsonl": b"\n".join([depot.advisory("A-1", "1"), depot.advisory("A-1", "2")])}
    depot.put(content)

    assert depot.put(content).unchanged == 2
    again = {row["locator"]: row for row in depot.records()}
    assert again["#2"]["key_hash"] != again[""]["key_hash"]
    assert b'"locator":"#2"' in again["#2"]["line"]


def test_lines_are_read_from_compressed_files_and_archives(depot: Depot) -> None:
    lines = b"\n".join([depot.advisory("A-1"), b"", b"  \r", depot.advisory("B-1") + b"\r", depot.advisory("C-1")])
    folder = depot.files({"a.ndjson.gz": gzip.compress(lines), "b.jsonl.zst": zstandard.compress(lines)})
    with zipfile.ZipFile(folder / "c.zip", "w") as archive:
        archive.writestr("in/c.jsonl", lines)

    for source, name in (("a", "a.ndjson.gz"), ("b", "b.jsonl.zst"), ("c", "c.zip")):
        assert depot.ingest(folder / name, source=source).stored == 3
    assert {(row["source"], row["upstream_id"], row["locator"]) for row in depot.records()} == {
        (source, name, "") for source in "abc" for name in ("A-1", "B-1", "C-1")
    }


def test_a_path_that_is_not_there_stores_nothing(depot: Depot) -> None:
    folder = depot.files({"a.json": depot.advisory("A-1")})

    with pytest.raises(ValidationError, match="absent"):
        depot.ingest(folder, folder / "absent")
    assert depot.store.snapshot().id == 0
