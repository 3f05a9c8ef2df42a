"""Pages of other origins that may call the API: those that the operator lists, and no others (CORS).

Credentials of the browser are never asked for: tokens travel in a header that the page sets itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response

from server.headers import HEADERS
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from server.routing import Table

MAX_AGE_SECONDS = "600"
SENT = (
    "Authorization", "Content-Type", "DPoP", "Idempotency-Key", "If-Match", "If-None-Match", "If-Range",
    "Last-Event-ID", "Range", "traceparent", "X-Stella-Tenant",
)  # fmt: skip
"""Headers that pages may send."""


class Cors:
    """Lets pages of some origins call the API."""

    def __init__(self, app: ASGIApp, table: Table, origins: Collection[str]) -> None:
        """Wrap an application."""
        self._app, self._table, self._origins = app, table, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{BASE}/"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._allow(origin, MutableHeaders(scope=message))
            await send(message)

        await (self._preflight(scope, headers, origin) or self._app)(scope, receive, sending)

    def _preflight(self, scope: Scope, headers: Headers, origin: str) -> Response | None:
        """Return the answer to a browser that asks what a page may do, if that is what the request is."""
        methods = self._table.methods(scope["path"])
        asked = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if not asked or origin not in self._origins or methods is None:
            return None
        told = {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": ", ".join(SENT),
            "Access-Control-Max-Age": MAX_AGE_SECONDS,
        }
        return Response(status_code=204, headers=told)

    def _allow(self, origin: str, headers: MutableHeaders) -> None:
        # Caches must not give one origin's answer to another, whether that is a listed one or not.
        headers.add_vary_header("Origin")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = ", ".join(HEADERS)
