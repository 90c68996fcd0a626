"""The shared poller: one read per interval for all, polite to a server that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from skillmeat_operator.controller.remote.poller import JITTER, Pollers, PollKey
from skillmeat_operator.domain.failure import FailureKind
from skillmeat_operator.domain.observation import TemplateList
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import Calls, Server, clock, failure, middle, virtual

KEY = PollKey(url="http://skillmeat.example", platform=None, credentials=("c",))
OTHER = PollKey(url="http://skillmeat.example", platform=None, credentials=("d",))


def listing(digest: str = "one") -> TemplateList:
    return TemplateList(elements=(), digest=digest)


def highest(low: float, high: float) -> float:
    return high


@dataclass
class World:
    """Pollers and the server they read."""

    uniform: Callable[[float, float], float] = middle
    server: Server = field(default_factory=lambda: Server(answer=listing()))
    told: Calls = field(default_factory=Calls)
    pollers: Pollers = field(init=False)

    def __post_init__(self) -> None:
        self.pollers = Pollers(notify=self.told, clock=clock, uniform=self.uniform, timings=Timings())

    def subscribe(self, *uids: str, interval: float = 60.0, key: PollKey = KEY) -> None:
        for uid in uids:
            self.pollers.subscribe(uid, key, interval=interval, read=self.server.read)

    async def first_read(
        self, uid: str, answer: object, *, interval: float = 3600.0, key: PollKey = KEY
    ) -> None:
        """Subscribe one, and have its first reading answered so."""
        self.server.answer = answer
        self.subscribe(uid, interval=interval, key=key)
        await self.read(uid)

    async def read(self, uid: str = "a", **more: Any) -> Any:
        return await self.pollers.read(uid, not_before=more.get("not_before", clock()))

    @property
    def times(self) -> list[float]:
        """Seconds at which readings began."""
        return [began - 1000.0 for began in self.server.began]


@virtual
async def test_many_subscribers_share_one_read_per_interval() -> None:
    world = World()
    world.subscribe(*(f"s{number}" for number in range(50)))
    await asyncio.gather(*(world.read(f"s{number}") for number in range(50)))
    await asyncio.sleep(185)
    assert world.times == [0, 60, 120, 180]
    await world.pollers.stop()


@virtual
async def test_all_but_the_asker_are_told_of_a_change() -> None:
    world = World()
    world.subscribe("a", "b", "c")
    await world.read("a")
    assert sorted(world.told.made) == [("b", 0.0), ("c", 0.0)]
    world.told.clear()
    world.server.answer = listing("two")
    await asyncio.sleep(61)
    assert sorted(world.told.made) == [("a", 0.0), ("b", 0.0), ("c", 0.0)]
    await world.pollers.stop()


@virtual
async def test_visits_after_an_unchanged_reading_are_spread_over_a_tenth_of_the_interval() -> None:
    world = World(uniform=highest)
    world.subscribe("a", "b", interval=100.0)
    await world.read("a")
    world.told.clear()
    await asyncio.sleep(111)
    assert sorted(world.told.made) == [("a", JITTER * 100), ("b", JITTER * 100)]
    await world.pollers.stop()


@pytest.mark.parametrize(
    ("uniform", "second"),
    [(lambda low, high: low, 54.0), (middle, 60.0), (highest, 66.0)],
    ids=["earliest", "middle", "latest"],
)
@virtual
async def test_the_cadence_is_jittered_by_a_tenth(
    uniform: Callable[[float, float], float], second: float
) -> None:
    world = World(uniform=uniform)
    world.subscribe("a")
    await world.read()
    await asyncio.sleep(67)
    assert world.times == pytest.approx([0, second])
    await world.pollers.stop()


@virtual
async def test_the_shortest_interval_counts_while_its_subscriber_stays() -> None:
    world = World()
    world.subscribe("slow", interval=300.0)
    await world.read("slow")
    await asyncio.sleep(10)
    world.subscribe("quick", interval=30.0)
    await asyncio.sleep(100)
    assert world.times == [0, 40, 70, 100]
    world.pollers.unsubscribe("quick")
    await asyncio.sleep(600)
    assert world.times == [0, 40, 70, 100, 130, 430]
    await world.pollers.stop()


@virtual
async def test_without_subscribers_nothing_is_read() -> None:
    world = World()
    world.subscribe("a")
    world.subscribe("b")
    world.pollers.unsubscribe("a")
    world.pollers.unsubscribe("b")
    world.pollers.unsubscribe("b")
    await asyncio.sleep(1000)
    assert world.times == []
    assert world.pollers.latest("a") is None
    assert world.pollers.retry_delay("a") == 0.0
    with pytest.raises(RuntimeError):
        await world.read("a")


@virtual
async def test_another_credential_is_another_poller() -> None:
    world = World()
    world.subscribe("a")
    await world.read("a")
    world.subscribe("a", key=OTHER)
    assert world.pollers.latest("a") is None
    await world.read("a")
    await asyncio.sleep(59)
    assert len(world.times) == 2, "the former poller ended with its last subscriber"
    await world.pollers.stop()


@virtual
async def test_failures_back_off_and_a_success_returns_to_the_cadence() -> None:
    world = World(uniform=highest)
    world.server.answer = failure()
    world.subscribe("a", "b", interval=3600.0)
    await world.read("a")
    await asyncio.sleep(80)
    assert world.times == [0, 5, 15, 35, 75]
    assert world.pollers.retry_delay("b") == 75
    world.server.answer = listing()
    world.told.clear()
    await asyncio.sleep(80)
    assert world.times == [0, 5, 15, 35, 75, 155]
    assert sorted(world.told.made) == [("a", 0.0), ("b", 0.0)], "all are told that the server is back"
    assert world.pollers.retry_delay("a") == pytest.approx(3960 - 5)
    await world.pollers.stop()


@virtual
async def test_a_failure_is_told_at_once_and_its_repetitions_are_spread() -> None:
    world = World(uniform=highest)
    world.subscribe("a", interval=60.0)
    await world.read("a")
    world.server.answer = failure()
    await asyncio.sleep(67)
    assert world.told.made == [("a", 0.0)]
    await asyncio.sleep(5)
    assert world.told.made[1:] == [("a", 6.0)]
    world.server.answer = failure(FailureKind.CREDENTIAL)
    await asyncio.sleep(10)
    assert world.told.made[2:] == [("a", 0.0)]
    await world.pollers.stop()


@pytest.mark.parametrize("kind", [FailureKind.CREDENTIAL, FailureKind.CONFIGURATION])
@virtual
async def test_what_waiting_does_not_help_against_is_read_at_the_interval(kind: FailureKind) -> None:
    world = World()
    world.server.answer = failure(kind)
    world.subscribe("a")
    await world.read("a")
    await asyncio.sleep(125)
    assert world.times == [0, 60, 120]
    await world.pollers.stop()


@virtual
async def test_retry_after_is_honoured_also_when_somebody_asks() -> None:
    world = World(uniform=highest)
    world.server.answer = failure(retry_after=100.0)
    world.subscribe("a", "b", interval=10.0)
    first = await world.read("a")
    await asyncio.sleep(50)
    assert await world.read("b") is first
    await asyncio.sleep(49)
    assert world.times == [0]
    world.server.answer = listing()
    await asyncio.sleep(2)
    assert world.times == [0, 100]
    await world.pollers.stop()


REFUSED = failure(whole_server=True)
ELSEWHERE = PollKey(url="http://another.example/skillmeat", platform=None, credentials=("c",))


@virtual
async def test_twenty_pollers_try_a_server_that_is_away_like_a_few() -> None:
    world = World(uniform=Random(1).uniform)
    for number in range(20):
        key = PollKey(url=KEY.url, platform=None, credentials=(str(number),))
        await world.first_read(f"s{number}", REFUSED, interval=10.0, key=key)
    world.server.began.clear()
    await asyncio.sleep(1000)
    # Each by itself would try some ten times.
    assert 5 <= len(world.times) <= 20
    await world.pollers.stop()


@virtual
async def test_who_is_due_while_the_server_is_away_waits_and_is_the_next_to_try() -> None:
    world = World(uniform=highest)
    await world.first_read("well", listing(), interval=60.0, key=OTHER)
    await world.first_read("new", REFUSED, interval=60.0)
    await asyncio.sleep(77)
    assert world.times == [0, 0, 6, 17, 38], "the other one was due at 66"
    await asyncio.sleep(70)
    assert world.times[5:] == [78.5], "and tries as soon as the server is not left alone any more"
    await world.pollers.stop()


@virtual
async def test_once_one_is_answered_the_others_try_within_a_second() -> None:
    world = World(uniform=highest)
    await world.first_read("a", REFUSED)
    await world.first_read("b", REFUSED, key=OTHER)
    await asyncio.sleep(300)
    world.server.began.clear()
    world.server.answer = listing()
    await world.read("a")
    asked = clock()
    await asyncio.sleep(2)
    assert world.server.began == [asked, asked + 1.0]
    await world.pollers.stop()


@virtual
async def test_another_server_is_not_concerned() -> None:
    world = World(uniform=highest)
    await world.first_read("a", REFUSED)
    await world.first_read("b", listing(), interval=10.0, key=ELSEWHERE)
    await asyncio.sleep(1)
    assert world.pollers.retry_delay("b") == 10.0
    assert world.pollers.retry_delay("a") == pytest.approx(5.0)
    await world.pollers.stop()


@pytest.mark.parametrize("kind", [FailureKind.CREDENTIAL, FailureKind.CONFIGURATION, FailureKind.TRANSIENT])
@virtual
async def test_another_failure_does_not_say_that_the_server_is_back(kind: FailureKind) -> None:
    """It may be a refusal of ours: a host that is not allowed, a token that is none."""
    world = World(uniform=highest)
    await world.first_read("a", REFUSED)
    await world.first_read("b", failure(kind), key=OTHER)
    await asyncio.sleep(1)
    assert world.pollers.retry_delay("a") == pytest.approx(5.0)
    await world.pollers.stop()


@virtual
async def test_what_a_server_asked_for_outlives_a_change_of_the_credential() -> None:
    world = World(uniform=highest)
    await world.first_read("a", failure(retry_after=100.0, whole_server=True), interval=10.0)
    world.subscribe("a", interval=10.0, key=OTHER)
    await asyncio.sleep(99)
    assert world.times == [0]
    await asyncio.sleep(3)
    assert len(world.times) == 2
    await world.pollers.stop()


@virtual
async def test_an_answer_to_another_does_not_shorten_what_the_server_asked_for() -> None:
    world = World(uniform=highest)
    await world.first_read("well", listing(), key=OTHER)
    await world.first_read("a", failure(retry_after=100.0, whole_server=True), interval=10.0)
    world.server.answer = listing()
    await world.read("well")
    world.server.began.clear()
    await asyncio.sleep(99)
    assert world.times == []
    await asyncio.sleep(3)
    assert len(world.times) == 1
    await world.pollers.stop()


@virtual
async def test_a_request_during_backoff_reads_at_once() -> None:
    world = World(uniform=highest)
    world.server.answer = failure()
    world.subscribe("a", interval=3600.0)
    await world.read()
    await asyncio.sleep(2)
    await world.read()
    assert world.times == [0, 2]
    await asyncio.sleep(9)
    assert world.times == [0, 2], "the second failure doubled the delay"
    await asyncio.sleep(2)
    assert world.times == [0, 2, 12]
    await world.pollers.stop()


@virtual
async def test_a_reading_made_on_request_moves_the_next_poll() -> None:
    world = World()
    world.subscribe("a")
    await world.read()
    await asyncio.sleep(50)
    await world.read()
    await asyncio.sleep(65)
    assert world.times == [0, 50, 110]
    await world.pollers.stop()


@virtual
async def test_a_defect_does_not_end_the_polling(caplog: pytest.LogCaptureFixture) -> None:
    world = World(uniform=highest)
    world.subscribe("a", interval=60.0)
    world.server.answer = ValueError("a defect")
    await asyncio.sleep(66)
    world.server.answer = listing()
    await asyncio.sleep(10)
    assert world.times == [60, 65, 75]
    assert "a poll failed" in caplog.text
    assert world.told.first == ["a"]
    await world.pollers.stop()


@virtual
async def test_stop_ends_all() -> None:
    world = World()
    world.subscribe("a")
    world.subscribe("b", key=OTHER)
    await world.pollers.stop()
    await asyncio.sleep(1000)
    assert world.times == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_one_failed_reading_counts_once_whoever_took_it() -> None:
    world = World(uniform=highest)
    world.server.answer = failure()
    world.server.seconds = 1.0
    world.subscribe("a", "b", "c", interval=3600.0)
    await asyncio.gather(*(world.read(uid) for uid in ("a", "b", "c")))
    assert world.pollers.retry_delay("a") == 5.0
    assert len(world.told.made) == 2, "all but the first asker are told, once"
    await world.pollers.stop()
