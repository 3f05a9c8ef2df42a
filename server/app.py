"""The Starlette application, made of a service and its route table.

Every request goes one way: trace, route, caller, body, handler, answer; whatever ends it early is a Problem. Common
headers are added where answers leave, so errors of the framework have them too.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from sqlalchemy.exc import IntegrityError, OperationalError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ledger import idempotency, runs
from ledger.errors import KeyReusedError
from ledger.tables import TERMINAL
from ledger.times import format_time, next_midnight
from server.caller import Caller
from server.context import JSON, Call, Reply, dumps, trace_of
from server.endpoints import ENDPOINTS
from server.problems import CONFLICT, INTERNAL, REQUEST, UNAVAILABLE, Problem, invalid
from server.routing import Table
from server.runs import show
from server.streaming import read_since
from server.tail import Tail
from server.waiting import raise_how_it_ended, until_over, wait_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.routing import Route
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from server.routing import Endpoint
    from server.service import Service

LOG = logging.getLogger("export_center.server")
BUSY_SECONDS = 10
SEALED = "sealed"
"""Marks kept answers that tell a secret; it never leaves."""
NOBODY = Caller(subject="nobody", client="", tenants=(), tenant="", scopes=frozenset())
"""Who calls where no token is asked for."""


def make_app(service: Service, *, more: tuple[Route, ...] = ()) -> ASGIApp:
    """Return the application.

    Args:
        service: What handlers work with.
        more: Further routes, outside the API.
    """
    table = Table(ENDPOINTS)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.tail = Tail(partial(read_since, service.ledger))
        async with app.state.tail.running():
            yield

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await _answer(service, table, Request(scope, receive, send))
        await answer(scope, receive, send)

    app = Starlette(
        routes=more,
        lifespan=lifespan,
        exception_handlers={Problem: _problem, HTTPException: _http, Exception: _fault},
    )
    # Not a route: those match neither every method nor every path, such as one with a line break.
    app.router.default = api
    return CommonHeaders(app, service)


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
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in added.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        await self._app(scope, receive, sending)

    async def _quota(self, tenant: str | None) -> dict[str, str]:
        return {} if tenant is None else await anyio.to_thread.run_sync(quota_headers, self._service, tenant)


def quota_headers(service: Service, tenant: str) -> dict[str, str]:
    """Return what a tenant has left of today; Reset is in seconds since the epoch."""
    now = service.clock()
    with service.ledger.reading() as connection:
        mine = runs.limits_of(connection, tenant, service.limits)
        used = runs.usage(connection, tenant, mine, now)
    return {
        "X-Stella-Quota-Limit": str(used.limit),
        "X-Stella-Quota-Remaining": str(used.remaining),
        "X-Stella-Quota-Reset": str(next_midnight(now)),
    }


async def _answer(service: Service, table: Table, request: Request) -> Response:
    endpoint, params = table.find(request.method, request.scope["path"])
    if endpoint.scope is None:
        caller = NOBODY
    else:
        caller = await anyio.to_thread.run_sync(_caller, service, endpoint.scope, request)
        request.scope["state"]["tenant"] = caller.tenant
    call = Call(
        method=request.method,
        path=request.scope["path"],
        params=params,
        query=request.query_params,
        headers=request.headers,
        body=await _body(request, service.max_body),
        trace=request.scope["state"]["trace"],
        caller=caller,
        now=service.clock(),
    )
    if endpoint.streams:
        streamed: Response = await endpoint.handler(service, call, request)
        return streamed
    seconds = wait_seconds(call) if endpoint.waits else 0
    work = _mutate if endpoint.mutation else endpoint.handler
    arguments = (service, endpoint, call) if endpoint.mutation else (service, call)
    reply: Reply = await anyio.to_thread.run_sync(work, *arguments)
    return _response(await _waited(service, call, reply, seconds) if seconds else reply, call)


async def _waited(service: Service, call: Call, reply: Reply, seconds: int) -> Reply:
    """Wait for the run that a reply tells of; return how it is then, or the reply itself when that takes too long.

    Raises:
        Problem: The run failed or was canceled, and the caller submitted it.
    """
    run_id = json.loads(reply.content(""))["runId"]
    row = await until_over(service, call.caller.tenant, run_id, seconds)
    if row["status"] not in TERMINAL:
        return reply
    if call.method == "POST":
        raise_how_it_ended(row)
    now = replace(call, method="GET", params={"runId": run_id}, now=service.clock())
    return await anyio.to_thread.run_sync(show, service, now)


def _caller(service: Service, scope: str, request: Request) -> Caller:
    return service.authenticate(
        request.method,
        request.scope.get("raw_path", b"").decode("latin-1") or request.scope["path"],
        request.scope["headers"],
        scope,
        service.clock(),
    )


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise Problem(413, REQUEST, f"the body is larger than {limit} bytes")
    return bytes(body)


def _response(reply: Reply, call: Call) -> Response:
    content = reply.content(call.trace.id)
    headers = {"Content-Type": reply.media_type, "Cache-Control": "no-store", **reply.headers}
    return Response(content, status_code=reply.status, headers=headers)


def _mutate(service: Service, endpoint: Endpoint, call: Call) -> Reply:
    """Do a mutation, once for each Idempotency-Key."""
    header = call.headers.get("idempotency-key")
    key = None if header is None else _key(call, header)
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with service.ledger.writing() as connection:
                if key is None:
                    done: Reply = endpoint.handler(service, call, connection)
                    return done
                earlier = idempotency.stored(connection, key)
                if earlier is not None:
                    return _replayed(service, key, earlier)
                reply: Reply = endpoint.handler(service, call, connection)
                reply = replace(reply, body=reply.content(call.trace.id))
                idempotency.store(connection, key, _kept(service, key, reply), now=call.now)
                return reply
        except KeyReusedError as error:
            raise Problem(422, CONFLICT, error.message) from error
        except IntegrityError:
            # Somebody else with this key was faster: the answer is there at the next look.
            if key is None or time.monotonic() > until:
                raise
        except OperationalError as error:
            raise Problem(
                409 if key else 503,
                CONFLICT if key else UNAVAILABLE,
                "the ledger is busy: another request is still under way",
                headers={"Retry-After": "1"},
            ) from error


def _kept(service: Service, key: idempotency.Key, reply: Reply) -> idempotency.Answer:
    """Return an answer as it is kept for the next request with its key: one that tells a secret, sealed."""
    body = reply.content("")
    headers = {**reply.headers, "Content-Type": reply.media_type}
    if reply.is_secret:
        body, headers = service.vault.seal(body, key.scope), {**headers, SEALED: "1"}
    return idempotency.Answer(reply.status, headers, body)


def _replayed(service: Service, key: idempotency.Key, earlier: idempotency.Answer) -> Reply:
    headers = {**earlier.headers, "Idempotent-Replayed": "true"}
    media = headers.pop("Content-Type", JSON)
    body = service.vault.open(earlier.body, key.scope) if headers.pop(SEALED, None) else earlier.body
    return Reply(status=earlier.status, body=body, headers=headers, media_type=media)


def _key(call: Call, header: str) -> idempotency.Key:
    try:
        key = str(uuid.UUID(header))
    except ValueError as error:
        raise invalid("Idempotency-Key", f"{header!r} is no UUID") from error
    if key != header.lower():
        raise invalid("Idempotency-Key", f"{header!r} is no UUID in its usual form")
    return idempotency.make_key(
        tenant=call.caller.tenant,
        client=call.caller.client,
        method=call.method,
        path=call.path,
        key=key,
        body=_canonical(call.body),
    )


def _canonical(body: bytes) -> bytes:
    """Return a body that says the same in the same bytes; what is no JSON stays as it is, and is refused later."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body


def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - it is registered for nothing else
    state = request.scope["state"]
    body = problem.body(trace_id=state["trace"].id, timestamp=format_time(_now()))
    headers = {"Content-Type": JSON, "Cache-Control": "no-store", **problem.headers}
    return Response(dumps(body), status_code=problem.status, headers=headers)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    return _problem(request, Problem(error.status_code, REQUEST, str(error.detail), headers=error.headers or {}))


def _fault(request: Request, error: Exception) -> Response:
    trace = request.scope["state"]["trace"].id
    LOG.error("trace %s: %s %s failed", trace, request.method, request.scope["path"], exc_info=error)
    return _problem(request, Problem(500, INTERNAL, "something went wrong here; the log has the trace"))


def _now() -> int:
    return time.time_ns() // 1000
