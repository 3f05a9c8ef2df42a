"""Measuring requests: by route template, never by path, so that what clients make up makes no series."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.problems import QUOTA, TOO_MANY_RUNS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from server.metrics.process import Meters

METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"})
OTHER = "other"
UNMATCHED = "unmatched"
"""Route of what was found under no path, or not with that method."""

DOWNLOADS = ("/runs/{runId}/download", "/tickets/{ticket}")
LIMITS = {QUOTA: "quota", TOO_MANY_RUNS: "cap"}
GOOD = (200, 206)


class Measured:
    """Counts what an application is asked and what it answers."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        """Wrap an application."""
        self._app, self._meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        one = _Request(self._meters, scope, time.perf_counter())

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                one.begin(message)
            await send(message)
            if message["type"] == "http.response.body":
                one.sent(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            one.end()


@dataclass
class _Request:
    """One request under way."""

    meters: Meters
    scope: Scope
    began: float
    is_stream: bool = False
    is_download: bool = False
    is_whole: bool = False

    def begin(self, message: Message) -> None:
        """Count an answer whose head is there."""
        http, route, status = self.meters.http, route_of(self.scope), str(message["status"])
        method = self.scope["method"] if self.scope["method"] in METHODS else OTHER
        http.requests.labels(method, route, status).inc()
        http.seconds.labels(method, route).observe(time.perf_counter() - self.began)
        limit = LIMITS.get(self.scope["state"].get("problem", ""))
        if limit is not None:
            self.meters.refused.labels(limit).inc()
        headers = dict(message["headers"])
        if route.endswith(DOWNLOADS):
            http.downloads.labels(status, range_of(headers)).inc()
            self.is_download = message["status"] in GOOD
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            http.sse_clients.inc()
            self.is_stream = True

    def sent(self, message: Message) -> None:
        """Count a piece of the body."""
        self.is_whole = not message.get("more_body", False)
        if self.is_download:
            self.meters.http.download_bytes.inc(len(message.get("body", b"")))

    def end(self) -> None:
        """Count how it ended."""
        if self.is_stream:
            self.meters.http.sse_clients.dec()
        if self.is_download and not self.is_whole:
            self.meters.http.downloads_aborted.inc()


def route_of(scope: Scope) -> str:
    """Return the template of the path that was found."""
    found = scope["state"].get("route") or getattr(scope.get("route"), "path", None)
    return str(found or UNMATCHED)


def range_of(headers: dict[bytes, bytes]) -> str:
    """Return what an answer holds of a bundle: "whole" for all of it, or nothing; "one" range, or "several"."""
    if headers.get(b"content-type", b"").startswith(b"multipart/byteranges"):
        return "several"
    return "one" if b"content-range" in headers else "whole"
