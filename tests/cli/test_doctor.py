"""``doctor`` and ``config show``: what is set, from where, and what is wrong."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from cli import doctor
from cli.rim import settings_file

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program


def findings(program: Program, *, code: int = 0, **environment: str) -> dict[str, dict[str, Any]]:
    """Return what the whole command finds, by check."""
    done = program.done("doctor", **environment)
    assert done.returncode == code, done.stdout
    return {check["check"]: check for check in json.loads(done.stdout)}


def test_a_home_in_use_is_healthy(program: Program) -> None:
    before = {path: path.stat().st_mtime_ns for path in program.home.rglob("*") if path.is_file()}
    found = findings(program)
    assert {check["status"] for name, check in found.items() if name != "disk"} == {"ok"}
    assert "snapshot 2" in found["store"]["finding"]
    assert program.json("keys", "show")[0]["keyId"] in found["key"]["finding"]
    assert {path: path.stat().st_mtime_ns for path in program.home.rglob("*") if path.is_file()} == before


def test_a_fresh_machine_is_healthy_and_told_what_to_do_first(fresh: Program) -> None:
    user = fresh.home.parent / "user"
    user.mkdir()
    found = findings(fresh, HOME=str(user), XDG_CACHE_HOME=str(user))
    assert found["home"]["finding"] == f"{fresh.home} is made when it is needed"
    assert "export-center ingest" in found["store"]["advice"]
    assert (found["key"]["status"], "keys generate" in found["key"]["advice"]) == ("warning", True)
    assert not fresh.home.exists()
    assert list(user.iterdir()) == []


def damage_settings(_: Program) -> dict[str, str]:
    return {"EXPORT_CENTER_WORKERS": "many"}


def damage_home(program: Program) -> dict[str, str]:
    program.home.mkdir()
    (program.home / "file").touch()
    return {"EXPORT_CENTER_HOME": str(program.home / "file" / "home")}


def damage_store(program: Program) -> dict[str, str]:
    next((program.home / "evidence" / "vex").glob("*.parquet")).unlink()
    return {}


def damage_log(program: Program) -> dict[str, str]:
    next((program.home / "evidence" / "snapshots" / "_delta_log").glob("*.json")).write_text("{")
    return {}


def damage_public_half(program: Program) -> dict[str, str]:
    program.public_key.write_text("another")
    return {}


def damage_key(program: Program) -> dict[str, str]:
    (program.home / "keys" / "default.key").write_text("no key")
    return {}


def damage_prefect(program: Program) -> dict[str, str]:
    """Put a package before Prefect that breaks when it is imported."""
    shadow = program.home.parent / "shadow" / "prefect"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('no such wheel')")
    return {"PYTHONPATH": ":".join([str(shadow.parent), *filter(None, sys.path)])}


DAMAGES = {
    "a setting is none": (damage_settings, "settings", "EXPORT_CENTER_WORKERS: expected a whole number"),
    "the home cannot be a folder": (damage_home, "home", "Not a directory"),
    "a file of the store is missing": (damage_store, "store", "1 files of snapshot 1 are missing"),
    "the store's log is damaged": (damage_log, "store", "snapshots of the store cannot be read"),
    "the public half is another's": (damage_public_half, "key", "default.pub is not the public half of"),
    "the key is none": (damage_key, "key", "holds no private key"),
    "Prefect cannot be imported": (damage_prefect, "prefect", "no such wheel"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_the_doctor_finds_that(
    case: str, fresh: Program, sample_evidence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage, name, text = DAMAGES[case]
    if damage in {damage_store, damage_log}:
        fresh.json("ingest", sample_evidence / "vex-fixtures-grype.tar.zst")
    if damage in {damage_key, damage_public_half}:
        fresh.json("keys", "generate")
    for variable, value in fresh.environment(**damage(fresh)).items():
        monkeypatch.setenv(variable, value)
    found = doctor.judge(name)
    assert found.status == "failed"
    assert text in found.finding
    assert found.advice


def test_a_variable_that_sets_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPORT_CENTER_WORKER", "3")
    found = doctor.judge("settings")
    assert (found.status, found.finding) == ("warning", "EXPORT_CENTER_WORKER set nothing")
    assert "EXPORT_CENTER_WORKERS" in found.advice


def test_there_is_advice_for_every_check() -> None:
    assert doctor.ADVICE.keys() == doctor.CHECKS.keys()


def test_a_failed_check_is_the_exit_code(fresh: Program) -> None:
    found = findings(fresh, code=1, **damage_settings(fresh))
    assert {name for name, check in found.items() if check["status"] == "failed"} >= {"settings", "home", "store"}
    table = fresh.done("doctor", "--format", "table", **damage_settings(fresh))
    assert (table.returncode, table.stderr.decode().splitlines()[0]) == (1, f"settings: {doctor.ADVICE['settings']}")


def test_settings_name_where_they_come_from_and_hide_secrets(fresh: Program, tmp_path: Path) -> None:
    (tmp_path / "export-center.toml").write_text('workers = 3\nkey = "pkcs11:object=k?pin-value=1234"\n')
    described = fresh.json("config", "show", cwd=tmp_path, EXPORT_CENTER_TENANT="acme")
    shown = {item["name"]: (item["value"], item["origin"]) for item in described}
    assert shown["home"] == (str(fresh.home), "EXPORT_CENTER_HOME")
    assert shown["tenant"] == ("acme", "EXPORT_CENTER_TENANT")
    assert shown["workers"] == ("3", f"{tmp_path}/export-center.toml")
    assert shown["key"] == ("pkcs11:object=k?pin-value=***", f"{tmp_path}/export-center.toml")
    assert shown["memory_limit"][1] == "default"


def test_a_bad_settings_file_is_named_by_every_command(fresh: Program, tmp_path: Path) -> None:
    (tmp_path / "export-center.toml").write_text("worker = 3\n")
    said = fresh.error("config", "show", cwd=tmp_path, code=2)
    assert said.startswith(f"error: {tmp_path}/export-center.toml: worker: unknown setting; did you mean 'workers'?\n")


OWNERS = {"of oneself": (1000, 1000, True), "of root": (1000, 0, True), "of another": (1000, 1001, False),
          "of a user, for root": (0, 1001, False)}  # fmt: skip


@pytest.mark.parametrize("case", OWNERS)
def test_a_settings_file_of_somebody_else_is_told_of_and_not_obeyed(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Owners are made up, in this process: only root could give files away."""
    user, owner, obeyed = OWNERS[case]
    file = tmp_path / "export-center.toml"
    file.write_text("workers = 3\n")
    found = os.stat_result((0o100644, 1, 1, 1, owner, owner, 12, 0, 0, 0))
    monkeypatch.setattr(type(file), "stat", lambda *_, **__: found)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert settings_file(tmp_path) == (file if obeyed else None)
    assert settings_file(tmp_path) == (file if obeyed else None)
    assert capsys.readouterr().err.count(f"{file} belongs to somebody else and is ignored") == (not obeyed)


def test_a_folder_without_a_settings_file_has_none(tmp_path: Path) -> None:
    assert settings_file(tmp_path) is None


def test_profiles_of_a_damaged_installation_are_found(fresh: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the built-in profiles of a checkout are not to be damaged."""
    folder = fresh.home / "profiles"
    folder.mkdir(parents=True)
    (folder / "json-raw.yaml").write_text("profileId: other\n")
    monkeypatch.setattr("flows.profiles.builtin_folder", lambda: folder)
    found = doctor.judge("profiles")
    assert (found.status, "json-raw.yaml:1" in found.finding) == ("failed", True)
