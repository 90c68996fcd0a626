"""Who waits for whom: slow servers, crowds, backoffs, short times of others."""

from __future__ import annotations

import asyncio
import base64
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable

import httpx

from tests.simulation.apiserver import Fault
from tests.simulation.portal import Portal
from tests.simulation.test_scenarios import scenario
from tests.simulation.world import BUNDLES, SOURCES, World, clock


def _token(world: World, number: int, namespace: str = "team") -> dict[str, object]:
    """A Secret with a token of its own, and the ``auth`` that names it."""
    name = f"token{number}"
    token = base64.b64encode(f"token-{number}".encode()).decode()
    world.server.put_config("secrets", namespace, name, {"token": token})
    return {"bearerTokenSecretRef": {"name": name, "key": "token"}}


@scenario
async def test_a_server_that_hangs_for_a_hundred_tokens_neither_fails_the_probe_nor_holds_others_up(
    world: World,
) -> None:
    slow = world.skillmeat("slow.sim")
    slow.hangs = True
    world.skillmeat().add("t0")
    for number in range(100):
        world.source(
            f"s{number}", "crowd", host="slow.sim", skillmeat={"auth": _token(world, number, "crowd")}
        )
    await asyncio.sleep(30)
    world.source()
    await world.ready(within=20)
    for _ in range(60):
        await asyncio.sleep(10)
        assert world.running is not None
        assert world.running.listeners.progress() is None


@scenario
async def test_a_portal_that_takes_its_time_holds_no_visit_of_another_portal_up(world: World) -> None:
    from tests.simulation.portal import Portal  # noqa: PLC0415

    other = Portal(clock, world.rng, world._fetch)
    world.network.hosts["other.sim"] = other.handle
    tasks = [asyncio.create_task(other.run())]
    world.portal.read_latency = 14.0
    world.skillmeat().add("t0")
    for number in range(200):
        world.source(f"s{number}", "crowd", catalog=f"c{number}")
    await asyncio.sleep(60)
    took = []
    for number in range(10):
        world.source(f"quick{number}", "quick", catalog=f"q{number}", backstage={"url": "http://other.sim"})
        took.append(
            await world.until(
                lambda n=number: world.condition("Ready", f"quick{n}", "quick")[0] == "True", within=30
            )
        )
    assert sorted(took)[-2] <= 10
    tasks[0].cancel()


@scenario
async def test_pages_of_a_large_server_do_not_hold_first_publications_up(world: World) -> None:
    server = world.skillmeat()
    for number in range(3000):
        server.add(f"other{number}", tags=["other"])
    server.add("t0", tags=["wanted"])
    for number in range(30):
        auth = _token(world, number)
        world.source(f"s{number}", catalog=f"c{number}", skillmeat={"auth": auth, "platform": "wanted"})
    began = clock()
    for number in range(30):
        await world.ready(f"s{number}", within=120)
    # 0.8 equal reads a second, four at once.
    assert clock() - began < 30 / 0.8 + 30


@scenario
async def test_a_portal_that_refuses_connections_is_tried_ever_more_rarely(world: World) -> None:
    world.skillmeat().add("t0")
    for number in range(100):
        world.source(f"s{number}", catalog=f"c{number}")
    for number in range(100):
        await world.ready(f"s{number}", within=120)
    world.portal.refuses = True
    await asyncio.sleep(60)
    before = len(world.portal.reads) + len(world.portal.writes)
    await asyncio.sleep(3600)
    assert len(world.portal.reads) + len(world.portal.writes) - before <= 30
    world.portal.refuses = False
    await asyncio.sleep(1000)
    for number in range(100):
        assert world.condition("CatalogReachable", f"s{number}")[0] == "True"


@scenario
async def test_a_time_that_a_server_asks_for_is_kept_also_after_a_good_reading(world: World) -> None:
    server = world.skillmeat()
    server.add("t0")
    for number in range(20):
        world.source(f"s{number}", catalog=f"c{number}", skillmeat={"auth": _token(world, number)})
    for number in range(20):
        await world.ready(f"s{number}", within=200)
    asked: list[float] = []

    def answers(path: str) -> httpx.Response | None:
        if not asked and path.endswith("/templates"):
            asked.append(clock())
            return httpx.Response(429, json={}, headers={"retry-after": "600"})
        return None

    server.answers = answers
    await world.until(lambda: asked, within=200)
    server_requests = len(server.requests)
    for turn in range(50):
        world.request(f"s{turn % 20}")
        await asyncio.sleep(11)
    under_way = [one for one in server.requests[server_requests:] if one.at - asked[0] > 5]
    assert under_way == []


@scenario
async def test_a_bundle_that_was_deleted_unseen_makes_no_hot_loop(world: World) -> None:
    server = world.skillmeat()
    bundle = server.add("t0")
    world.bundle("b0", ref={"name": "t0"})
    world.source()
    await world.ready()
    await asyncio.sleep(10)
    del world.server.objects[BUNDLES, "team", "b0"]
    server.changed(bundle, version="1.1.0", description="New.")
    before = len(world.server.calls)
    await asyncio.sleep(300)
    assert len(world.server.calls) - before < 100


