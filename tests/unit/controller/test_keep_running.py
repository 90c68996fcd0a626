"""A part that ends is begun anew; only being told to stop ends it."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from skillmeat_operator.controller.keep_running import keep_running
from tests.unit.controller.virtual import clock, virtual


@virtual
async def test_a_part_that_fails_or_ends_is_begun_anew_with_a_growing_pause() -> None:
    begun: list[float] = []

    async def part() -> None:
        begun.append(clock())
        if len(begun) % 2:
            raise ValueError("a defect")

    task = asyncio.create_task(keep_running("part", part))
    await asyncio.sleep(200.0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    pauses = [round(after - before) for before, after in itertools.pairwise(begun)]
    assert pauses[:6] == [1, 2, 4, 8, 16, 30]
    assert set(pauses[6:]) == {30}


async def test_why_it_ended_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    done = asyncio.Event()

    async def part() -> None:
        raise ValueError("a defect")

    async def sleep(_: float) -> None:
        done.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(keep_running("work", part, sleep=sleep))
    await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.messages == ["work failed and is begun anew"]
