"""The work queue: earliest time wins, one visit of an object at a time, no crowd on one server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.controller.queue import WorkQueue
from tests.unit.controller.virtual import clock, virtual


@dataclass
class Visits:
    """What a queue visits: each visit takes a second unless told otherwise."""

    seconds: dict[str, float] = field(default_factory=dict)
    began: list[tuple[str, float]] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: int = 0
    during: Callable[[str], Awaitable[None] | None] | None = None

    async def visit(self, uid: str) -> None:
        self.began.append((uid, clock() - 1000.0))
        self.running[uid] += 1
        assert self.running[uid] == 1, "one visit of an object at a time"
        self.most = max(self.most, self.running.total())
        try:
            if self.during is not None:
                result = self.during(uid)
                if result is not None:
                    await result
            await asyncio.sleep(self.seconds.get(uid, 1.0))
        finally:
            self.running[uid] -= 1


def host(uid: str) -> str | None:
    return uid.partition("@")[2] or None


@asynccontextmanager
async def queue_of(visits: Visits, workers: int = 20) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(visits.visit, workers=workers, clock=clock, bulkhead=host)
    task = asyncio.create_task(queue.run())
    yield queue
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert visits.running.total() == 0


@virtual
async def test_an_object_is_visited_when_it_is_due() -> None:
    visits = Visits()
    async with queue_of(visits) as queue:
        queue.add("late", delay=60)
        queue.add("now")
        queue.add("soon", delay=5)
        await asyncio.sleep(100)
    assert visits.began == [("now", 0.0), ("soon", 5.0), ("late", 60.0)]


@pytest.mark.parametrize(
    ("delays", "due"),
    [([10, 50], 10.0), ([50, 10], 10.0), ([0, 0, 0], 0.0), ([30, 20, 40], 20.0)],
)
@virtual
async def test_the_earliest_time_wins_and_there_is_one_visit(delays: list[float], due: float) -> None:
    visits = Visits()
    async with queue_of(visits) as queue:
        for delay in delays:
            queue.add("a", delay=delay)
        assert len(queue) == 1
        await asyncio.sleep(100)
        assert len(queue) == 0
    assert visits.began == [("a", due)]


@virtual
async def test_an_object_added_during_its_visit_is_visited_again_afterwards() -> None:
    visits = Visits(seconds={"a": 10.0})
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(3)
        queue.add("a")
        queue.add("a", delay=4)
        await asyncio.sleep(100)
    assert visits.began == [("a", 0.0), ("a", 10.0)]


@virtual
async def test_at_most_as_many_visits_as_workers_and_in_the_order_of_their_time() -> None:
    visits = Visits()
    async with queue_of(visits, workers=3) as queue:
        for number in range(10):
            queue.add(f"v{number}", delay=number / 1000)
        await asyncio.sleep(100)
    assert [uid for uid, _ in visits.began] == [f"v{number}" for number in range(10)]
    assert visits.most == 3


@virtual
async def test_one_slow_server_holds_half_of_the_workers_only() -> None:
    visits = Visits(seconds={f"s{number}@slow": 50.0 for number in range(8)})
    async with queue_of(visits, workers=4) as queue:
        for number in range(8):
            queue.add(f"s{number}@slow")
        queue.add("a@quick")
        queue.add("b")
        await asyncio.sleep(10)
        assert [uid for uid, _ in visits.began] == ["s0@slow", "s1@slow", "a@quick", "b"]
        await asyncio.sleep(300)
    assert [uid for uid, _ in visits.began[4:]] == [f"s{number}@slow" for number in range(2, 8)]
    assert visits.began[-1][1] == 150.0


@virtual
async def test_what_moved_to_another_server_does_not_block_those_that_wait() -> None:
    hosts = {f"v{number}": "one" for number in range(4)}
    visits = Visits()
    queue = WorkQueue(visits.visit, workers=2, clock=clock, bulkhead=lambda uid: hosts[uid])
    task = asyncio.create_task(queue.run())
    for uid in hosts:
        queue.add(uid)
    await asyncio.sleep(0.5)
    hosts["v1"] = "two"
    await asyncio.sleep(0.7)
    assert [uid for uid, _ in visits.began] == ["v0", "v1", "v2"]
    await asyncio.sleep(5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(uid for uid, _ in visits.began) == ["v0", "v1", "v2", "v3"]


@virtual
async def test_a_failing_visit_ends_nothing_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    def during(uid: str) -> None:
        if uid == "bad" and len(visits.began) < 3:
            raise ValueError("a defect")

    visits = Visits(during=during)
    async with queue_of(visits, workers=1) as queue:
        queue.add("bad")
        queue.add("good", delay=0.5)
        await asyncio.sleep(100)
    assert visits.began == [("bad", 0.0), ("good", 0.5), ("bad", 30.0)]
    assert "visit of bad failed" in caplog.text


@virtual
async def test_a_forgotten_object_is_not_visited() -> None:
    visits = Visits()
    async with queue_of(visits, workers=2) as queue:
        queue.add("gone", delay=1)
        queue.add("x@h")
        queue.add("y@h")
        queue.add("z@h")
        await asyncio.sleep(0.5)
        queue.forget("gone")
        queue.forget("y@h")
        await asyncio.sleep(100)
    assert [uid for uid, _ in visits.began] == ["x@h", "z@h"]


@virtual
async def test_an_interrupted_visit_ends_at_once_and_frees_its_place() -> None:
    visits = Visits(seconds={"a@h": 500.0})
    async with queue_of(visits, workers=2) as queue:
        queue.add("a@h")
        queue.add("b@h", delay=1)
        await asyncio.sleep(10)
        queue.interrupt("a@h")
        queue.interrupt("nobody")
        queue.add("a@h", delay=5)
        visits.seconds.clear()
        await asyncio.sleep(100)
    assert visits.began == [("a@h", 0.0), ("b@h", 10.0), ("a@h", 15.0)]


@virtual
async def test_a_visit_that_is_interrupted_before_its_first_step_frees_its_place() -> None:
    visits = Visits()
    async with queue_of(visits, workers=2) as queue:
        queue.add("a@h")
        queue.add("b", delay=0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        queue.interrupt("a@h")
        queue.add("a@h", delay=1)
        await asyncio.sleep(100)
    assert [uid for uid, _ in visits.began][-1] == "a@h"
    assert len(visits.began) >= 2


@virtual
async def test_overdue_tells_how_late_the_oldest_is() -> None:
    visits = Visits(seconds={"slow": 100.0})
    async with queue_of(visits, workers=1) as queue:
        assert queue.overdue() == 0.0
        queue.add("slow")
        queue.add("waits", delay=10)
        await asyncio.sleep(5)
        assert queue.overdue() == 0.0
        await asyncio.sleep(25)
        assert queue.overdue() == 20.0
        queue.add("slow")
        await asyncio.sleep(20)
        assert queue.overdue() == 40.0, "what is being visited is not late"


@virtual
async def test_a_thousand_objects_of_one_server_cost_little() -> None:
    visits = Visits()
    began = time.process_time()
    async with queue_of(visits, workers=20) as queue:
        for number in range(1000):
            queue.add(f"v{number}@one")
        await asyncio.sleep(200)
    assert len(visits.began) == 1000
    assert visits.most == 10
    assert time.process_time() - began < 2.0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["a@h", "b@h", "c@h", "d@g", "e"]), st.floats(0, 20), st.floats(0, 10)),
        min_size=1,
        max_size=15,
    ),
    st.integers(1, 4),
)
def test_nothing_is_lost_and_nothing_comes_early(adds: list[tuple[str, float, float]], workers: int) -> None:
    @virtual
    async def scenario() -> None:
        visits = Visits()
        added: dict[str, list[tuple[float, float]]] = {}
        async with queue_of(visits, workers=workers) as queue:
            for uid, wait, delay in adds:
                await asyncio.sleep(wait)
                queue.add(uid, delay=delay)
                now = clock() - 1000.0
                added.setdefault(uid, []).append((now, now + delay))
            await asyncio.sleep(100)
        for uid, moments in added.items():
            times = [at for visited, at in visits.began if visited == uid]
            assert len(times) <= len(moments)
            assert times[0] >= min(due for _, due in moments) - 1e-6, "nothing comes early"
            assert times[-1] >= max(at for at, _ in moments) - 1e-6, "each addition is followed by a visit"
        assert visits.most <= workers

    scenario()
