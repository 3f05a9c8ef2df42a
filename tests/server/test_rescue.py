"""What Prefect began of itself and lost before the ledger knew it is begun again; everything else is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.runs import PATIENCE_SECONDS
from ledger.times import SECOND
from server.prefect_api import Unsubmitted
from server.rescue import STALE_SECONDS, Rescue

NOW = 1_761_739_931_000_000
LOST: dict[str, tuple[str, int, bool]] = {
    "its process died": ("CRASHED", 10, True),
    "its process has just died": ("CRASHED", 9, False),
    "a worker took it that is gone": ("PENDING", 121, True),
    "a worker has just taken it": ("PENDING", 60, False),
    "it waits for a place": ("RUNNING", PATIENCE_SECONDS, False),
    "it has waited longer than any does": ("RUNNING", PATIENCE_SECONDS + 121, True),
    "it waits for its time": ("SCHEDULED", 9999, False),
    "a person canceled it": ("CANCELLED", 9999, False),
    "it was refused": ("FAILED", 9999, False),
}


class Lost:
    """A Prefect with one flow run that nobody submitted."""

    def __init__(self, each: Unsubmitted, *, is_down: bool = False) -> None:
        self._each, self._is_down = each, is_down
        self.again: list[str] = []
        self.after = 0

    def is_ready(self) -> str | None:
        return "down" if self._is_down else None

    def unsubmitted(self, *, after: int) -> list[Unsubmitted]:
        self.after = after
        return [self._each]

    def begin_again(self, flow_run_id: str) -> None:
        self.again.append(flow_run_id)


@pytest.mark.parametrize("what", LOST)
def test_what_has_no_process_is_begun_again(running: Any, what: str) -> None:
    kind, seconds, lost = LOST[what]
    since = NOW - seconds * SECOND
    prefect = Lost(Unsubmitted("flow-of-night", kind, since, since))
    Rescue(running.service.ledger, prefect, lambda: NOW).once()  # type: ignore[arg-type]
    assert prefect.again == (["flow-of-night"] if lost else [])
    assert prefect.after == NOW - STALE_SECONDS * SECOND


def test_what_the_ledger_knows_is_left_to_others_and_while_prefect_is_down_nothing_is_asked(running: Any) -> None:
    running.prefect.begin_of_itself("flow-of-night", {"profileId": "json-raw"})
    known = Lost(Unsubmitted("flow-of-night", "CRASHED", 0, 0))
    down = Lost(Unsubmitted("another", "CRASHED", 0, 0), is_down=True)
    for prefect in (known, down):
        Rescue(running.service.ledger, prefect, lambda: NOW).once()  # type: ignore[arg-type]
        assert prefect.again == []
    assert down.after == 0


@pytest.mark.parametrize(("overdue", "again"), [(59, ["flow-of-night"]), (61, [])])
def test_what_is_lost_again_and_again_is_begun_the_more_seldom(running: Any, overdue: int, again: list[str]) -> None:
    since = NOW - 60 * SECOND
    prefect = Lost(Unsubmitted("flow-of-night", "CRASHED", since, since - overdue * SECOND))
    Rescue(running.service.ledger, prefect, lambda: NOW).once()  # type: ignore[arg-type]
    assert prefect.again == again
