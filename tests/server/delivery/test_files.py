"""A bundle's file over HTTP: headers, parts, errors, and what happens when the file does not stay as it was."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import os
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.files import CHUNK, BundleResponse

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "export-run-20251029-01.tar.zst"
ADDRESS = f"http://test/{NAME}"
SIZE = 3 * CHUNK + 77


def ask(shelf: Any, method: str = "GET", headers: Any = None) -> httpx.Response:
    """Ask the application itself, without a network."""

    async def asking() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(shelf.app)) as client:
            return await client.request(method, ADDRESS, headers=headers)

    return anyio.run(asking)


@pytest.fixture
def shelf(shelve: Callable[..., Any]) -> Any:
    return shelve(SIZE)


def told(shelf: Any) -> dict[str, str]:
    """Return the headers that every answer about the file has."""
    digest = hashlib.sha256(shelf.content)
    return {
        "accept-ranges": "bytes",
        "cache-control": "private, immutable",
        "content-disposition": f'attachment; filename="{NAME}"',
        "etag": f'"sha256-{digest.hexdigest()}"',
        "repr-digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
        "x-export-digest": f"sha256:{digest.hexdigest()}",
        "x-export-size": str(SIZE),
    }


def test_the_whole_file_comes_with_all_that_is_told_about_it(shelf: Any) -> None:
    answer = ask(shelf)
    whole = {"content-type": "application/zstd", "content-length": str(SIZE)}
    assert (answer.status_code, dict(answer.headers)) == (200, told(shelf) | whole)
    assert answer.content == shelf.content


def test_head_tells_the_same_and_sends_nothing(shelf: Any) -> None:
    answer = ask(shelf, "HEAD")
    assert answer.headers == ask(shelf).headers
    assert (answer.status_code, answer.content) == (200, b"")


def test_head_has_no_ranges(shelf: Any) -> None:
    answer = ask(shelf, "HEAD", {"Range": "bytes=0-9"})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(SIZE))


def test_one_range_comes_as_a_part_of_the_whole_that_is_told_about(shelf: Any) -> None:
    first, last = CHUNK - 5, 2 * CHUNK + 5
    answer = ask(shelf, headers={"Range": f"bytes={first}-{last}"})
    part = {"content-range": f"bytes {first}-{last}/{SIZE}", "content-length": str(last - first + 1)}
    expected = told(shelf) | part | {"content-type": "application/zstd"}
    assert (answer.status_code, dict(answer.headers)) == (206, expected)
    assert answer.content == shelf.content[first : last + 1]


def test_several_ranges_come_as_the_parts_of_one_message(shelf: Any) -> None:
    answer = ask(shelf, headers={"Range": "bytes=0-9,100-199,-7"})
    kind = answer.headers["content-type"]
    message = email.message_from_bytes(
        f"Content-Type: {kind}\r\n\r\n".encode() + answer.content, policy=email.policy.HTTP
    )
    parts = list(message.iter_parts())  # type: ignore[attr-defined]
    assert (answer.status_code, kind.partition(";")[0]) == (206, "multipart/byteranges")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert [each.get_payload(decode=True) for each in parts] == [
        shelf.content[:10], shelf.content[100:200], shelf.content[-7:],
    ]  # fmt: skip
    assert "content-range" not in answer.headers


def test_encryption_is_told_when_there_is_any(shelve: Callable[..., Any]) -> None:
    assert ask(shelve(10, encryption="age")).headers["x-export-encryption"] == "age"


def test_who_has_the_file_already_gets_no_body(shelf: Any) -> None:
    answer = ask(shelf, headers={"If-None-Match": told(shelf)["etag"]})
    assert (answer.status_code, answer.content) == (304, b"")
    assert dict(answer.headers) == told(shelf)


def test_who_wants_another_file_is_told_so_in_the_error_model(shelf: Any) -> None:
    answer = ask(shelf, headers={"If-Match": '"sha256-00"'})
    assert (answer.status_code, answer.json()["code"]) == (412, "ERR_EXPORT_REQUEST")
    assert answer.headers["etag"] == told(shelf)["etag"]


def test_a_range_beyond_the_end_is_told_where_the_end_is(shelf: Any) -> None:
    answer = ask(shelf, headers={"Range": f"bytes={SIZE}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "ERR_EXPORT_REQUEST")
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_headers_that_come_twice_are_read_together(shelf: Any) -> None:
    tags = [("If-None-Match", '"a"'), ("If-None-Match", told(shelf)["etag"])]
    assert ask(shelf, headers=tags).status_code == 304
    assert ask(shelf, headers=[("Range", "bytes=0-1"), ("Range", "bytes=5-6")]).status_code == 200


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-SIZE, SIZE), st.integers(0, SIZE))
def test_any_range_is_that_slice_of_the_file(shelf: Any, first: int, more: int) -> None:
    header = f"bytes={first}-{first + more}" if first >= 0 else f"bytes={first}"
    answer = ask(shelf, headers={"Range": header})
    expected = shelf.content[first : first + more + 1] if first >= 0 else shelf.content[first:]
    assert (answer.status_code, answer.content) == ((206, expected) if expected else (416, answer.content))


def test_a_file_that_is_gone_is_no_bundle(shelf: Any) -> None:
    shelf.path.unlink()
    answer = ask(shelf)
    assert (answer.status_code, answer.json()["code"]) == (409, "ERR_EXPORT_007")
    assert answer.json()["details"] == [{"status": "expired"}]


@pytest.mark.parametrize("change", ["a byte less", "a byte more", "a folder", "a pipe", "a loop"])
def test_a_file_that_is_not_as_recorded_is_not_sent(shelf: Any, change: str) -> None:
    shelf.path.unlink()
    makers: dict[str, Callable[[], object]] = {
        "a byte less": lambda: shelf.path.write_bytes(shelf.content[:-1]),
        "a byte more": lambda: shelf.path.write_bytes(shelf.content + b"x"),
        "a folder": shelf.path.mkdir,
        "a pipe": lambda: os.mkfifo(shelf.path),
        "a loop": lambda: shelf.path.symlink_to(shelf.path),
    }
    makers[change]()
    answer = ask(shelf)
    assert (answer.status_code, answer.json()["code"]) == (500, "ERR_EXPORT_INTERNAL")
    assert "etag" not in answer.headers


def reading(shelf: Any, address: str, meanwhile: Callable[[], object]) -> bytes:
    """Return what arrives when something happens after the first bytes."""
    received = bytearray()
    with httpx.stream("GET", f"{address}/{NAME}") as answer:
        try:
            for piece in answer.iter_raw():
                if not received:
                    meanwhile()
                received += piece
        except httpx.RemoteProtocolError:
            assert len(received) < shelf.facts.size
    return bytes(received)


LARGE = 64 * CHUNK
"""More than the buffers between server and client hold."""


def test_a_file_that_loses_its_name_while_it_is_sent_arrives_whole(shelve: Callable[..., Any], serve: Any) -> None:
    shelf = shelve(LARGE)
    with serve(shelf.app) as address:
        assert reading(shelf, address, shelf.path.unlink) == shelf.content


@pytest.mark.parametrize("change", ["cut off", "written over"])
def test_a_file_that_changes_while_it_is_sent_ends_the_connection(
    shelve: Callable[..., Any], serve: Any, change: str
) -> None:
    shelf = shelve(LARGE)

    def cut() -> None:
        os.truncate(shelf.path, LARGE - 10)

    def write_over() -> None:
        with shelf.path.open("r+b") as file:
            file.write(bytes(LARGE))

    with serve(shelf.app) as address:
        received = reading(shelf, address, {"cut off": cut, "written over": write_over}[change])
    assert len(received) < LARGE
    assert shelf.content.startswith(received)


def test_reading_ends_when_nobody_is_there_any_more(shelve: Callable[..., Any]) -> None:
    shelf = shelve(8 * CHUNK)
    sent: list[int] = []
    gone = anyio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))
        if len(sent) == 3:
            gone.set()
        await anyio.lowlevel.checkpoint()

    scope = {"type": "http", "method": "GET", "headers": []}
    anyio.run(BundleResponse(shelf.path, shelf.facts), scope, receive, send)
    assert CHUNK <= sum(sent) < 8 * CHUNK
