"""Sending a bundle's file: whole or in ranges, under conditions, never a byte that is not the file's.

The entity tag is the file's digest, so a download that is resumed days later, or from another server, goes on with the
same bytes or begins anew.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import Response

from server.openfile import FileChangedError, OpenFile
from server.problems import REQUEST, Problem
from server.ranges import Conditions, Decision, Span, content_range, decide, multipart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

CHUNK = 1 << 20
"""Bytes that are read and sent at once: with 64 KiB, handing them to a thread costs more than reading them."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is told about a file.

    Attributes:
        sha256: Its digest, in hexadecimal.
        size: Its bytes.
        media_type: Its media type.
        filename: The name to keep it under, of letters, digits, dots and dashes.
        encryption: How it is encrypted, if it is.
    """

    sha256: str
    size: int
    media_type: str
    filename: str
    encryption: str | None = None

    @property
    def tag(self) -> str:
        """The strong entity tag."""
        return f'"sha256-{self.sha256}"'

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every answer that is about the file, whatever part of it is sent."""
        encryption = {"X-Export-Encryption": self.encryption} if self.encryption else {}
        return {
            "Accept-Ranges": "bytes",
            "Cache-Control": "private, immutable",
            "Content-Disposition": f'attachment; filename="{self.filename}"',
            "ETag": self.tag,
            "Repr-Digest": f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:",
            "X-Export-Digest": f"sha256:{self.sha256}",
            "X-Export-Size": str(self.size),
            **encryption,
        }


class BundleResponse(Response):
    """Answers GET and HEAD with a file.

    Raises, when called and before anything is sent:
        Problem: The file is not there (409) or not as recorded (500), or the request's conditions fail (412, 416).
    """

    def __init__(self, path: Path, facts: Facts) -> None:
        """Take a file and what is known of it; it is opened when the response is called."""
        self.path = path
        self.facts = facts
        self.status_code = 200
        self.background = None
        self.body = b""
        self.init_headers(facts.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        file = await anyio.to_thread.run_sync(OpenFile, self.path, self.facts.size)
        try:
            decision = decide(conditions_of(scope), tag=self.facts.tag, size=self.facts.size)
            headers, body = answer(decision, self.facts)
            raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": decision.status, "headers": raw})
            await _deliver(file, [] if scope["method"] == "HEAD" else body, receive, send)
        finally:
            file.close()


def conditions_of(scope: Scope) -> Conditions:
    """Return what a request asks for."""
    headers = Headers(scope=scope)

    def joined(name: str) -> str | None:
        return ", ".join(headers.getlist(name)) if name in headers else None

    return Conditions(
        method=scope["method"],
        if_match=joined("if-match"),
        if_none_match=joined("if-none-match"),
        if_range=joined("if-range"),
        range=joined("range"),
    )


def answer(decision: Decision, facts: Facts) -> tuple[dict[str, str], list[bytes | Span]]:
    """Return the headers of an answer, and its body as literal bytes and spans of the file.

    Raises:
        Problem: A condition failed, or no range lies in the file.
    """
    if decision.status == HTTPStatus.PRECONDITION_FAILED:
        raise Problem(412, REQUEST, "the bundle is not the one that If-Match names", headers={"ETag": facts.tag})
    if decision.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        unsatisfied = {"Content-Range": content_range(None, facts.size), "Accept-Ranges": "bytes"}
        message = f"the bundle has {facts.size} bytes, none of them in that range"
        raise Problem(416, REQUEST, message, headers=unsatisfied)
    if decision.status == HTTPStatus.NOT_MODIFIED:
        return facts.headers, []
    special, body = _content(decision, facts)
    length = sum(len(piece) if isinstance(piece, bytes) else piece.size for piece in body)
    return {**facts.headers, **special, "Content-Length": str(length)}, body


def _content(decision: Decision, facts: Facts) -> tuple[dict[str, str], list[bytes | Span]]:
    plain = {"Content-Type": facts.media_type}
    if decision.status == HTTPStatus.OK:
        return plain, [*decision.spans]
    if len(decision.spans) == 1:
        return {**plain, "Content-Range": content_range(decision.spans[0], facts.size)}, [*decision.spans]
    boundary = secrets.token_hex(16)
    body = multipart(decision.spans, size=facts.size, media_type=facts.media_type, boundary=boundary)
    return {"Content-Type": f"multipart/byteranges; boundary={boundary}"}, body


async def _deliver(file: OpenFile, body: Sequence[bytes | Span], receive: Receive, send: Send) -> None:
    """Send a body, for as long as somebody is there to take it.

    Raises:
        FileChangedError: The file was altered; the body lacks its end, and so the connection must end.
    """
    altered: FileChangedError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
        try:
            await _send_pieces(file, body, send)
        except FileChangedError as error:
            altered = error
        tasks.cancel_scope.cancel()
    if altered is not None:
        raise altered


async def _send_pieces(file: OpenFile, body: Sequence[bytes | Span], send: Send) -> None:
    for piece in body:
        if isinstance(piece, bytes):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            continue
        for part in _parts(piece):
            data = await anyio.to_thread.run_sync(file.read, part)
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _parts(span: Span) -> Iterator[Span]:
    for start in range(span.start, span.end, CHUNK):
        yield Span(start, min(start + CHUNK, span.end))


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Uvicorn takes what is sent to nobody without a word, so who sends must listen."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
