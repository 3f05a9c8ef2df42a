"""A real server on this machine for what these tests are about, and a file for it to send."""

from __future__ import annotations

import hashlib
import random
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.files import BundleResponse, Facts
from server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = "export-run-20251029-01.tar.zst"


def answer_problem(_request: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    return JSONResponse(problem.body(trace_id="", timestamp=""), problem.status, problem.headers)


@dataclass
class Shelf:
    """A file behind an address, and what was asked of it."""

    path: Path
    content: bytes
    facts: Facts
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        async def download(request: Request) -> BundleResponse:
            self.asked.append((request.method, request.headers.get("range")))
            return BundleResponse(self.path, self.facts)

        return Starlette(routes=[Route(f"/{NAME}", download)], exception_handlers={Problem: answer_problem})


@pytest.fixture
def shelve(tmp_path: Path) -> Callable[..., Shelf]:
    """Return a function that puts so many bytes behind an address."""

    def make(size: int, **facts: Any) -> Shelf:
        content = random.Random(size).randbytes(size)
        path = tmp_path / "bundle"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        told = {"sha256": digest, "size": size, "media_type": "application/zstd", "filename": NAME, **facts}
        return Shelf(path, content, Facts(**told))

    return make


class CutOff:
    """Ends the first connections in the middle: after each has sent so many bytes."""

    def __init__(self, app: ASGIApp, *, after: list[int]) -> None:
        self._app = app
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "HEAD" or not self._after:
            await self._app(scope, receive, send)
            return
        left = self._after.pop(0)

        async def sending(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.body":
                if left <= 0:
                    raise ConnectionResetError("cut off, as the test wants it")
                message = {**message, "body": message["body"][:left], "more_body": True}
                left -= len(message["body"])
            await send(message)

        await self._app(scope, receive, sending)


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application by uvicorn in a thread; yield its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def serve() -> Callable[[ASGIApp], Any]:
    """Return the context manager that serves an application."""
    return serving


@pytest.fixture
def cut_off() -> type[CutOff]:
    """Return what ends connections early."""
    return CutOff