@scenario
async def test_short_times_of_one_change_nothing_for_its_neighbours(world: World) -> None:
    server = world.skillmeat()
    server.add("t0")
    server.latency = 3.0
    world.source("hasty", "hasty", catalog="hasty", timeout="1s", interval="10s")
    for number in range(200):
        world.source(f"s{number}", catalog=f"c{number}", interval="10m")
    for number in range(200):
        await world.ready(f"s{number}", within=120)
    await asyncio.sleep(120)
    assert all(
        world.condition("SourceReachable", f"s{number}") == ("True", "Succeeded") for number in range(200)
    )
    before = len(world.server.calls)
    await asyncio.sleep(300)
    # Heads are read for the portal, which reads each document every 100 to 150 s.
    made = [one for one in world.server.calls[before:] if one.name is None]
    assert len(made) < 80


@scenario
async def test_six_hundred_statuses_of_one_tenant_do_not_hold_up_the_one_of_another(world: World) -> None:
    server = world.skillmeat()
    for number in range(600):
        server.add(f"t{number}")
        world.bundle(f"b{number}", "large", ref={"name": f"t{number}"})
    small = world.skillmeat("small.sim")
    small.add("t0")
    world.bundle("b0", "small", ref={"name": "t0"})
    world.source("main", "large", catalog="large")
    await asyncio.sleep(3)
    began = clock()
    world.source("main", "small", host="small.sim", catalog="small")
    await world.until(
        lambda: world.condition("Ready", "b0", "small", BUNDLES)[0] == "True", within=60, what="the one"
    )
    assert clock() - began < 15


@scenario
async def test_a_hundred_tokens_that_are_due_together_are_all_read(world: World) -> None:
    server = world.skillmeat()
    server.add("t0")
    for number in range(100):
        world.source(
            f"s{number}", catalog=f"c{number}", skillmeat={"auth": _token(world, number)}, timeout="30s"
        )
    reasons: dict[str, set[str]] = defaultdict(set)
    for _ in range(300):
        await asyncio.sleep(1)
        for number in range(100):
            reasons[world.condition("SourceReachable", f"s{number}")[1]].add(f"s{number}")
    assert set(reasons) <= {"", "Succeeded", "Progressing"}
    assert len(reasons["Succeeded"]) == 100


@scenario
async def test_names_that_hang_do_not_hold_up_the_names_of_others(world: World) -> None:
    for number in range(6):
        world.network.names_hang.add(f"hangs{number}.sim")
        world.network.hosts[f"hangs{number}.sim"] = world.portal.handle
        world.server.apply(
            SOURCES,
            "bad",
            f"s{number}",
            {"source": {"skillmeat": {"url": f"http://hangs{number}.sim"}}, "interval": "10s"},
        )
    world.skillmeat().add("t0")
    await asyncio.sleep(30)
    world.source()
    await world.ready(within=20)


@scenario
async def test_after_everybody_left_nothing_is_remembered_and_nothing_is_called(world: World) -> None:
    server = world.skillmeat()
    for number in range(5):
        server.add(f"t{number}")
        world.bundle(f"b{number}", ref={"name": f"t{number}"})
    uids = [world.source(f"s{number}", catalog=f"c{number}")["metadata"]["uid"] for number in range(10)]
    world.source()
    await world.ready()
    world.server.faults.append(Fault("lost", plural="configmaps", until=clock() + 60))
    for number in range(10):
        world.server.delete(SOURCES, "team", f"s{number}")
    world.server.delete(SOURCES, "team", "main")
    for number in range(5):
        world.server.delete(BUNDLES, "team", f"b{number}")
    await asyncio.sleep(900)
    assert [key for key in world.server.objects if key[0] in {SOURCES, BUNDLES, "configmaps"}] == []
    assert world.running is not None
    assert {uid: world.running.remembers(uid) for uid in uids} == {uid: [] for uid in uids}
    since, requests = clock(), len(server.requests) + len(world.portal.reads)
    await asyncio.sleep(3600)
    assert len(server.requests) + len(world.portal.reads) == requests
    assert world.operator_writes(since) == []


@scenario
async def test_portals_that_hang_while_they_are_changed_hold_up_no_other_tenant(world: World) -> None:
    tasks = []

    def hanging(portal: Portal) -> Callable[[httpx.Request], Awaitable[httpx.Response]]:
        async def handle(request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and "/locations" in request.url.path:
                await asyncio.sleep(10_000)
            return await portal.handle(request)

        return handle

    for number in range(2):
        portal = Portal(clock, random.Random(number), world._fetch)
        world.network.hosts[f"bad{number}.sim"] = hanging(portal)
        tasks.append(asyncio.create_task(portal.run()))
    world.skillmeat().add("t0")
    world.source("good", "good", catalog="good")
    await world.ready("good", "good")
    for number in range(2):
        for each in range(30):
            backstage = {"url": f"http://bad{number}.sim"}
            world.source(f"s{each}", f"bad{number}", catalog=f"b{number}-{each}", backstage=backstage)
    waits = []
    for _ in range(10):
        await asyncio.sleep(13)
        token = world.request("good", "good")

        def answered(token: str = token) -> bool:
            handled = world.get("good", "good")["status"].get("handledRequests") or {}
            return bool(handled.get("skillmeat") == token)

        waits.append(await world.until(answered, within=60))
    assert max(waits) < 1.0
    for task in tasks:
        task.cancel()
