"""What a person at a terminal sees: tables, colours, progress; and that a pipe gets none of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

ESCAPE = "\x1b["


class Seen(NamedTuple):
    """What appeared on a terminal, and the exit code."""

    text: str
    code: int


def at_a_terminal(program: Program, *arguments: object, columns: int = 100, **environment: str) -> Seen:
    """Run a command with a terminal as its input, output and standard error."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    ordinary = {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        [*program.command, *map(str, arguments)],
        env=program.environment(**{**ordinary, **environment}),
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # how a terminal says that everybody has left it
        pass
    finally:
        os.close(ours)
    return Seen(seen.decode().replace("\r\n", "\n"), process.wait(timeout=60))


LISTS = {
    "bundle list {archive}": "path                             records",
    "bundle inspect {archive}": "contentDigest",
    "bundle verify {archive} --key {key}": "verified       yes",
    "evidence stats": "records",
    "evidence show RUSTSEC-2021-0001": "advisory",
    "plan json-raw": "in all",
    "profile list": "profileId",
    "keys show": "default",
    "config show": "EXPORT_CENTER_HOME",
}


@pytest.mark.parametrize("command", LISTS)
def test_a_terminal_gets_a_table_and_a_pipe_gets_json(command: str, program: Program, archive: Path) -> None:
    line = command.format(archive=archive, key=program.public_key).split()
    seen = at_a_terminal(program, *line, NO_COLOR="1")
    assert (seen.code, ESCAPE in seen.text) == (0, False)
    assert LISTS[command] in seen.text
    assert max(map(len, seen.text.splitlines())) <= 100
    piped = program.done(*line)
    assert json.loads(piped.stdout)
    assert piped.stderr == b""
    assert json.loads(at_a_terminal(program, *line, "--format", "json").text) == json.loads(piped.stdout)


def test_what_begins_a_row_stays_whole_on_a_narrow_terminal(program: Program) -> None:
    """It is what people type next."""
    seen = at_a_terminal(program, "profile", "list", columns=80, NO_COLOR="1").text
    assert max(map(len, seen.splitlines())) <= 80
    header, *lines = seen.splitlines()
    columns = ["profileId", "kind", "variant", "include", "runs", "tenant", "revision", "status"]
    assert header.split() == columns
    listed = [profile["profileId"] for profile in program.json("profile", "list")]
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == listed


def test_colours_are_for_terminals_that_have_them_and_people_who_want_them(program: Program) -> None:
    assert at_a_terminal(program, "plan", "no").text.startswith(f"{ESCAPE}1;31merror:{ESCAPE}0m no profile 'no'")
    assert ESCAPE in at_a_terminal(program, "profile", "list").text
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        for command in (["plan", "no"], ["profile", "list"]):
            done = at_a_terminal(program, *command, **environment)
            assert ESCAPE not in done.text
    assert b"\x1b" not in program.done("plan", "no").stderr


def test_long_work_shows_its_progress_on_a_terminal_and_nothing_of_it_stays(
    program: Program, sample_evidence: Path, tmp_path: Path
) -> None:
    home = program.at(tmp_path / "home")
    seen = at_a_terminal(home, "ingest", sample_evidence / "osv-crates.tar.zst", columns=120)
    assert seen.code == 0
    assert re.search(r"ingesting .* [\d,]+ documents, \d+ MB", seen.text)
    exported = at_a_terminal(home, "export", "json-raw", "--out", tmp_path / "x.tar.zst", columns=120)
    assert exported.code == 0
    for stage in ("adapt", "describe", "sign", "pack"):
        assert stage in exported.text
    piped = program.at(tmp_path / "other").done("ingest", sample_evidence / "osv-drupal.tar.zst")
    assert b"\x1b" not in piped.stdout + piped.stderr
    assert b"documents," not in piped.stderr.replace(b"documents were quarantined", b"")


def test_a_terminal_as_standard_input_holds_no_bundle(program: Program) -> None:
    seen = at_a_terminal(program, "bundle", "verify", "-", "--key", program.public_key)
    assert seen.code == 2
    assert "there is no bundle on standard input" in seen.text


def test_what_evidence_says_does_not_steer_the_terminal(program: Program, tmp_path: Path) -> None:
    home = program.at(tmp_path / "home")
    name = "bad\x1b[2J.json"
    document = {"id": "CVE-\x1b[31m", "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"name": "a"}}]}
    (tmp_path / name).write_text(json.dumps(document))
    seen = at_a_terminal(home, "ingest", tmp_path / name, NO_COLOR="1", columns=200)
    shown = at_a_terminal(home, "evidence", "show", "CVE-\x1b[31m", NO_COLOR="1", columns=200)
    stats = at_a_terminal(home, "evidence", "stats", NO_COLOR="1", columns=200)
    missing = at_a_terminal(home, "evidence", "show", "\x1b[2J", NO_COLOR="1")
    assert [each.code for each in (seen, shown, stats, missing)] == [0, 0, 0, 1]
    for each in (seen, shown, stats, missing):
        assert "\x1b[2J" not in each.text
        assert "\x1b[31m" not in each.text
    assert r"bad\x1b[2J.json" in shown.text
