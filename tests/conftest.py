"""Fixtures that every package's tests share, and the summary of what a run did not prove."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_ONLY = "EXPORT_CENTER_DATA does not name the data pack"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--forbid-skips", action="store_true", help="fail when a test is skipped that is not optional")


def _unproven(terminal: pytest.TerminalReporter) -> list[tuple[str, str]]:
    """Return (test, reason) of everything that was skipped."""
    skipped = terminal.stats.get("skipped", [])
    return [(report.nodeid, str(report.longrepr[2]) if report.longrepr else "") for report in skipped]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    unproven = _unproven(terminalreporter)
    if unproven:
        terminalreporter.section("NOT PROVEN in this run", sep="!", red=True, bold=True)
        for test, reason in unproven:
            terminalreporter.line(f"{test}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--forbid-skips") or terminal is None or exitstatus:
        return
    optional = {item.nodeid for item in session.items if item.get_closest_marker("optional")}
    if [test for test, reason in _unproven(terminal) if test not in optional and SAMPLE_ONLY not in reason]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The folder of the whole data pack; tests that need it are skipped without."""
    folder = os.environ.get("EXPORT_CENTER_DATA", "")
    if not folder:
        pytest.skip(SAMPLE_ONLY)
    return Path(folder)


@pytest.fixture(scope="session")
def sample_evidence() -> Path:
    """The folder of real evidence that is part of the repository."""
    return ROOT / "examples" / "evidence"


@pytest.fixture(scope="session")
def counterpart() -> Callable[[str], str]:
    """Return a function from a program's name to its path; it skips the test when the program is missing."""

    def find(program: str) -> str:
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find
