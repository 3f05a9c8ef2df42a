"""The Starlette application, made of a service and its route table.

Every request goes one way: trace, route, caller, body, handler, answer; whatever ends it early is a Problem. Common
headers are added where answers leave, so errors of the framework have them too.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ledger.tables import TERMINAL
from ledger.times import format_time
from server.caller import Caller
from server.context import JSON, Call, Reply, dumps, profile_named
from server.cors import Cors
from server.endpoints import ENDPOINTS
from server.metrics.http import Measured
from server.once import mutate
from server.outgoing import AWAY, CommonHeaders
from server.problems import INTERNAL, REQUEST, UNAVAILABLE, Problem
from server.routing import Table
from server.runs import show
from server.streaming import read_since
from server.tail import Tail
from server.viewer import Viewer, is_api
from server.waiting import Waiters, raise_how_it_ended, row_of, until_over, wait_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send

    from server.routing import Endpoint
    from server.service import Service

LOG = logging.getLogger("export_center.server")
UNAVAILABLE_STATUS = 503
LATER = "5"
"""Seconds until what is away may be back, where nobody knows better."""

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
        app.state.waiters = Waiters()
        app.state.tail = Tail(partial(read_since, service.ledger))
        async with app.state.tail.running():
            yield

    async def api(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await _answer(service, table, Request(scope, receive, send))
        await answer(scope, receive, send)

    app = Starlette(
        routes=more,
        lifespan=lifespan,
        exception_handlers={Problem: _problem, HTTPException: _http, **dict.fromkeys(AWAY, _away), Exception: _fault},
    )
    viewer = Viewer(service)

    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        await (api if is_api(scope["path"]) else viewer)(scope, receive, send)

    # Not a route: those match neither every method nor every path, such as one with a line break.
    app.router.default = rest
    api_for_pages = Cors(app, table, service.origins) if service.origins else app
    return Measured(CommonHeaders(api_for_pages, service), service.meters)


async def _answer(service: Service, table: Table, request: Request) -> Response:
    endpoint, params = table.find(request.method, request.scope["path"])
    state = request.scope["state"]
    state["route"] = endpoint.path
    state["outdated"] = service.outdated.headers(endpoint.name, params.get("profileId"))
    if endpoint.scope is None:
        caller = NOBODY
    else:
        caller = await anyio.to_thread.run_sync(_caller, service, endpoint.scope, request)
        state["tenant"] = caller.tenant
    call = Call(
        method=request.method,
        path=request.scope["path"],
        params=params,
        query=request.query_params,
        headers=request.headers,
        body=await _body(request, service.max_body),
        trace=state["trace"],
        caller=caller,
        now=service.clock(),
    )
    if endpoint.streams:
        streamed: Response = await endpoint.handler(service, call, request)
        return streamed
    seconds = wait_seconds(call) if endpoint.waits else 0
    reply = await _reply(service, endpoint, call)
    if service.outdated.profiles and not state["outdated"]:
        state["outdated"] = service.outdated.headers(endpoint.name, profile_named(reply))
    if seconds:
        with request.app.state.waiters.one_of(caller.tenant) as has_room:
            read = partial(row_of, service, caller.tenant, _run_of(reply))
            row = await until_over(request.app.state.tail, read, seconds if has_room else 0)
        reply = await _waited(service, call, reply, row)
    return _response(reply, call)


async def _reply(service: Service, endpoint: Endpoint, call: Call) -> Reply:
    if endpoint.mutation:
        return await anyio.to_thread.run_sync(mutate, service, endpoint, call)
    reply: Reply
    if endpoint.is_async:
        reply = await endpoint.handler(service, call)
    else:
        reply = await anyio.to_thread.run_sync(endpoint.handler, service, call)
    return reply


def _run_of(reply: Reply) -> str:
    return str(json.loads(reply.content(""))["runId"])


async def _waited(service: Service, call: Call, reply: Reply, row: Mapping[str, Any]) -> Reply:
    """Return how the run that a reply tells of ended, or the reply itself when it did not yet.

    Raises:
        Problem: The run failed or was canceled, and the caller submitted it.
    """
    if row["status"] not in TERMINAL:
        return reply
    if call.method == "POST":
        raise_how_it_ended(row)
    now = replace(call, method="GET", params={"runId": row["run_id"]}, now=service.clock())
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
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > limit:
                raise Problem(413, REQUEST, f"the body is larger than {limit} bytes")
    except ClientDisconnect as error:
        raise Problem(400, REQUEST, "the request was broken off") from error
    return bytes(body)


def _response(reply: Reply, call: Call) -> Response:
    content = reply.content(call.trace.id)
    headers = {"Content-Type": reply.media_type, "Cache-Control": "no-store", **reply.headers}
    return Response(content, status_code=reply.status, headers=headers)


def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # noqa: S101 - it is registered for nothing else
    state = request.scope["state"]
    state["problem"] = problem.code
    body = problem.body(trace_id=state["trace"].id, timestamp=format_time(_now()))
    later = {"Retry-After": LATER} if problem.status == UNAVAILABLE_STATUS else {}
    headers = {"Content-Type": JSON, "Cache-Control": "no-store", **later, **problem.headers}
    return Response(dumps(body), status_code=problem.status, headers=headers)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    return _problem(request, Problem(error.status_code, REQUEST, str(error.detail), headers=error.headers or {}))


def _away(request: Request, error: Exception) -> Response:
    LOG.error("trace %s: the ledger does not answer: %s", request.scope["state"]["trace"].id, error)
    return _problem(request, Problem(UNAVAILABLE_STATUS, UNAVAILABLE, "the ledger does not answer now"))


def _fault(request: Request, error: Exception) -> Response:
    state = request.scope["state"]
    # Not the path: the one of a ticket is as good as a token.
    LOG.error("trace %s: %s %s failed", state["trace"].id, request.method, state.get("route", "-"), exc_info=error)
    return _problem(request, Problem(500, INTERNAL, "something went wrong here; the log has the trace"))


def _now() -> int:
    return time.time_ns() // 1000
