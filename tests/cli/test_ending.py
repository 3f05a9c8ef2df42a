"""How the program ends when somebody stops it, stops reading it, or nothing can be written any more."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Program

STOPPED = b"interrupted; nothing was left half-written\n"


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Path:
    """Evidence that takes several seconds to ingest, by several processes: the sample's, many times."""
    folder = tmp_path_factory.mktemp("much")
    for number in range(12):
        for archive in ("osv-crates", "openvex-aqua-vexhub", "osv-drupal", "cyclonedx-spec-tests"):
            shutil.copy(sample_evidence / f"{archive}.tar.zst", folder / f"{archive}-{number}.tar.zst")
    return folder


@contextmanager
def running(program: Program, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command as the leader of a group of processes; what is left of the group at the end is killed."""
    process = subprocess.Popen(
        [*program.command, *map(str, arguments)],
        env=program.environment(),
        preexec_fn=_heed,  # noqa: PLW1509 - no thread of the tests holds a lock it needs
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _heed() -> None:
    """Heed signals that whoever runs the tests ignores, as a shell does for what it runs in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def wait_for(condition: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def members(group: int) -> list[str]:
    """Return the processes of a session that still run; those that only wait to be reaped do not."""
    listed = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, session = rest.split()[:4]
        if int(session) == group and state not in "ZX":
            listed.append(name)
    return listed


@pytest.mark.parametrize("whole_group", [False, True], ids=["to the process", "to the terminal's whole group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ingest_that_is_stopped_leaves_neither_evidence_nor_processes(
    number: signal.Signals, whole_group: bool, fresh: Program, much: Path
) -> None:
    with running(fresh, "ingest", much, "--workers", 2) as process:
        wait_for(lambda: list(fresh.home.glob("evidence/.*/*")))
        (os.killpg if whole_group else os.kill)(process.pid, number)
        printed, said = process.communicate(timeout=60)
        wait_for(lambda: not members(process.pid))
    assert (process.returncode, printed, said) == (7, b"", STOPPED)
    assert [path.name for path in fresh.home.rglob("*") if path.is_file()] == [".lock"]


def test_workers_of_an_ingest_that_was_killed_end_with_it(fresh: Program, much: Path) -> None:
    with running(fresh, "ingest", much, "--workers", 2) as process:
        wait_for(lambda: list(fresh.home.glob("evidence/.*/*")))
        process.kill()
        process.communicate(timeout=60)
        wait_for(lambda: not members(process.pid))
    assert process.returncode == -signal.SIGKILL
    assert fresh.json("evidence", "stats")["snapshot"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_export_that_is_stopped_leaves_nothing(number: signal.Signals, program: Program, tmp_path: Path) -> None:
    with running(program, "export", "json-raw", "--out", tmp_path / "x.tar.zst") as process:
        wait_for(lambda: list(tmp_path.glob(".export-*/*")))
        process.send_signal(number)
        printed, said = process.communicate(timeout=60)
    assert (process.returncode, printed, said) == (7, b"", STOPPED)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_was_ignored_before_stays_ignored(program: Program, archive: Path) -> None:
    """As under nohup."""
    verify = (*program.command, "bundle", "verify", "-", "--key", str(program.public_key))
    code = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}({verify[0]!r}, {verify!r})"],
        env=program.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    data = archive.read_bytes()
    assert process.stdin is not None
    process.stdin.write(data[:1000])
    process.stdin.flush()
    time.sleep(0.5)
    process.send_signal(signal.SIGHUP)
    printed, _ = process.communicate(data[1000:], timeout=60)
    assert process.returncode == 0
    assert b'"verified": true' in printed


PIPED = {
    "a member": "bundle cat {archive} data/advisories.jsonl.zst",
    "a long list": "evidence stats --format json",
    "a table": "bundle list {archive} --format table",
}


@pytest.mark.parametrize("case", PIPED)
def test_a_reader_that_stops_early_ends_the_program_quietly(case: str, program: Program, archive: Path) -> None:
    process = subprocess.Popen(
        [*program.command, *PIPED[case].format(archive=archive).split()],
        env=program.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1
    process.stderr.close()


def test_output_that_cannot_be_written_is_an_error(program: Program) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*program.command, "config", "show"],
            env=program.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (4, b"error: the output could not be written: No space left on device\n")


def test_closed_streams_are_no_error(program: Program) -> None:
    line = " ".join(program.command)
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(["sh", "-c", f"{line} config show {closed}"], env=program.environment(), check=False,
                              stdout=subprocess.DEVNULL)  # fmt: skip
        assert done.returncode == 0


@contextmanager
def full_disk(folder: Path, size: int) -> Iterator[None]:
    """Make a folder a disk of its own with little room."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
    if done.returncode:
        pytest.skip("this user may not mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.optional
def test_an_export_to_a_full_disk_fails_whole(program: Program, tmp_path: Path) -> None:
    with full_disk(tmp_path / "disk", 600_000):
        said = program.error("export", "json-raw", "--out", tmp_path / "disk" / "x.tar.zst", code=4)
        assert list((tmp_path / "disk").iterdir()) == []
    assert "No space left on device" in said


@pytest.mark.optional
def test_an_ingest_into_a_full_disk_fails_whole(program: Program, tmp_path: Path, sample_evidence: Path) -> None:
    fresh = program.at(tmp_path / "disk")
    with full_disk(fresh.home, 1_000_000):
        said = fresh.error("ingest", sample_evidence / "osv-crates.tar.zst", code=4)
        left = [path for path in fresh.home.rglob("*") if path.is_file() and path.stat().st_size]
        assert left == []
        assert fresh.json("evidence", "stats")["snapshot"] == 0
    assert "space" in said


def test_a_file_that_may_not_grow_is_a_full_disk(program: Program, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    done = subprocess.run(
        [*program.command, "export", "json-raw", "--out", tmp_path / "x.tar.zst"],
        capture_output=True, check=False, env=program.environment(), preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 4
    assert b"File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
