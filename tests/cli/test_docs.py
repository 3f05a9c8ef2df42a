"""docs/cli.md and README.md say what the program does: every command, option, exit code and field of its JSON."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from cli import exits
from cli.main import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conftest import Program

ROOT = Path(__file__).resolve().parents[2]
DOCS = (ROOT / "docs" / "cli.md").read_text()
README = (ROOT / "README.md").read_text()
ROW = re.compile(r"(?m)^\| (`[^|]*(?:\\\|[^|]*)*) \| ?([^|]*)\|")
EVERYWHERE = {"--help"}


def commands(group: click.Group = app, prefix: str = "export-center") -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its whole name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands())


def sections() -> dict[str, str]:
    """Return the text below each heading."""
    parts = re.split(r"(?m)^## (.*)$", DOCS)
    return {name.strip("`"): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def table(section: str, first_column: str) -> dict[str, str]:
    """Return the table below a heading whose first column has a name: code to meaning."""
    for part in sections()[section].split("\n\n"):
        if part.startswith(f"| {first_column} |"):
            return {code: meaning.strip() for code, meaning in ROW.findall(part)}
    return {}


def options_of(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    } - EVERYWHERE


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    named = {name for name in sections() if name.startswith("export-center ")}
    assert named == set(COMMANDS)
    assert len(named) > 15


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_of_a_command_are_documented(name: str) -> None:
    documented = {option for cell in table(name, "option") for option in re.findall(r"--[a-z-]+", cell)}
    assert documented == options_of(COMMANDS[name])


def test_the_options_of_all_commands_are_documented() -> None:
    documented = {option for cell in table("Everywhere", "option") for option in re.findall(r"--[a-z-]+", cell)}
    assert documented == options_of(app) | EVERYWHERE


@pytest.mark.parametrize("name", sorted({*COMMANDS, *(name.rpartition(" ")[0] for name in COMMANDS)}))
def test_help_has_an_example_that_is_a_command_with_its_options(name: str, program: Program) -> None:
    done = program.done(*name.split()[1:], "--help")
    assert done.returncode == 0
    (example,) = re.findall(r"Example: (export-center .*(?:\n  \S.*)*)", done.stdout.decode())
    words = example.split()
    known = [each for each in COMMANDS if words[: len(each.split())] == each.split()]
    assert len(known) == 1, example
    assert {word for word in words if word.startswith("--")} <= options_of(COMMANDS[known[0]])


def test_every_exit_code_is_documented() -> None:
    documented = {int(code) for code in re.findall(r"(?m)^\| (\d) \|", sections()["Exit codes"])}
    codes = {value for value in vars(exits).values() if isinstance(value, int)}
    assert documented == codes
    assert {int(code) for code in re.findall(r"(\d) [a-z]", README.split("## Exit codes")[1].split("##")[0])} == codes


def test_every_setting_is_documented(program: Program) -> None:
    text = sections()["Settings"]
    for item in program.json("config", "show"):
        assert f"| `{item['name']}` | `EXPORT_CENTER_{item['name'].upper()}` |" in text or f"[{item['name']}]" in text


def test_commands_in_the_readme_exist() -> None:
    lines = re.findall(r"(?m)^(export-center [^#\n]*)", README)
    assert len(lines) > 5
    for line in lines:
        words = line.split()
        known = [each for each in COMMANDS if words[: len(each.split())] == each.split()]
        assert len(known) == 1, line
        assert {word for word in words if word.startswith("--")} <= options_of(COMMANDS[known[0]]), line
    listed = re.findall(r"(?m)^\| (`[a-z][^|]*) \|", README.split("## Use it")[1].split("##")[0])
    assert {word for cell in listed for word in re.findall(r"[a-z-]+", cell)} >= {
        word for name in COMMANDS for word in name.split()[1:]
    }


def fields_of(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every leaf of a JSON value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from fields_of(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for item in value:
            yield from fields_of(item, f"{path}[]")
    else:
        yield path


def pattern(documented: str) -> re.Pattern[str]:
    """Return what a documented path stands for; keys may hold anything but a line's end."""
    return re.compile(re.escape(documented.strip("`")).replace(r"\*", r"[^\n]+"))


