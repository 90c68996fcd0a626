"""What a server says of its templates arrives, whatever its clock and the order of its words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.simulation import loop
from tests.simulation.world import World


def scenario(test: Callable[[World], Awaitable[None]]) -> Callable[[], None]:
    """Run a scenario in a world of its own."""

    def run() -> None:
        async def alive() -> None:
            world = World(seed=7)
            async with world.alive():
                await test(world)

        loop.run(alive())

    return run


def fields(world: World, name: str = "t0") -> list[str]:
    """Fields of a template's form, as the portal shows them."""
    return list(world.portal.shown[f"template:skillmeat/{name}"].entity["spec"]["parameters"]["properties"])


@scenario
async def test_fields_of_a_form_that_are_reordered_upstream_arrive_and_stay(world: World) -> None:
    server = world.skillmeat()
    bundle = server.add("t0", fields=("name", "owner"))
    world.source(interval="30s")
    await world.ready()
    assert fields(world) == ["name", "owner"]
    server.changed(bundle, fields=("owner", "name"))
    await world.until(lambda: fields(world) == ["owner", "name"], within=60)
    await world.ready()
    server.refuses = True
    await world.restart()
    await asyncio.sleep(120)
    assert fields(world) == ["owner", "name"], "from what is stored, too"


@pytest.mark.parametrize("restarted", [False, True], ids=["at-work", "restarted"])
@pytest.mark.parametrize("first", [True, False], ids=["from-the-first-reading", "together-with-a-change"])
def test_a_clock_that_was_wrong_freezes_nothing(*, first: bool, restarted: bool) -> None:
    async def run(world: World) -> None:
        server = world.skillmeat()
        bundle = server.add("t0")
        ahead = timedelta(days=27_000)
        server.skew = ahead if first else timedelta(0)
        world.source(interval="30s")
        await world.ready()
        server.skew = ahead
        server.changed(bundle, description="While the clock is wrong.")
        await world.until(lambda: description(world) == "While the clock is wrong.", within=75)
        if restarted:
            await world.restart()
        server.skew = timedelta(0)
        server.changed(bundle, title="New title", description="While it is right.")
        await world.until(lambda: description(world) == "While it is right.", within=75)
        await world.ready()

    scenario(run)()


def description(world: World, name: str = "t0") -> str:
    return str(world.portal.shown[f"template:skillmeat/{name}"].entity["metadata"]["description"])


@pytest.mark.parametrize("names", [True, False], ids=["named", "not-named"])
@pytest.mark.parametrize("shown", [100, 0], ids=["of-many", "alone"])
def test_templates_that_the_portal_refuses_for_a_reason_of_its_own_hold_up_no_others(
    *, names: bool, shown: int
) -> None:
    async def run(world: World) -> None:
        world.portal.names_refused = names
        bad = {f"template:skillmeat/bad{number}" for number in range(2)}
        world.portal.refused_refs.update(bad)
        for name in (*(f"t{number}" for number in range(shown)), "bad0", "bad1"):
            world.skillmeat().add(name)
        world.source(interval="30s")
        await world.until(lambda: world.condition()[1] == "SucceededWithProblems", within=300)
        await asyncio.sleep(120)
        status = world.get()["status"]
        assert world.condition()[:2] == ("True", "SucceededWithProblems")
        assert {one["entityRef"]: one["reason"] for one in status["problems"]} == dict.fromkeys(
            bad, "SchemaRefused"
        )
        assert status["entities"]["missing"] == 2

    scenario(run)()
