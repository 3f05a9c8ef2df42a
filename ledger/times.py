"""Times of the ledger: whole microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY_SECONDS = 86_400


def as_datetime(at: int) -> datetime:
    """Return a time in UTC."""
    return EPOCH + timedelta(microseconds=at)


def format_time(at: int) -> str:
    """Return a time as the API writes it, to the second, as in "2025-10-29T12:12:11Z"."""
    return as_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_of(at: int) -> str:
    """Return a time's day in UTC, as YYYYMMDD."""
    return as_datetime(at).strftime("%Y%m%d")


def seconds_to_midnight(at: int) -> int:
    """Return the seconds until the next day in UTC begins, at least 1."""
    return DAY_SECONDS - at // SECOND % DAY_SECONDS


def next_midnight(at: int) -> int:
    """Return when the next day in UTC begins, in seconds since the epoch."""
    return at // SECOND + seconds_to_midnight(at)
