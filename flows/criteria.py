"""Selectors: which evidence a run takes.

Law: ``parse_selectors(resolved(selectors)) == selectors``, and equal selections written in another order resolve to
the same value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import msgspec.inspect
from msgspec import UNSET, UnsetType

from evidence.times import format_time
from flows.shapes import Problem, refuse, shape_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_VALUES = 10_000
"""Most values one list may have: they all become parameters of one query, and stand in export.json."""

MAX_LENGTH = 1_000
"""Longest value, in characters."""

SHARED_TENANT = "_shared"
"""Owner of records that every tenant may read."""

Missing = Literal["include", "exclude"]

_INSTANT = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[Tt](?P<time>\d{2}:\d{2}:\d{2})(\.(?P<fraction>\d{1,6})0*)?(?P<zone>[Zz]|[-+]\d{2}:\d{2})",
    re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class TimeWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A half-open window: ``from_ <= modified < to``, both in UTC; None leaves that side open."""

    from_: datetime | None = msgspec.field(default=None, name="from")
    to: datetime | None = None


class Selectors(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a run takes. Lists are sorted and without repetition; an empty one sets no condition.

    Attributes:
        tenants: Whose records; empty until the caller's tenant is known.
        time_window: On the parsed ``modified``; None when both sides are open.
        products: Package URLs or image patterns, in which ``*`` stands for anything.
        sboms: Ids of SBOMs.
        ecosystems: As in npm or PyPI.
        sources: Names of feeds.
        severities: Words as upstream stated them.
        ids: Ids of records.
        shared: Whether records that all tenants share are taken too.
        missing_modified: What becomes of records that do not say when they changed.
    """

    tenants: tuple[str, ...] = ()
    time_window: TimeWindow | None = None
    products: tuple[str, ...] = ()
    sboms: tuple[str, ...] = ()
    ecosystems: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    shared: bool = True
    missing_modified: Missing = "include"


class WindowFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A time window as people write it: RFC 3339 texts."""

    from_: str | UnsetType | None = msgspec.field(default=UNSET, name="from")
    to: str | UnsetType | None = UNSET


class SelectorFields(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"
):
    """Selectors as profiles and requests write them: only what they want to say."""

    tenants: tuple[str, ...] | UnsetType = UNSET
    time_window: WindowFields | UnsetType | None = UNSET
    products: tuple[str, ...] | UnsetType = UNSET
    sboms: tuple[str, ...] | UnsetType = UNSET
    ecosystems: tuple[str, ...] | UnsetType = UNSET
    sources: tuple[str, ...] | UnsetType = UNSET
    severities: tuple[str, ...] | UnsetType = UNSET
    ids: tuple[str, ...] | UnsetType = UNSET
    shared: bool | UnsetType = UNSET
    missing_modified: Missing | UnsetType = UNSET


_SHAPE = msgspec.inspect.type_info(SelectorFields)
_LISTS = ("tenants", "products", "sboms", "ecosystems", "sources", "severities", "ids")


def parse_selectors(value: object) -> Selectors:
    """Return the selectors that a JSON object states; what it leaves out gets its default.

    Args:
        value: None, bool, str, list, dict, as JSON or YAML gives them.

    Raises:
        ValidationError: With every offending field in ``details``: unknown, of the wrong type, no RFC 3339 time, a
            window that ends before it begins, an empty text, an empty list of tenants.
    """
    problems = list(selector_problems(value))
    if problems:
        raise refuse("selectors", problems)
    fields = msgspec.convert(value, SelectorFields)
    given: dict[str, Any] = {}
    for name in fields.__struct_fields__:
        item = getattr(fields, name)
        if item is not UNSET:
            given[name] = tuple(sorted(set(item))) if name in _LISTS else item
    return Selectors(**{**given, "time_window": _window(fields.time_window)})


def selector_problems(value: object) -> Iterator[Problem]:
    """Yield everything that is wrong with selectors; rules about values only once all shapes are right."""
    shapes = list(shape_problems(_SHAPE, value))
    yield from shapes
    if not shapes and isinstance(value, dict):
        yield from _list_problems(value)
        yield from _window_problems(value.get("timeWindow") or {})


def visible_tenants(selectors: Selectors) -> tuple[str, ...]:
    """Return whose records may be seen: the selected tenants, and what all share unless that is declined."""
    return (*selectors.tenants, *([SHARED_TENANT] if selectors.shared else []))


def resolved(selectors: Selectors) -> dict[str, Any]:
    """Return selectors as export.json states them: every field, sorted, times in UTC with Z, null for an open side."""
    window = selectors.time_window or TimeWindow()
    return {
        **{name: sorted(set(getattr(selectors, name))) for name in _LISTS},
        "missingModified": selectors.missing_modified,
        "shared": selectors.shared,
        "timeWindow": {
            "from": None if window.from_ is None else format_time(window.from_),
            "to": None if window.to is None else format_time(window.to),
        },
    }


def merge(defaults: SelectorFields | Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a profile's selectors with a run's laid over them: a field that the run states replaces the profile's.

    The time window is one field: a run that states only its beginning leaves its end open.
    """
    base = msgspec.to_builtins(defaults) if isinstance(defaults, SelectorFields) else defaults
    return {**base, **run}


def parse_instant(text: str) -> datetime:
    """Return an RFC 3339 time in UTC.

    Raises:
        ValueError: Another format, no offset, no such day or hour, or finer than a microsecond.
    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("expected a time such as 2026-01-31T12:00:00Z")
    fraction = (found["fraction"] or "0").ljust(6, "0")
    zone = "+00:00" if found["zone"] in "Zz" else found["zone"]
    try:
        return datetime.fromisoformat(f"{found['date']}T{found['time']}.{fraction}{zone}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"no such time: {error}") from error


def _list_problems(value: dict[str, Any]) -> Iterator[Problem]:
    if "tenants" in value and not value["tenants"]:
        yield Problem(("tenants",), "expected at least one tenant; leave the field out to mean your own")
    for name in _LISTS:
        items = value.get(name, ())
        if len(items) > MAX_VALUES:
            yield Problem((name,), f"{len(items)} values are too many; at most {MAX_VALUES}")
            continue
        for position, item in enumerate(items):
            for message in _text_problems(item):
                yield Problem((name, position), message)


def _text_problems(text: str) -> Iterator[str]:
    if not text.strip():
        yield "expected a value, got an empty text"
    if len(text) > MAX_LENGTH:
        yield f"{len(text)} characters are too many; at most {MAX_LENGTH}"
    if _CONTROL.search(text):
        yield "control characters are not allowed"


def _window_problems(window: dict[str, Any]) -> Iterator[Problem]:
    times: dict[str, datetime] = {}
    for side, text in window.items():
        if text is None:
            continue
        try:
            times[side] = parse_instant(text)
        except ValueError as error:
            yield Problem(("timeWindow", side), str(error))
    if len(times) == len(("from", "to")) and times["from"] >= times["to"]:
        yield Problem(("timeWindow", "to"), "must be later than timeWindow.from")


def _window(fields: WindowFields | UnsetType | None) -> TimeWindow | None:
    if not isinstance(fields, WindowFields):
        return None
    start, end = (parse_instant(each) if isinstance(each, str) else None for each in (fields.from_, fields.to))
    return None if start is end is None else TimeWindow(from_=start, to=end)
