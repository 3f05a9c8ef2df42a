"""The client's downloads: cut off, killed, altered and lied to, they end with the right bytes or with none."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from client import BusyError, Client, DamagedError, Retries, UnexpectedError, UnreachableError
from client.parts import DIGITS
from server.embedded import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import CutOff, Shelf
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SERVER = Path(__file__).with_name("bundle_server.py")
NAME = "export-run-20251029-01.tar.zst"
SIZE = 3 << 20
QUICK = Retries(first=0.01, longest=0.1)


class Altered:
    """An application whose answers to GET are altered, as something between could; it is the API's download, too."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[bytes], bytes] = lambda data: data,
    ) -> None:
        self._app, self._headers, self._body = app, headers or {}, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                changed = [(name.lower().encode(), value.encode()) for name, value in self._headers.items()]
                kept = [each for each in message["headers"] if each[0] not in {name for name, _ in changed}]
                message = {**message, "headers": [*kept, *(each for each in changed if each[1])]}
            elif message["body"] and scope["method"] == "GET":
                message = {**message, "body": self._body(message["body"])}
            await send(message)

        assert scope["path"] == "/api/export/runs/run-1/download"
        await self._app({**scope, "path": f"/{NAME}", "raw_path": f"/{NAME}".encode()}, receive, sending)


@pytest.fixture
def shelf(shelve: Callable[..., Shelf]) -> Shelf:
    return shelve(SIZE)


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def part_of(shelf: Shelf, target: Path) -> Path:
    return target.with_name(f"{target.name}.{shelf.facts.sha256[:DIGITS]}.part")


def test_a_download_that_is_cut_off_goes_on_where_it_was(
    shelf: Shelf, serve: Any, cut_off: type[CutOff], tmp_path: Path
) -> None:
    told: list[str] = []
    cuts = [100_000, 1_500_000, 0, 700_000]
    patient = Retries(first=0.01, longest=0.1, told=lambda why, _: told.append(why))
    with serve(Altered(cut_off(shelf.app, after=list(cuts)))) as url, Client(url, retries=patient) as client:
        fetched = client.download("run-1", tmp_path)
    assert fetched.path == tmp_path / NAME
    assert fetched.path.read_bytes() == shelf.content
    assert fetched.fetched == SIZE
    assert len(told) == len(cuts)
    starts = [0, 100_000, 1_600_000, 1_600_000, 2_300_000]
    assert shelf.asked == [("HEAD", None), *(("GET", f"bytes={start}-" if start else None) for start in starts)]
    assert not list(tmp_path.glob("*.part"))


def test_a_download_goes_on_though_the_server_was_killed(shelf: Shelf, tmp_path: Path) -> None:
    port, begun, restarted = free_port(), threading.Event(), threading.Event()
    shelf.path.write_bytes(shelf.content * 20)
    started: list[subprocess.Popen[bytes]] = []

    def server() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, str(SERVER), str(port), str(shelf.path)]))
        return started[-1]

    def progress(done: int, _whole: int) -> None:
        if done and not begun.is_set():
            begun.set()
            assert restarted.wait(60)

    patient = Retries(attempts=500, first=0.05, longest=0.2)
    try:
        with ThreadPoolExecutor(1) as pool, Client(f"http://127.0.0.1:{port}", retries=patient) as client:
            first = server()
            fetching = pool.submit(client.download, "run-1", tmp_path / "x", progress=progress)
            assert begun.wait(60)
            first.kill()
            first.wait()
            server()
            restarted.set()
            fetched = fetching.result(60)
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert fetched.fetched == fetched.size == SIZE * 20
    assert fetched.path.read_bytes() == shelf.path.read_bytes()


