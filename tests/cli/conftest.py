"""The program as users run it: a process of its own, in a home with real evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = (sys.executable, "-m", "cli")
NOT_THEIRS = ("EXPORT_CENTER_", "COVERAGE_")


@dataclass(frozen=True)
class Program:
    """The program with one home."""

    home: Path
    command: tuple[str, ...] = PROGRAM

    def at(self, home: Path) -> Program:
        """Return the program with another home."""
        return Program(home, self.command)

    @property
    def public_key(self) -> Path:
        """The public half of the home's own key."""
        return self.home / "keys" / "default.pub"

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a process of this program sees; settings of whoever runs the tests do not reach it.

        Nor does what counts lines for coverage, which takes as long as a short command: what commands reach below cli is
        counted where it is tested by itself.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith(NOT_THEIRS)}
        return {**clean, "EXPORT_CENTER_HOME": str(self.home), **more}

    def done(
        self, *arguments: object, stdin: bytes | None = None, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=cwd,
            env=self.environment(**environment),
            timeout=500,
        )

    def json(self, *arguments: object, **options: Any) -> Any:
        """Run a command that succeeds, and return the JSON it prints."""
        done = self.done(*arguments, **options)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def error(self, *arguments: object, code: int, **options: Any) -> str:
        """Run a command that fails with a code; return what it says, which is tidy."""
        done = self.done(*arguments, **options)
        said = done.stderr.decode()
        assert done.returncode == code, said
        assert "Traceback" not in said
        assert len(said) < 5_000
        return said


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Program:
    """The program with the sample evidence, a policy snapshot and a key in its home."""
    made = Program(tmp_path_factory.mktemp("home"))
    made.json("ingest", *sorted(sample_evidence.glob("*.tar.zst")))
    made.json("ingest", "--kind", "policy-snapshot", sample_evidence.parent / "policy" / "policy-snapshot.json")
    made.json("keys", "generate")
    return made


@pytest.fixture
def fresh(tmp_path: Path) -> Program:
    """The program with a home that does not exist yet."""
    return Program(tmp_path / "fresh-home")


@pytest.fixture(scope="session")
def archive(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of some of the evidence, in one file."""
    out = tmp_path_factory.mktemp("bundle") / "crates.tar.zst"
    program.json("export", "json-raw", "--source", "osv-crates", "--out", out)
    return out


@pytest.fixture(scope="session")
def folder(program: Program, archive: Path) -> Path:
    """The same bundle, extracted."""
    out = archive.parent / "extracted"
    program.json("bundle", "extract", archive, out, "--key", program.public_key)
    return out


@pytest.fixture(scope="session")
def service(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running service over the evidence of the program's home; an engine of threads stands for Prefect."""
    from tests.server.conftest import serving

    with serving(program.home, tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def taker() -> Iterator[Any]:
    """A receiver of webhooks."""
    from tests.server.conftest import Receiver

    receiver = Receiver()
    receiver.thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.thread.join()
    receiver.server.server_close()


@pytest.fixture(scope="session")
def caller(program: Program, service: Any, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program of somebody who has nothing but the service's address."""
    return Calling(tmp_path_factory.mktemp("caller"), program.command, service.url)


@dataclass(frozen=True)
class Calling(Program):
    """The program with the address of a service, and the tenant of its evidence."""

    server: str = ""

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a process of this program sees."""
        service = {"EXPORT_CENTER_SERVER": self.server, "EXPORT_CENTER_TENANT": "default"}
        return super().environment(**{**service, **more})
