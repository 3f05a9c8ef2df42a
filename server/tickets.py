"""Tickets: addresses that give one bundle to whoever holds them, for a few minutes.

Tools such as wget, aria2c and browsers cannot make a fresh proof for every request. A ticket stands for one bundle by
its digest, and for nothing else; the ledger keeps its hash only.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio.to_thread

from ledger import tickets
from ledger.times import SECOND, format_time
from server.auditing import note
from server.bundles import held_in
from server.context import Reply
from server.downloads import respond
from server.problems import NOT_FOUND, Problem
from server.service import BASE

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.requests import Request
    from starlette.responses import Response

    from server.context import Call
    from server.service import Service

LIFE_SECONDS = 600
SECRET_BYTES = 32


def issue(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Make a ticket for a run's bundle."""
    target, _ = held_in(connection, call)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    ticket = tickets.Ticket(
        digest=_digest(secret),
        tenant=call.caller.tenant,
        run_id=target["run_id"],
        sha256=target["sha256"],
        expires_at=call.now + LIFE_SECONDS * SECOND,
    )
    tickets.keep(connection, ticket, now=call.now)
    note(call, connection, "run.ticket", target["run_id"], {})
    return Reply(
        status=201,
        body={
            "location": f"{BASE}/tickets/{secret}",
            "expiresAt": format_time(ticket.expires_at),
            "sha256": target["sha256"],
            "sizeBytes": target["size_bytes"],
        },
    )


async def redeem(service: Service, call: Call, request: Request) -> Response:
    """Download what a ticket stands for."""
    call.only()
    ticket = await anyio.to_thread.run_sync(_find, service, call)
    request.scope["state"]["tenant"] = ticket.tenant
    caller = replace(call.caller, tenant=ticket.tenant, tenants=(ticket.tenant,))
    mine = replace(call, params={"runId": ticket.run_id}, caller=caller)
    return await respond(service, mine, request)


def _find(service: Service, call: Call) -> tickets.Ticket:
    with service.ledger.reading() as connection:
        found = tickets.find(connection, _digest(call.params["ticket"]), now=call.now)
    if found is None:
        raise Problem(404, NOT_FOUND, "there is no such ticket, or its time is over")
    return found


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
