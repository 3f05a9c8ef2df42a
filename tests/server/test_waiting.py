"""Waiting for the end of a run, as ``?wait=`` does: on the events that one poller reads for everybody."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from server.streaming import read_since
from server.tail import Tail
from server.waiting import Waiters, row_of, until_over

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ledger.database import Ledger


@dataclass
class Counted:
    """A ledger that counts how often it is read."""

    ledger: Ledger
    reads: int = 0

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        self.reads += 1
        with self.ledger.reading() as connection:
            yield connection


def test_who_waits_reads_the_run_before_and_after_and_never_between(running: Any) -> None:
    running.prefect.held.clear()
    run_id = running.submit()
    counted = Counted(running.service.ledger)
    service = replace(running.service, ledger=counted)

    async def story() -> str:
        tail = Tail(partial(read_since, running.service.ledger))
        async with tail.running(), anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, running.prefect.held.set)
            row = await until_over(tail, partial(row_of, service, "acme", run_id), 60)
        return str(row["status"])

    assert anyio.run(story) == "success"
    assert counted.reads == 2


def test_a_run_that_is_over_is_not_waited_for(running: Any) -> None:
    run_id = running.submit()
    running.ended(run_id)
    tail = Tail(partial(read_since, running.service.ledger))
    row = anyio.run(until_over, tail, partial(row_of, running.service, "acme", run_id), 60)
    assert (row["run_id"], row["status"]) == (run_id, "success")


def test_a_tenant_has_room_for_so_many_who_wait_and_for_others_when_one_has_gone() -> None:
    waiters = Waiters(2)
    with waiters.one_of("acme") as first, waiters.one_of("acme") as second:
        with waiters.one_of("acme") as third, waiters.one_of("globex") as foreign:
            assert (first, second, third, foreign) == (True, True, False, True)
        with waiters.one_of("acme") as again:
            assert not again, "who had no room gives none back"
    with waiters.one_of("acme") as later:
        assert later
