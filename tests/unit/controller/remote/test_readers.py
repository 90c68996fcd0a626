"""Readings in the background: whom they are made for, when, and who hears of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.readers import Readers
from skillmeat_operator.controller.remote.servers import Servers
from skillmeat_operator.domain.failure import Failure, FailureKind
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import Server, clock, failure, middle, virtual

HOST = Host("skillmeat.example", 443)
REFUSED = failure(FailureKind.CREDENTIAL)
AWAY = failure(whole_server=True)


def _news(before: Any, now: Any, followers: Iterable[str]) -> Iterable[str]:
    return () if before == now else followers


@dataclass
class Scene:
    """Readers of two kinds towards servers; everybody who is marked due, with the time."""

    marked: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        timings = Timings()
        self.servers = Servers(timings=timings, uniform=middle, clock=clock)
        common: dict[str, Any] = {
            "servers": self.servers,
            "mark_due": lambda uid, delay: self.marked.append((uid, clock() + delay - 1000.0)),
            "news": _news,
            "broken": failure(),
            "clock": clock,
            "uniform": middle,
            "timings": timings,
        }
        self.lists: Readers[str, Any] = Readers("list", **common)
        self.pages: Readers[str, Any] = Readers("pages", after=["list"], **common)

    def follow(self, uid: str, server: Server, key: str = "key", **more: Any) -> None:
        async def read(within: float) -> Any:
            async with asyncio.timeout(within):
                return await server.read()

        given = {"host": HOST, "interval": 100.0, "within": 60.0, **more}
        given.pop("readers", self.lists).follow(uid, key, read=read, **given)

    def times(self, server: Server) -> list[float]:
        return [round(at - 1000.0, 3) for at in server.began]


@virtual
async def test_the_shortest_interval_counts_and_all_share_one_reading() -> None:
    scene, server = Scene(), Server()
    scene.follow("a", server, interval=300.0)
    scene.follow("b", server, interval=100.0)
    await asyncio.sleep(250)
    assert scene.times(server) == [0.0, 100.0, 200.0]
    scene.lists.leave("b")
    await asyncio.sleep(300)
    assert scene.times(server)[3:] == [500.0]
    await scene.lists.stop()


@virtual
async def test_what_has_not_changed_concerns_nobody() -> None:
    scene, server = Scene(), Server()
    for number in range(1000):
        scene.follow(f"v{number}", server, interval=10.0 if number == 0 else 300.0)
    await asyncio.sleep(95)
    assert len(server.began) == 10
    assert len(scene.marked) == 1000, "each of the first reading, nobody of the others"
    server.answer = "another"
    await asyncio.sleep(10)
    assert len(scene.marked) == 2000
    await scene.lists.stop()


@virtual
async def test_a_short_time_out_of_one_does_not_break_the_reading_of_the_others() -> None:
    scene, server = Scene(), Server(seconds=5.0)
    scene.follow("hasty", server, within=1.0)
    scene.follow("patient", server, within=60.0)
    await asyncio.sleep(10)
    latest = scene.lists.latest("hasty")
    assert latest is not None
    assert latest.failure is None
    await scene.lists.stop()


@virtual
async def test_who_asks_hears_of_the_reading_that_began_after_it_also_where_nothing_changed() -> None:
    scene, server = Scene(), Server(seconds=3.0)
    scene.follow("a", server)
    scene.follow("b", server)
    await asyncio.sleep(10)
    scene.marked.clear()
    scene.lists.ask("a", at=clock())
    await asyncio.sleep(1)
    scene.lists.ask("b", at=clock())
    await asyncio.sleep(20)
    assert scene.times(server) == [0.0, 10.0, 13.0]
    assert scene.marked == [("a", 13.0), ("b", 16.0)]
    await scene.lists.stop()


@virtual
async def test_of_two_moments_to_come_the_nearer_one_is_read() -> None:
    scene, server = Scene(), Server()
    scene.follow("a", server, interval=None)
    scene.lists.ask("a", at=clock() + 20)
    scene.lists.ask("a", at=clock() + 5)
    await asyncio.sleep(60)
    assert scene.times(server) == [5.0]
    await scene.lists.stop()


@virtual
async def test_a_server_that_is_away_is_tried_ever_more_rarely_and_by_one_of_its_readers() -> None:
    scene = Scene()
    servers = [Server(answer=AWAY) for _ in range(100)]
    for number, server in enumerate(servers):
        scene.follow(f"v{number}", server, key=f"key{number}", interval=60.0)
    await asyncio.sleep(1)
    first = sum(len(server.began) for server in servers)
    await asyncio.sleep(3600)
    tries = sum(len(server.began) for server in servers) - first
    assert tries <= 20
    for server in servers:
        server.answer = "back"
    await asyncio.sleep(920)
    assert all(server.answer == "back" and len(server.began) > 0 for server in servers)
    assert all((scene.lists.latest(f"v{number}")).failure is None for number in range(100))  # type: ignore[union-attr]
    await scene.lists.stop()


@virtual
async def test_a_server_that_comes_back_is_read_by_all_at_once() -> None:
    scene, one, other = Scene(), Server(answer=AWAY), Server(answer=AWAY)
    scene.follow("a", one, key="one")
    scene.follow("b", other, key="other")
    await asyncio.sleep(300)
    one.answer = other.answer = "back"
    scene.lists.ask("a", at=clock(), urgent=True)
    await asyncio.sleep(3)
    assert [scene.lists.latest(uid).failure for uid in ("a", "b")] == [None, None]  # type: ignore[union-attr]
    await scene.lists.stop()


@pytest.mark.parametrize("whole_server", [True, False])
@virtual
async def test_a_time_that_the_server_asked_for_is_kept_by_whoever_asks(whole_server: bool) -> None:
    scene = Scene()
    server = Server(answer=failure(retry_after=600.0, whole_server=whole_server))
    scene.follow("a", server, interval=10.0)
    await asyncio.sleep(1)
    for _ in range(59):
        scene.lists.ask("a", at=clock(), urgent=True)
        assert scene.lists.refused("a")
        await asyncio.sleep(10)
    assert scene.times(server) == [0.0]
    await scene.lists.stop()


@virtual
async def test_a_time_that_the_server_asked_for_holds_where_the_last_reading_was_good() -> None:
    scene, good, other = Scene(), Server(), Server(answer=failure(retry_after=600.0, whole_server=True))
    scene.follow("good", good, key="good", interval=10.0)
    await asyncio.sleep(25)
    scene.follow("other", other, key="other", interval=10.0)
    await asyncio.sleep(1)
    before = len(good.began)
    await asyncio.sleep(595)
    assert len(good.began) == before
    await scene.lists.stop()


@virtual
async def test_urgent_does_not_wait_for_the_end_of_a_backoff_and_leaves_others_theirs() -> None:
    scene, server, other = Scene(), Server(answer=failure()), Server(answer=failure())
    scene.follow("a", server, key="a")
    scene.follow("b", other, key="b")
    await asyncio.sleep(400)
    tries = len(other.began)
    server.answer = "well"
    scene.lists.ask("a", at=clock(), urgent=True)
    await asyncio.sleep(1)
    assert scene.lists.latest("a").failure is None  # type: ignore[union-attr]
    assert len(other.began) == tries
    await scene.lists.stop()


@virtual
async def test_a_refused_credential_is_read_at_its_cadence() -> None:
    scene, server = Scene(), Server(answer=REFUSED)
    scene.follow("a", server)
    await asyncio.sleep(250)
    assert scene.times(server) == [0.0, 100.0, 200.0]
    assert [uid for uid, _ in scene.marked] == ["a"], "the same failure is no news"
    await scene.lists.stop()


@virtual
async def test_what_our_own_limits_hold_up_is_no_failure_of_the_server() -> None:
    scene, server = Scene(), Server()
    scene.follow("a", server, interval=10.0)
    await asyncio.sleep(1)
    server.answer = Failure(**{**_fields(failure(whole_server=True)), "local": True})
    await asyncio.sleep(30)
    latest = scene.lists.latest("a")
    assert latest is not None
    assert (latest.failure, latest.value) == (None, "answer")
    assert not scene.servers.of(HOST).away
    assert [uid for uid, _ in scene.marked] == ["a"]
    await scene.lists.stop()


@virtual
async def test_pages_wait_for_lists_of_the_same_server_but_not_for_ever() -> None:
    scene, pages, lists = Scene(), Server(), Server(seconds=30.0)
    scene.follow("a", lists, interval=1000.0)
    scene.follow("a", pages, interval=1000.0, readers=scene.pages)
    elsewhere = Server()
    scene.follow("b", elsewhere, key="b", host=Host("other.example", 443), readers=scene.pages)
    await asyncio.sleep(20)
    assert (pages.began, scene.times(elsewhere)) == ([], [0.0])
    await asyncio.sleep(11)
    assert scene.times(pages) == [30.0]
    busy = [Server(seconds=50.0) for _ in range(40)]
    for number, server in enumerate(busy):
        scene.follow(f"c{number}", server, key=f"c{number}", interval=10.0, within=300.0)
    scene.pages.ask("a", at=clock())
    await asyncio.sleep(900)
    assert len(pages.began) == 2
    assert pages.began[1] - pages.began[0] >= 600
    await scene.lists.stop()
    await scene.pages.stop()


@virtual
async def test_who_leaves_leaves_nothing_behind() -> None:
    scene, server = Scene(), Server(seconds=30.0)
    scene.follow("a", server)
    await asyncio.sleep(0)
    scene.lists.leave("a")
    await asyncio.sleep(1)
    scene.follow("b", server)
    await asyncio.sleep(5)
    scene.lists.leave("b")
    scene.lists.leave("b")
    await asyncio.sleep(100)
    assert ("a" in scene.lists, "b" in scene.lists, len(scene.lists)) == (False, False, 0)
    assert scene.servers.of(HOST).readings["list"] == 0
    assert len(asyncio.all_tasks()) == 1
    assert scene.marked == []


@virtual
async def test_another_key_is_another_reader() -> None:
    scene, server = Scene(), Server()
    scene.follow("a", server, key="one")
    await asyncio.sleep(1)
    scene.follow("a", server, key="two")
    assert scene.lists.latest("a") is None
    await asyncio.sleep(1)
    assert len(scene.lists) == 1
    assert scene.times(server) == [0.0, 1.0]
    await scene.lists.stop()


@virtual
async def test_a_defect_of_a_reading_ends_no_reader(caplog: pytest.LogCaptureFixture) -> None:
    scene, server = Scene(), Server(answer=ValueError("a defect"))
    scene.follow("a", server, interval=10.0)
    await asyncio.sleep(1)
    assert scene.lists.latest("a").failure == failure()  # type: ignore[union-attr]
    server.answer = "well"
    await asyncio.sleep(30)
    assert scene.lists.latest("a").value == "well"  # type: ignore[union-attr]
    assert "a reading failed" in caplog.text
    await scene.lists.stop()


@virtual
async def test_readings_that_succeed_are_counted() -> None:
    scene, server = Scene(), Server()
    scene.follow("a", server, interval=10.0)
    counted = []
    for answer in (failure(), "well", "well"):
        await asyncio.sleep(1)
        counted.append(scene.lists.latest("a").serial)  # type: ignore[union-attr]
        server.answer = answer
        await asyncio.sleep(10)
    counted.append(scene.lists.latest("a").serial)  # type: ignore[union-attr]
    assert counted == [1, 1, 2, 3]
    await scene.lists.stop()


@virtual
async def test_what_our_own_limits_held_up_is_tried_again_within_two_seconds() -> None:
    scene, server = Scene(), Server(answer=replace(failure(), local=True))
    scene.follow("a", server, interval=100.0)
    await asyncio.sleep(4)
    assert scene.times(server) == [0.0, 1.5, 3.0]
    await scene.lists.stop()


@virtual
async def test_readings_are_moved_by_a_tenth_of_their_interval() -> None:
    bounds: list[tuple[float, float]] = []
    scene, server = Scene(), Server()

    def latest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    scene.lists._uniform = latest
    scene.follow("a", server, interval=100.0)
    await asyncio.sleep(230)
    assert scene.times(server) == pytest.approx([0.0, 110.0, 220.0])
    assert set(bounds) == {(0.9, 1.1)}
    await scene.lists.stop()


@virtual
async def test_what_a_server_said_when_it_asked_for_time_is_known_while_it_lasts() -> None:
    asks = failure(retry_after=60.0, whole_server=True)
    scene, server = Scene(), Server(answer=asks)
    assert (scene.lists.pause("nobody"), scene.lists.refused("nobody")) == (None, False)
    scene.follow("a", server, interval=1000.0)
    scene.follow("b", Server(), key="b", interval=1000.0)
    await asyncio.sleep(1)
    server.answer = "well"
    assert scene.lists.pause("a") == scene.lists.pause("b") == asks
    await asyncio.sleep(58.9)
    assert (scene.lists.pause("b"), scene.lists.refused("b")) == (asks, True)
    await asyncio.sleep(0.1)
    assert (scene.lists.pause("b"), scene.lists.refused("b")) == (None, False)
    await asyncio.sleep(100)
    assert (scene.lists.pause("b"), scene.lists.refused("b")) == (None, False)
    await scene.lists.stop()


@pytest.mark.parametrize(
    ("met", "tries"),
    [
        pytest.param(failure(), [0.0, 13.125], id="what-passes"),
        pytest.param(failure(retry_after=20.0), [0.0, 30.0], id="a-time-it-asks-for"),
        pytest.param(REFUSED, [0.0], id="what-needs-a-person"),
    ],
)
@virtual
async def test_a_call_of_another_kind_that_fails_has_readings_wait_too(
    met: Failure, tries: list[float]
) -> None:
    scene, server = Scene(), Server()
    scene.lists.failed("nobody", met)
    scene.follow("a", server, interval=1000.0)
    await asyncio.sleep(10)
    scene.lists.failed("a", met)
    await asyncio.sleep(60)
    assert scene.times(server) == tries
    await scene.lists.stop()


@virtual
async def test_nobody_asks_who_follows_nothing() -> None:
    scene = Scene()
    with pytest.raises(RuntimeError):
        scene.lists.ask("nobody", at=clock())
    assert scene.lists.latest("nobody") is None
    scene.lists.leave("nobody")


@virtual
async def test_a_reader_that_follows_another_key_leaves_the_former_one() -> None:
    scene, one, two = Scene(), Server(), Server()
    scene.follow("a", one, key="one", interval=10.0)
    scene.follow("b", one, key="one", interval=20.0)
    await asyncio.sleep(1)
    scene.follow("a", two, key="two", interval=10.0)
    await asyncio.sleep(50)
    assert scene.times(one) == [0.0, 20.0, 40.0]
    assert len(scene.lists) == 2
    await scene.lists.stop()


@virtual
async def test_a_failure_that_is_not_the_same_as_before_concerns_all_and_so_does_its_end() -> None:
    scene, server = Scene(), Server()
    another = replace(failure(), reason=Reason.ENDPOINT_NOT_FOUND)
    for uid in ("a", "b"):
        scene.follow(uid, server, interval=None)
    concerned = []
    for answer in (
        "well",
        failure(),
        failure(),
        another,
        replace(another, kind=REFUSED.kind),
        "well",
        "well",
    ):
        server.answer = answer
        scene.marked.clear()
        scene.lists.ask("a", at=clock(), urgent=True)
        await asyncio.sleep(1)
        assert "a" in [uid for uid, _ in scene.marked], "it asked"
        concerned.append("b" in [uid for uid, _ in scene.marked])
    assert concerned == [True, True, False, True, True, True, False]
    await scene.lists.stop()


@pytest.mark.parametrize("seed", range(10))
def test_whatever_happens_who_asks_is_marked_and_no_task_is_left(seed: int) -> None:
    @virtual
    async def scenario() -> None:
        rng, scene = random.Random(seed), Scene()
        servers = [Server(seconds=rng.random() * 3) for _ in range(3)]
        asked: dict[str, float] = {}
        for _ in range(200):
            uid = f"v{rng.randrange(6)}"
            server = rng.choice(servers)
            server.answer = rng.choice(["one", "two", failure(), AWAY, REFUSED])
            action = rng.random()
            if action < 0.4 or uid not in scene.lists:
                scene.follow(
                    uid, server, key=f"key{servers.index(server)}", interval=rng.choice([20.0, 90.0])
                )
                asked.pop(uid, None)
            elif action < 0.5:
                scene.lists.leave(uid)
                asked.pop(uid, None)
            else:
                scene.lists.ask(uid, at=clock() + rng.random() * 5, urgent=rng.random() < 0.3)
                asked[uid] = clock() - 1000.0
            await asyncio.sleep(rng.random() * 10)
        for server in servers:
            server.answer = "well"
        await asyncio.sleep(3000)
        for uid, at in asked.items():
            assert any(marked == uid and when >= at for marked, when in scene.marked)
        await scene.lists.stop()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    scenario()


def _fields(one: Failure) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}
