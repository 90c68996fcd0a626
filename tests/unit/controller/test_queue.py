"""The work queue: earliest time wins, one visit of an object at a time, namespaces take turns, backoff."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillmeat_operator.controller.queue import Result, WorkQueue
from tests.unit.controller.virtual import clock, middle, virtual


@dataclass
class Visits:
    """What a queue visits: each visit takes a second unless told otherwise."""

    seconds: dict[str, float] = field(default_factory=dict)
    began: list[tuple[str, float]] = field(default_factory=list)
    running: Counter[str] = field(default_factory=Counter)
    most: int = 0
    results: list[Result] = field(default_factory=list)
    """What the next visits come to; then they are done."""
    during: Callable[[str], Awaitable[None] | None] | None = None

    async def visit(self, uid: str) -> Result:
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
        return self.results.pop(0) if self.results else Result.done()


def share(uid: str) -> str:
    return uid.partition("@")[2]


@asynccontextmanager
async def queue_of(visits: Visits, workers: int = 20) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(visits.visit, workers=workers, share=share, clock=clock, uniform=middle)
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
    async with queue_of(visits, workers=4) as queue:
        for number in range(10):
            queue.add(f"v{number}@{number % 2}", delay=number / 1000)
        await asyncio.sleep(100)
    assert [uid for uid, _ in visits.began] == [f"v{number}@{number % 2}" for number in range(10)]
    assert visits.most == 4


@virtual
async def test_a_namespace_whose_visits_hang_holds_half_of_the_workers_only() -> None:
    visits = Visits(seconds={f"s{number}@slow": 50.0 for number in range(8)})
    async with queue_of(visits, workers=4) as queue:
        for number in range(8):
            queue.add(f"s{number}@slow")
        queue.add("a@quick")
        queue.add("b@other")
        await asyncio.sleep(10)
        assert [uid for uid, _ in visits.began] == ["s0@slow", "a@quick", "b@other", "s1@slow"]
        await asyncio.sleep(300)
    assert [uid for uid, _ in visits.began[4:]] == [f"s{number}@slow" for number in range(2, 8)]
    assert visits.began[-1][1] == 150.0


@virtual
async def test_namespaces_take_turns_however_long_the_line_of_one_is() -> None:
    visits = Visits()
    async with queue_of(visits, workers=2) as queue:
        for number in range(100):
            queue.add(f"v{number}@crowd")
        await asyncio.sleep(0.5)
        queue.add("one@small")
        await asyncio.sleep(300)
    assert visits.began[1] == ("one@small", 0.5)
    assert len(visits.began) == 101


@virtual
async def test_one_that_is_deleted_before_it_starts_blocks_nobody_behind_it() -> None:
    visits = Visits()
    async with queue_of(visits, workers=2) as queue:
        for number in range(5):
            queue.add(f"v{number}@one")
        await asyncio.sleep(0.5)
        queue.forget("v1@one")
        queue.forget("v0@one")
        await asyncio.sleep(100)
    assert [uid for uid, _ in visits.began] == ["v0@one", "v2@one", "v3@one", "v4@one"]


@virtual
async def test_a_visit_that_fails_by_a_defect_ends_nothing_and_is_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def during(uid: str) -> None:
        if uid == "bad" and len(visits.began) < 3:
            raise ValueError("a defect")

    visits = Visits(during=during)
    async with queue_of(visits, workers=1) as queue:
        queue.add("bad")
        queue.add("good", delay=0.5)
        await asyncio.sleep(100)
    assert visits.began == [("bad", 0.0), ("good", 0.5), ("bad", 22.5)]
    assert "visit of bad failed" in caplog.text


@virtual
async def test_a_visit_that_never_ends_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    visits = Visits(seconds={"endless": 1e6})
    async with queue_of(visits, workers=1) as queue:
        queue.add("endless")
        await asyncio.sleep(10)
        queue.add("next")
        await asyncio.sleep(200)
    assert [uid for uid, _ in visits.began][:2] == ["endless", "next"]
    assert visits.began[1][1] == 180.0
    assert "visit of endless failed" in caplog.text


@virtual
async def test_failures_are_tried_again_ever_later_and_readings_do_not_change_that() -> None:
    failed = Result.failure(first=4.0, longest=30.0)
    visits = Visits(seconds={"a": 0.0}, results=[failed] * 6)
    async with queue_of(visits) as queue:
        queue.add("a")
        for _ in range(200):
            await asyncio.sleep(1)
            queue.add("a")
    times = [at for _, at in visits.began]
    gaps = [later - before for before, later in pairwise(times)]
    assert gaps[:5] == pytest.approx([3.0, 6.0, 12.0, 22.5, 22.5], abs=0.1)


@virtual
async def test_a_change_of_the_object_starts_its_backoff_anew() -> None:
    failed = Result.failure(first=4.0, longest=300.0)
    visits = Visits(seconds={"a": 0.0}, results=[failed] * 6)
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(30)
        before = len(visits.began)
        queue.add("a", changed=True)
        await asyncio.sleep(4)
    times = [at for _, at in visits.began[before:]]
    assert times == [30.0, 33.0]


@virtual
async def test_a_change_during_a_visit_that_fails_is_visited_at_once() -> None:
    visits = Visits(seconds={"a": 1.0}, results=[Result.failure(first=100.0, longest=100.0)])
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a", changed=True)
        await asyncio.sleep(10)
    assert visits.began == [("a", 0.0), ("a", 1.0)]


@virtual
async def test_a_result_plans_the_next_visit_and_a_mark_moves_it_forward() -> None:
    visits = Visits(seconds={"a": 0.0}, results=[Result.done(after=10), Result.done(after=10)])
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(4)
        queue.add("a")
        await asyncio.sleep(100)
    assert visits.began == [("a", 0.0), ("a", 4.0), ("a", 14.0)]


@virtual
async def test_nothing_is_remembered_of_objects_that_are_gone() -> None:
    visits = Visits(results=[Result.failure(), Result.done(after=50)])
    async with queue_of(visits) as queue:
        for uid in ("a", "b", "c"):
            queue.add(uid)
        await asyncio.sleep(0.5)
        for uid in ("a", "b", "c"):
            queue.forget(uid)
        await asyncio.sleep(10)
        assert [uid for uid in ("a", "b", "c") if uid in queue] == []
        assert len(queue) == 0


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
async def test_a_queue_is_stuck_where_no_visit_begins_or_ends_however_long_the_line_is() -> None:
    visits = Visits(seconds={"hangs": 100.0})
    async with queue_of(visits, workers=1) as queue:
        assert queue.stuck_for() == 0.0
        queue.add("hangs")
        await asyncio.sleep(20)
        assert queue.stuck_for() == 0.0, "nobody waits"
        queue.add("waits")
        await asyncio.sleep(30)
        assert queue.stuck_for() == 50.0
        for number in range(60):
            queue.add(f"more{number}")
        await asyncio.sleep(80)
        assert queue.stuck_for() <= 1.0, "there is a line, and it moves"


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


def gaps(visits: Visits) -> list[float]:
    return [round(later - before, 3) for (_, before), (_, later) in pairwise(visits.began)]


@virtual
async def test_a_failure_of_which_nothing_is_said_is_tried_again_within_a_minute() -> None:
    visits = Visits(seconds={"a": 0.0}, results=[Result.failure()] * 9)
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(400)
    assert gaps(visits) == [0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 45.0, 45.0, 45.0]


@virtual
async def test_jitter_takes_away_half_of_a_delay_at_most() -> None:
    bounds: list[tuple[float, float]] = []

    def noted(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    visits = Visits(seconds={"a": 0.0}, results=[Result.failure(first=3.0, longest=10.0)] * 3)
    queue = WorkQueue(visits.visit, workers=1, share=share, clock=clock, uniform=noted)
    task = asyncio.create_task(queue.run())
    queue.add("a")
    await asyncio.sleep(100)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert bounds == [(1.5, 3.0), (3.0, 6.0), (5.0, 10.0)]
    assert gaps(visits) == [3.0, 6.0, 10.0]


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        pytest.param(Result.done(after=5.0), [3.0, 6.0, 5.0, 3.0], id="done"),
        pytest.param(Result.done(after=5.0, settles=False), [3.0, 6.0, 5.0, 12.0], id="one-that-only-waits"),
        pytest.param(Result(after=5.0), [3.0, 6.0, 5.0, 3.0], id="a-result-of-which-nothing-else-is-said"),
    ],
)
@virtual
async def test_a_visit_that_goes_well_ends_a_backoff_unless_it_only_waits(
    between: Result, expected: list[float]
) -> None:
    failed = Result.failure(first=4.0, longest=1000.0)
    visits = Visits(seconds={"a": 0.0}, results=[failed, failed, between, failed])
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(100)
    assert gaps(visits) == expected


@virtual
async def test_a_visit_that_only_waits_ends_the_time_for_which_marks_are_put_off() -> None:
    visits = Visits(
        seconds={"a": 0.0},
        results=[Result.failure(first=100.0, longest=100.0), Result.done(settles=False), Result.done()],
    )
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(80)
        queue.add("a")
        await asyncio.sleep(10)
    assert visits.began == [("a", 0.0), ("a", 75.0), ("a", 80.0)]


@virtual
async def test_a_mark_during_a_visit_that_fails_waits_for_the_backoff_too() -> None:
    visits = Visits(seconds={"a": 1.0}, results=[Result.failure(first=100.0, longest=100.0)])
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(0.5)
        queue.add("a")
        await asyncio.sleep(200)
    assert visits.began == [("a", 0.0), ("a", 76.0)]


@virtual
async def test_an_object_is_known_while_it_waits_is_visited_or_comes_back_and_not_longer() -> None:
    visits = Visits(results=[Result.failure(first=4.0), Result.done(after=10.0), Result.done()])
    async with queue_of(visits) as queue:
        assert "a" not in queue
        queue.add("a", delay=2.0)
        states = []
        # Waits, is visited, backs off, is visited, waits for its next visit, is visited, is done.
        for until in (1.0, 2.5, 4.0, 6.5, 12.0, 17.5, 19.0):
            await asyncio.sleep(until - (clock() - 1000.0))
            states.append(("a" in queue, len(queue)))
        assert visits.began == [("a", 2.0), ("a", 6.0), ("a", 17.0)]
        assert states == [(True, 1), (True, 0), (True, 1), (True, 0), (True, 1), (True, 0), (False, 0)]


@virtual
async def test_one_that_is_forgotten_while_it_is_visited_is_known_until_the_visit_has_ended() -> None:
    visits = Visits(seconds={"a": 100.0})
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        queue.forget("a")
        assert ("a" in queue, len(queue)) == (True, 0)
        await asyncio.sleep(0.1)
        assert "a" not in queue
        queue.forget("a")


@virtual
async def test_a_mark_that_comes_later_than_what_is_planned_changes_nothing() -> None:
    visits = Visits(seconds={"a": 0.0})
    async with queue_of(visits) as queue:
        queue.add("a", delay=10.0)
        queue.add("a", delay=10.0)
        queue.add("a", delay=5.0)
        queue.add("a", delay=7.0, changed=True)
        await asyncio.sleep(100)
    assert visits.began == [("a", 5.0)]


@virtual
async def test_visits_of_the_same_moment_come_in_the_order_in_which_they_were_asked_for() -> None:
    visits = Visits()
    async with queue_of(visits, workers=1) as queue:
        for uid in ("c", "a", "b"):
            queue.add(uid, delay=1.0)
        await asyncio.sleep(10)
    assert [uid for uid, _ in visits.began] == ["c", "a", "b"]


@virtual
async def test_with_one_worker_a_namespace_has_it() -> None:
    visits = Visits()
    async with queue_of(visits, workers=1) as queue:
        queue.add("a@one")
        queue.add("b@one")
        await asyncio.sleep(10)
    assert visits.began == [("a@one", 0.0), ("b@one", 1.0)]


@pytest.mark.parametrize(("workers", "most"), [(1, 1), (2, 1), (3, 1), (5, 2), (6, 3), (20, 10)])
def test_no_namespace_ever_has_more_than_half_of_the_workers(workers: int, most: int) -> None:
    @virtual
    async def scenario() -> None:
        visits = Visits(seconds={f"v{number}@one": 1.0 + number % 7 for number in range(60)})
        highest = 0

        def during(_: str) -> None:
            nonlocal highest
            highest = max(highest, visits.running.total())

        visits.during = during
        async with queue_of(visits, workers=workers) as queue:
            for number in range(60):
                queue.add(f"v{number}@one")
            await asyncio.sleep(1000)
        assert len(visits.began) == 60
        assert highest == most

    scenario()


@virtual
async def test_a_line_that_moves_is_not_stuck_and_one_that_begins_now_waits_since_now() -> None:
    visits = Visits(seconds={"a": 10.0, "b": 10.0})
    async with queue_of(visits, workers=1) as queue:
        await asyncio.sleep(500)
        queue.add("a")
        queue.add("b")
        assert queue.stuck_for() == 0.0
        await asyncio.sleep(4)
        assert queue.stuck_for() == 4.0
        await asyncio.sleep(7)
        assert queue.stuck_for() == 0.0, "the last one is being visited"


@virtual
async def test_an_interrupted_visit_comes_to_nothing() -> None:
    visits = Visits(seconds={"a": 100.0}, results=[Result.done(after=1.0)])
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(1)
        queue.interrupt("a")
        await asyncio.sleep(100)
        assert "a" not in queue
    assert visits.began == [("a", 0.0)]


@virtual
async def test_a_defect_is_tried_again_within_a_quarter_of_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    def during(_: str) -> None:
        raise ValueError("a defect")

    visits = Visits(during=during)
    async with queue_of(visits) as queue:
        queue.add("a")
        await asyncio.sleep(4000)
    assert gaps(visits)[:7] == [22.5, 45.0, 90.0, 180.0, 360.0, 675.0, 675.0]
