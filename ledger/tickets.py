"""Tickets for downloads: what a secret stands for, kept under the secret's hash."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from ledger.tables import TICKETS

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One ticket; ``digest`` is the SHA-256 of its secret, ``sha256`` that of the bundle it is for."""

    digest: str
    tenant: str
    run_id: str
    sha256: str
    expires_at: int


def keep(connection: Connection, ticket: Ticket, *, now: int) -> None:
    """Keep a ticket, and forget those whose time is over."""
    connection.execute(delete(TICKETS).where(TICKETS.c.expires_at < now))
    connection.execute(insert(TICKETS).values(**asdict(ticket)))


def find(connection: Connection, digest: str, *, now: int) -> Ticket | None:
    """Return the ticket of a secret, unless its time is over."""
    query = select(TICKETS).where(TICKETS.c.digest == digest, TICKETS.c.expires_at >= now)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Ticket(**row)
