"""Schedules in words, and how long they may let a profile rest: five cron fields, read without a clock."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

from web.figures import visible

DAY = 86_400
MOST_HOURS = 3
"""With more hours, the words would be no shorter than the fields."""

YEARS = 9
"""So many years are looked at: a schedule for 29 February is due in two of them."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
DAY_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([1-9][0-9]?))?", re.ASCII)
_RANGES = ((0, 59, ()), (0, 23, ()), (1, 31, ()), (1, 12, MONTHS), (0, 7, DAYS))


@cache
def longest_pause(cron: str) -> int | None:
    """Return the longest time between two moments of a schedule, in seconds; None when it is not understood.

    Changes of summer time are not looked at: they add an hour at most.
    """
    fields = _fields(cron)
    if fields is None:
        return None
    minutes, hours, *_ = fields
    times = [hour * 3600 + minute * 60 for hour in sorted(hours) for minute in sorted(minutes)]
    first = date(2024, 1, 1)
    days = [at for at in range(365 * YEARS + 1) if _falls_on(cron, fields, first + timedelta(days=at))]
    inside = [later - earlier for earlier, later in pairwise(times)]
    between = [(later - earlier) * DAY + times[0] - times[-1] for earlier, later in pairwise(days)]
    return max((*inside, *between), default=None)


def schedule_words(cron: str, timezone: str) -> str:
    """Return a schedule in words where there are short ones, else its fields: "every day at 02:30 (Europe/Vienna)"."""
    zone = visible(timezone)
    fields = _fields(cron)
    said = None if fields is None else _said(cron.split(), fields)
    return f"{said} ({zone})" if said else f"cron {visible(cron)} ({zone})"


def _said(texts: list[str], fields: tuple[frozenset[int], ...]) -> str | None:
    """Return the words for a schedule with one minute and at most three hours, or every hour; None for others."""
    minutes, hours, days, _, weekdays = fields
    any_day, any_month, any_weekday = (text == "*" for text in texts[2:])
    if len(minutes) > 1 or not any_month:
        return None
    if texts[1] == "*" and any_day and any_weekday:
        return f"every hour, at minute {min(minutes)}"
    on = "every day" if any_day and any_weekday else None
    if any_day and len(weekdays) == 1:
        on = f"every {DAY_NAMES[min(weekdays)]}"
    if any_weekday and len(days) == 1:
        on = f"on day {min(days)} of every month"
    at = " and ".join(f"{hour:02d}:{min(minutes):02d}" for hour in sorted(hours))
    return f"{on} at {at}" if on and len(hours) <= MOST_HOURS else None


def _falls_on(cron: str, fields: tuple[frozenset[int], ...], day: date) -> bool:
    """Whether a schedule is due on a day: when both days are restricted, either will do, as cron has it."""
    _, _, days, months, weekdays = fields
    texts = cron.split()
    if day.month not in months:
        return False
    by_day, by_weekday = day.day in days, day.isoweekday() % 7 in weekdays
    if texts[2].startswith("*") or texts[4].startswith("*"):
        return by_day and by_weekday
    return by_day or by_weekday


@cache
def _fields(cron: str) -> tuple[frozenset[int], ...] | None:
    texts = cron.lower().split()
    if len(texts) != len(_RANGES):
        return None
    found = [_values(text, *bounds) for text, bounds in zip(texts, _RANGES, strict=True)]
    if not all(found):
        return None
    return (*found[:4], frozenset(each % 7 for each in found[4]))


def _values(text: str, least: int, most: int, words: tuple[str, ...]) -> frozenset[int]:
    """Return the numbers that a field stands for; none when it is not understood."""
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return frozenset()
        low, high, step = found.groups()
        first = least if low == "*" else _number(low, least, words)
        last = most if low == "*" or (step and not high) else _number(high or low, least, words)
        values.update(range(first, last + 1, int(step or 1)))
    return frozenset(values) if all(least <= each <= most for each in values) else frozenset()


def _number(text: str, least: int, words: tuple[str, ...]) -> int:
    if text in words:
        return words.index(text) + least
    return int(text) if text.isdecimal() else -1
