"""Places that namespaces share: whoever waits gets one in turns, and none is ever lost."""

from __future__ import annotations

import asyncio
import random

import pytest

from skillmeat_operator.controller.shares import FairPool
from tests.unit.controller.virtual import clock, virtual


@virtual
async def test_one_of_a_small_share_does_not_wait_for_six_hundred_of_a_large_one() -> None:
    pool, ended = FairPool(4), dict[str, float]()

    async def hold(share: str, name: str) -> None:
        async with pool.place(share):
            await asyncio.sleep(1)
        ended[name] = clock() - 1000.0

    tasks = [asyncio.create_task(hold("large", f"l{number}")) for number in range(600)]
    await asyncio.sleep(0.5)
    tasks.append(asyncio.create_task(hold("small", "s")))
    await asyncio.gather(*tasks)
    assert ended["s"] <= 3.0
    assert max(ended.values()) == pytest.approx(601 / 4, abs=1.0)


@pytest.mark.parametrize("seed", range(20))
def test_a_cancelled_one_loses_no_place(seed: int) -> None:
    @virtual
    async def scenario() -> None:
        rng, pool, held = random.Random(seed), FairPool(3), 0

        async def hold(share: str) -> None:
            nonlocal held
            async with pool.place(share):
                held += 1
                assert held <= 3
                try:
                    await asyncio.sleep(rng.random())
                finally:
                    held -= 1

        tasks = [asyncio.create_task(hold(rng.choice("abc"))) for _ in range(60)]
        for task in rng.sample(tasks, 40):
            await asyncio.sleep(rng.random() / 4)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(1), pool.place("a"), pool.place("b"), pool.place("c"):
            pass

    scenario()


@virtual
async def test_one_that_is_cancelled_as_it_gets_its_place_hands_it_on() -> None:
    pool, held = FairPool(1), list[str]()

    async def hold(name: str) -> None:
        async with pool.place(name):
            held.append(name)

    async with pool.place("a"):
        given = asyncio.create_task(hold("b"))
        waits = asyncio.create_task(hold("c"))
        await asyncio.sleep(0)
    # The place has been given, and its holder has not run yet.
    given.cancel()
    async with asyncio.timeout(1):
        await waits
    assert held == ["c"]
    assert given.cancelled() or given.done()


@virtual
async def test_one_that_is_cancelled_while_it_waits_leaves_the_line() -> None:
    pool, held = FairPool(1), list[str]()

    async def hold(share: str, name: str) -> None:
        async with pool.place(share):
            held.append(name)

    async with pool.place("a"):
        tasks = [asyncio.create_task(hold(*one)) for one in (("b", "b1"), ("b", "b2"), ("c", "c1"))]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[2].cancel()
        await asyncio.sleep(0)
        assert not held
    async with asyncio.timeout(1):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert held == ["b2"]
    assert tasks[0].cancelled()
    assert tasks[2].cancelled()
    async with asyncio.timeout(1), pool.place("c"):
        pass
