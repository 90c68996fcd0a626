"""When a run of a watch is begun anew, and when it is left alone; on virtual time, with runs that do as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError, UnavailableError
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
        self.every: list[FakeRun] = []
        """Those of the other kind too."""
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
        self.every.append(run)
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


def seconds(times: list[float]) -> list[float]:
    return [round(at - 1000.0, 3) for at in times]


@virtual
async def test_a_watch_is_compared_as_soon_as_it_opens_and_every_fifteen_seconds_while_it_is_well() -> None:
    async with supervised() as world:
        await asyncio.sleep(40.0)
        assert seconds(world.looks) == [0.0, 0.0, 15.0, 30.0]


@virtual
async def test_a_watch_that_opens_anew_by_itself_is_compared_at_once() -> None:
    async with supervised() as world:
        world.runs[0].open()
        await asyncio.sleep(1.0)
        assert seconds(world.looks) == [0.0, 0.0, 2.0]


@virtual
async def test_a_watch_that_is_away_is_looked_after_each_second() -> None:
    async with supervised() as world:
        await asyncio.sleep(3.0)
        world.runs[0].fail()
        await asyncio.sleep(2.5)
        assert seconds(world.looks) == [0.0, 0.0, 6.0, 7.0]
        world.answer = UnavailableError("GET x: timed out")
        await asyncio.sleep(4.0)
        assert seconds(world.looks)[4:] == [8.0, 9.0, 10.0, 11.0]


@virtual
async def test_an_outage_lasts_from_its_first_look_that_failed() -> None:
    async with supervised() as world:
        world.answer = UnavailableError("GET x: timed out")
        world.runs[0].fail()
        await asyncio.sleep(10.0)
        world.runs[0].open()
        await asyncio.sleep(10.0)
        assert not world.well
        world.answer = "101"
        await asyncio.sleep(5.0)
        assert (len(world.runs), world.well) == (1, True)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ForbiddenError("GET x: HTTP 403"), Cause.RIGHTS),
        (UnavailableError("GET x: HTTP 404", status=404), Cause.KIND),
    ],
)
@virtual
async def test_a_cause_that_lasts_ends_the_run_until_it_is_gone(error: KubernetesError, cause: Cause) -> None:
    async with supervised() as world:
        world.answer = error
        await asyncio.sleep(TIMINGS.watch_look)
        absence = world.health.states[KEY].absence
        assert absence is not None
        assert (absence.cause, len(world.runs), world.runs[0].stopped) == (cause, 1, True)
        await asyncio.sleep(60.0)
        assert len(world.runs) == 1
        world.answer = "100"
        await asyncio.sleep(1.5)
        assert (len(world.runs), world.well) == (2, True)


@virtual
async def test_before_a_kind_can_be_listed_no_run_is_made() -> None:
    world = World()
    world.answer = ForbiddenError("GET x: HTTP 403")
    task = asyncio.create_task(world.supervisor.run())
    await asyncio.sleep(10.5)
    assert (world.runs, seconds(world.looks)) == ([], [float(one) for one in range(11)])
    # Nothing of this has a run to speak of.
    world.supervisor.listed(KEY, 50)
    world.supervisor.begin_anew("of a test")
    world.answer = "100"
    await asyncio.sleep(1.0)
    assert (len(world.runs), world.well) == (1, True)
    await asyncio.sleep(2 * TIMINGS.watch_behind)
    assert len(world.runs) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_a_run_that_listed_has_from_then_on_time_to_open() -> None:
    async with supervised(opens=False) as world:
        await asyncio.sleep(18.3)
        world.runs[0].discovered = world.runs[0].listing = clock()
        world.runs[0].changed.set()
        await asyncio.sleep(TIMINGS.watch_open - 1.0)
        assert len(world.runs) == 1
        await asyncio.sleep(3.0)
        assert len(world.runs) == 2


@virtual
async def test_a_run_that_asks_which_kinds_there_are_has_time_for_that() -> None:
    async with supervised(opens=False) as world:
        await asyncio.sleep(10.0)
        world.runs[0].discovered = clock()
        world.runs[0].changed.set()
        await asyncio.sleep(TIMINGS.watch_begin - 0.2)
        assert len(world.runs) == 1
        await asyncio.sleep(2.0)
        assert len(world.runs) == 2
        assert world.runs[0].stopped


@virtual
async def test_a_run_that_does_not_find_the_kind_says_so() -> None:
    async with supervised(opens=False) as world:
        world.runs[0].discovered = clock()
        world.runs[0].changed.set()
        await asyncio.sleep(2.2)
        absence = world.health.states[KEY].absence
        assert absence is not None
        assert "kopf does not find the kind yet" in absence.sentence


@virtual
async def test_a_run_that_ends_says_why_it_failed_or_that_it_broke_off() -> None:
    async with supervised() as world:
        world.runs[-1].end()
        await asyncio.sleep(0.1)
        assert world.health.states[KEY].absence == BROKEN
        await asyncio.sleep(3.0)
        world.runs[-1].ended = True
        world.runs[-1].changed.set()
        await asyncio.sleep(0.1)
        absence = world.health.states[KEY].absence
        assert absence is not None
        assert "it broke off" in absence.sentence


@virtual
async def test_a_watch_that_was_well_for_a_while_only_is_begun_anew_more_slowly() -> None:
    async with supervised() as world:
        pauses = []
        for well in (TIMINGS.watch_open - 3.0, 20.0, TIMINGS.watch_open + 1.0):
            await asyncio.sleep(well)
            ended = clock()
            world.runs[-1].end()
            await asyncio.sleep(2.0)
            pauses.append(round(world.runs[-1].began - ended, 2))
        assert pauses == [0.25, 0.5, 0.25]


@virtual
async def test_a_version_that_is_the_highest_known_has_not_gone_back() -> None:
    async with supervised() as world:
        world.store.sources.put(a.raw_source(resourceVersion="100"))
        await asyncio.sleep(TIMINGS.watch_look + 1.0)
        assert (len(world.runs), world.asked.made) == (1, [])


@virtual
async def test_a_watch_has_half_a_minute_to_bring_what_a_list_shows() -> None:
    async with supervised() as world:
        world.supervisor.listed(KEY, 50)
        await asyncio.sleep(TIMINGS.watch_behind - 5.0)
        world.runs[0].shown = 50
        world.runs[0].changed.set()
        await asyncio.sleep(60.0)
        assert len(world.runs) == 1, "it brought just that"
        world.supervisor.listed(KEY, 50)
        await asyncio.sleep(60.0)
        assert len(world.runs) == 1, "it had brought it before"
        world.supervisor.listed(KEY, 51)
        await asyncio.sleep(TIMINGS.watch_behind - TIMINGS.watch_look)
        assert len(world.runs) == 1
        await asyncio.sleep(2 * TIMINGS.watch_look)
        assert (len(world.runs), world.runs[0].stopped) == (2, True)
        await asyncio.sleep(3 * TIMINGS.watch_behind)
        assert len(world.runs) == 2, "the next run is not held to what the former one lacked"


@virtual
async def test_a_watch_that_is_not_open_yet_is_held_to_no_list() -> None:
    async with supervised(opens=False) as world:
        world.supervisor.listed(KEY, 50)
        world.runs[0].open()
        await asyncio.sleep(2 * TIMINGS.watch_behind)
        assert (len(world.runs), world.well) == (1, True)


@virtual
async def test_every_watch_is_begun_anew_at_once_where_that_is_asked_and_says_why() -> None:
    async with supervised() as world:
        world.supervisor.begin_anew("of a test")
        await asyncio.sleep(0.1)
        assert world.runs[0].stopped
        assert (world.health.problem() or "").count("begun anew: of a test") == 2, "both kinds"
        await asyncio.sleep(0.4)
        assert (len(world.runs), world.well) == (2, True)
        await asyncio.sleep(60.0)
        assert len(world.runs) == 2


@virtual
async def test_a_run_that_fails_is_away_with_its_reason_until_it_opens_again() -> None:
    async with supervised() as world:
        world.runs[0].fail()
        await asyncio.sleep(0.1)
        assert world.health.states[KEY].absence == BROKEN
        world.runs[0].open()
        await asyncio.sleep(0.1)
        assert (len(world.runs), world.well) == (1, True)


@pytest.mark.parametrize(("ends_after", "taken"), [(0.4, 0.4), (60.0, 1.0)])
@virtual
async def test_who_stops_waits_a_second_at_most_for_the_end_of_a_run(ends_after: float, taken: float) -> None:
    world = World()
    task = asyncio.create_task(world.supervisor.run())
    await asyncio.sleep(2.0)

    began = clock()
    task.cancel()
    for run in world.every:
        asyncio.get_running_loop().call_later(ends_after, run.end)
    await asyncio.gather(task, return_exceptions=True)
    assert clock() - began == pytest.approx(taken)


@virtual
async def test_changes_in_between_put_off_no_look() -> None:
    async with supervised() as world:
        await asyncio.sleep(12.5)
        world.runs[0].changed.set()
        await asyncio.sleep(0.6)
        assert seconds(world.looks) == [0.0, 0.0, 15.0]
