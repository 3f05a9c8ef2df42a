"""``site build``: a folder of pages, made whole or not at all, of bundles that were verified."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "example"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rows_of(folder: Path) -> list[dict[str, object]]:
    table = json.loads((folder / "data" / "runs.json").read_bytes())
    return [dict(zip(table["fields"], row, strict=True)) for row in table["rows"]]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Path:
    """A site of the documented bundle."""
    out = tmp_path_factory.mktemp("site") / "of-example"
    program.json("site", "build", "--out", out, *_example())
    return out


def _example() -> tuple[object, ...]:
    return ("--bundle", EXAMPLE / "bundle.tar.zst", "--key", EXAMPLE / "key.pub")


def test_a_site_of_one_bundle_has_its_pages_its_archive_and_nothing_of_this_machine(
    example: Path, program: Program
) -> None:
    made = files_of(example)
    assert made["bundles/bundle/bundle.tar.zst"] == (EXAMPLE / "bundle.tar.zst").read_bytes()
    assert {"index.html", "compare.html", "bundles/bundle/index.html", "profiles/example/index.html"} <= set(made)
    (row,) = rows_of(example)
    assert (row["status"], row["records"], row["as_of"]) == (
        "verified", 2, "2024-11-10T12:05:32Z",
    )  # fmt: skip
    texts = b"".join(data for path, data in made.items() if not path.endswith(".zst"))
    assert str(program.home).encode() not in texts
    assert str(example.parent).encode() not in texts


def test_the_same_inputs_make_the_same_files_whichever_way_bundles_come(
    example: Path, program: Program, tmp_path: Path
) -> None:
    program.json("site", "build", "--out", tmp_path / "again", "--link", *_example())
    assert files_of(tmp_path / "again") == files_of(example)
    assert (tmp_path / "again/bundles/bundle/bundle.tar.zst").samefile(EXAMPLE / "bundle.tar.zst")


def test_without_bundles_the_pages_say_that_the_archive_is_elsewhere(program: Program, tmp_path: Path) -> None:
    program.json("site", "build", "--out", tmp_path / "site", "--no-bundles", *_example())
    assert not list((tmp_path / "site").rglob("*.zst"))
    (row,) = rows_of(tmp_path / "site")
    assert (row["bundle"], row["archive"]) == (True, False)


def test_a_bundle_that_fails_ends_the_build_and_the_older_site_stays(
    example: Path, program: Program, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    program.json("site", "build", "--out", out, *_example())
    damaged = tmp_path / "damaged.tar.zst"
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    said = program.error(
        "site", "build", "--out", out, *_example(), "--bundle", damaged, "--key", program.public_key, code=3
    )
    assert "damaged.tar.zst" in said
    assert files_of(out) == files_of(example)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_refused_bundle_is_listed_with_its_reason_and_has_neither_page_nor_archive(
    program: Program, archive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    made = program.json("site", "build", "--out", out, "--bundle", archive, *_example(), "--list-refused")
    assert made["refused"] == ["crates"]
    refused = next(row for row in rows_of(out) if row["name"] == "crates")
    assert refused["status"] == "refused"
    assert "not signed by any of the keys you trust" in str(refused["remark"])
    assert not (out / "bundles" / "crates").exists()
    assert "crates failed verification" in (out / "index.html").read_text()


def folder_with(place: Path, **files: str) -> Path:
    place.mkdir()
    for name, text in files.items():
        (place / name.replace("_", ".")).write_text(text)
    return place


def put_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))


BAD: dict[str, Callable[[Path], object]] = {
    "a file that is no bundle": lambda place: place.write_text("a letter"),
    "a file of nothing": lambda place: place.touch(),
    "nothing": lambda _: None,
    "a pipe": os.mkfifo,
    "a socket": put_socket,
    "a folder that is no bundle": lambda place: folder_with(place, thesis_txt="two years"),
    "a bundle with a pipe in it": lambda place: os.mkfifo(folder_with(place, export_json="{}") / "pipe"),
    "a bundle with a link in it": lambda place: (folder_with(place, export_json="{}") / "link").symlink_to("/"),
}


@pytest.fixture(scope="module", params=["--copy", "--link", "--no-bundles"])
def with_bad(request: pytest.FixtureRequest, program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two sites were built of everything bad; ``out`` and ``again``."""
    place = tmp_path_factory.mktemp("bad")
    named: list[object] = []
    for number, make in enumerate(BAD.values()):
        make(place / f"bad-{number}")
        named += ["--bundle", place / f"bad-{number}"]
    for out in ("out", "again"):
        program.json("site", "build", "--out", place / out, request.param, *named, *_example(), "--list-refused")
    return place


