"""Noting in the audit chain what a caller did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ledger import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from server.context import Call


def note(call: Call, connection: Connection, action: str, target: str, data: Mapping[str, Any]) -> None:
    """Note a mutation, in the transaction that makes it."""
    entry = audit.Entry(tenant=call.caller.tenant, actor=call.caller.subject, action=action, target=target, data=data)
    audit.record(connection, entry, now=call.now)
