"""Text that is safe to show, and the forms a value is printed in."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.tables import cell
from cli.text import json_text, printable, yaml_text

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What makes a terminal, or an eye, take a text for something else; line feeds come from us."""


@given(VALUES)
def test_json_says_the_value_and_steers_no_terminal(value: Any) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert STEERING.search(text) is None
    text.encode()


@given(VALUES.filter(lambda value: not re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False))))
def test_another_reader_of_yaml_reads_the_value(value: Any) -> None:
    text = yaml_text(value)
    assert yaml.load(text, Loader=_Plain) == value
    assert STEERING.search(text) is None


class _Plain(yaml.SafeLoader):
    """Another reader, which takes no text for a date or a number in base 60."""


@given(TEXTS)
def test_a_printable_text_is_one_line_that_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    assert shown == text or not text.isprintable()


HOSTILE = {
    "a sequence that clears the screen": ("a\x1b[2Jb", r"a\x1b[2Jb"),
    "its form of one character": ("a\x9b2Jb", r"a\x9b2Jb"),
    "a line that would look like ours": ("a\nerror: b", r"a\nerror: b"),
    "letters that run backwards": ("a\u202egnp.exe", r"a\u202egnp.exe"),
    "a name that is not UTF-8": (b"a\xff".decode(errors="surrogateescape"), r"a\udcff"),
    "a letter of another script": ("d\u0301 漢字 🦀", "d\u0301 漢字 🦀"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hidden_text_becomes_visible(case: str) -> None:
    text, shown = HOSTILE[case]
    assert printable(text) == shown


def test_times_are_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert json_text(datetime(2026, 1, 1, 1, tzinfo=zone)) == '"2025-12-31T23:00:00Z"\n'
    assert json_text(datetime(2026, 1, 1, microsecond=5, tzinfo=UTC)) == '"2026-01-01T00:00:00.000005Z"\n'


CELLS = {
    "nothing": (None, "-"),
    "an empty list": ([], "-"),
    "an empty object": ({}, "-"),
    "a truth": (True, "yes"),
    "a number": (1234567, "1,234,567"),
    "a list": (["a", 1000], "a, 1,000"),
    "counts, the largest first": ({"a": 1, "b": 2000}, "b 2,000, a 1"),
    "many counts": ({f"k{n:02}": 1 for n in range(15)}, ", ".join(f"k{n:02} 1" for n in range(12)) + ", and 3 more"),
    "a component": ({"name": "osv", "version": "1", "options": {}}, "osv 1"),
    "another object": ({"a": "b"}, '{"a": "b"}'),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_shows(case: str) -> None:
    value, shown = CELLS[case]
    assert cell(value) == shown