def test_whatever_is_no_bundle_is_listed_as_refused_by_its_name_alone_and_two_builds_are_the_same(
    with_bad: Path,
) -> None:
    made = files_of(with_bad / "out")
    refused = {row["name"]: row["remark"] for row in rows_of(with_bad / "out") if row["status"] == "refused"}
    assert sorted(refused) == [f"bad-{number}" for number in range(len(BAD))]
    assert all(refused.values())
    texts = b"".join(data for path, data in made.items() if not path.endswith(".zst"))
    assert str(with_bad).encode() not in texts
    assert made == files_of(with_bad / "again")
    assert [path.name for path in (with_bad / "out" / "bundles").iterdir()] == ["bundle"]


@pytest.mark.parametrize("sentence", ["a file that is no bundle", "a pipe", "a folder that is no bundle"])
def test_an_error_names_the_bundle_where_its_owner_has_it(program: Program, tmp_path: Path, sentence: str) -> None:
    BAD[sentence](tmp_path / "bad")
    said = program.error("site", "build", "--out", tmp_path / "site", "--bundle", tmp_path / "bad", *_example(), code=4)
    assert f"{tmp_path / 'bad'}: " in said
    assert ".partial" not in said


def test_everything_is_on_the_disk_before_the_older_site_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.site_folder import site_aside, write_pages

    kept: set[int] = set()
    fsync = os.fsync

    def flushed(descriptor: int) -> None:
        kept.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", flushed)
    with site_aside(tmp_path / "site") as folder:
        write_pages(folder, {"index.html": b"page"})
        (folder / "bundles").mkdir()
        (folder / "bundles" / "copied").write_bytes(b"bundle")
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {path.stat().st_ino for path in files} <= kept


def test_names_that_some_disks_take_for_one_are_two() -> None:
    from cli.site_bundles import candidates

    paths = [Path("a/Weekly.zip"), Path("b/weekly.zip"), Path("c/WEEKLY.tar.zst"), Path("d/run.zip")]
    assert [each.name for each in candidates(paths, taken=["Run"])] == ["Weekly", "weekly-2", "WEEKLY-3", "run-2"]


