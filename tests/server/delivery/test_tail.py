"""Following a log: no event lost or repeated, whoever comes when, and nobody waits for the slow."""

from __future__ import annotations

import logging
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.events import Event
from server.tail import RECENT, Tail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import pytest

TICK = 0.001


class Log:
    """A log in memory that counts how often it is read; a page holds seven events."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.reads = 0
        self.failures = 0

    def append(self, run: str, count: int = 1) -> None:
        mine = self.events.setdefault(run, [])
        for seq in range(len(mine) + 1, len(mine) + count + 1):
            mine.append(Event(0, run, seq, "run.progress", "{}"))

    def read(self, after: Mapping[str, int]) -> list[Event]:
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the ledger is away")
        return [event for run, seq in after.items() for event in self.events.get(run, [])[seq : seq + 7]]


async def take(tail: Tail, run: str, after: int, until: int, *, pause: float = 0) -> list[int]:
    """Follow until an event has come; return what came."""
    seen: list[int] = []
    async with aclosing(tail.follow(run, after, anyio.Event())) as events:
        async for event in events:
            assert event.run_id == run
            seen.append(event.seq)
            if event.seq == until:
                break
            await anyio.sleep(pause)
    return seen


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - what is waited for tells nobody
        await anyio.sleep(TICK)


def within(work: Callable[[Tail], Awaitable[None]], log: Log) -> None:
    """Do something while a log is followed; it must end."""

    async def working() -> None:
        tail = Tail(log.read, every=TICK)
        with anyio.fail_after(30):
            async with tail.running():
                await work(tail)
        assert not tail._watched

    anyio.run(working)


actions = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.floats(0, 0.004), st.floats(0, 0.002)), max_size=6
)


@settings(max_examples=40)
@given(actions, st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 12), st.floats(0, 0.004)), max_size=8))
def test_every_follower_gets_every_event_once_and_in_order_whoever_comes_when(
    followers: list[tuple[str, int, float, float]], appended: list[tuple[str, int, float]]
) -> None:
    log = Log()
    log.append("a", 20)
    log.append("b", 20)
    totals = {run: 21 + sum(count for name, count, _ in appended if name == run) for run in "ab"}

    async def work(tail: Tail) -> None:
        async def follow(run: str, after: int, delay: float, pause: float) -> None:
            await anyio.sleep(delay)
            assert await take(tail, run, after, totals[run], pause=pause) == list(range(after + 1, totals[run] + 1))

        async with anyio.create_task_group() as tasks:
            for follower in followers:
                tasks.start_soon(follow, *follower)
            for run, count, delay in appended:
                await anyio.sleep(delay)
                log.append(run, count)
            log.append("a")
            log.append("b")

    within(work, log)


def test_nobody_reads_while_nobody_follows() -> None:
    log = Log()

    async def work(tail: Tail) -> None:
        await anyio.sleep(20 * TICK)
        assert log.reads == 0
        log.append("a", 3)
        await take(tail, "a", 0, 3)
        await anyio.sleep(5 * TICK)
        after = log.reads
        await anyio.sleep(20 * TICK)
        assert log.reads == after

    within(work, log)


def test_a_hundred_who_follow_closely_cost_no_more_reads_than_one() -> None:
    log = Log()
    log.append("a", 1)
    came: list[list[int]] = []

    async def work(tail: Tail) -> None:
        async def follow() -> None:
            came.append(await take(tail, "a", 1, 6))

        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(follow)
            await until(lambda: log.reads > 200)
            before = log.reads
            log.append("a", 5)
        reads.append(log.reads - before)

    reads: list[int] = []
    within(work, log)
    assert came == [[2, 3, 4, 5, 6]] * 100
    assert reads[0] < 50


def test_the_slow_hold_up_nobody_and_keep_nothing_in_memory() -> None:
    log = Log()
    total = 20 * RECENT

    async def work(tail: Tail) -> None:
        released = anyio.Event()
        slow: list[int] = []

        async def dawdle() -> None:
            async with aclosing(tail.follow("a", 0, anyio.Event())) as events:
                async for event in events:
                    slow.append(event.seq)
                    await released.wait()
                    if event.seq == total:
                        break

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dawdle)
            log.append("a", total)
            assert await take(tail, "a", 0, total) == list(range(1, total + 1))
            assert slow == [1]
            assert all(len(each.recent) <= RECENT for each in tail._watched.values())
            released.set()
        assert slow == list(range(1, total + 1))

    within(work, log)


def test_an_event_that_the_run_never_had_is_of_another_log_and_all_events_come() -> None:
    log = Log()
    log.append("a", 4)

    async def work(tail: Tail) -> None:
        assert await take(tail, "a", 900, 4) == [1, 2, 3, 4]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, tail, "a", 900, 5)
            log.append("a", 1)
            assert await take(tail, "a", 4, 5) == [5]

    within(work, log)


def test_a_ledger_that_was_away_is_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.tail.FAILED_SECONDS", TICK)
    log = Log()

    async def work(tail: Tail) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take, tail, "a", 0, 1)
            await until(lambda: "a" in tail._watched and tail._watched["a"].head is not None)
            log.failures = 2
            await until(lambda: not log.failures)
            log.append("a", 1)

    with caplog.at_level(logging.ERROR, "export_center.tail"):
        within(work, log)
    assert [record.getMessage() for record in caplog.records] == ["events could not be read; trying again"] * 2


def test_following_ends_when_it_is_told_to() -> None:
    log = Log()
    log.append("a", 2)

    async def work(tail: Tail) -> None:
        ending = anyio.Event()
        seen: list[int] = []

        async def follow() -> None:
            async with aclosing(tail.follow("a", 0, ending)) as events:
                seen.extend([event.seq async for event in events])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await until(lambda: "a" in tail._watched and tail._watched["a"].head == 2)
            ending.set()
        assert seen == [1, 2]

    within(work, log)


def test_events_come_though_every_thread_of_the_server_is_busy() -> None:
    log = Log()
    log.append("a", 3)
    release = threading.Event()

    async def work(tail: Tail) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(int(anyio.to_thread.current_default_thread_limiter().total_tokens)):
                tasks.start_soon(anyio.to_thread.run_sync, release.wait)
            await anyio.sleep(TICK)
            assert await take(tail, "a", 0, 3) == [1, 2, 3]
            release.set()

    within(work, log)
