"""Places for dry runs: a few at once, and one of each tenant. Whoever waits for a place holds no thread."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


AT_ONCE = 2
"""Dry runs at the same time: each is a process that reads evidence."""

PATIENCE_SECONDS = 5


class TakenError(Exception):
    """The tenant has its place already, or waits for one."""


class FullError(Exception):
    """Others had all places for too long."""


class Places:
    """Places for whatever is done within ``one_of``; for the event loop of one server."""

    def __init__(self, most: int = AT_ONCE, *, patience: float = PATIENCE_SECONDS) -> None:
        """Have ``most`` places; wait ``patience`` seconds for one of them."""
        self._free = anyio.Semaphore(most)
        self._patience = patience
        self._tenants: set[str] = set()

    @asynccontextmanager
    async def one_of(self, tenant: str) -> AsyncIterator[None]:
        """Hold a tenant's place, in the order of coming.

        Raises:
            TakenError: The tenant is here already.
            FullError: Others had all places for too long.
        """
        if tenant in self._tenants:
            raise TakenError
        self._tenants.add(tenant)
        try:
            await self._wait()
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._tenants.discard(tenant)

    async def _wait(self) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(self._patience) as waited:
                await self._free.acquire()
            if waited.cancelled_caught:
                raise FullError from None
