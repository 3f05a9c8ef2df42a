"""Signs of life go on until the work ends, whatever happens to one of them."""

from __future__ import annotations

import logging
import threading

import pytest

from flows.heartbeat import beating


def test_a_beat_that_fails_is_told_and_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    third = threading.Event()
    beats: list[int] = []

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 3:
            third.set()
        raise ConnectionError("the database is away")

    with caplog.at_level(logging.WARNING), beating(beat, every=0.01):
        assert third.wait(30)
    assert "the database is away" in caplog.text


def test_the_beats_end_with_the_work_also_when_that_fails() -> None:
    first = threading.Event()

    def work() -> None:
        with beating(first.set, every=0.01):
            assert first.wait(30)
            raise KeyError("of the work")

    with pytest.raises(KeyError):
        work()
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}
