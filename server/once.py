"""Mutations: each is done once for each Idempotency-Key, and answered alike every time."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from ledger import idempotency
from ledger.database import is_busy
from ledger.errors import KeyReusedError
from ledger.idempotency import SEALED
from server.context import JSON, Reply
from server.problems import CONFLICT, UNAVAILABLE, Problem, invalid

if TYPE_CHECKING:
    from server.context import Call
    from server.routing import Endpoint
    from server.service import Service


def mutate(service: Service, endpoint: Endpoint, call: Call) -> Reply:
    """Do a mutation, once for each Idempotency-Key.

    Raises:
        Problem: The key was used for another request, or others are at work for too long.
    """
    header = call.headers.get("idempotency-key")
    key = None if header is None else _key(call, header)
    try:
        return _done(service, endpoint, call) if key is None else _once(service, endpoint, call, key)
    except KeyReusedError as error:
        raise Problem(422, CONFLICT, error.message) from error
    except OperationalError as error:
        if not is_busy(error):
            raise
        status, code = (409, CONFLICT) if key else (503, UNAVAILABLE)
        message = "the ledger is busy: another request is still under way"
        raise Problem(status, code, message, headers={"Retry-After": "1"}) from error


def _done(service: Service, endpoint: Endpoint, call: Call) -> Reply:
    before = _before(service, endpoint, call)
    with service.ledger.writing() as connection:
        reply: Reply = endpoint.handler(service, call, connection, *before)
        return reply


def _before(service: Service, endpoint: Endpoint, call: Call) -> tuple[Any, ...]:
    return () if endpoint.before is None else (endpoint.before(service, call),)


def _once(service: Service, endpoint: Endpoint, call: Call, key: idempotency.Key) -> Reply:
    with service.ledger.reading() as connection:
        earlier = idempotency.stored(connection, key)
    if earlier is not None:
        return _replayed(service, key, earlier)
    before = _before(service, endpoint, replace(call, request=f"{key.scope}-{key.fingerprint}"))
    with service.ledger.writing() as connection:
        idempotency.take(connection, key)
        earlier = idempotency.stored(connection, key)
        if earlier is not None:
            return _replayed(service, key, earlier)
        reply: Reply = endpoint.handler(service, call, connection, *before)
        reply = replace(reply, body=reply.content(call.trace.id))
        idempotency.store(connection, key, _kept(service, key, reply), now=call.now)
        return reply


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
