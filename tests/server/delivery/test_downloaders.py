"""Programs that people download with, interrupted and resumed: the file they end up with is ours, byte for byte."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.counterpart

NAME = "export-run-20251029-01.tar.zst"
MIB = 1 << 20
SIZE = 24 * MIB + 12_345


@pytest.fixture
def shelf(shelve: Callable[..., Any]) -> Any:
    return shelve(SIZE)


@pytest.fixture
def run(counterpart: Callable[[str], str], tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs a program in the folder where downloads go; it returns the exit code."""
    folder = tmp_path / "downloads"
    folder.mkdir()

    def running(program: str, *arguments: str) -> int:
        command = [counterpart(program), *arguments]
        return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120).returncode

    return running


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / NAME


def resumed_at(shelf: Any) -> list[str]:
    """Return the ranges that were asked for."""
    return [header for method, header in shelf.asked if method == "GET" and header]


def test_curl_goes_on_where_it_was_cut_off(
    shelf: Any, serve: Any, cut_off: Any, run: Callable[..., int], downloaded: Path
) -> None:
    partial_file = 18
    with serve(cut_off(shelf.app, after=[10 * MIB])) as address:
        command = ["curl", "-sS", "-C", "-", "-O", f"{address}/{NAME}"]
        assert run(*command) == partial_file
        begun = downloaded.stat().st_size
        assert run(*command) == 0
    assert resumed_at(shelf) == [f"bytes={begun}-"]
    assert begun
    assert downloaded.read_bytes() == shelf.content


def test_curl_asks_for_a_bundle_it_has_and_gets_none(
    shelf: Any, serve: Any, run: Callable[..., int], downloaded: Path
) -> None:
    tags = ["--etag-save", "tag", "--etag-compare", "tag"]
    with serve(shelf.app) as address:
        assert run("curl", "-sS", *tags, "-O", f"{address}/{NAME}") == 0
        assert downloaded.read_bytes() == shelf.content
        downloaded.unlink()
        assert run("curl", "-sS", *tags, "-O", f"{address}/{NAME}") == 0
    assert not downloaded.exists() or not downloaded.stat().st_size


def test_wget_goes_on_where_it_was_cut_off(
    shelf: Any, serve: Any, cut_off: Any, run: Callable[..., int], downloaded: Path
) -> None:
    with serve(cut_off(shelf.app, after=[10 * MIB])) as address:
        command = ["wget", "-q", "--no-config", "--tries=1", "-c", f"{address}/{NAME}"]
        assert run(*command) != 0
        begun = downloaded.stat().st_size
        assert run(*command) == 0
    assert resumed_at(shelf) == [f"bytes={begun}-"]
    assert begun
    assert downloaded.read_bytes() == shelf.content


def test_wget_leaves_a_whole_file_alone(shelf: Any, serve: Any, run: Callable[..., int], downloaded: Path) -> None:
    with serve(shelf.app) as address:
        command = ["wget", "-q", "--no-config", "--tries=1", "-c", f"{address}/{NAME}"]
        assert [run(*command), run(*command)] == [0, 0]
    assert downloaded.read_bytes() == shelf.content


def test_aria2_takes_eight_parts_at_once_and_goes_on_after_cuts_and_a_stop(
    shelf: Any, serve: Any, cut_off: Any, run: Callable[..., int], downloaded: Path
) -> None:
    unfinished = 7
    eight = ["--no-conf", "-q", "-x8", "-s8", "--min-split-size=1M", "--file-allocation=none", "--retry-wait=0", "-c"]
    slowly = ["--max-overall-download-limit=4M", "--stop=2"]
    check = f"--checksum=sha-256={shelf.facts.sha256}"
    with serve(cut_off(shelf.app, after=[MIB, MIB // 2, MIB // 4])) as address:
        assert run("aria2c", *eight, *slowly, check, f"{address}/{NAME}") == unfinished
        assert downloaded.with_name(f"{NAME}.aria2").exists()
        before = len(resumed_at(shelf))
        assert run("aria2c", *eight, check, f"{address}/{NAME}") == 0
    assert len(resumed_at(shelf)) > before >= 8
    assert downloaded.read_bytes() == shelf.content
