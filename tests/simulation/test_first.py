"""The world itself: it syncs, it is idle, and a seed replays exactly."""

from __future__ import annotations

import asyncio

from tests.simulation.loop import run
from tests.simulation.world import World, clock


def test_a_source_is_synced_verified_and_then_left_alone() -> None:
    async def scenario() -> None:
        world = World(seed=1)
        server = world.skillmeat()
        for number in range(5):
            server.add(f"t{number}")
        async with world.alive():
            world.source()
            await world.ready()
            assert world.shown() == {f"t{number}" for number in range(5)}
            assert world.condition() == ("True", "Succeeded")
            await asyncio.sleep(60)
            since = clock()
            portal_writes = len(world.portal.writes)
            await asyncio.sleep(3600)
            assert world.operator_writes(since) == []
            assert len(world.portal.writes) == portal_writes

    run(scenario())
