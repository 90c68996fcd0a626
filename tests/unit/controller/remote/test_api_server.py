"""The API server's addresses are looked up again and again, and nobody waits for that."""

from __future__ import annotations

import asyncio

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.egress import REMEMBER, Egress, EgressPolicy
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.api_server import AGAIN, KEPT, MOST_ADVERTISED, ApiServer

FIRST, SECOND, INSTANCE = "203.0.113.1", "203.0.113.2", "203.0.113.20"


class World:
    """Names that resolve or not, and an API server that tells its instances or not."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.names: dict[str, list[str]] = {}
        self.instances: list[tuple[str, int]] | None = None
        self.hangs = False
        self.server = ApiServer(
            "https://api.example:6443",
            resolver=self.resolve,
            advertised=self.advertised,
            clock=lambda: self.now,
        )
        self.egress = Egress(
            EgressPolicy.of_flags(allowed_hosts=["*"], cluster_wide=True),
            clock=lambda: self.now,
            resolver=self.resolve,
            api_server=self.server.endpoints,
        )

    async def resolve(self, name: str, port: int) -> list[str]:
        if self.hangs and name == "api.example":
            await asyncio.sleep(3600)
        if name not in self.names:
            raise OSError("no such name")
        return self.names[name]

    async def advertised(self) -> list[tuple[str, int]]:
        if self.instances is None:
            raise RuntimeError("away")
        return self.instances

    async def known(self) -> set[tuple[str, int]]:
        return {(str(address), port) for address, port in await self.server.endpoints()}

    async def refuses(self, name: str, port: int = 6443) -> bool:
        try:
            await self.egress.addresses(Host(name=name, port=port))
        except CallError as error:
            return error.problem is CallProblem.EGRESS_REFUSED
        return False


async def test_a_look_up_that_failed_once_is_made_again() -> None:
    world = World()
    world.names["sly.example"] = [FIRST]
    assert not await world.refuses("sly.example"), "nobody can tell yet"
    world.names["api.example"] = [FIRST]
    world.now += max(AGAIN, REMEMBER)
    assert await world.refuses("sly.example")
    assert not await world.refuses("sly.example", port=443)


async def test_another_address_counts_after_a_while_and_a_failed_look_changes_nothing() -> None:
    world = World()
    world.instances = []
    world.names["api.example"] = [FIRST]
    assert await world.known() == {(FIRST, 6443)}
    world.names["api.example"] = [SECOND]
    assert await world.known() == {(FIRST, 6443)}
    world.now += KEPT
    assert await world.known() == {(SECOND, 6443)}
    del world.names["api.example"]
    world.now += KEPT
    assert await world.known() == {(SECOND, 6443)}


async def test_instances_behind_the_name_are_kept_as_each_tells_of_itself() -> None:
    world = World()
    world.names = {"api.example": [FIRST], "sly.example": [INSTANCE]}
    world.instances = [(INSTANCE, 6443)]
    assert await world.refuses("sly.example")
    world.instances = [(SECOND, 6444)]
    world.now += KEPT
    assert await world.known() == {(FIRST, 6443), (INSTANCE, 6443), (SECOND, 6444)}
    for number in range(MOST_ADVERTISED + 5):
        world.instances = [(f"198.51.100.{number}", 6443)]
        world.now += KEPT
        await world.known()
    assert len(await world.known()) == MOST_ADVERTISED + 1


async def test_a_name_server_that_hangs_holds_up_nobody() -> None:
    world = World()
    world.hangs = True
    world.names["skillmeat.example"] = [SECOND]
    world.instances = [(INSTANCE, 6443)]
    began = asyncio.get_running_loop().time()
    assert not await world.refuses("skillmeat.example")
    assert asyncio.get_running_loop().time() - began < 3
