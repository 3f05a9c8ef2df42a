"""``--trace``: times of the stages, and the stack of an error; without it, neither."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Program

STAGES = {
    "export json-raw --source osv-crates --out {tmp}/x.tar.zst": [
        "plan", "adapt", "describe", "sign", "pack", "command"],
    "plan json-raw": ["plan", "count", "command"],
    "bundle verify {archive} --key {key}": ["verify", "command"],
    "bundle diff {archive} {archive}": ["compare", "command"],
    "bundle extract {archive} {tmp}/out --key {key}": ["extract", "command"],
    "config show": ["command"],
}  # fmt: skip


@pytest.mark.parametrize("command", STAGES)
def test_every_stage_is_told_with_its_seconds(command: str, program: Program, archive: Path, tmp_path: Path) -> None:
    line = command.format(archive=archive, key=program.public_key, tmp=tmp_path).split()
    done = program.done(*line, "--trace")
    assert done.returncode == 0
    told = re.findall(r"(?m)^trace: +(\d+\.\d{3}) s  (\w+)$", done.stderr.decode())
    assert [name for _, name in told] == STAGES[command]
    assert sum(float(seconds) for seconds, _ in told[:-1]) <= float(told[-1][0]) + 0.01


def test_the_stack_is_for_those_who_ask_for_it(program: Program) -> None:
    asked = program.done("--trace", "plan", "nope").stderr.decode()
    assert "Traceback (most recent call last)" in asked
    assert "flows.errors.ProfileNotFoundError: no profile 'nope'" in asked
    assert asked.index("error: no profile 'nope'") > asked.index("Traceback")
    program.error("plan", "nope", code=2)


def test_an_argument_after_two_dashes_is_no_flag(program: Program) -> None:
    assert "no profile '--trace'" in program.error("plan", "--", "--trace", code=2)
