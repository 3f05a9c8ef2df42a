"""Webhooks: register, list, remove, try out, and send again what did not arrive."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from ledger import webhooks
from ledger.errors import PendingPingError, TooManyWebhooksError, UnknownWebhookError
from ledger.times import format_time
from ledger.webhooks import Registration
from server.auditing import note
from server.context import Reply
from server.egress import TargetError
from server.models import ReplayRequest, WebhookRequest, checked
from server.paging import page_of
from server.problems import CONFLICT, NOT_FOUND, Problem, invalid
from server.sending import PREFIX
from server.service import BASE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from server.context import Call
    from server.service import Service

SECRET_BYTES = 32
SOON = {"Retry-After": "1"}
"""When it is worth looking what became of a message."""


def create(service: Service, call: Call, connection: Connection) -> Reply:
    """Register a webhook; a secret that is made here is shown in this answer and never again."""
    asked = checked(WebhookRequest, call.json())
    try:
        service.egress.check_url(asked.target_url)
    except TargetError as error:
        raise invalid("targetUrl", str(error)) from error
    tenant, webhook_id = call.caller.tenant, webhooks.make_id()
    secret = asked.secret or f"{PREFIX}{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
    registration = Registration(
        tenant=tenant,
        webhook_id=webhook_id,
        target_url=asked.target_url,
        events=asked.events,
        secret=service.vault.seal(secret.encode(), tenant, webhook_id),
        created_by=call.caller.subject,
        description=asked.description,
    )
    try:
        webhooks.create(connection, registration, now=call.now)
    except TooManyWebhooksError as error:
        raise Problem(409, CONFLICT, error.message) from error
    note(call, connection, "webhook.create", webhook_id, {"events": sorted(set(asked.events))})
    shown = view(webhooks.find(connection, webhook_id, tenant=tenant))
    return Reply(
        status=201,
        body=shown if asked.secret else {**shown, "secret": secret},
        headers={"Location": shown["links"]["self"]},
        is_secret=True,
    )


def list_webhooks(service: Service, call: Call) -> Reply:
    """List webhooks, newest first."""
    call.only("page", "pageSize")
    page, size = call.page()
    with service.ledger.reading() as connection:
        rows, total = webhooks.page(connection, call.caller.tenant, offset=(page - 1) * size, limit=size)
    return page_of(call, [view(row) for row in rows], total)


def show(service: Service, call: Call) -> Reply:
    """Show a webhook, and how it fares."""
    call.only()
    with service.ledger.reading() as connection:
        return Reply(body=view(_find(connection, call)))


def remove(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Remove a webhook and what waits for it."""
    webhook_id = _find(connection, call)["webhook_id"]
    webhooks.remove(connection, webhook_id)
    note(call, connection, "webhook.delete", webhook_id, {})
    return Reply(status=204)


def list_dead_letters(service: Service, call: Call) -> Reply:
    """List messages that a webhook did not take, newest first."""
    call.only("page", "pageSize")
    page, size = call.page()
    with service.ledger.reading() as connection:
        webhook_id = _find(connection, call)["webhook_id"]
        rows, total = webhooks.dead_letters(connection, webhook_id, offset=(page - 1) * size, limit=size)
    return page_of(call, [_letter(row) for row in rows], total)


def replay(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Send dead letters again."""
    asked = checked(ReplayRequest, call.json(optional=True))
    row = _find(connection, call)
    if row["status"] != "active":
        raise Problem(409, CONFLICT, f"webhook {row['webhook_id']} is disabled; enable it first")
    try:
        count = webhooks.replay(connection, row["webhook_id"], asked.message_id, now=call.now)
    except UnknownWebhookError as error:
        raise Problem(404, NOT_FOUND, error.message) from error
    data = {"messageId": asked.message_id, "count": count}
    note(call, connection, "webhook.replay", row["webhook_id"], data)
    return Reply(status=202, body={"webhookId": row["webhook_id"], "replayed": count}, headers=SOON)


def ping(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Send a message that tells nothing, once; it is sent to disabled webhooks too."""
    webhook_id = _find(connection, call)["webhook_id"]
    try:
        message_id = webhooks.ping(connection, webhook_id, now=call.now)
    except PendingPingError as error:
        raise Problem(409, CONFLICT, error.message, headers=SOON) from error
    note(call, connection, "webhook.ping", webhook_id, {"messageId": message_id})
    return Reply(status=202, body={"webhookId": webhook_id, "messageId": message_id}, headers=SOON)


def enable(service: Service, call: Call, connection: Connection) -> Reply:  # noqa: ARG001 - every mutation is called so
    """Send to a webhook again that was disabled."""
    row = _find(connection, call)
    if row["status"] != "active":
        webhooks.enable(connection, row["webhook_id"])
        note(call, connection, "webhook.enable", row["webhook_id"], {})
    return Reply(body=view(_find(connection, call)))


def view(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a webhook as the API shows it: never its secret."""
    shown = {
        "webhookId": row["webhook_id"],
        "targetUrl": row["target_url"],
        "events": list(row["events"]),
        "description": row["description"],
        "status": row["status"],
        "createdAt": format_time(row["created_at"]),
        "createdBy": row["created_by"],
        "pending": row["pending"],
        "deadLetters": row["dead"],
        "lastDelivery": None,
        "links": {"self": f"{BASE}/webhooks/{row['webhook_id']}"},
    }
    if row["last_at"] is not None:
        shown["lastDelivery"] = {"messageId": row["last_message"], **_last(row)}
    if row["status"] != "active":
        shown |= {"disabledAt": format_time(row["disabled_at"]), "disabledReason": row["disabled_reason"]}
    return shown


def _letter(row: Mapping[str, Any]) -> dict[str, Any]:
    last = None if row["last_at"] is None else _last(row)
    return {
        "messageId": row["message_id"],
        "event": row["event"],
        "runId": row["run_id"],
        "attempts": row["attempts"],
        "createdAt": format_time(row["created_at"]),
        "deadAt": format_time(row["ended_at"]),
        "reason": row["last_error"],
        "lastAttempt": last,
    }


def _last(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": format_time(row["last_at"]), "status": row["last_status"], "error": row["last_error"]}


def _find(connection: Connection, call: Call) -> Mapping[str, Any]:
    try:
        return webhooks.find(connection, call.params["webhookId"], tenant=call.caller.tenant)
    except UnknownWebhookError as error:
        raise Problem(404, NOT_FOUND, error.message) from error
