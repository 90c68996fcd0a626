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
