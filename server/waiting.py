"""Long polling: an answer waits until a run is over, or for as long as the caller said."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ledger import runs
from ledger.events import LAST
from ledger.tables import TERMINAL
from server.problems import (
    ADAPTER,
    BASE_MISSING,
    DISTRIBUTION,
    EMPTY,
    INTERNAL,
    NO_BUNDLE,
    NO_PROFILE,
    SIGNING,
    VALIDATION,
    Problem,
    invalid,
)
from server.runs import ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from server.context import Call
    from server.service import Service
    from server.tail import Tail

LONGEST_SECONDS = 60
MOST_OF_A_TENANT = 100
"""So many of a tenant may wait at once, at one server; whoever comes then is answered as when the time is up."""

STATUS_OF = {
    VALIDATION: 400,
    NO_PROFILE: 404,
    ADAPTER: 502,
    SIGNING: 500,
    DISTRIBUTION: 502,
    BASE_MISSING: 400,
    EMPTY: 422,
    INTERNAL: 500,
}


class Waiters:
    """Counts who waits; for the event loop of one server."""

    def __init__(self, most: int = MOST_OF_A_TENANT) -> None:
        """Have room for ``most`` of each tenant."""
        self._most = most
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def one_of(self, tenant: str) -> Iterator[bool]:
        """Give whether a tenant has room for one more who waits, and count it as long as it does."""
        has_room = self._waiting[tenant] < self._most
        self._waiting[tenant] += has_room
        try:
            yield has_room
        finally:
            self._waiting[tenant] -= has_room
            if not self._waiting[tenant]:
                del self._waiting[tenant]


def wait_seconds(call: Call) -> int:
    """Return how long the caller wants to wait; 0 without ``?wait=``.

    Raises:
        Problem: It is no number from 0 to LONGEST_SECONDS.
    """
    text = call.query.get("wait", "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 3 and int(text) <= LONGEST_SECONDS):  # noqa: PLR2004
        raise invalid("wait", f"{text!r} is not a number of seconds from 0 to {LONGEST_SECONDS}")
    return int(text)


async def until_over(tail: Tail, read: Callable[[], Mapping[str, Any]], seconds: int) -> Mapping[str, Any]:
    """Return a run's row as soon as the run is over, or when the time is up; meanwhile it waits for events alone.

    Args:
        tail: Tells the run's events.
        read: Returns the row as it is; called in a thread.
        seconds: How long to wait.
    """
    row = await anyio.to_thread.run_sync(read)
    if row["status"] in TERMINAL:
        return row
    with anyio.move_on_after(seconds):
        await _last_event(tail, row["run_id"], row["last_seq"])
    return await anyio.to_thread.run_sync(read)


async def _last_event(tail: Tail, run_id: str, after: int) -> None:
    """Return when the last event of a run has come."""
    async with aclosing(tail.follow(run_id, after, anyio.Event())) as told:
        async for event in told:
            if event.type in LAST:
                return


def raise_how_it_ended(row: Mapping[str, Any]) -> None:
    """Do nothing unless a run failed or was canceled.

    Raises:
        Problem: It did, or was.
    """
    if row["status"] == "canceled":
        raise Problem(409, NO_BUNDLE, f"run {row['run_id']} was canceled", details=[ending(row)])
    if row["status"] == "failed":
        error = json.loads(row["error"])
        status = STATUS_OF.get(error["code"], 500)
        raise Problem(status, error["code"], error["message"], details=error["details"])


def row_of(service: Service, tenant: str, run_id: str) -> Mapping[str, Any]:
    """Return a run's row."""
    with service.ledger.reading() as connection:
        return runs.find(connection, run_id, tenant=tenant)
