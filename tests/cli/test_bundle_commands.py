"""The receiver's commands, on a bundle in a file, in a folder and from standard input."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Program

MEMBER = "data/advisories.jsonl.zst"
RECORD = "RUSTSEC-2021-0001"


@pytest.fixture(params=["a file", "a folder", "standard input"])
def given(request: pytest.FixtureRequest, archive: Path, folder: Path) -> tuple[object, bytes | None]:
    """A bundle as a user gives it: what stands on the command line, and what is piped in."""
    forms: dict[str, tuple[object, bytes | None]] = {
        "a file": (archive, None),
        "a folder": (folder, None),
        "standard input": ("-", archive.read_bytes()),
    }
    return forms[request.param]


def test_verify_says_what_was_verified(given: tuple[object, bytes | None], program: Program, archive: Path) -> None:
    bundle, stdin = given
    facts = program.json("bundle", "verify", bundle, "--key", program.public_key, "--deep", stdin=stdin)
    manifest = program.json("bundle", "inspect", archive)
    assert facts == {
        "verified": True,
        "keyId": program.json("keys", "show")[0]["keyId"],
        "contentDigest": manifest["contentDigest"],
        "sha256": None if bundle != "-" and os.path.isdir(str(bundle)) else hashlib.sha256(archive.read_bytes()).hexdigest(),  # noqa: PTH112
        "records": 834,
        "members": len(manifest["members"]),
        "deep": True,
    }  # fmt: skip


def test_any_of_several_trusted_keys_will_do(program: Program, archive: Path, fresh: Program) -> None:
    other = fresh.json("keys", "generate")["public"]
    assert program.json("bundle", "verify", archive, "--key", other, "--key", program.public_key)["verified"]


def test_inspect_prints_export_json(given: tuple[object, bytes | None], program: Program, folder: Path) -> None:
    bundle, stdin = given
    shown = program.json("bundle", "inspect", bundle, stdin=stdin)
    written = json.loads((folder / "export.json").read_bytes())
    assert {name: value for name, value in shown.items() if name != "members"} == {
        name: value for name, value in written.items() if name != "members"
    }
    assert [member["path"] for member in shown["members"]] == [member["path"] for member in written["members"]]


def test_list_names_every_member(given: tuple[object, bytes | None], program: Program, folder: Path) -> None:
    bundle, stdin = given
    listed = program.json("bundle", "list", bundle, stdin=stdin)
    for member in listed:
        assert hashlib.sha256((folder / member["path"]).read_bytes()).hexdigest() == member["sha256"]
    assert MEMBER in {member["path"] for member in listed}


def test_cat_prints_a_member_as_it_is(given: tuple[object, bytes | None], program: Program, folder: Path) -> None:
    bundle, stdin = given
    assert program.done("bundle", "cat", bundle, MEMBER, stdin=stdin).stdout == (folder / MEMBER).read_bytes()


def test_cat_prints_the_lines_of_an_id(given: tuple[object, bytes | None], program: Program) -> None:
    bundle, stdin = given
    done = program.done("bundle", "cat", bundle, "--id", RECORD, stdin=stdin)
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["id"] == RECORD


def test_search_lists_the_records_that_have_all_words(given: tuple[object, bytes | None], program: Program) -> None:
    bundle, stdin = given
    found = program.json("bundle", "search", bundle, "BUFFER", "overflow", stdin=stdin)
    assert len(found) > 2
    assert all({"buffer", "overflow"} <= {*re.findall("[a-z]+", each["title"].lower())} for each in found)
    (one,) = program.json("bundle", "search", bundle, RECORD.lower(), stdin=stdin)
    assert (one["id"], one["member"], one["kind"]) == (RECORD, MEMBER, "advisory")


def test_search_says_when_there_is_more_than_it_lists(program: Program, archive: Path) -> None:
    everything = program.json("bundle", "search", archive, "overflow")
    done = program.done("bundle", "search", archive, "overflow", "--limit", "2")
    assert json.loads(done.stdout) == everything[:2]
    assert done.stderr == b"There are more: these are the first 2.\n"
    done = program.done("bundle", "search", archive, "overflow", "--limit", len(everything), "--format", "table")
    assert done.stdout.decode().startswith("id ")
    assert not done.stderr
    assert program.json("bundle", "search", archive, "no-such-word") == []


def test_extract_writes_every_member_and_says_what_it_verified(
    given: tuple[object, bytes | None], program: Program, folder: Path, tmp_path: Path
) -> None:
    bundle, stdin = given
    facts = program.json("bundle", "extract", bundle, tmp_path / "out", "--key", program.public_key, stdin=stdin)
    assert (facts["folder"], facts["records"]) == (str(tmp_path / "out"), 834)
    assert _files(tmp_path / "out") == _files(folder)


def test_an_extracted_bundle_is_checked_by_stock_tools(
    program: Program, folder: Path, tmp_path: Path, counterpart: Callable[[str], str]
) -> None:
    sums = subprocess.run([counterpart("sha256sum"), "-c", "--strict", "checksums.txt"], cwd=folder, check=False,
                          capture_output=True)  # fmt: skip
    assert (sums.returncode, sums.stderr) == (0, b"")
    line = (
        f"base64 -d export.json.sig > {tmp_path}/sig.der && {counterpart('openssl')} dgst -sha256 "
        f"-verify {program.public_key} -signature {tmp_path}/sig.der export.json"
    )
    assert subprocess.run(line, cwd=folder, check=True, shell=True, capture_output=True).stdout == b"Verified OK\n"


def test_diff_tells_what_changed_and_takes_one_side_from_standard_input(
    program: Program, archive: Path, tmp_path: Path
) -> None:
    other = tmp_path / "one.tar.zst"
    program.json("export", "json-raw", "--source", "osv-crates", "--id", RECORD, "--out", other)
    result = program.json("bundle", "diff", "-", archive, stdin=other.read_bytes())
    assert result["counts"][MEMBER] == {"added": 833}
    assert {change["change"] for change in result["changes"]} == {"added"}
    table = program.done("bundle", "diff", archive, archive, "--format", "table").stdout.decode()
    assert table.split() == ["changes", "none"]


def test_browse_says_where_the_verified_pages_are(
    program: Program, archive: Path, folder: Path, tmp_path: Path
) -> None:
    options = ("--no-open", "--key", program.public_key)
    done = program.done("bundle", "browse", archive, *options, "--to", tmp_path / "pages")
    assert done.stdout.decode() == f"file://{tmp_path}/pages/index.html\n"
    assert _files(tmp_path / "pages") == _files(folder)
    assert program.done("bundle", "browse", folder, "--no-open").stdout.decode() == f"file://{folder}/index.html\n"
    done = program.done("bundle", "browse", "-", *options, stdin=archive.read_bytes(), TMPDIR=str(tmp_path))
    assert done.stdout.startswith(f"file://{tmp_path}/export-center-view-".encode())


def test_browse_opens_the_page_with_what_this_machine_has(program: Program, folder: Path, tmp_path: Path) -> None:
    opener = tmp_path / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    screen = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "", "WSL_DISTRO_NAME": ""}
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = program.done("bundle", "browse", folder, **screen, **path)
    assert (done.returncode, done.stderr) == (0, b"no browser could be opened; open that address in one\n")
    assert not (tmp_path / "opened").exists()
    done = program.done("bundle", "browse", folder, **{**screen, "DISPLAY": ":0"}, **path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "opened").read_text() == f"{folder}/index.html\n"


def test_browse_leaves_no_folder_of_a_bundle_that_is_refused(program: Program, archive: Path, tmp_path: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    (tmp_path / "temporary").mkdir()
    arguments = ("bundle", "browse", tmp_path / "damaged", "--no-open", "--key", program.public_key)
    program.error(*arguments, code=3, TMPDIR=str(tmp_path / "temporary"))
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_is_piped_in_and_is_no_bundle_is_called_standard_input(program: Program) -> None:
    said = program.error("bundle", "list", "-", code=4, stdin=b"no bundle, but long enough to be looked at")
    assert said.startswith("error: standard input is no bundle")


@pytest.mark.parametrize("command", ["inspect", "list"])
def test_yaml_says_the_same_as_json(command: str, program: Program, archive: Path) -> None:
    done = program.done("bundle", command, archive, "--format", "yaml")
    assert yaml.safe_load(done.stdout) == program.json("bundle", command, archive)


def test_a_damaged_record_is_not_printed(program: Program, archive: Path, folder: Path, tmp_path: Path) -> None:
    member = (folder / MEMBER).read_bytes()
    first = json.loads(zstandard.ZstdDecompressor().stream_reader(member).read(100_000).splitlines()[0])
    data = bytearray(archive.read_bytes())
    data[data.index(member[:64]) + 40] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    done = program.done("bundle", "cat", tmp_path / "damaged", "--id", first["id"])
    assert (done.returncode, done.stdout) == (4, b"")
    assert done.stderr.startswith(b"error: ")


def test_cat_ends_with_an_error_that_names_a_changed_member(program: Program, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "changed")
    (tmp_path / "changed" / "README.md").write_text("Nothing is wrong.\n")
    done = program.done("bundle", "cat", tmp_path / "changed", "README.md")
    assert (done.returncode, done.stdout) == (4, b"Nothing is wrong.\n")
    assert b"README.md is not the one that export.json lists" in done.stderr


def test_an_id_that_is_no_text_is_not_found(program: Program, archive: Path) -> None:
    done = program.done("bundle", "cat", archive, "--id", os.fsdecode(b"CVE-\xff"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no record has the id" in done.stderr


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
