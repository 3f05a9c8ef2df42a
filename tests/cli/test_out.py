"""Where a bundle goes, and what is said when there is nothing to put into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

CRATES = ("export", "json-raw", "--source", "osv-crates")


def test_a_bundle_or_an_empty_file_is_replaced(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "x.tar.zst"
    out.touch()
    first = program.json(*CRATES, "--out", out)
    assert program.json(*CRATES, "--id", "RUSTSEC-2021-0001", "--out", out)["sha256"] != first["sha256"]
    out.write_bytes(out.read_bytes()[:-100])
    assert program.json(*CRATES, "--out", out)["sha256"] == first["sha256"]


def test_another_file_is_only_replaced_by_force(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "thesis.tar.zst"
    out.write_text("the work of years")
    assert "pass --force" in program.error(*CRATES, "--out", out, code=2)
    assert out.read_text() == "the work of years"
    program.json(*CRATES, "--out", out, "--force")
    assert program.json("bundle", "inspect", out)["format"] == "export-center-bundle"


def test_a_slash_at_the_end_makes_a_folder(program: Program, tmp_path: Path) -> None:
    made = program.json(*CRATES, "--out", f"{tmp_path}/new/folder/")
    (bundle,) = (tmp_path / "new" / "folder").iterdir()
    assert made["bundle"] == str(bundle)
    assert bundle.name.startswith("export-json-raw-")


LAYOUTS = {
    "a zip": ("zip", "x.zip", "x.tar.zst"),
    "a folder": ("dir", "x", "x.zip"),
    "tar": ("tar.zst", "x.TZST", "x.zst"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_name_that_fits_the_layout_is_taken_and_another_is_not(case: str, program: Program, tmp_path: Path) -> None:
    layout, fits, promises_another = LAYOUTS[case]
    profile = tmp_path / "own.yaml"
    profile.write_text(
        f"profileId: own\nname: Own\nkind: json\nvariant: raw\ninclude: [advisories]\nlayout: {layout}\n"
    )
    said = program.error("export", profile, "--out", tmp_path / promises_another, code=2)
    assert f"but the profile's layout is {layout}" in said
    assert program.json("export", profile, "--out", tmp_path / fits)["bundle"] == str(tmp_path / fits)


def test_nothing_was_ingested_yet_is_said_by_whoever_meets_it(fresh: Program) -> None:
    said = "nothing was ingested yet"
    for command in (["plan", "json-raw"], ["evidence", "stats"], ["doctor"]):
        done = fresh.done(*command)
        assert done.returncode == 0
        assert said in (done.stdout + done.stderr).decode()
        assert "export-center ingest PATH" in (done.stdout + done.stderr).decode()
    assert said in fresh.error("export", "json-raw", code=8)
    assert not fresh.home.exists()


def test_an_empty_store_can_be_exported_when_that_is_asked_for(fresh: Program, tmp_path: Path) -> None:
    done = fresh.done("export", "json-raw", "--allow-empty", "--out", tmp_path / "x.tar.zst")
    assert (done.returncode, b"warning: nothing was ingested yet" in done.stderr) == (0, True)


@pytest.mark.parametrize("command", ["plan", "export"])
def test_values_that_nothing_has_are_warned_about(command: str, program: Program, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x.tar.zst") if command == "export" else ()
    wishes = ("--source", "osv-crates", "--source", "osv-crate", "--ecosystem", "crates.io", "--tenant", "default")
    done = program.done(command, "json-raw", *wishes, *out)
    assert done.returncode == 0
    assert done.stderr.decode().startswith("warning: --source: no record has 'osv-crate'; ")
    assert done.stderr.count(b"warning") == 1


def test_a_tenant_that_was_asked_for_is_judged_and_the_one_of_the_settings_is_not(program: Program) -> None:
    assert program.json("plan", "json-raw", "--tenant", "defualt")["unmatched"] == {"tenants": ["defualt"]}
    assert program.json("plan", "json-raw", EXPORT_CENTER_TENANT="defualt")["unmatched"] == {}
