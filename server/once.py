"""Mutations: each is done once for each Idempotency-Key, and answered alike every time."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError, OperationalError

from ledger import idempotency
from ledger.errors import KeyReusedError
from ledger.idempotency import SEALED
from server.context import JSON, Reply
from server.problems import CONFLICT, UNAVAILABLE, Problem, invalid

if TYPE_CHECKING:
    from server.context import Call
    from server.routing import Endpoint
    from server.service import Service

BUSY_SECONDS = 10


def mutate(service: Service, endpoint: Endpoint, call: Call) -> Reply:
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
