"""Time downloads from the page cache, per core of the server, against Starlette's stock answer for files.

    python bench/downloads.py --megabytes 1024 --folder /var/tmp/bench

One server process for each side, held on one core; the client, which throws away what it reads, on the others. The
sides run in turn, so that ratios hold on a noisy machine:

* bundle: the service's answer for bundles (server/files.py), the whole file.
* ranges: the same in four ranges, a request each.
* stock: Starlette's FileResponse, as it comes.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BAR = 400
"""MB/s that one core is to send at least."""

PIECE = 1 << 20
RANGES = 4


class Run(NamedTuple):
    """One download: seconds on the clock, and seconds of the server's processor time."""

    seconds: float
    cpu: float


def main() -> None:
    """Parse the command line, run the sides in turn, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", choices=["bundle", "stock"], help=argparse.SUPPRESS)
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    path = _made(options.folder, options.megabytes)
    if options.serve:
        _serve(path, options.serve, options.socket)
        return
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    size = path.stat().st_size
    with _server(options, "bundle") as ours, _server(options, "stock") as stock:
        for _ in range(options.rounds):
            for side, download in SIDES.items():
                runs[side].append(_timed(download, stock if side == "stock" else ours, size))
    _report(runs, size)


def _made(folder: Path, megabytes: int) -> Path:
    """Return a file of random bytes, made once and in the page cache; its digest is beside it."""
    path = folder / f"download-{megabytes}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        piece = os.urandom(PIECE)
        with path.open("wb") as file:
            for _ in range(megabytes):
                file.write(piece)
    with path.open("rb") as file:
        path.with_suffix(".sha256").write_text(hashlib.file_digest(file, "sha256").hexdigest())
    return path


def _serve(path: Path, side: str, descriptor: int) -> None:
    """Be the server of one side."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import FileResponse, Response
    from starlette.routing import Route

    from server.files import BundleResponse, Facts

    digest, size = path.with_suffix(".sha256").read_text(), path.stat().st_size
    facts = Facts(sha256=digest, size=size, media_type="application/zstd", filename="export.tar.zst")
    makers: Mapping[str, Callable[[], Response]] = {
        "bundle": lambda: BundleResponse(path, facts),
        "stock": lambda: FileResponse(path),
    }

    async def download(_request: object) -> Response:
        return makers[side]()

    app = Starlette(routes=[Route("/", download)])
    uvicorn.run(app, fd=descriptor, log_level="warning", ws="none")


class Server(NamedTuple):
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _server(options: argparse.Namespace, side: str) -> Iterator[Server]:
    """Run the server of one side, on the first of the cores that we have, while we keep to the others."""
    cores = sorted(os.sched_getaffinity(0))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings = ["--megabytes", str(options.megabytes), "--folder", str(options.folder)]
        command = [sys.executable, __file__, *settings, "--serve", side, "--socket", str(listener.fileno())]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()])
        os.sched_setaffinity(process.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            yield Server(listener.getsockname()[1], process)
        finally:
            process.terminate()
            process.wait()
            os.sched_setaffinity(0, cores)


def _whole(server: Server, size: int) -> None:
    _get(server, {}, size)


def _in_ranges(server: Server, size: int) -> None:
    for start in range(0, size, size // RANGES):
        last = min(start + size // RANGES, size) - 1
        _get(server, {"Range": f"bytes={start}-{last}"}, last - start + 1)


def _get(server: Server, headers: Mapping[str, str], size: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/", headers=dict(headers))
    answer, buffer, received = connection.getresponse(), bytearray(PIECE), 0
    while count := answer.readinto(buffer):
        received += count
    connection.close()
    if received != size:
        raise SystemExit(f"{received} bytes came, and {size} were expected")


SIDES: Mapping[str, Callable[[Server, int], None]] = {"bundle": _whole, "ranges": _in_ranges, "stock": _whole}


def _timed(download: Callable[[Server, int], None], server: Server, size: int) -> Run:
    """Download once; the first time, the server may have to start, so something small is asked for before."""
    probe = http.client.HTTPConnection("127.0.0.1", server.port)
    probe.request("HEAD", "/")
    probe.getresponse().read()
    probe.close()
    started, used = time.perf_counter(), server.cpu
    download(server, size)
    return Run(time.perf_counter() - started, server.cpu - used)


def _report(runs: Mapping[str, list[Run]], size: int) -> None:
    seconds = {side: statistics.median(run.seconds for run in results) for side, results in runs.items()}
    print(f"{size / 1e6:,.0f} MB from the page cache, one core for the server, medians of {len(runs['bundle'])}")
    print(f"{'side':<9}{'seconds':>9}{'cpu s':>8}{'MB/s':>8}{'times stock':>13}")
    for side, results in runs.items():
        cpu = statistics.median(run.cpu for run in results)
        ratio = seconds["stock"] / seconds[side]
        print(f"{side:<9}{seconds[side]:>9.3f}{cpu:>8.2f}{size / seconds[side] / 1e6:>8,.0f}{ratio:>13.1f}")
    verdict = "holds" if size / seconds["bundle"] / 1e6 >= BAR else "DOES NOT HOLD"
    print(f"at least {BAR} MB/s: {verdict}")


if __name__ == "__main__":
    main()
