"""Progress: few reports, however many steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flows.progress import Meter

WAITS = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=50)


@given(waits=WAITS, every=st.floats(0.1, 10))
def test_reports_are_no_closer_than_said_and_come_as_soon_as_they_may(waits: list[float], every: float) -> None:
    now, told = 0.0, []
    meter = Meter(expected=50, report=lambda *_: told.append(now), clock=lambda: now, every=every)
    for count, wait in enumerate(waits, start=1):
        now += wait
        before = len(told)
        meter("advisories", count, count)
        assert (len(told) > before) == (not told[:before] or now - told[before - 1] >= every)
    assert told[0] == waits[0]


def test_a_report_says_how_much_of_all_tables_is_written() -> None:
    told: list[tuple[float, str]] = []
    meter = Meter(expected=4000, report=lambda *report: told.append(report), clock=lambda: 0.0, every=0.0)
    meter("advisories", 1000, 123_456)
    meter("vex", 500, 7)
    meter("vex", 1000, 70)
    assert told == [
        (25.0, "advisories: 1,000 records, 123,456 bytes"),
        (37.5, "advisories: 1,000 records, 123,456 bytes; vex: 500 records, 7 bytes"),
        (50.0, "advisories: 1,000 records, 123,456 bytes; vex: 1,000 records, 70 bytes"),
    ]


def test_more_than_was_expected_is_never_more_than_all() -> None:
    for expected in (0, 10):
        meter = Meter(expected=expected, report=lambda *_: None, clock=lambda: 0.0)
        meter("evaluations", 11, 1)
        assert meter.percent == 100.0
