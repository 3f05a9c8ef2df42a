"""Following runs' events as they happen: one poller for a whole server process, however many follow.

Events of a run are numbered 1, 2, 3… in the order they became true, so a follower is a number: the last event it has.
It reads the log on from there; when there is nothing more it waits for the poller to see something newer, and takes it
from the few recent events that the poller keeps, or from the log again when it is further behind. So no event is lost
or repeated, whatever happens between reading and waiting; a slow follower holds one page in memory, and nobody up.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

    from ledger.events import Event

LOG = logging.getLogger("export_center.tail")
POLL_SECONDS = 0.05
FAILED_SECONDS = 1.0
"""How long to let a ledger be that failed to answer."""

RECENT = 64
"""Events of a run that are kept for those who follow closely."""


READERS = 4
"""Threads that read for followers who are behind."""


class Read(Protocol):
    """Reads the log; called in threads."""

    def __call__(self, after: Mapping[str, int], /) -> Sequence[Event]:
        """Return the next events of some runs, each run's in order and without gaps.

        Args:
            after: The last seq that is known, by run; 0 for none.
        """


@dataclass
class _Watched:
    """A run that somebody follows; ``head`` is the newest seq anybody has seen, None before anybody read to the end."""

    followers: int = 0
    head: int | None = None
    recent: deque[Event] = field(default_factory=lambda: deque(maxlen=RECENT))
    changed: anyio.Event = field(default_factory=anyio.Event)

    def saw(self, event: Event) -> None:
        """Take what the poller read."""
        self.recent.append(event)
        self._move(event.seq)

    def caught_up(self, seq: int) -> None:
        """Note that a follower who has this event found no newer one."""
        if self.head is None or seq > self.head:
            # What is kept would have a gap.
            self.recent.clear()
            self._move(seq)

    def after(self, seq: int) -> list[Event]:
        """Return what is kept after a seq; nothing when that would leave a gap."""
        if not self.recent or self.recent[0].seq > seq + 1:
            return []
        return [event for event in self.recent if event.seq > seq]

    def _move(self, seq: int) -> None:
        self.head = seq
        self.changed.set()
        self.changed = anyio.Event()


class Tail:
    """Lets many follow; the poller runs while ``running`` is open, and reads only while somebody follows."""

    def __init__(self, read: Read, *, every: float = POLL_SECONDS) -> None:
        """Follow the log that ``read`` reads, ``every`` so many seconds."""
        self._read = read
        self._every = every
        self._watched: dict[str, _Watched] = {}
        self._wanted = anyio.Event()
        self._readers = anyio.CapacityLimiter(READERS)
        self._poller = anyio.CapacityLimiter(1)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the poller beside the block: the application's lifespan."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._poll)
            yield
            tasks.cancel_scope.cancel()

    async def follow(self, run_id: str, after: int, ending: anyio.Event) -> AsyncGenerator[Event]:
        """Yield the events of a run after a seq, those to come included; it ends only when ``ending`` is set.

        An ``after`` that is no event of the run is one of another log, such as a ledger that was restored since: then
        all events come. Use it with ``contextlib.aclosing``.
        """
        with self._watching(run_id) as watched:
            after = after if await self._is_known(run_id, after) else 0
            while not ending.is_set():
                told = watched.after(after) or await self._ask({run_id: after})
                for event in told:
                    yield event
                    after = event.seq
                if not told:
                    watched.caught_up(after)
                    await self._news(watched, after, ending)

    async def _is_known(self, run_id: str, seq: int) -> bool:
        return seq == 0 or [event.seq for event in await self._ask({run_id: seq - 1})][:1] == [seq]

    async def _ask(self, after: Mapping[str, int]) -> Sequence[Event]:
        # Apart from the threads of other requests, which may all be waiting for something.
        return await anyio.to_thread.run_sync(self._read, after, limiter=self._readers)

    async def _news(self, watched: _Watched, after: int, ending: anyio.Event) -> None:
        """Return when there is something newer than ``after``, or the end has come."""
        self._wanted.set()
        while not ending.is_set() and (watched.head is None or watched.head <= after):
            await _either(watched.changed, ending)

    @contextmanager
    def _watching(self, run_id: str) -> Iterator[_Watched]:
        watched = self._watched.setdefault(run_id, _Watched())
        watched.followers += 1
        try:
            yield watched
        finally:
            watched.followers -= 1
            if not watched.followers:
                del self._watched[run_id]

    async def _poll(self) -> None:
        while True:
            heads = {run_id: each.head for run_id, each in self._watched.items() if each.head is not None}
            if not heads:
                self._wanted = anyio.Event()
                await self._wanted.wait()
                continue
            await anyio.sleep(self._every if await self._look(heads) else FAILED_SECONDS)

    async def _look(self, heads: Mapping[str, int]) -> bool:
        """Read what is new and wake who waits for it; return whether the ledger answered."""
        try:
            events = await anyio.to_thread.run_sync(self._read, heads, limiter=self._poller)
        except Exception:  # a ledger that is away comes back, and nobody else would go on reading
            LOG.exception("events could not be read; trying again")
            return False
        for event in events:
            watched = self._watched.get(event.run_id)
            # A follower may have read further meanwhile.
            if watched is not None and watched.head is not None and event.seq == watched.head + 1:
                watched.saw(event)
        return True


async def _either(first: anyio.Event, second: anyio.Event) -> None:
    """Return when one of two events is set."""
    async with anyio.create_task_group() as tasks:

        async def wait(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        tasks.start_soon(wait, first)
        tasks.start_soon(wait, second)
