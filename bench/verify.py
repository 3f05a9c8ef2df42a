"""Time `bundle verify` against stock tools that decompress and hash the same members, on a large bundle.

    python bench/verify.py --records 1100000 --folder /var/tmp/bench

The bundle is one of enlarged real evidence, made once by bench/export.py in the same folder; 1.1 million records are
more than 2 GB of lines. All sides run as programs of their own, start-up included, in turn, so that ratios hold on a
noisy machine; the speed is that of plain bytes, which are the same for all:

* verify: `export-center bundle verify`: signatures, container, digests of archive, members and frames, the indexes.
* pipe: `zstd -dc` of the compressed members and `cat` of the others, into `sha256sum`.
* openssl: the same into `openssl dgst -sha256`, which uses a processor's own instructions for SHA-256.
* extract: `bundle extract`; only when asked for with --sides.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bundle.records import manifest_of
from bundle.source import open_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bundle.manifest import Member

HERE = Path(__file__).resolve().parent
PROGRAM = (sys.executable, "-c", "from cli.main import main; main()")
BAR = 0.6
"""Verification is to run at no less than this part of the speed of the pipe."""


class Run(NamedTuple):
    """One run of a side: seconds on the clock, seconds of processor time, and the largest process in MiB."""

    seconds: float
    cpu: float
    peak_mib: int


def main() -> None:
    """Parse the command line, make the bundle, run the sides in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_100_000)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", nargs="*", choices=SIDES, default=["verify", "pipe", "openssl"])
    options = parser.parse_args()
    bundle = Bench(options.folder / f"verify-{options.records}")
    if not bundle.archive.exists():
        _make(options.records, options.folder, bundle)
    runs: dict[str, list[Run]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side in options.sides:
            runs[side].append(_timed(SIDES[side](bundle)))
    _report(bundle, runs)


class Bench(NamedTuple):
    """A bundle to read, as an archive and extracted."""

    folder: Path

    @property
    def archive(self) -> Path:
        """The bundle's file."""
        return self.folder / "bundle.tar.zst"

    @property
    def key(self) -> Path:
        """The public key it is signed with."""
        return self.folder / "bench.pub"

    @property
    def members(self) -> list[Member]:
        """Its payload."""
        return manifest_of(open_bundle(self.archive)).members


def _make(records: int, folder: Path, bundle: Bench) -> None:
    """Let bench/export.py make a bundle, keep it, and extract it with stock tools."""
    print(f"making a bundle of {records:,} records in {folder}", file=sys.stderr)
    command = [HERE / "export.py", "--records", str(records), "--folder", folder, "--rounds", "1", "--sides", "export"]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    bundle.folder.mkdir(exist_ok=True)
    shutil.copy(folder / "keys" / "bench.pub", bundle.key)
    (bundle.folder / "extracted").mkdir(exist_ok=True)
    subprocess.run(["tar", "--zstd", "-xf", folder / "out.tar.zst", "-C", bundle.folder / "extracted"], check=True)
    (folder / "out.tar.zst").rename(bundle.archive)


def _verify(bundle: Bench) -> list[str]:
    return [*PROGRAM, "bundle", "verify", str(bundle.archive), "--key", str(bundle.key)]


def _extract(bundle: Bench) -> list[str]:
    out = bundle.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    return [*PROGRAM, "bundle", "extract", str(bundle.archive), str(out), "--key", str(bundle.key)]


def _pipe(bundle: Bench, hasher: str = "sha256sum") -> list[str]:
    packed = [member.path for member in bundle.members if member.frames_sha256 and member.bytes]
    plain = [member.path for member in bundle.members if not member.frames_sha256]
    folder = shlex.quote(str(bundle.folder / "extracted"))
    return ["sh", "-ec", f"cd {folder}; {{ zstd -dcq {shlex.join(packed)}; cat {shlex.join(plain)}; }} | {hasher}"]


def _openssl(bundle: Bench) -> list[str]:
    return _pipe(bundle, "openssl dgst -sha256")


SIDES: Mapping[str, Callable[[Bench], list[str]]] = {
    "verify": _verify,
    "pipe": _pipe,
    "openssl": _openssl,
    "extract": _extract,
}


def _timed(command: list[str]) -> Run:
    """Run a command; the peak is that of the largest of its processes."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{shlex.join(command)} failed with exit code {process.returncode}")
    return Run(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024)


def _report(bundle: Bench, runs: dict[str, list[Run]]) -> None:
    members = bundle.members
    plain = sum(member.bytes if member.plain_bytes is None else member.plain_bytes for member in members)
    records = sum(member.records or 0 for member in members)
    seconds = {side: statistics.median(run.seconds for run in results) for side, results in runs.items()}
    size = bundle.archive.stat().st_size
    rounds = len(next(iter(runs.values())))
    print(f"{records:,} records, {plain / 1e6:,.0f} MB plain in a bundle of {size / 1e6:,.0f} MB, medians of {rounds}")
    print(f"{'side':<9}{'seconds':>9}{'cpu s':>8}{'MB/s':>8}{'peak MiB':>10}{'speed of verify':>17}")
    for side, results in runs.items():
        cpu, peak = statistics.median(run.cpu for run in results), max(run.peak_mib for run in results)
        ratio = seconds[side] / seconds.get("verify", seconds[side])
        speed = plain / seconds[side] / 1e6
        print(f"{side:<9}{seconds[side]:>9.2f}{cpu:>8.2f}{speed:>8,.0f}{peak:>10,}{ratio:>16.0%}")
    if {"verify", "pipe"} <= runs.keys():
        verdict = "holds" if seconds["pipe"] / seconds["verify"] >= BAR else "DOES NOT HOLD"
        print(f"at least {BAR:.0%} of the speed of the pipe: {verdict}")


if __name__ == "__main__":
    main()
