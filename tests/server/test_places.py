"""Places: few at once, one of each tenant, in the order of coming."""

from __future__ import annotations

import anyio
import pytest

from server.places import FullError, Places, TakenError


def test_a_tenant_that_has_a_place_or_waits_for_one_gets_no_other() -> None:
    async def story() -> None:
        places = Places(1, patience=0)
        async with places.one_of("acme"):
            with pytest.raises(TakenError):
                await _pass_through(places, "acme")
        await _pass_through(places, "acme")

    anyio.run(story)


def test_others_wait_in_the_order_of_coming_each_once() -> None:
    async def story() -> list[str]:
        places, order = Places(1, patience=30), []

        async def come(tenant: str) -> None:
            async with places.one_of(tenant):
                order.append(tenant)

        async with anyio.create_task_group() as tasks, places.one_of("acme"):
            for tenant in ("globex", "initech", "umbrella"):
                tasks.start_soon(come, tenant)
                await anyio.wait_all_tasks_blocked()
            with pytest.raises(TakenError):
                await come("initech")
            assert order == []
        return order

    assert anyio.run(story) == ["globex", "initech", "umbrella"]


def test_who_waits_for_too_long_goes_and_may_come_again() -> None:
    async def story() -> None:
        places = Places(1, patience=0)
        async with places.one_of("acme"):
            for _ in range(2):
                with pytest.raises(FullError):
                    await _pass_through(places, "globex")
        await _pass_through(places, "globex")

    anyio.run(story)


async def _pass_through(places: Places, tenant: str) -> None:
    async with places.one_of(tenant):
        pass
