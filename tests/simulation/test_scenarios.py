"""Sequences that emptied a portal, lost a plan or starved a tenant once, each with the right value.

``README.md`` beside this file tells which of them the first design of the controller failed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from skillmeat_operator.domain.template.document import EMPTY
from tests.simulation import loop
from tests.simulation.apiserver import Fault, Obj
from tests.simulation.world import BUNDLES, SOURCES, World, clock

Scenario = Callable[[World], Awaitable[None]]


def scenario(test: Scenario) -> Callable[[], None]:
    """Run a scenario in a world of its own."""

    def run() -> None:
        async def alive() -> None:
            world = World(seed=7)
            async with world.alive():
                await test(world)

        loop.run(alive())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def settled(world: World, count: int = 5, **spec: object) -> set[str]:
    """A CatalogSource with some templates, all shown."""
    server = world.skillmeat()
    for number in range(count):
        server.add(f"t{number}")
    world.source(**spec)  # type: ignore[arg-type]
    await world.ready()
    await asyncio.sleep(5)
    names = {f"t{number}" for number in range(count)}
    assert world.shown() == names
    return names


# --- believed before it is stored


@pytest.mark.parametrize("kind", ["lost", "answer lost"])
@pytest.mark.parametrize("method", ["POST", "PUT"], ids=["chunk", "head"])
def test_a_plan_whose_snapshot_met_a_time_out_is_stored_and_served_by_the_next_visit(
    kind: str, method: str
) -> None:
    @scenario
    async def run(world: World) -> None:
        await settled(world)
        fault = Fault(kind, method=method, plural="configmaps", times=1)  # type: ignore[arg-type]
        world.server.faults.append(fault)
        world.bundle("held-back", ref={"name": "t3"}, publish=False)
        await world.until(lambda: "t3" not in world.shown(), within=120, what="t3 leaves the portal")
        world.skillmeat().add("t9")
        await world.until(lambda: "t9" in world.shown(), within=180, what="t9 appears")

    run()


@scenario
async def test_an_older_head_that_is_put_back_is_mended_at_the_next_visit(world: World) -> None:
    await settled(world)
    uid = world.get()["metadata"]["uid"]
    older = {key: obj for key, obj in world.server.backup()[0].items() if key[0] == "configmaps"}
    world.skillmeat().add("new")
    await world.until(lambda: "new" in world.shown(), within=180)
    await asyncio.sleep(120)
    for key, obj in older.items():
        world.server._put("MODIFIED", key, obj)

    def mended() -> bool:
        head = world.server.get("configmaps", "skillmeat-system", f"smsrc-{uid}")
        assert head is not None
        served: str = json.loads(head["data"]["head.json"])["revision"]
        return served == world.get()["status"]["revision"]

    assert not mended()
    await world.until(mended, within=100, what="the head names what status does")
    await asyncio.sleep(300)
    assert "new" in world.shown()


@scenario
async def test_status_tells_no_revision_that_is_not_served(world: World) -> None:
    await settled(world)
    world.server.faults.append(Fault("quota", method="POST", plural="configmaps"))
    revision = world.get()["status"]["revision"]
    world.skillmeat().add("new")
    await asyncio.sleep(300)
    assert world.get()["status"]["revision"] == revision
    assert world.condition() == ("True", "ServingLastGood")
    await asyncio.sleep(900)
    assert world.condition() == ("False", "SnapshotUnavailable"), "the grace of any outage is over"
    world.server.faults.clear()
    await world.until(lambda: "new" in world.shown(), within=1000)
    await world.ready()
    assert world.get()["status"]["revision"] != revision


# --- empty is not evidence


@scenario
async def test_a_blind_token_a_lost_snapshot_and_an_empty_list_empty_nothing(world: World) -> None:
    names = await settled(world)
    await world.stop()
    for key in [key for key in world.server.objects if key[0] == "configmaps"]:
        del world.server.objects[key]
    world.portal.blind = True
    world.skillmeat().answers = lambda path: (
        httpx.Response(200, json=[]) if path.endswith("/templates") else None
    )
    await world.start()
    world.request()
    await asyncio.sleep(900)
    assert all(status == 503 for at, _, status, *_ in world.documents if at > clock() - 890)
    assert not any(body == EMPTY for *_, body, _ in world.documents)
    assert world.shown() == names
    assert world.condition("CatalogReachable") == ("False", "TokenCannotRead")
    assert world.condition()[0] == "False"


@pytest.mark.parametrize("change", ["tags", "type", "title"])
def test_templates_that_no_filter_takes_any_more_because_of_upstream_are_held(change: str) -> None:
    @scenario
    async def run(world: World) -> None:
        if change == "title":
            names = await settled(world, 10, publishPolicy="Declared")
        else:
            wanted = {"tags": ["python"]} if change == "tags" else {"types": ["service"]}
            names = await settled(world, 10, filters={"include": [wanted]})
        server = world.skillmeat()
        for one in list(server.bundles.values()):
            changes = {
                "tags": {"tags": ["other"]},
                "type": {"type": "Service"},
                "title": {"title": f"x{one.id}"},
            }
            server.changed(one, **changes[change])
        await asyncio.sleep(600)
        assert world.shown() == names
        assert world.condition() == ("False", "RemovalHeld")

    if change != "title":
        run()
        return

    @scenario
    async def declared(world: World) -> None:
        server = world.skillmeat()
        for number in range(10):
            server.add(f"t{number}")
            world.bundle(f"b{number}", ref={"name": f"t{number}"})
        world.source(publishPolicy="Declared")
        await world.ready()
        names = world.shown()
        assert len(names) == 10
        for one in list(server.bundles.values()):
            server.changed(one, title=f"renamed {one.id}")
        await asyncio.sleep(600)
        assert world.shown() == names

    declared()


@scenario
async def test_after_a_lost_snapshot_four_of_a_hundred_may_go(world: World) -> None:
    await settled(world, 100)
    await world.stop()
    for key in [key for key in world.server.objects if key[0] == "configmaps"]:
        del world.server.objects[key]
    server = world.skillmeat()
    for identifier in list(server.bundles)[:4]:
        del server.bundles[identifier]
    await world.start()
    await world.until(lambda: len(world.shown()) == 96, within=300, what="96 are left")
    await world.ready()


# --- what is not understood is frozen


@scenario
async def test_a_bundle_that_a_newer_version_wrote_stays_as_it_was_decided(world: World) -> None:
    server = world.skillmeat()
    for number in range(5):
        server.add(f"t{number}")
    world.bundle("down", ref={"name": "t1"}, publish=False)
    world.bundle("pinned", ref={"name": "t2"}, version="^1")
    world.source()
    await world.ready()
    assert world.shown() == {"t0", "t2", "t3", "t4"}
    spec = world.get("down", plural=BUNDLES)["spec"]
    world.server.apply(BUNDLES, "team", "down", {**spec, "stalePolicy": "Newer"})
    spec = world.get("pinned", plural=BUNDLES)["spec"]
    world.server.apply(BUNDLES, "team", "pinned", {**spec, "stalePolicy": "Newer"})
    pinned = next(one for one in server.bundles.values() if one.name == "t2")
    server.changed(pinned, version="2.0.0", description="New.")
    await asyncio.sleep(300)
    assert world.shown() == {"t0", "t2", "t3", "t4"}
    shown = next(one.entity for ref, one in world.portal.shown.items() if ref.endswith("/t2"))
    assert shown["metadata"]["annotations"]["skillmeat.io/bundle-version"] == "1.0.0"
    await world.restart()
    await asyncio.sleep(300)
    assert world.shown() == {"t0", "t2", "t3", "t4"}


@scenario
async def test_a_source_that_a_newer_version_wrote_can_be_deleted(world: World) -> None:
    await settled(world)
    spec = world.get()["spec"]
    world.server.apply(
        SOURCES, "team", "main", {**spec, "removalPolicy": {"mode": "Newer", "maxPercent": "all"}}
    )
    await asyncio.sleep(120)
    assert len(world.portal.shown) == 5
    world.server.delete(SOURCES, "team", "main")
    await world.until(lambda: world.server.get(SOURCES, "team", "main") is None, within=120)
    assert world.portal.locations == {}


# --- a status belongs to one generation


@scenario
async def test_a_spec_that_changes_while_statuses_are_written_is_not_stamped_by_the_old_visit(
    world: World,
) -> None:
    server = world.skillmeat()
    for number in range(40):
        server.add(f"t{number}")
        world.bundle(f"b{number}", ref={"name": f"t{number}"})
    world.source()
    done: list[bool] = []
    stamped: list[str] = []
    original = world.server._tell

    def tell(event: str, plural: str, obj: Obj) -> None:
        original(event, plural, obj)
        if plural == SOURCES and obj["metadata"]["generation"] == 2:
            stamped.extend(
                one["reason"]
                for one in (obj.get("status") or {}).get("conditions") or []
                if one["type"] == "Ready" and one["status"] == "True" and one["observedGeneration"] == 2
            )
        ready = plural == BUNDLES and any(
            one["type"] == "Ready" and one["status"] == "True"
            for one in (obj.get("status") or {}).get("conditions") or []
        )
        if ready and not done:
            done.append(True)
            # While the others are written, which takes longer than a watch.
            world.server.latency = 0.5
            spec = world.get()["spec"]
            broken = {"skillmeat": {"url": "http://nobody.sim"}}
            world.server.apply(SOURCES, "team", "main", {**spec, "source": broken})

    world.server._tell = tell  # type: ignore[method-assign]
    await asyncio.sleep(90)
    assert world.get()["metadata"]["generation"] == 2
    assert stamped == []


@scenario
async def test_what_the_portal_refuses_is_told_although_something_else_changes_at_each_poll(
    world: World,
) -> None:
    await settled(world, 5, interval="30s")
    server = world.skillmeat()
    refused = server.add("refused")
    world.portal.refused_refs.add("template:skillmeat/refused")
    changing = next(iter(server.bundles.values()))
    token = ""
    for turn in range(20):
        server.changed(changing, description=f"Turn {turn}.")
        if turn == 10:
            token = world.request()
        await asyncio.sleep(30)
    status = world.get()["status"]
    # The one that changed a moment ago may be on its way.
    assert status["entities"]["missing"] in {1, 2}
    reasons = {one["entityRef"]: one["reason"] for one in status["problems"]}
    assert reasons["template:skillmeat/refused"] == "SchemaRefused"
    assert world.condition("CatalogSynced")[0] == "False"
    assert status["handledRequests"]["skillmeat"] == token
    assert refused.id in server.bundles


# --- deletion


@scenario
async def test_a_secret_that_may_not_be_read_for_a_moment_abandons_nothing(world: World) -> None:
    world.server.put_config("secrets", "team", "portal", {"token": "dG9rZW4="})
    auth = {"bearerTokenSecretRef": {"name": "portal", "key": "token"}}
    await settled(world, backstage={"auth": auth})
    await world.restart()
    await world.ready()
    fault = Fault("forbidden", plural="secrets", until=clock() + 40)
    world.server.faults.append(fault)
    world.server.delete(SOURCES, "team", "main")
    await asyncio.sleep(30)
    assert world.server.get(SOURCES, "team", "main") is not None
    await world.until(lambda: world.server.get(SOURCES, "team", "main") is None, within=600)
    assert world.portal.locations == {}
    assert world.portal.shown == {}


@pytest.mark.parametrize("when", ["secret", "holders"])
def test_nothing_is_left_of_a_source_that_vanishes_during_a_visit(when: str) -> None:
    @scenario
    async def run(world: World) -> None:
        world.server.put_config("secrets", "team", "token", {"token": "dG9rZW4="})
        server = world.skillmeat()
        server.add("t0")
        auth = {"bearerTokenSecretRef": {"name": "token", "key": "token"}}
        world.portal.latency = 1.0
        obj = world.source(skillmeat={"auth": auth}, deletionPolicy="Retain")
        uid = obj["metadata"]["uid"]
        if when == "secret":
            world.server.faults.append(Fault("lost", plural="secrets", times=1))
            await asyncio.sleep(1)
        else:
            await world.until(lambda: any("by-refs" in path for _, path in world.portal.reads), within=60)
        world.server.delete(SOURCES, "team", "main")
        await asyncio.sleep(60)
        assert world.running is not None
        assert world.running.remembers(uid) == []
        world.source()
        await world.ready(within=120)
        assert world.shown() == {"t0"}

    run()


# --- clocks


@scenario
async def test_an_outage_is_told_in_time_although_a_clock_was_ahead(world: World) -> None:
    world.operator_skew = timedelta(days=1)
    await settled(world)
    world.skillmeat().refuses = True
    await world.until(lambda: world.condition("SourceReachable")[0] == "False", within=300)
    world.operator_skew = timedelta(0)
    await world.restart()
    await asyncio.sleep(15 * 60 + 300)
    assert world.condition()[0] == "False"
