"""Times of real feeds, and the text that is exported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.times import format_time, parse_time

STATED = {
    "seconds with Z": ("2026-07-13T14:36:47Z", "2026-07-13T14:36:47Z"),
    "three fraction digits": ("2026-07-13T14:36:47.500Z", "2026-07-13T14:36:47.5Z"),
    "four fraction digits": ("2024-01-02T03:04:05.1234Z", "2024-01-02T03:04:05.1234Z"),
    "eight fraction digits are cut, not rounded": ("2024-01-02T03:04:05.12345678Z", "2024-01-02T03:04:05.123456Z"),
    "nine fraction digits are cut, not rounded": ("2024-01-02T03:04:05.999999999Z", "2024-01-02T03:04:05.999999Z"),
    "an offset with nine digits": ("2023-01-08T18:02:03.647787998-06:00", "2023-01-09T00:02:03.647787Z"),
    "an offset of half an hour": ("2024-01-01T00:00:00+05:30", "2023-12-31T18:30:00Z"),
    "an offset without colon": ("2024-01-01T00:00:00+0400", "2023-12-31T20:00:00Z"),
    "an offset of hours alone": ("2024-01-01T00:00:00+04", "2023-12-31T20:00:00Z"),
    "no zone is UTC": ("2024-10-08T17:15:45", "2024-10-08T17:15:45Z"),
    "a date alone is midnight": ("2024-10-08", "2024-10-08T00:00:00Z"),
    "a space for the T": ("2025-01-01 00:00:00", "2025-01-01T00:00:00Z"),
    "no seconds": ("2025-01-01T10:20Z", "2025-01-01T10:20:00Z"),
    "small letters": ("2025-01-01t10:20:30z", "2025-01-01T10:20:30Z"),
    "year 1 is kept": ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    "the future is kept": ("2027-07-09T15:45:00Z", "2027-07-09T15:45:00Z"),
    "a leap second is the next second": ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
}

ABSENT = {
    "an empty text": "",
    "words": "yesterday",
    "a number": 20240101,
    "nothing": None,
    "a list": ["2024-01-01"],
    "a day that is not": "2023-02-29T00:00:00Z",
    "an hour that is not": "2023-02-28T25:00:00Z",
    "before year 1 in UTC": "0001-01-01T00:00:00+04:00",
    "after year 9999 in UTC": "9999-12-31T23:59:59-04:00",
    "a leap second at the end of time": "9999-12-31T23:59:60Z",
    "an offset of more than a day": "2024-01-01T00:00:00+99:00",
    "digits of another script": "\u0662\u0660\u0662\u0664-01-01",
    "year 0": "0000-01-01",
}


@pytest.mark.parametrize("case", STATED)
def test_a_stated_time_is_read_and_written_in_utc(case: str) -> None:
    stated, exported = STATED[case]

    moment = parse_time(stated)

    assert moment is not None
    assert moment.tzinfo is UTC
    assert format_time(moment) == exported


@pytest.mark.parametrize("case", ABSENT)
def test_what_is_no_time_is_absent(case: str) -> None:
    assert parse_time(ABSENT[case]) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_survives_its_text(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@given(st.text(alphabet="0123456789-+:.TZ ", max_size=40))
def test_no_text_makes_it_raise(text: str) -> None:
    parse_time(text)


def test_a_moment_of_another_zone_is_written_in_utc() -> None:
    assert format_time(datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2023-12-31T22:00:00Z"
