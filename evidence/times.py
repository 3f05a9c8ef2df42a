"""Times as upstream documents write them, and as the export writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_FORM = re.compile(
    r"""(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)
        (?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?
        \s?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?)?""",
    re.ASCII | re.VERBOSE,
)
_LEAP_SECOND = 60


def parse_time(text: object) -> datetime | None:
    """Return the moment that ``text`` states, in UTC, cut (not rounded) to microseconds.

    Accepts RFC 3339 and what real feeds write besides: a space for the ``T``, no seconds, any number of fraction
    digits, an offset without colon, no zone at all (taken as UTC), a date alone (midnight UTC). Year 1, which some
    feeds use for "unknown", is kept as it is stated.

    Returns:
        None for everything that is not such a text: other types, an empty string, impossible dates and moments
        that leave the years 1 to 9999 when they are brought to UTC.
    """
    form = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if form is None:
        return None
    try:
        return _moment(form)
    except (ValueError, OverflowError):
        return None


def format_time(moment: datetime) -> str:
    """Return RFC 3339 text in UTC with ``Z``; a fraction only when it is not zero, without trailing zeros."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _moment(form: re.Match[str]) -> datetime:
    """Build the moment from the parts of a matched text.

    Raises:
        ValueError: For an impossible date, time or offset.
        OverflowError: When the moment has no place in years 1 to 9999.
    """
    year, month, day = int(form["year"]), int(form["month"]), int(form["day"])
    hour, minute, second = int(form["hour"] or 0), int(form["minute"] or 0), int(form["second"] or 0)
    # A leap second is the moment after second 59; datetime has no second 60.
    leap = timedelta(seconds=1) if second == _LEAP_SECOND else timedelta()
    microsecond = int((form["fraction"] or "")[:6].ljust(6, "0"))
    zone = _zone(form["zone"])
    moment = datetime(year, month, day, hour, minute, second - leap.seconds, microsecond, tzinfo=zone)
    return moment.astimezone(UTC) + leap


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]) if len(text) > len("+00") else 0)
    return timezone(-offset if text[0] == "-" else offset)