def test_only_a_site_is_replaced(program: Program, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("two years")
    said = program.error("site", "build", "--out", tmp_path / "work", *_example(), code=2)
    assert "no build of a site made it" in said
    assert (tmp_path / "work" / "thesis.txt").read_text() == "two years"
    (tmp_path / "link").symlink_to(tmp_path / "work")
    assert "is a link" in program.error("site", "build", "--out", tmp_path / "link", *_example(), code=2)


def test_a_rebuild_leaves_nothing_of_the_older_site(program: Program, archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    program.json("site", "build", "--out", out, *_example())
    program.json("site", "build", "--out", out, "--bundle", archive, "--key", program.public_key)
    assert [path.name for path in (out / "bundles").iterdir()] == ["crates"]


def test_bundles_of_one_name_get_names_of_their_own_and_folders_and_zips_have_pages_too(
    program: Program, archive: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "crates.tar.zst").write_bytes(archive.read_bytes())
    out = tmp_path / "site"
    bundles = ("--bundle", archive, "--bundle", tmp_path / "a" / "crates.tar.zst", "--bundle", folder)
    program.json("site", "build", "--out", out, *bundles, "--key", program.public_key)
    assert sorted(path.name for path in (out / "bundles").iterdir()) == ["crates", "crates-2", "extracted"]
    assert files_of(out / "bundles" / "extracted" / "bundle") == files_of(folder)


def test_without_bundles_named_it_is_a_site_of_the_home_with_its_profiles(
    program: Program, archive: Path, tmp_path: Path
) -> None:
    home = program.at(tmp_path / "home")
    home.json("keys", "generate")
    (tmp_path / "home" / "bundles").mkdir()
    (tmp_path / "home" / "bundles" / "crates.tar.zst").write_bytes(archive.read_bytes())
    made = home.json("site", "build", "--out", tmp_path / "site", "--key", program.public_key)
    assert made["bundles"] == 1
    assert "profileId: json-raw" in (tmp_path / "site/profiles/json-raw/index.html").read_text()
    build = ("site", "build", "--key", program.public_key, "--out")
    others = home.done(*build, tmp_path / "others", EXPORT_CENTER_TENANT="bravo")
    assert rows_of(tmp_path / "others") == []
    assert not (tmp_path / "others" / "bundles").exists()
    assert b"left out 1 of 1 bundles" in others.stderr
    assert b"not of tenant bravo alone" in others.stderr
    assert home.error("site", "build", "--out", tmp_path / "other", code=3)


def test_a_site_of_a_service_has_its_runs_their_bundles_and_why_a_run_failed(program: Program, tmp_path: Path) -> None:
    from tests.server.conftest import serving

    (tmp_path / "state").mkdir()
    with serving(program.home, tmp_path / "state") as service:
        service.http.headers["X-Stella-Tenant"] = "default"
        made = service.ended(service.submit(selectors={"sources": ["osv-crates"]}))
        failed = service.ended(service.submit(selectors={"ids": ["none"]}))
    out = tmp_path / "site"
    said = program.at(tmp_path / "home").json(
        "site", "build", "--out", out, "--key", program.public_key,
        EXPORT_CENTER_LEDGER=f"sqlite:///{tmp_path / 'state' / 'ledger.db'}", EXPORT_CENTER_TENANT="default",
    )  # fmt: skip
    rows = {row["name"]: row for row in rows_of(out)}
    assert (said["bundles"], said["entries"]) == (1, 2)
    assert rows[made["runId"]]["content_digest"] == made["contentDigest"]
    assert str(rows[made["runId"]]["as_of"]).startswith("20")
    assert rows[failed["runId"]]["status"] == "failed"
    page = (out / "runs" / failed["runId"] / "index.html").read_text()
    assert "This run failed" in page
    assert (
        f'href="../../bundles/{made["runId"]}/index.html"' in (out / "runs" / made["runId"] / "index.html").read_text()
    )
    assert (
        f'href="../../runs/{made["runId"]}/index.html"' in (out / "bundles" / made["runId"] / "index.html").read_text()
    )
    assert 'id="run-cancel" aria-haspopup="dialog" hidden>' in page
    kept = (out / "bundles" / made["runId"] / "index.html").read_text()
    assert [each["type"] for each in made["distributions"]] == ["http"]
    assert made["distributions"][0]["location"] in kept


def test_a_profile_with_the_name_of_a_path_writes_no_page(tmp_path: Path) -> None:
    from cli.site_folder import write_pages
    from cli.site_home import told_by_bundles
    from web.overview import Row

    rows = [Row(name=name, status="verified", profile=name, bundle=True) for name in ("../../up", "..", "/", "weekly")]
    assert [story.card.profile_id for story in told_by_bundles(rows, ())] == ["weekly"]
    with pytest.raises(ValueError, match="no path of a site"):
        write_pages(tmp_path, {"profiles/../../up/index.html": b""})


def test_a_site_is_made_in_the_folder_one_stands_in_but_not_inside_of_a_bundle(
    program: Program, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    program.json("site", "build", "--out", ".", *_example(), cwd=tmp_path / "here")
    assert (tmp_path / "here" / "index.html").is_file()
    inside = ("--bundle", folder, "--key", program.public_key)
    said = program.error("site", "build", "--out", folder / "site", *inside, code=2)
    assert "inside the bundle" in said
    assert not (folder / "site").exists()
