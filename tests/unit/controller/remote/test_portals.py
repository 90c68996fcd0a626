"""One reading of a portal for all who use it with the same credential."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from skillmeat_operator.controller.remote.portals import Portals
from skillmeat_operator.domain.observation import CatalogEntity, PortalView
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import Calls, Server, clock, failure, virtual

VIEW = PortalView(entities={}, locations={}, reads_entities=True, began_at=0.0)


@dataclass
class Client:
    """As much of a portal's client as is used."""

    view: Any


@dataclass
class Connection:
    """A connection with one portal and credential."""

    client: Client
    key: tuple[str, str] = ("http://portal.example", "token")


def highest(low: float, high: float) -> float:
    return high


class World:
    """Portals over one server."""

    def __init__(self) -> None:
        self.server, self.told = Server(answer=VIEW), Calls()
        self.portals = Portals(notify=self.told, clock=clock, uniform=highest, timings=Timings())

    async def view(
        self, uid: str, *, key: tuple[str, str] | None = None, not_before: float | None = None
    ) -> Any:
        connection: Any = Connection(Client(self.server.read))
        if key is not None:
            connection.key = key
        return await self.portals.view(
            uid, connection, not_before=clock() if not_before is None else not_before
        )


@virtual
async def test_a_reading_is_shared_by_portal_and_credential() -> None:
    world = World()
    world.server.seconds = 1.0
    readings = await asyncio.gather(*(world.view(f"s{number}") for number in range(20)))
    assert len({id(one) for one in readings}) == 1
    await world.view("other", key=("http://portal.example", "another"))
    assert len(world.server.began) == 2


@virtual
async def test_all_are_told_when_the_portal_is_back() -> None:
    world = World()
    world.server.answer = failure()
    await asyncio.gather(world.view("a"), world.view("b"), world.view("c"))
    world.server.answer = VIEW
    await asyncio.sleep(1)
    await world.view("a")
    assert sorted(world.told.made) == [("b", 0.0), ("c", 0.0)]
    await asyncio.sleep(1)
    await world.view("b")
    assert len(world.told.made) == 2


@virtual
async def test_the_delay_doubles_with_every_failed_reading_and_not_with_every_user() -> None:
    world = World()
    assert world.portals.retry_delay("a") == 5.0
    world.server.answer = failure()
    delays = []
    for _ in range(4):
        await asyncio.gather(*(world.view(uid) for uid in ("a", "b", "c")))
        delays.append(world.portals.retry_delay("a"))
        await asyncio.sleep(1)
    assert delays == [5.0, 10.0, 20.0, 40.0]
    world.server.answer = VIEW
    await world.view("a")
    assert world.portals.retry_delay("a") == 5.0


@virtual
async def test_retry_after_is_honoured() -> None:
    world = World()
    world.server.answer = failure(retry_after=60.0)
    first = await world.view("a")
    assert world.portals.retry_delay("a") == 60.0
    await asyncio.sleep(59)
    assert await world.view("b") is first
    assert world.portals.retry_delay("a") == pytest.approx(5.0)
    world.server.answer = VIEW
    await asyncio.sleep(1)
    assert (await world.view("a")).failure is None


@virtual
async def test_who_left_is_not_told_and_the_last_takes_the_portal_along() -> None:
    world = World()
    world.server.answer = failure()
    await world.view("a")
    await world.view("b")
    world.portals.leave("b")
    world.portals.leave("b")
    world.server.answer = VIEW
    await asyncio.sleep(1)
    await world.view("a")
    assert world.told.made == []
    world.portals.leave("a")
    began = len(world.server.began)
    await world.view("a", not_before=0.0)
    assert len(world.server.began) == began + 1


@virtual
async def test_another_credential_is_another_portal() -> None:
    world = World()
    await world.view("a")
    await world.view("a", key=("http://portal.example", "rotated"), not_before=0.0)
    assert len(world.server.began) == 2


def showing(**hashes: str) -> PortalView:
    """A view in which each CatalogSource (UID) has one entity with this content."""
    entities = {
        f"template:skillmeat/{uid}": CatalogEntity(
            ref=f"template:skillmeat/{uid}",
            uid=uid,
            content_hash=digest,
            managed_by=f"cluster/{uid}",
            origin=None,
        )
        for uid, digest in hashes.items()
    }
    return PortalView(entities=entities, locations={}, reads_entities=True, began_at=0.0)


@virtual
async def test_those_of_whom_something_new_is_shown_are_told() -> None:
    world = World()
    world.server.answer = showing(a="1", b="1", c="1")
    for uid in ("a", "b", "c", "d"):
        await world.view(uid, not_before=0.0)
    assert world.told.made == [], "the first view shows nothing new"
    assert world.portals.progressed("b") == 1000.0
    await asyncio.sleep(5)
    await world.view("a")
    assert (world.told.made, world.portals.progressed("b")) == ([], 1000.0)
    world.server.answer = showing(a="2", b="2", d="1")
    await asyncio.sleep(5)
    await world.view("a")
    assert sorted(world.told.first) == ["b", "c", "d"]
    assert (world.portals.progressed("c"), world.portals.progressed("nobody")) == (1010.0, 0.0)
