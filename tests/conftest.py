"""Fixtures that every package's tests share, and the account of what a run did not prove."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

pytest_plugins = ("tests.postgres_server",)

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_ONLY = "EXPORT_CENTER_DATA does not name the data pack"
NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome")}
"""Programs that go by several names."""

# Laws are about values; how fast a busy machine makes up examples proves nothing.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


class Unproven(NamedTuple):
    """A skipped test; ``allowed`` when it may be missing even where skips are forbidden."""

    test: str
    reason: str
    allowed: bool


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skips",
        action="store_true",
        default=bool(os.environ.get("EXPORT_CENTER_FORBID_SKIPS")),
        help="fail when a test is skipped that is not optional (also: EXPORT_CENTER_FORBID_SKIPS=1)",
    )


def _unproven(terminal: pytest.TerminalReporter) -> list[Unproven]:
    """Return everything that was skipped; the data pack may be missing, being too large for every machine."""
    found = []
    for report in terminal.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        # Files that were skipped as a whole have no keywords, and so are never optional.
        optional = "optional" in getattr(report, "keywords", ())
        found.append(Unproven(report.nodeid, reason.removeprefix("Skipped: "), optional or SAMPLE_ONLY in reason))
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    unproven = _unproven(terminalreporter)
    if not unproven:
        return
    terminalreporter.section("NOT PROVEN in this run", sep="!", red=True, bold=True)
    for test, reason, allowed in unproven:
        verdict = "FORBIDDEN SKIP: " if config.getoption("--forbid-skips") and not allowed else ""
        terminalreporter.line(f"{verdict}{test}: {reason}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.getoption("--forbid-skips") or terminal is None or exitstatus:
        return
    if not all(test.allowed for test in _unproven(terminal)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def data_pack() -> Path:
    """The folder of the whole data pack; tests that need it are skipped without."""
    folder = os.environ.get("EXPORT_CENTER_DATA", "")
    if not folder:
        pytest.skip(SAMPLE_ONLY)
    if not Path(folder).is_dir():
        pytest.fail(f"EXPORT_CENTER_DATA names {folder}, which is no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def sample_evidence() -> Path:
    """The folder of real evidence that is part of the repository."""
    return ROOT / "examples" / "evidence"


@pytest.fixture(scope="session")
def untraced() -> dict[str, str]:
    """The environment, for programs whose lines are counted elsewhere: to count them takes as long as they do."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@pytest.fixture(scope="session")
def counterpart() -> Callable[[str], str]:
    """Return a function from a program's name to its path; it skips the test when the program is missing."""

    def find(program: str) -> str:
        paths = (shutil.which(name) for name in NAMES.get(program, (program,)))
        path = next(filter(None, paths), None)
        if path is None:
            pytest.skip(f"{program} is not installed")
        return path

    return find
