"""When a run of a watch is begun anew, and when it is left alone; on virtual time, with runs that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError, UnavailableError
from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.supervision import Supervisor, watch_keys
from skillmeat_operator.controller.watch.watch_health import Absence, Cause, WatchHealth, WatchKey
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls, clock, virtual

TIMINGS = Timings()
BROKEN = Absence(Cause.SERVER, "it is broken")
KEY = WatchKey(CATALOG_SOURCE, None)


class FakeRun:
    """A run that a test moves on."""

    def __init__(self, opens: bool) -> None:
        self.changed = asyncio.Event()
        self.began = clock()
        self.discovered: float | None = None
        self.listing: float | None = None
        self.opened: float | None = None
        self.failing: Absence | None = None
        self.failing_since = 0.0
        self.ended = False
        self.shown = 0
        self.stopped = False
        self._opens = opens

    @property
    def is_open(self) -> bool:
        return self.opened is not None and self.failing is None and not self.ended

    def begin(self) -> None:
        if self._opens:
            self.open()

    def open(self) -> None:
        self.discovered = self.listing = self.opened = clock()
        self.failing = None
        self.changed.set()

    def fail(self) -> None:
        self.failing, self.failing_since = BROKEN, clock()
        self.changed.set()

    def end(self) -> None:
        self.ended = True
        self.fail()

    def stop(self) -> None:
        self.stopped = True


class World:
    """A supervisor of the watches of CatalogSources; the other kind's runs are left out."""

    def __init__(self, *, opens: bool = True) -> None:
        self.opens = opens
        self.store = Store()
        self.health = WatchHealth(watch_keys(self.store), clock=clock)
        self.answer: str | KubernetesError = "100"
        self.runs: list[FakeRun] = []
        self.asked = Calls()
        self.looks: list[float] = []
        self.supervisor = Supervisor(
            store=self.store,
            health=self.health,
            client=self,
            new_run=self._new,
            ask_list=self.asked,
            clock=clock,
            timings=TIMINGS,
        )

    def _new(self, key: WatchKey) -> FakeRun:
        run = FakeRun(self.opens)
        if key == KEY:
            self.runs.append(run)
        return run

    async def newest_version(
        self, plural: str, namespace: str | None = None, *, within: float | None = None
    ) -> str:
        if plural == CATALOG_SOURCE.plural:
            self.looks.append(clock())
        if isinstance(self.answer, KubernetesError):
            raise self.answer
        return self.answer

    @property
    def well(self) -> bool:
        return self.health.states[KEY].absence is None


@asynccontextmanager
async def supervised(*, opens: bool = True) -> AsyncIterator[World]:
    world = World(opens=opens)
    task = asyncio.create_task(world.supervisor.run())
    await asyncio.sleep(2.0)
    try:
        yield world
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert all(run.stopped for run in world.runs), "whoever is told to stop leaves no run behind"


@virtual
async def test_a_watch_that_is_well_is_left_alone_and_seldom_looked_at() -> None:
    async with supervised() as world:
        looks = len(world.looks)
        await asyncio.sleep(600.0)
        assert (len(world.runs), world.well) == (1, True)
        assert len(world.looks) - looks <= 600 / TIMINGS.watch_look + 1


@virtual
async def test_a_watch_that_ends_again_and_again_is_begun_anew_ever_more_slowly() -> None:
    async with supervised() as world:
        pauses = []
        for _ in range(8):
            ended = clock()
            world.runs[-1].end()
            await asyncio.sleep(6.0)
            pauses.append(round(world.runs[-1].began - ended, 2))
        assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
        await asyncio.sleep(60.0)
        world.runs[-1].end()
        await asyncio.sleep(0.5)
        assert world.runs[-1].began > clock() - 0.5, "one that was well for long is begun at once"


@virtual
async def test_a_connection_that_an_outage_left_half_open_is_not_trusted() -> None:
    async with supervised() as world:
        world.answer = UnavailableError("GET x: timed out")
        await asyncio.sleep(20.0)
        assert (len(world.runs), world.well) == (1, False)
        world.answer = "101"
        await asyncio.sleep(2.0)
        assert (len(world.runs), world.well) == (2, True)


@virtual
async def test_a_watch_that_opened_again_by_itself_after_an_outage_goes_on() -> None:
    async with supervised() as world:
        world.answer = UnavailableError("GET x: timed out")
        world.runs[0].fail()
        await asyncio.sleep(20.0)
        world.answer = "101"
        world.runs[0].open()
        await asyncio.sleep(5.0)
        assert (len(world.runs), world.well) == (1, True)


@virtual
async def test_a_watch_that_fails_although_the_server_answers_is_begun_anew() -> None:
    async with supervised() as world:
        world.runs[0].fail()
        await asyncio.sleep(TIMINGS.watch_trouble - 1.0)
        assert (len(world.runs), world.well) == (1, False)
        await asyncio.sleep(3.0)
        assert (len(world.runs), world.well) == (2, True)


@virtual
async def test_a_run_that_never_gets_to_watch_is_begun_anew() -> None:
    async with supervised(opens=False) as world:
        assert "not watched yet" in (world.health.problem() or "")
        await asyncio.sleep(TIMINGS.watch_open + 2.0)
        assert len(world.runs) == 2
        world.opens = True
        world.runs[-1].discovered = clock()
        world.runs[-1].changed.set()
        await asyncio.sleep(TIMINGS.watch_begin + 2.0)
        assert (len(world.runs), world.well) == (3, True), (
            "sooner where kopf knows the kinds and ours is none"
        )


@virtual
async def test_versions_that_went_back_begin_the_watch_anew_and_ask_for_lists() -> None:
    async with supervised() as world:
        world.store.sources.put(a.raw_source(resourceVersion="990"))
        world.answer = "905"
        await asyncio.sleep(TIMINGS.watch_look + 1.0)
        assert len(world.runs) >= 2
        assert world.asked.made


@virtual
async def test_a_watch_behind_a_list_is_begun_anew_and_one_that_catches_up_is_not() -> None:
    async with supervised() as world:
        world.supervisor.listed(KEY, 50)
        world.runs[0].shown = 50
        await asyncio.sleep(2 * TIMINGS.watch_behind)
        assert len(world.runs) == 1
        world.supervisor.listed(KEY, 60)
        await asyncio.sleep(TIMINGS.watch_behind + TIMINGS.watch_look + 1.0)
        assert len(world.runs) == 2


@virtual
async def test_a_defect_in_making_a_run_ends_no_supervision() -> None:
    world = World()
    made = world._new
    fails = 3

    def new(key: WatchKey) -> FakeRun:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise ValueError("a defect")
        return made(key)

    supervisor = Supervisor(
        store=world.store,
        health=world.health,
        client=world,
        new_run=new,
        ask_list=world.asked,
        clock=clock,
        timings=TIMINGS,
    )
    task = asyncio.create_task(supervisor.run())
    await asyncio.sleep(10.0)
    assert world.health.problem() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