@pytest.fixture(scope="module")
def outputs(
    program: Program, archive: Path, called: Mapping[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Any]:
    """What each command prints as JSON, at its fullest; several values where one does not show every field."""
    folder = tmp_path_factory.mktemp("outputs")
    other, one = program.at(folder / "home"), folder / "one.tar.zst"
    for name in ("a", "b"):
        (folder / f"{name}.jsonl").write_text(json.dumps({**RECORD, "summary": name}) + "\n")
    (folder / "home").mkdir()
    (folder / "home" / "webhooks.key").write_text("5a" * 32)
    (folder / "bad.yaml").write_text("profileId: Bad\n")
    program.json("export", "json-raw", "--id", "RUSTSEC-2021-0001", "--out", one)
    key, crates = ("--key", program.public_key), ("json-raw", "--source", "osv-crates")
    both = ("--bundle", archive, "--bundle", ROOT / "docs" / "example" / "bundle.tar.zst")
    scheduled = ROOT / "profiles" / "examples" / "npm-weekly.yaml"
    return {
        "quickstart": [other.json("quickstart", "--evidence", folder / "a.jsonl")],
        "ingest": [other.json("ingest", *sorted(folder.glob("*.*l")), "--source", "feed")],
        "evidence stats": [program.json("evidence", "stats")],
        "evidence quarantine": [program.json("evidence", "quarantine", "--source", "feed-friendsofphp")],
        "evidence list": [program.json("evidence", "list", "--source", "osv-crates")],
        "evidence show": [program.json("evidence", "show", "RUSTSEC-2021-0001")],
        "profile list": [program.json("profile", "list")],
        "profile show": [program.json("profile", "show", each) for each in ("json-raw", scheduled)],
        "profile create": [other.json("profile", "create", scheduled)],
        "profile update": [other.json("profile", "update", "npm-weekly", "--set", "layout=dir")],
        "profile archive": [other.json("profile", "archive", "npm-weekly")],
        "profile restore": [other.json("profile", "restore", "npm-weekly")],
        "profile lint": [json.loads(program.done("profile", "lint", folder / "bad.yaml").stdout)],
        "plan": [program.json("plan", *crates), program.json("plan", *crates, "--id", "CVE-none")],
        "export": [program.json("export", *crates, "--out", folder / "x.tar.zst")],
        "bundle verify": [program.json("bundle", "verify", archive, *key)],
        "bundle list": [program.json("bundle", "list", archive), program.json("bundle", "list", archive, "--records")],
        "bundle search": [program.json("bundle", "search", archive, "overflow")],
        "bundle extract": [program.json("bundle", "extract", archive, folder / "to", *key)],
        "bundle diff": [program.json("bundle", "diff", archive, one)],
        "site build": [program.json("site", "build", "--list-refused", "--out", folder / "site", *both, *key)],
        "keys generate": [other.json("keys", "generate", "--name", "second")],
        "keys show": [program.json("keys", "show")],
        "keys rotate": [other.json("keys", "rotate")],
        "vault show": [other.json("vault", "show")],
        "config show": [program.json("config", "show")],
        "doctor": [program.json("doctor")],
        **called,
    }


@pytest.fixture(scope="module")
def called(caller: Program, service: Any, taker: Any, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What the commands print that call a service."""
    out = tmp_path_factory.mktemp("fetched")
    made = caller.json("run", "submit", "json-raw", "--source", "osv-crates", "--wait")
    empty = json.loads(caller.done("run", "submit", "json-raw", "--id", "none", "--wait").stdout)
    service.prefect.is_down = True
    taken = caller.json("run", "submit", "json-raw", "--from", "2020-01-01T00:00:00Z")
    canceled = caller.json("run", "cancel", taken["runId"], "--reason", "for the page")
    service.prefect.is_down = False
    again = caller.json("run", "retry", taken["runId"])
    taker.script = [(410, {})]
    hook = caller.json("webhook", "create", taker.url, "--event", "run.succeeded")
    caller.json("run", "submit", "json-raw", "--source", "osv-crates", "--wait")
    letters = until(lambda: caller.json("webhook", "dead-letters", hook["webhookId"]))
    listed = caller.json("webhook", "list")
    enabled = {"X-Stella-Tenant": "default"}
    assert service.http.post(f"/webhooks/{hook['webhookId']}:enable", headers=enabled).status_code == 200
    return {
        "run submit": [taken],
        "run list": [caller.json("run", "list")],
        "run status": [made, empty, caller.json("run", "status", taken["runId"])],
        "run watch": [json.loads(line) for line in caller.done("run", "watch", again["runId"]).stdout.splitlines()],
        "run cancel": [canceled],
        "run retry": [again],
        "run download": [caller.json("run", "download", made["runId"], "--out", f"{out}/")],
        "webhook create": [hook],
        "webhook list": [listed],
        "webhook dead-letters": [letters],
        "webhook replay": [caller.json("webhook", "replay", hook["webhookId"])],
    }


def until(look: Callable[[], list[Any]]) -> list[Any]:
    """Look until there is something."""
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end
    return found


RECORD = {
    "id": "CVE-3",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "a", "ecosystem": "npm"}}],
}
WITH_FIELDS = [name for name in COMMANDS if table(name, "JSON")]


def test_every_command_that_prints_json_documents_its_fields() -> None:
    printing = {name for name, command in COMMANDS.items() if "--format" in options_of(command)}
    assert printing - set(WITH_FIELDS) == {"export-center bundle inspect"}


@pytest.mark.parametrize("name", WITH_FIELDS)
def test_documented_fields_are_those_that_are_printed(name: str, outputs: Mapping[str, Any]) -> None:
    documented = table(name, "JSON")
    printed = {field for value in outputs[name.removeprefix("export-center ")] for field in fields_of(value)}
    assert printed
    patterns = {field: pattern(field) for field in documented}
    assert {field for field in printed if not any(each.fullmatch(field) for each in patterns.values())} == set()
    never = {field for field, each in patterns.items() if not any(each.fullmatch(one) for one in printed)}
    assert never <= EMPTY_HERE


EMPTY_HERE = {
    "`adapterOptions.*`", "`error.details[].*`", "`copies.*`", "`kept.*`", "`encryption.recipientKeys[]`", "`schedule`", "`[].rawBase64`",
}  # fmt: skip
"""Fields that hold nothing in these outputs."""


def test_an_original_that_is_no_text_is_shown_in_base64() -> None:
    from cli.evidence_store import described

    facts = described({"upstream_id": "x", "modified": None, "raw": b"\xff"})
    assert facts == {"id": "x", "modified": None, "bytes": 1, "rawBase64": "/w=="}
