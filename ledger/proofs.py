"""DPoP proofs that were seen: one may be used once, by whichever server it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from ledger.tables import PROOFS

if TYPE_CHECKING:
    from ledger.database import Ledger


class SharedReplays:
    """Remembers proofs in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        """Use an open ledger."""
        self._ledger = ledger

    def first_time(self, key: bytes, expires_at: int) -> bool:
        """Return whether a proof was not seen before; one call of many at once gets True."""
        try:
            with self._ledger.writing() as connection:
                connection.execute(insert(PROOFS).values(key=key, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    def forget(self, *, now: int) -> int:
        """Remove proofs that are too old to be accepted anyway; return how many."""
        with self._ledger.writing() as connection:
            return connection.execute(delete(PROOFS).where(PROOFS.c.expires_at < now)).rowcount
