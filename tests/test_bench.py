"""The scripts of bench/ run: what they measure is not judged here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bundle.keys import load_public_key
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

BENCH = Path(__file__).resolve().parent.parent / "bench"
SIDES = {"export.py": ("export", "copy", "floor"), "verify.py": ("verify", "pipe", "openssl")}


@pytest.mark.counterpart
@pytest.mark.parametrize("script", SIDES)
def test_every_side_of_a_benchmark_runs(
    script: str, tmp_path: Path, counterpart: object, untraced: dict[str, str]
) -> None:
    assert callable(counterpart)
    for program in ("zstd", "openssl", "sha256sum"):
        counterpart(program)
    command = [sys.executable, BENCH / script, "--records", "1000", "--rounds", "1", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=untraced)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:] if line.strip()}
    if script == "export.py":
        key = load_public_key((tmp_path / "keys" / "bench.pub").read_bytes())
        assert verify(tmp_path / "out.tar.zst", keys=[key], deep=True).manifest.counts.records == 1000
    assert {side: float(rows[side][1]) > 0 for side in SIDES[script]} == dict.fromkeys(SIDES[script], True)


def test_every_side_of_the_benchmark_of_downloads_runs(tmp_path: Path, untraced: dict[str, str]) -> None:
    command = [sys.executable, BENCH / "downloads.py", "--megabytes", "3", "--rounds", "1", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=untraced)
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines()[1:] if line.strip()}
    assert all(float(rows[side][1]) > 0 for side in ("bundle", "ranges", "stock"))
    assert (tmp_path / "download-3").stat().st_size == 3 << 20


def test_every_part_of_the_benchmark_of_the_service_runs_that_needs_no_prefect(
    tmp_path: Path, untraced: dict[str, str]
) -> None:
    few = ["--submissions", "2", "--stored", "50", "--lists", "1", "--without-prefect"]
    command = [sys.executable, BENCH / "service.py", "--folder", tmp_path, *few]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=untraced)
    assert done.returncode == 0, done.stderr
    medians = {line[:32].strip(): float(line[32:].split()[0].replace(",", "")) for line in done.stdout.splitlines()[1:]}
    assert all(median > 0 for median in medians.values())
    assert {"accepted, Prefect away", "bare, beside it", "list", "list, of a trace"} < medians.keys()


@pytest.mark.counterpart
@pytest.mark.slow
def test_every_part_of_the_benchmark_of_the_viewer_runs(
    tmp_path: Path, counterpart: Callable[[str], str], untraced: dict[str, str]
) -> None:
    pytest.importorskip("playwright")
    few = ["--records", "1000", "--runs", "300", "--rounds", "1", "--chromium", counterpart("chromium")]
    command = [sys.executable, BENCH / "viewer.py", "--folder", tmp_path, *few]
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=untraced)
    assert done.returncode == 0, done.stderr
    figures = {line[:44].strip(): float(line[44:].split()[0].replace(",", "")) for line in done.stdout.splitlines()[1:]}
    assert {name.partition(",")[0] for name in figures} == {"paint", "answer", "memory", "moved", "weight"}
    # A browser tells of no event that is shorter than two frames.
    assert all(figure > 0 for name, figure in figures.items() if not name.startswith("answer")), figures
