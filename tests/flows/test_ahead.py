"""Reading ahead changes nothing but the time it takes."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.ahead import ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


@settings(max_examples=50, deadline=None)
@given(items=st.lists(st.integers()), depth=st.integers(1, 5))
def test_the_items_are_the_same_in_the_same_order(items: list[int], depth: int) -> None:
    assert list(ahead(iter(items), depth=depth)) == items


def test_an_error_arrives_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("the source broke")

    seen = []
    with pytest.raises(LookupError, match="the source broke"):
        seen.extend(ahead(source()))
    stream = ahead(source())
    assert next(stream) == 1


def test_no_thread_is_left_when_the_consumer_stops_early() -> None:
    stream = ahead(itertools.count())
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()  # type: ignore[attr-defined]
    assert [thread for thread in threading.enumerate() if thread.name == "ahead"] == []
