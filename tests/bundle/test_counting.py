"""Tables of counts: exactly what there is, within bounds that no evidence can break, and recounted without the rest."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle import counting
from bundle.counting import LISTED, LONGEST, OTHERS, Recounted, listed

WORDS = st.sampled_from(["a", "b", "c", "d", "\u00e9" * 150, "x" * 201, OTHERS]) | st.text(max_size=3)
COUNTS = st.dictionaries(st.text(max_size=LONGEST + 20), st.integers(1, 100))


@given(COUNTS)
def test_a_table_of_counts_loses_no_record(counts: dict[str, int]) -> None:
    found = listed(counts)
    assert sum(found.values()) == sum(counts.values())
    assert all(counts.get(name) == count for name, count in found.items() if name != OTHERS)
    assert all(len(json.dumps(name, ensure_ascii=False).encode()) <= LONGEST for name in found)


def test_the_most_frequent_values_are_listed_and_the_rest_is_one() -> None:
    rare = {f"rare {number:05}": 1 for number in range(LISTED)}
    assert listed({**rare, "often": 3}) == {**dict.fromkeys(sorted(rare)[:-1], 1), "often": 3, OTHERS: 1}


def agrees(stated: dict[str, int], values: list[str]) -> bool:
    recounted = Recounted(stated)
    for value in values:
        recounted.add(value)
    return recounted.agrees()


@pytest.mark.parametrize("size", [2, LISTED])
@given(values=st.lists(WORDS, max_size=30))
def test_a_table_agrees_with_the_values_it_was_made_of(size: int, values: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "LISTED", size)
        assert agrees(listed(Counter(values)), values)


@given(values=st.lists(WORDS, max_size=30), stated=st.dictionaries(WORDS, st.integers(0, 5), max_size=8))
def test_any_other_table_does_not(values: list[str], stated: dict[str, int]) -> None:
    assert agrees(stated, values) == (stated == listed(Counter(values)))


def test_a_full_table_may_leave_out_what_others_sums_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "LISTED", 2)
    table = {
        "two of three, and the rest": ({"a": 2, "b": 1, OTHERS: 1}, True),
        "a sum that is wrong": ({"a": 2, "b": 1, OTHERS: 2}, False),
        "no sum": ({"a": 2, "b": 1}, False),
        "one of three, though two fit": ({"a": 2, OTHERS: 2}, False),
        "more than fit": ({"a": 2, "b": 1, "c": 1}, False),
    }
    for case, (stated, expected) in table.items():
        assert agrees(stated, ["a", "b", "a", "c"]) is expected, case
