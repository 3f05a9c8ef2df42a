"""``profile``: the tenant's own profiles, from making one to running its older revision."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Program

CRATES = """\
# For the Rust team.
profileId: crates
name: Crates
kind: json
variant: raw
include: [advisories]
selectors: {sources: [osv-crates]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "crates.yaml"
    path.write_text(CRATES)
    return path


def log(program: Program, counterpart: Callable[[str], str], *arguments: str) -> list[str]:
    """Return what git tells about the profiles, one line a commit."""
    import subprocess

    git = [counterpart("git"), "-C", str(program.home / "profiles"), "log", "--format=%an|%s", *arguments]
    return subprocess.check_output(git, text=True).splitlines()


def test_a_profile_is_made_changed_archived_and_restored(
    fresh: Program, file: Path, counterpart: Callable[[str], str]
) -> None:
    login = f"user:{getpass.getuser()}"
    made = fresh.json("profile", "create", file)
    assert (made["profileId"], made["revision"], made["status"], made["tenant"]) == ("crates", 1, "active", "default")
    assert made["createdBy"] == login
    renamed = fresh.json("profile", "update", "crates", "--set", "name=Rust", "--set", "schedule.cron=* 6 * * MON")
    assert (renamed["revisionCreated"], renamed["name"]) == (False, "Rust")
    revised = fresh.json("profile", "update", "crates", "--set", "include=[advisories, vex]")
    assert (revised["revisionCreated"], revised["revision"]) == (True, 2)
    assert fresh.json("profile", "archive", "crates")["status"] == "inactive"
    assert [each["profileId"] for each in fresh.json("profile", "list", "--status", "inactive")] == ["crates"]
    assert fresh.json("profile", "restore", "crates")["sha256"] == revised["sha256"]
    shown = fresh.done("profile", "show", "crates", "--format", "yaml").stdout.decode()
    assert shown == CRATES.replace("Crates", "Rust").replace("[advisories]", "[advisories, vex]") + (
        'schedule:\n  cron: "* 6 * * MON"\n'
    )
    assert log(fresh, counterpart)[:5] == [
        f"{login}|Restore profile crates of default",
        f"{login}|Archive profile crates of default",
        f"{login}|Revise profile crates of default to revision 2: include",
        f"{login}|Update profile crates of default: name, schedule",
        f"{login}|Create profile crates of default",
    ]


def test_a_file_takes_the_place_of_a_profile(fresh: Program, file: Path) -> None:
    fresh.json("profile", "create", "--from-stdin", stdin=CRATES.encode())
    file.write_text(CRATES.replace("For the Rust team", "For everybody"))
    done = fresh.json("profile", "update", "crates", file)
    assert (done["revisionCreated"], done["revision"]) == (False, 1)
    assert fresh.done("profile", "show", "crates", "--format", "yaml").stdout == file.read_bytes()


def test_profiles_belong_to_a_tenant(fresh: Program, file: Path) -> None:
    fresh.json("profile", "create", file, EXPORT_CENTER_TENANT="acme")
    assert fresh.json("profile", "show", "crates", EXPORT_CENTER_TENANT="acme")["tenant"] == "acme"
    assert "no profile 'crates' of globex" in fresh.error(
        "profile", "show", "crates", code=2, EXPORT_CENTER_TENANT="globex"
    )


def test_a_bundle_states_revision_and_commit_of_its_profile(program: Program, tmp_path: Path) -> None:
    home = Path(tmp_path / "profiles")
    (tmp_path / "crates.yaml").write_text(CRATES)

    def run(*arguments: object) -> Any:
        return program.json(*arguments, EXPORT_CENTER_PROFILES=str(home))

    made = run("profile", "create", tmp_path / "crates.yaml")
    revised = run("profile", "update", "crates", "--set", "layout=zip")
    for reference, facts, suffix in (("crates@1", made, "tar.zst"), ("crates", revised, "zip")):
        bundle = run("export", reference, "--out", tmp_path / f"{facts['revision']}.{suffix}")["bundle"]
        stated = program.json("bundle", "inspect", bundle)["profile"]
        assert (stated["id"], stated["revision"]) == ("crates", facts["revision"])
        assert (stated["commit"], stated["sha256"]) == (facts["commit"], facts["sha256"])


REFUSED: dict[str, tuple[list[str], str]] = {
    "one that is there": (["create", "{file}"], "a profile 'crates' is there already\nChoose another profileId."),
    "a file that is no profile": (["create", "{bad}"], "bad.yaml:1:1: name: this field is required"),
    "neither a file nor standard input": (["create"], "give either FILE or --from-stdin"),
    "a change of nothing": (["update", "crates"], "give either FILE or --set"),
    "both a file and fields": (["update", "crates", "{file}", "--set", "name=x"], "give either FILE or --set"),
    "a field without a value": (["update", "crates", "--set", "name"], "--set 'name' sets no field"),
    "a field below a word": (["update", "crates", "--set", "a=1", "--set", "a.b=1"], "a was set to a value before"),
    "a value of the wrong kind": (["update", "crates", "--set", "include=vex"], "include: expected an array"),
    "a cron line that is none": (
        ["update", "crates", "--set", "schedule.cron=0 24 * * *"], "schedule.cron: '24' is no hour (0 to 23)"),
    "a time zone that is none": (
        ["update", "crates", "--set", "schedule.cron=0 6 * * *", "--set", "schedule.timezone=Mars"], "'Mars' is no time zone"),
    "another id": (["update", "crates", "--set", "profileId=x"], "a profile keeps its id"),
    "a profile that nobody has": (["archive", "crate"], "no profile 'crate' of default\nDid you mean crates?"),
    "a shared profile": (["update", "json-raw", "--set", "name=x"], "shared by all tenants and cannot be changed"),
    "a shared profile to archive": (["archive", "json-raw"], "shared by all tenants and cannot be changed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, program: Program) -> Program:
    """A home with one profile of the tenant."""
    made = program.at(tmp_path_factory.mktemp("kept"))
    made.json("profile", "create", "--from-stdin", stdin=CRATES.encode())
    return made


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_and_changes_nothing(case: str, kept: Program, file: Path) -> None:
    arguments, text = REFUSED[case]
    bad = file.with_name("bad.yaml")
    bad.write_text("profileId: bad\nkind: json\nvariant: raw\ninclude: [vex]\n")
    before = kept.json("profile", "list")
    assert text in kept.error("profile", *(each.format(file=file, bad=bad) for each in arguments), code=2)
    assert kept.json("profile", "list") == before


def test_an_archived_profile_is_not_run(fresh: Program, file: Path) -> None:
    fresh.json("profile", "create", file)
    fresh.json("profile", "archive", "crates")
    said = fresh.error("export", "crates", code=2)
    assert "profile 'crates' is archived\nRestore it with `export-center profile restore crates`." in said


def test_a_repository_that_is_none_ends_with_4(fresh: Program, file: Path, tmp_path: Path) -> None:
    said = fresh.error("profile", "create", file, code=4, EXPORT_CENTER_PROFILES=str(tmp_path))
    assert "is no git repository" in said


def test_reading_makes_no_repository(fresh: Program) -> None:
    listed = fresh.json("profile", "list")
    assert json.dumps(listed).count('"tenant": null') == len(listed) == 6
    assert not fresh.home.exists()


def test_the_doctor_tells_of_committed_files_that_are_no_profiles(
    fresh: Program, file: Path, counterpart: Callable[[str], str]
) -> None:
    import subprocess

    fresh.json("profile", "create", file)
    repository = fresh.home / "profiles"
    (repository / "default" / "crates.yaml").write_text("kind: nonsense\n")
    identity = ("-c", "user.name=Jane", "-c", "user.email=jane@acme.example")
    subprocess.run([counterpart("git"), "-C", repository, *identity, "commit", "-qam", "Try"], check=True)
    (found,) = (each for each in json.loads(fresh.done("doctor").stdout) if each["check"] == "profiles")
    assert found["status"] == "warning"
    assert found["finding"].startswith("1 committed files are no profiles, first default/crates.yaml:1:1: ")
