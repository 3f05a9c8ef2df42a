"""Reading on in the events of several runs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger import events, runs, states
from ledger.runs import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.database import Ledger
    from ledger.runs import Submission


def test_the_next_events_of_every_run_come_in_order_and_no_more_than_a_page_of_each(
    ledger: Ledger, make_submission: Callable[..., Submission], noon: int
) -> None:
    with ledger.writing() as connection:
        first, second, quiet = (runs.submit(connection, make_submission(), limits=Limits(), now=noon) for _ in range(3))
        for _ in range(4):
            for run in (first, second):
                states.tell(connection, run, events.PROGRESS, {}, now=noon)
    with ledger.reading() as connection:
        found = events.since(connection, {first: 0, second: 3, quiet: 1, "run-of-nobody": 0}, limit=3)
    assert sorted((event.run_id, event.seq) for event in found) == sorted(
        [(first, 1), (first, 2), (first, 3), (second, 4), (second, 5)]
    )
    assert [event.seq for event in found if event.run_id == first] == [1, 2, 3]
