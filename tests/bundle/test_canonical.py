"""Canonical JSON has one spelling, and it is that of RFC 8785."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from bundle.canonical import MAX_DEPTH, MAX_SAFE_INTEGER, canonical_json, parse_canonical
from bundle.errors import FormatError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)

OTHER_SPELLINGS = {
    "white space": b'{"a": 1}',
    "a trailing newline": b'{"a":1}\n',
    "keys out of order": b'{"b":1,"a":2}',
    "a key twice": b'{"a":1,"a":1}',
    "keys in the order of code points, not of UTF-16": '{"\ufb33":1,"\U0001f600":2}'.encode(),
    "an escape that is not needed": b'"\\u0061"',
    "an upper-case escape": b'"\\u001F"',
    "an escaped slash": b'"\\/"',
    "a float": b"1.5",
    "an integer as a float": b"1.0",
    "an integer with an exponent": b"1e2",
    "minus zero": b"-0",
    "a number too large for every reader": b"9007199254740992",
    "thousands of digits": b"1" * 5000,
    "not a number": b"NaN",
    "infinity": b"1e999",
    "a lone surrogate, escaped": b'"\\ud800"',
    "a lone surrogate in UTF-8": b'"\xed\xa0\x80"',
    "bytes that are not UTF-8": b'"\xff"',
    "a byte order mark": b'\xef\xbb\xbf"a"',
    "UTF-16": '"a"'.encode("utf-16"),
    "nothing": b"",
    "two values": b"1 2",
    "very deep lists": b"[" * 100_000 + b"]" * 100_000,
    "very deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@given(VALUES)
def test_the_bytes_are_those_of_an_independent_implementation(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_was_written_is_read_back(value: Any) -> None:
    assert parse_canonical(canonical_json(value)) == value


@given(VALUES, st.sampled_from([None, 1]))
def test_a_parsed_text_is_the_only_one_for_its_value(value: Any, indent: int | None) -> None:
    spelled = json.dumps(value, indent=indent).encode()
    if spelled == canonical_json(value):
        assert parse_canonical(spelled) == value
    else:
        with pytest.raises(FormatError):
            parse_canonical(spelled)


@given(st.binary())
def test_any_bytes_are_canonical_or_refused(data: bytes) -> None:
    try:
        value = parse_canonical(data)
    except FormatError:
        return
    assert canonical_json(value) == data


@pytest.mark.parametrize("data", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_canonical(data)


def test_nesting_is_bounded_by_the_format_and_not_by_the_stack() -> None:
    assert parse_canonical(b"[" * MAX_DEPTH + b"[]" + b"]" * MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 500, 700, 850, 950, 990, 2000):
        with pytest.raises(FormatError):
            parse_canonical(b"[" * depth + b"[]" + b"]" * depth)


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), 2**53, -(2**53), 10**5000, b"bytes", {1: 2}, {"a": {2: 3}}, {"a"}, "\ud800", {"\udfff": 1}],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        canonical_json(value)


def test_the_place_of_the_trouble_is_named() -> None:
    with pytest.raises(FormatError, match=r"\$\.a\[1\]: float"):
        canonical_json({"a": [1, 1.5]})