def test_what_was_interrupted_is_gone_on_with_by_the_next_call(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.tar.zst"

    def interrupt(done: int, _whole: int) -> None:
        if done > SIZE // 2:
            raise KeyboardInterrupt

    with serve(Altered(shelf.app)) as url, Client(url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.download("run-1", target, progress=interrupt)
        there = part_of(shelf, target).stat().st_size
        assert not target.exists()
        fetched = client.download("run-1", target)
    assert fetched.fetched == SIZE - there < SIZE // 2
    assert target.read_bytes() == shelf.content


def test_a_bundle_that_was_altered_on_its_way_is_refused_and_nothing_is_left(
    shelf: Shelf, serve: Any, tmp_path: Path
) -> None:
    target = tmp_path / "x.tar.zst"
    target.write_bytes(b"earlier")
    with (
        serve(Altered(shelf.app, body=flipped)) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(DamagedError, match="with other bytes than the service states"),
    ):
        client.download("run-1", target)
    assert target.read_bytes() == b"earlier"
    assert sorted(tmp_path.iterdir()) == [shelf.path, target]


@pytest.mark.parametrize(
    "there", [b"not of this bundle", b"x" * SIZE, b"x" * (SIZE + 1)], ids=["a piece", "as many bytes", "more bytes"]
)
def test_a_part_whose_bytes_are_others_is_not_gone_on_with(
    there: bytes, shelf: Shelf, serve: Any, tmp_path: Path
) -> None:
    target = tmp_path / "x.tar.zst"
    part_of(shelf, target).write_bytes(there)
    with serve(Altered(shelf.app)) as url, Client(url) as client:
        client.download("run-1", target)
    assert target.read_bytes() == shelf.content
    assert not list(tmp_path.glob("*.part"))


def test_a_part_of_another_bundle_is_removed_and_begun_anew(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.tar.zst"
    (tmp_path / f"x.tar.zst.{'0' * DIGITS}.part").write_bytes(shelf.content[:1000])
    (tmp_path / "x.tar.zst.mine.part").write_bytes(b"somebody's")
    with serve(Altered(shelf.app)) as url, Client(url) as client:
        client.download("run-1", target)
    assert ("GET", None) in shelf.asked
    assert sorted(path.name for path in tmp_path.glob("x*")) == ["x.tar.zst", "x.tar.zst.mine.part"]


def test_a_bundle_that_is_another_meanwhile_is_fetched_whole(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target, others = tmp_path / "x.tar.zst", os.urandom(SIZE)

    def exchange(done: int, _whole: int) -> None:
        if done and shelf.content != others:
            shelf.content = others
            shelf.path.unlink()
            shelf.path.write_bytes(others)
            told = {"sha256": hashlib.sha256(others).hexdigest(), "size": SIZE, "filename": NAME}
            shelf.facts = type(shelf.facts)(**told, media_type="application/zstd")
            raise KeyboardInterrupt

    with serve(Altered(shelf.app)) as url, Client(url) as client:
        with pytest.raises(KeyboardInterrupt):
            client.download("run-1", target, progress=exchange)
        assert client.download("run-1", target).fetched == SIZE
    assert target.read_bytes() == others
    assert not list(tmp_path.glob("*.part"))


def test_two_do_not_write_the_same_file(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.tar.zst"
    with serve(Altered(shelf.app)) as url, Client(url) as client:
        with part_of(shelf, target).open("wb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(BusyError, match="another process is fetching"):
                client.download("run-1", target)
        client.download("run-1", target)
    assert target.read_bytes() == shelf.content


def test_what_is_there_and_right_is_left_alone(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target = tmp_path / "x.tar.zst"
    target.write_bytes(shelf.content)
    with serve(Altered(shelf.app)) as url, Client(url) as client:
        assert client.download("run-1", target).fetched == 0
    assert shelf.asked == [("HEAD", None)]


LIES: dict[str, tuple[dict[str, str], Callable[[bytes], bytes], str]] = {
    "no digest": ({"X-Export-Digest": ""}, bytes, "without its digest or size"),
    "a digest that is none": ({"X-Export-Digest": "sha256:abc"}, bytes, "without its digest or size"),
    "no size": ({"X-Export-Size": ""}, bytes, "without its digest or size"),
    "fewer bytes than there are": ({"X-Export-Size": "1000"}, bytes, "longer than the service states"),
    "another encoding": ({"Content-Encoding": "gzip"}, bytes, "an encoding that was not asked for"),
}


@pytest.mark.parametrize("case", LIES)
def test_a_bundle_that_cannot_be_checked_is_refused_with(case: str, shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    headers, body, text = LIES[case]
    with (
        serve(Altered(shelf.app, headers=headers, body=body)) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(UnexpectedError, match=text),
    ):
        client.download("run-1", tmp_path / "x")
    assert list(tmp_path.iterdir()) == [shelf.path]


def test_bytes_from_elsewhere_than_asked_for_are_not_taken(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    target = tmp_path / "x"
    part_of(shelf, target).write_bytes(shelf.content[:1000])
    with (
        serve(Altered(shelf.app, headers={"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"})) as url,
        Client(url, retries=QUICK) as client,
        pytest.raises(UnexpectedError, match=r"bytes from 1,000 of 3,145,728 were asked for"),
    ):
        client.download("run-1", target)
    assert part_of(shelf, target).read_bytes() == shelf.content[:1000]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", ".bashrc", "", "a\\b", "..", "x" * 300])
def test_a_name_that_leads_elsewhere_is_not_taken(name: str, shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    with serve(Altered(shelf.app, headers=headers)) as url, Client(url) as client:
        path = client.download("run-1", tmp_path).path
    assert path == tmp_path / f"export-{shelf.facts.sha256[:12]}.bundle"
    assert path.read_bytes() == shelf.content


def test_a_link_in_the_place_of_a_part_is_not_followed(shelf: Shelf, serve: Any, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    part_of(shelf, tmp_path / "x").symlink_to(victim)
    with serve(Altered(shelf.app)) as url, Client(url) as client, pytest.raises(OSError, match="symbolic link"):
        client.download("run-1", tmp_path / "x")
    assert victim.read_bytes() == b"mine"


def test_attempts_without_a_byte_come_to_an_end(
    shelf: Shelf, serve: Any, cut_off: type[CutOff], tmp_path: Path
) -> None:
    waits: list[float] = []
    patient = Retries(first=1, chance=lambda: 1.0, silence=30, sleep=waits.append, clock=lambda: sum(waits))
    with (
        serve(Altered(cut_off(shelf.app, after=[1000, *([0] * 50)]))) as url,
        Client(url, retries=patient) as client,
        pytest.raises(UnreachableError, match="cannot be reached"),
    ):
        client.download("run-1", tmp_path / "x")
    assert part_of(shelf, tmp_path / "x").read_bytes() == shelf.content[:1000]
    assert waits == [1, 2, 4, 8, 16]
