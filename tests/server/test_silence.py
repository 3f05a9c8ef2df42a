"""A run is lost when it is silent, and not when a clock says so for a moment."""

from __future__ import annotations

from ledger.times import SECOND
from server.silence import AGAIN_SECONDS, SILENT_SECONDS, Silence

LONG = (SILENT_SECONDS + 1) * SECOND


class Times:
    """Two clocks: one that people put, and one that nobody does."""

    def __init__(self) -> None:
        self.clock, self.monotonic = 1_761_739_931 * SECOND, 100.0

    def go_on(self, seconds: float) -> None:
        self.clock += int(seconds * SECOND)
        self.monotonic += seconds


def test_a_run_is_lost_when_it_is_as_silent_some_time_later() -> None:
    times = Times()
    silence = Silence(lambda: times.clock, monotonic=lambda: times.monotonic)
    heard = times.clock
    told = []
    for _ in range(SILENT_SECONDS + 20):
        times.go_on(1)
        told.append(silence.is_lost("flow-1", heard))
    assert told.index(True) == SILENT_SECONDS + AGAIN_SECONDS
    silence.only([])
    assert not silence.is_lost("flow-1", heard)


def test_a_run_at_work_is_not_lost_when_the_clock_is_put_forward() -> None:
    times = Times()
    silence = Silence(lambda: times.clock, monotonic=lambda: times.monotonic)
    heard = times.clock
    times.clock += LONG
    for second in range(40):
        times.go_on(1)
        if second % 5 == 4:
            heard = times.clock
        assert not silence.is_lost("flow-1", heard)


def test_a_clock_that_is_put_forward_again_and_again_loses_no_run_that_is_heard_of() -> None:
    times = Times()
    silence = Silence(lambda: times.clock, monotonic=lambda: times.monotonic)
    for _ in range(10):
        heard = times.clock
        times.clock += LONG
        times.go_on(AGAIN_SECONDS)
        assert not silence.is_lost("flow-1", heard)
