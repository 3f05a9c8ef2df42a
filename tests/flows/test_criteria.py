"""Selectors: reading, resolving, merging."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.canonical import canonical_json
from flows.criteria import SelectorFields, Selectors, TimeWindow, merge, parse_selectors, resolved
from flows.errors import ValidationError

LISTS = ("tenants", "products", "sboms", "ecosystems", "sources", "severities", "ids")
WORDS = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(str.strip)
INSTANTS = st.none() | st.datetimes(min_value=datetime(1, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - made aware


@st.composite
def selectors(draw: st.DrawFn) -> Selectors:
    window = None
    start, end = draw(INSTANTS), draw(INSTANTS)
    if (start or end) and (start is None or end is None or start < end):
        window = TimeWindow(from_=start, to=end)
    lists = {name: tuple(sorted(draw(st.sets(WORDS, min_size=name == "tenants", max_size=3)))) for name in LISTS}
    missing = draw(st.sampled_from(["include", "exclude"]))
    return Selectors(**lists, time_window=window, shared=draw(st.booleans()), missing_modified=missing)


@given(selectors())
def test_what_resolves_is_read_back_as_the_same(value: Selectors) -> None:
    assert parse_selectors(resolved(value)) == value


@given(selectors(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_reach_the_resolved_form(value: Selectors, random: Any) -> None:
    shuffled = resolved(value)
    for name in LISTS:
        shuffled[name] = shuffled[name] * 2
        random.shuffle(shuffled[name])
    assert canonical_json(resolved(parse_selectors(shuffled))) == canonical_json(resolved(value))


def test_defaults_are_spelled_out() -> None:
    assert resolved(parse_selectors({})) == {
        **{name: [] for name in LISTS},
        "missingModified": "include",
        "shared": True,
        "timeWindow": {"from": None, "to": None},
    }


def test_the_example_of_the_rest_api_is_read() -> None:
    parsed = parse_selectors(
        {
            "tenants": ["acme"],
            "timeWindow": {"from": "2025-10-01T00:00:00Z", "to": "2025-10-29T00:00:00Z"},
            "products": ["registry.example.com/app:*"],
            "sboms": ["sbom:S-2004", "sbom:S-1001"],
        }
    )
    assert parsed == Selectors(
        tenants=("acme",),
        time_window=TimeWindow(from_=datetime(2025, 10, 1, tzinfo=UTC), to=datetime(2025, 10, 29, tzinfo=UTC)),
        products=("registry.example.com/app:*",),
        sboms=("sbom:S-1001", "sbom:S-2004"),
    )


TIMES = {
    "another zone becomes UTC": ("2025-10-01T02:00:00+02:00", "2025-10-01T00:00:00Z"),
    "small letters are allowed": ("2025-10-01t00:00:00z", "2025-10-01T00:00:00Z"),
    "a fraction loses its zeros": ("2025-10-01T00:00:00.120000000Z", "2025-10-01T00:00:00.12Z"),
    "a fraction of zeros goes": ("2025-10-01T00:00:00.000Z", "2025-10-01T00:00:00Z"),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_are_resolved_to_one_form(case: str) -> None:
    written, expected = TIMES[case]
    assert resolved(parse_selectors({"timeWindow": {"from": written}}))["timeWindow"]["from"] == expected


REFUSED: dict[str, tuple[object, str, str]] = {
    "not an object": (["x"], "", "expected an object, got an array"),
    "an unknown field": ({"product": []}, "product", "unknown field; did you mean 'products'?"),
    "a word for a list": ({"ids": "CVE-1"}, "ids", "expected an array of strings, got a string"),
    "a number in a list": ({"ids": ["a", 1]}, "ids[1]", "expected a string, got a number"),
    "null for a list": ({"ids": None}, "ids", "expected an array of strings, got nothing"),
    "an empty text": ({"ids": [" "]}, "ids[0]", "expected a value, got an empty text"),
    "a control character": ({"ids": ["a\x00"]}, "ids[0]", "control characters are not allowed"),
    "half a surrogate pair": ({"ids": ["\ud800"]}, "ids[0]", "control characters are not allowed"),
    "a very long text": ({"ids": ["x" * 1001]}, "ids[0]", "1001 characters are too many; at most 1000"),
    "very many texts": ({"ids": ["x"] * 10_001}, "ids", "10001 values are too many; at most 10000"),
    "no tenant": (
        {"tenants": []},
        "tenants",
        "expected at least one tenant; leave the field out to mean your own",
    ),
    "a date": (
        {"timeWindow": {"from": "2025-10-01"}},
        "timeWindow.from",
        "expected a time such as 2026-01-31T12:00:00Z",
    ),
    "a time without a zone": (
        {"timeWindow": {"to": "2025-10-01T00:00:00"}},
        "timeWindow.to",
        "expected a time such as 2026-01-31T12:00:00Z",
    ),
    "a day no month has": (
        {"timeWindow": {"to": "2025-02-30T00:00:00Z"}},
        "timeWindow.to",
        "no such time: day is out of range for month",
    ),
    "a time before all time": (
        {"timeWindow": {"to": "0001-01-01T00:00:00+01:00"}},
        "timeWindow.to",
        "no such time: date value out of range",
    ),
    "a window that ends where it begins": (
        {"timeWindow": {"from": "2025-10-01T00:00:00Z", "to": "2025-10-01T00:00:00Z"}},
        "timeWindow.to",
        "must be later than timeWindow.from",
    ),
    "a choice that is none": (
        {"missingModified": "exclud"},
        "missingModified",
        "expected one of exclude, include, got 'exclud'; did you mean 'exclude'?",
    ),
    "a number for true": ({"shared": 1}, "shared", "expected true or false, got a number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_selectors_name_their_field(case: str) -> None:
    value, field, message = REFUSED[case]
    with pytest.raises(ValidationError) as caught:
        parse_selectors(value)
    assert [(detail.field, detail.message) for detail in caught.value.details] == [(field, message)]


def test_all_offending_fields_are_told_at_once() -> None:
    with pytest.raises(ValidationError, match=r"^selectors\.ids: .* \(and 1 more\)$") as caught:
        parse_selectors({"ids": 1, "shared": "yes"})
    assert [detail.field for detail in caught.value.details] == ["ids", "shared"]


def test_a_run_replaces_the_fields_it_states_and_keeps_the_profiles_others() -> None:
    defaults = msgspec.convert(
        {"ecosystems": ["npm"], "shared": False, "timeWindow": {"to": "2025-10-01T00:00:00Z"}}, SelectorFields
    )
    merged = merge(defaults, {"ecosystems": [], "timeWindow": {"from": "2026-01-01T00:00:00Z"}})
    assert parse_selectors(merged) == Selectors(
        shared=False, time_window=TimeWindow(from_=datetime(2026, 1, 1, tzinfo=UTC))
    )
