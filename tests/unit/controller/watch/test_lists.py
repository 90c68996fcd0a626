"""The full lists by themselves, on virtual time: when they are made, what they open, and what they say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError, UnavailableError
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectList
from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.lists import Lister
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.watch_health import WatchKey
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls, clock, middle, virtual

SOURCES, BUNDLES = "catalogsources", "templatebundles"
TIMINGS = Timings()
AWAY, FORBIDDEN = UnavailableError("GET x: timed out"), ForbiddenError("GET x: HTTP 403")


class World:
    """Lists of what a test says, and the times at which they were made."""

    def __init__(self, *namespaces: str) -> None:
        self.store = Store(namespaces)
        self.visited, self.forgotten, self.newest, self.went_back = Calls(), Calls(), Calls(), Calls()
        self.objects: dict[str, list[dict[str, Any]]] = {SOURCES: [], BUNDLES: []}
        self.version = 100
        self.seconds = 0.0
        self.error: dict[str, Exception] = {}
        self.made: dict[str, list[float]] = {SOURCES: [], BUNDLES: []}
        self.swept: list[float] = []
        self.sweep_fails: Exception | None = None
        self.dispatcher = Dispatcher(
            store=self.store,
            changes=Changes(clock=clock),
            add=self.visited,
            forget=self.forgotten,
            interrupt=Calls(),
            uniform=middle,
            timings=TIMINGS,
        )
        self.lister = Lister(
            self,
            store=self.store,
            dispatcher=self.dispatcher,
            swept=self.sweep,
            timings=TIMINGS,
            listed=self.newest,
            went_back=self.went_back,
        )

    async def list_all(
        self, plural: str, namespace: str | None = None, *, keep: Callable[[Any], Any]
    ) -> ObjectList:
        self.made[plural].append(round(clock() - 1000.0, 3))
        items = [one for one in self.objects[plural] if namespace in {None, one["metadata"]["namespace"]}]
        version = str(self.version)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if plural in self.error:
            raise self.error[plural]
        return ObjectList(items=tuple(map(keep, items)), resource_version=version)

    async def sweep(self) -> None:
        self.swept.append(round(clock() - 1000.0, 3))
        if self.sweep_fails is not None:
            raise self.sweep_fails

    def put(self, name: str, version: int) -> dict[str, Any]:
        obj = a.raw_source(name=name, uid=name, resourceVersion=str(version))
        self.objects[SOURCES].append(obj)
        return obj


@asynccontextmanager
async def listing(world: World) -> AsyncIterator[World]:
    task = asyncio.create_task(world.lister.run())
    await asyncio.sleep(0.01)
    try:
        yield world
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(asyncio.all_tasks()) == 1, "nothing is left but the test"


@virtual
async def test_both_kinds_are_listed_at_once_and_then_every_ten_minutes() -> None:
    async with listing(World()) as world:
        await asyncio.sleep(1300)
        assert world.made == {SOURCES: [0.0, 600.0, 1200.0], BUNDLES: [0.0, 600.0, 1200.0]}


@virtual
async def test_the_first_lists_open_the_gate_and_have_everything_visited_once() -> None:
    world = World()
    world.put("one", 5)
    world.objects[BUNDLES].append(a.raw_bundle(uid="bundle", resourceVersion="6"))
    async with listing(world):
        assert world.store.is_open("team")
        assert sorted(world.visited.made) == [("bundle", 0.0), ("one", 0.5)]
        await asyncio.sleep(700)
        assert len(world.visited.made) == 2


@virtual
async def test_each_namespace_is_listed_for_itself() -> None:
    world = World("team", "other")
    world.put("one", 5)
    async with listing(world):
        assert (world.store.is_open("team"), world.store.is_open("other")) == (True, True)
        assert world.made == {SOURCES: [0.0, 0.0], BUNDLES: [0.0, 0.0]}
        assert len(world.store.sources) == 1


@virtual
async def test_listed_objects_are_of_their_kind_although_a_list_does_not_say_so() -> None:
    world = World()
    obj = world.put("one", 5)
    del obj["apiVersion"], obj["kind"]
    async with listing(world):
        found = world.store.sources.get("one")
        assert found is not None
        assert (found["apiVersion"], found["kind"]) == ("skillmeat.io/v1alpha1", "CatalogSource")


@virtual
async def test_what_a_list_lacks_is_gone() -> None:
    world = World()
    world.put("one", 5)
    world.put("two", 6)
    async with listing(world):
        world.objects[SOURCES].pop()
        world.version = 110
        await asyncio.sleep(600)
        assert (world.store.source_exists("one"), world.store.source_exists("two")) == (True, False)
        assert world.forgotten.made == [("two",)]
        # An event from before the list brings nothing back.
        world.dispatcher.seen(SOURCES, a.raw_source(name="two", uid="two", resourceVersion="109"))
        assert not world.store.source_exists("two")


@virtual
async def test_a_list_tells_the_newest_of_its_objects() -> None:
    world = World()
    for name, version in (("one", 9), ("two", 10), ("three", 8)):
        world.put(name, version)
    async with listing(world):
        told = dict(world.newest.made)
        assert told == {WatchKey(CATALOG_SOURCE, None): 10, WatchKey(TEMPLATE_BUNDLE, None): 0}


@virtual
async def test_who_asks_for_a_list_gets_one_after_a_moment_and_of_that_kind_alone() -> None:
    async with listing(World()) as world:
        await asyncio.sleep(99.99)
        world.lister.ask(WatchKey(CATALOG_SOURCE, None))
        await asyncio.sleep(1)
        world.lister.ask(WatchKey(CATALOG_SOURCE, None))
        await asyncio.sleep(10)
        assert world.made == {SOURCES: [0.0, 102.0], BUNDLES: [0.0]}
        world.lister.ask()
        await asyncio.sleep(10)
        assert world.made == {SOURCES: [0.0, 102.0, 113.0], BUNDLES: [0.0, 113.0]} or all(
            len(times) == 2 + (plural == SOURCES) for plural, times in world.made.items()
        )


@virtual
async def test_who_asks_while_a_list_is_under_way_gets_another() -> None:
    world = World()
    world.seconds = 5.0
    async with listing(world):
        await asyncio.sleep(1)
        world.lister.ask()
        await asyncio.sleep(60)
        assert world.made[SOURCES] == [0.0, 7.0]


@virtual
async def test_a_list_that_fails_is_tried_again_ever_later_and_sooner_where_somebody_asks() -> None:
    world = World()
    world.error[SOURCES] = AWAY
    async with listing(world):
        await asyncio.sleep(30)
        assert world.made[SOURCES][:7] == [0.0, 0.5, 1.25, 2.5, 4.75, 9.0, 14.25]
        assert not world.store.is_open("team")
        assert not world.store.gate.is_set()
        before = len(world.made[SOURCES])
        await asyncio.sleep(1)
        world.lister.ask()
        await asyncio.sleep(0.3)
        assert len(world.made[SOURCES]) == before + 1
        del world.error[SOURCES]
        await asyncio.sleep(6)
        assert world.store.is_open("team")
        listed = len(world.made[SOURCES])
        world.error[SOURCES] = AWAY
        await asyncio.sleep(590)
        world.lister.ask()
        await asyncio.sleep(4)
        pauses = [round(at - world.made[SOURCES][listed], 2) for at in world.made[SOURCES][listed:]]
        assert pauses[:3] == [0.0, 0.5, 1.25], "the delay starts over"


@virtual
async def test_a_kind_that_may_not_be_listed_opens_the_gate_of_the_process_and_none_of_its_namespace() -> (
    None
):
    world = World()
    world.error[BUNDLES] = FORBIDDEN
    async with listing(world):
        assert (world.store.gate.is_set(), world.store.is_open("team")) == (True, False)
        del world.error[BUNDLES]
        await asyncio.sleep(1)
        assert world.store.is_open("team")


@virtual
async def test_a_failure_is_told_once_until_it_is_another_or_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    world = World()

    async def meets(error: KubernetesError | None) -> list[str]:
        caplog.clear()
        if error is None:
            world.error.clear()
        else:
            world.error[SOURCES] = error
        world.lister.ask()
        await asyncio.sleep(20)
        world.lister.ask()
        await asyncio.sleep(20)
        return [one.rpartition(": ")[2] for one in caplog.messages]

    async with listing(world):
        assert await meets(AWAY) == ["timed out"]
        assert await meets(FORBIDDEN) == ["HTTP 403"]
        assert await meets(AWAY) == ["timed out"]
        assert await meets(None) == []
        assert await meets(AWAY) == ["timed out"]


@virtual
async def test_a_defect_leaves_no_kind_unlisted(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.error[SOURCES] = ValueError("a defect")
    async with listing(world):
        await asyncio.sleep(2)
        assert "the list of catalogsources" in caplog.text
        assert not world.store.gate.is_set()
        world.error.clear()
        await asyncio.sleep(6)
        assert world.store.is_open("team")


@virtual
async def test_snapshots_are_swept_after_lists_of_sources_whatever_a_sweep_comes_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.error[BUNDLES] = AWAY
    async with listing(world):
        assert world.swept == [0.0]
        for error in (AWAY, ValueError("a defect"), None):
            world.sweep_fails = error
            await asyncio.sleep(600)
        assert world.swept == [0.0, 600.0, 1200.0, 1800.0]
    told = [one.levelname for one in caplog.records if "not swept" in one.message]
    assert told == ["WARNING", "ERROR"]


@virtual
async def test_bundles_alone_sweep_nothing() -> None:
    world = World()
    world.error[SOURCES] = AWAY
    async with listing(world):
        await asyncio.sleep(100)
        assert world.swept == []


@virtual
async def test_versions_that_go_back_have_everything_listed_and_watched_anew() -> None:
    world = World()
    world.put("one", 90)
    async with listing(world):
        assert world.went_back.made == []
        world.version = 50
        world.objects[SOURCES] = []
        world.put("one", 40)
        world.lister.ask(WatchKey(CATALOG_SOURCE, None))
        await asyncio.sleep(2.01)
        assert world.went_back.made == [()]
        assert world.store.sources.get("one") is not None
        await asyncio.sleep(30)
        # The other kind's versions went back too: that is told for itself, once.
        assert len(world.went_back.made) == 2
        assert [len(times) for times in world.made.values()] == [4, 3] or all(
            len(times) >= 2 for times in world.made.values()
        )
        settled = {plural: len(times) for plural, times in world.made.items()}
        await asyncio.sleep(500)
        assert {plural: len(times) for plural, times in world.made.items()} == settled


@virtual
async def test_what_cannot_be_told_of_a_new_history_is_listed_again() -> None:
    world = World()
    world.put("one", 90)
    async with listing(world):
        world.version, world.seconds = 50, 1.0
        world.objects[SOURCES] = []
        world.put("one", 40)
        await asyncio.sleep(600.5)
        # Nobody knows whether this came before or after what the list shows.
        world.dispatcher.seen(SOURCES, a.raw_source(name="one", uid="one", resourceVersion="91"))
        await asyncio.sleep(1)
        former = len(world.made[SOURCES])
        await asyncio.sleep(60)
        assert len(world.made[SOURCES]) > former
        found = world.store.sources.get("one")
        assert found is not None
        assert found["metadata"]["resourceVersion"] == "40"


@pytest.mark.parametrize(("count", "turns"), [(99, 0), (100, 1), (250, 2)])
@virtual
async def test_a_long_list_lets_others_have_their_turn(count: int, turns: int) -> None:
    world = World()
    for number in range(count):
        world.put(f"s{number}", number + 1)
    seen: set[int] = set()

    async def others() -> None:
        for _ in range(50):
            seen.add(len(world.store.sources))
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    async with listing(world):
        assert task.done()
        assert sorted(seen - {0, count}) == [100 * one for one in range(1, turns + 1) if 100 * one < count]
