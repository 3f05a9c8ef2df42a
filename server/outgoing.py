"""Headers that answers have whatever they answer: trace, quota, nonce, and what is said of things out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ledger import runs
from ledger.times import DAY_SECONDS, next_midnight, seconds_to_midnight
from server.context import trace_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from server.service import Service

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
"""What is raised while the ledger does not answer."""


class CommonHeaders:
    """Gives every request a trace, and every answer the headers that all of them have."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """Wrap an application."""
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found = dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")
        state = scope.setdefault("state", {})
        state["trace"] = trace_of(found)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = {
                    "X-Trace-Id": state["trace"].id,
                    **self._service.authenticate.headers(self._service.clock()),
                    **await self._quota(state.get("tenant")),
                }
                # Beside an answer's own Link there may be others.
                told = [(name.lower().encode(), value.encode()) for name, value in state.get("outdated", ())]
                message["headers"] = [*_with(message["headers"], added.items()), *told]
            await send(message)

        await self._app(scope, receive, sending)

    async def _quota(self, tenant: str | None) -> dict[str, str]:
        if tenant is None:
            return {}
        try:
            return await anyio.to_thread.run_sync(quota_headers, self._service, tenant)
        except AWAY:
            # The answer says already what is wrong, or is one that needs no ledger.
            return {}


def _with(present: Iterable[tuple[bytes, bytes]], added: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return headers with further ones, as far as an answer has not set them itself."""
    kept = list(present)
    names = {name for name, _ in kept}
    more = [(name.lower().encode(), value.encode()) for name, value in added]
    return [*kept, *(each for each in more if each[0] not in names)]


def quota_headers(service: Service, tenant: str) -> dict[str, str]:
    """Return what a tenant has left of today, in the contract's words and in those of the IETF's draft.

    ``X-Stella-Quota-Reset`` is in seconds since the epoch; ``t`` of RateLimit is in seconds from now.
    """
    now = service.clock()
    with service.ledger.reading() as connection:
        mine = runs.limits_of(connection, tenant, service.limits)
        used = runs.usage(connection, tenant, mine, now)
    return {
        "X-Stella-Quota-Limit": str(used.limit),
        "X-Stella-Quota-Remaining": str(used.remaining),
        "X-Stella-Quota-Reset": str(next_midnight(now)),
        "RateLimit-Policy": f'"runs-a-day";q={used.limit};w={DAY_SECONDS}',
        "RateLimit": f'"runs-a-day";r={used.remaining};t={seconds_to_midnight(now)}',
    }
