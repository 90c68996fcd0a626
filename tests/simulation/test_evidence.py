"""What cannot be seen proves nothing, and what could not be done is told: sequences that readers of the code found.

Each emptied a portal, left something behind in it or told of health for hours once.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import logging
import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from skillmeat_operator.domain.template.document import EMPTY
from tests.simulation import loop
from tests.simulation.apiserver import Fault
from tests.simulation.portal import Portal
from tests.simulation.test_scenarios import scenario, settled
from tests.simulation.wiring import Config
from tests.simulation.world import BUNDLES, SOURCES, World, clock

HOUR = 3600.0


@pytest.mark.parametrize("left", [0, 1])
def test_a_token_that_reads_nothing_empties_no_portal_for_an_object_made_anew(left: int) -> None:
    @scenario
    async def run(world: World) -> None:
        names = await settled(world, deletionPolicy="Retain")
        world.server.delete(SOURCES, "team", "main")
        await asyncio.sleep(30)
        world.portal.blind = True
        server = world.skillmeat()
        for key in list(server.bundles)[left:]:
            del server.bundles[key]
        world.source(deletionPolicy="Retain")
        await asyncio.sleep(600)
        assert {ref.rpartition("/")[2] for ref in world.portal.shown} == names
        assert not any(body == EMPTY for *_, body, _ in world.documents)
        assert world.condition() == ("False", "TokenCannotRead")

    run()


@scenario
async def test_a_token_that_reads_neither_entities_nor_locations_empties_nothing_either(world: World) -> None:
    names = await settled(world, deletionPolicy="Retain")
    world.server.delete(SOURCES, "team", "main")
    await asyncio.sleep(30)
    world.portal.blind = True
    world.portal.answers = lambda method, path: (
        httpx.Response(200, json=[]) if method == "GET" and path == "/locations" else None
    )
    world.skillmeat().bundles.clear()
    world.source(deletionPolicy="Retain")
    await asyncio.sleep(600)
    assert {ref.rpartition("/")[2] for ref in world.portal.shown} == names
    assert not any(status == 200 for at, _, status, *_ in world.documents if at > clock() - 590)
    assert world.condition() == ("False", "TokenCannotRead")


@pytest.mark.parametrize("gone", ["deleted", "forbidden"])
@pytest.mark.parametrize("then", ["restart", "change"])
def test_sources_without_a_connection_are_nobodys_rivals(gone: str, then: str) -> None:
    @scenario
    async def run(world: World) -> None:
        other = Portal(clock, random.Random(3), world._fetch)
        world.network.hosts["portal2.sim"] = other.handle
        task = asyncio.create_task(other.run())
        token = {"token": base64.b64encode(b"abc").decode()}
        for namespace in ("staging", "prod"):
            secret = {"metadata": {"name": "tok", "namespace": namespace}, "data": token}
            world.server._put("ADDED", ("secrets", namespace, "tok"), secret)
        for number in range(5):
            world.skillmeat().add(f"t{number}")
        auth = {"auth": {"bearerTokenSecretRef": {"name": "tok"}}}
        for namespace, host in (("staging", "portal"), ("prod", "portal2")):
            portal = {"url": f"http://{host}.sim", **auth}
            world.source("main", namespace, backstage=portal, catalog="skillmeat")
            await world.ready("main", namespace)
        if gone == "deleted":
            for namespace in ("staging", "prod"):
                world.server.delete("secrets", namespace, "tok")
        else:
            world.server.faults.append(Fault("forbidden", method="GET", plural="secrets"))
        if then == "restart":
            await world.restart(after=5)
        await asyncio.sleep(60)
        if then == "change":
            world.skillmeat().add("t5")
        await asyncio.sleep(600)
        assert len(world.portal.shown) >= 5
        assert len(other.shown) >= 5
        assert not any(body == EMPTY for *_, body, _ in world.documents)
        task.cancel()

    run()


@scenario
async def test_an_outage_of_the_portal_gives_nothing_to_who_is_older(world: World) -> None:
    for number in range(5):
        world.skillmeat().add(f"t{number}")
    world.source("old", "aaa", filters={"include": [{"names": ["none-such"]}]})
    await world.ready("old", "aaa")
    world.source("young", "bbb")
    await world.ready("young", "bbb")
    await asyncio.sleep(200)
    mine = world.shown("young", "bbb")
    world.portal.answers = lambda method, path: httpx.Response(503)
    await asyncio.sleep(70)
    world.source("old", "aaa")
    await asyncio.sleep(70)
    world.skillmeat().add("t5")
    await asyncio.sleep(600)
    world.portal.answers = lambda method, path: None
    await asyncio.sleep(900)
    assert len(mine) == 5
    assert mine <= world.shown("young", "bbb")
    assert not any("/bbb/" in path and body == EMPTY for _, path, _, body, _ in world.documents)


@pytest.mark.parametrize(
    ("fault", "condition", "reason"),
    [
        (Fault("broken", method="POST", plural="configmaps"), "CatalogSynced", "SnapshotUnavailable"),
        (Fault("unprocessable", method="POST", plural="configmaps"), "CatalogSynced", "SnapshotUnavailable"),
        (Fault("broken", method="GET", plural="configmaps"), "CatalogSynced", "SnapshotUnavailable"),
        (Fault("broken", method="GET", plural="secrets"), "SourceReachable", "SecretUnavailable"),
    ],
    ids=["cannot-be-written", "is-refused", "cannot-be-read", "secret"],
)
def test_what_the_api_server_refuses_for_good_is_told(fault: Fault, condition: str, reason: str) -> None:
    @scenario
    async def run(world: World) -> None:
        secret = {
            "metadata": {"name": "tok", "namespace": "team"},
            "data": {"token": base64.b64encode(b"abc").decode()},
        }
        world.server._put("ADDED", ("secrets", "team", "tok"), secret)
        await settled(world, skillmeat={"auth": {"bearerTokenSecretRef": {"name": "tok"}}})
        world.server.faults.append(fault)
        world.skillmeat().add("new")
        await asyncio.sleep(600)
        assert world.condition(condition)[1] == reason
        assert world.condition() == ("True", "ServingLastGood")
        await asyncio.sleep(0.5 * HOUR)
        assert world.condition() == ("False", reason)
        world.server.faults.clear()
        await world.until(lambda: "new" in world.shown(), within=1200)
        await world.ready()

    run()


@scenario
async def test_a_deletion_that_the_portal_refuses_backs_off_and_reads_no_source(world: World) -> None:
    await settled(world)
    world.portal.answers = lambda method, path: httpx.Response(403) if method == "DELETE" else None
    world.server.delete(SOURCES, "team", "main")
    since = clock()
    await asyncio.sleep(2 * HOUR)
    tries = [at for at, method, _ in world.portal.writes if method == "DELETE" and at > since]
    assert 8 <= len(tries) <= 30
    assert not [one for one in world.skillmeat().requests if one.at > since + 1]
    assert world.condition() == ("False", "Finalizing")


def test_the_operators_own_token_file_that_is_away_abandons_no_deletion(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("portal-token")

    async def alive() -> None:
        world = World(seed=7, config=Config(backstage_token_file=file))
        async with world.alive():
            await settled(world)
            await world.stop()
            file.unlink()
            await world.start()
            await asyncio.sleep(20)
            world.server.delete(SOURCES, "team", "main")
            await asyncio.sleep(10)
            assert world.portal.locations
            file.write_text("portal-token")
            await asyncio.sleep(1800)
            assert not world.portal.locations
            assert world.server.get(SOURCES, "team", "main") is None

    loop.run(alive())


@pytest.mark.parametrize("restarted", [False, True])
def test_force_delete_needs_no_right_on_snapshots(restarted: bool) -> None:
    @scenario
    async def run(world: World) -> None:
        await settled(world)
        world.server.faults.append(Fault("forbidden", plural="configmaps"))
        if restarted:
            await world.restart()
        await asyncio.sleep(5)
        world.server.annotate(SOURCES, "team", "main", "skillmeat.io/force-delete", "true")
        world.server.delete(SOURCES, "team", "main")
        await asyncio.sleep(120)
        assert world.server.get(SOURCES, "team", "main") is None
        assert not world.portal.locations

    run()


@scenario
async def test_the_short_timeout_of_one_tenant_backs_a_server_off_for_nobody_else(world: World) -> None:
    server = world.skillmeat()
    server.add("t0")
    real, reads = server.handle, list[float]()

    async def slow(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/templates") and "platform" not in request.url.params:
            reads.append(clock())
        await asyncio.sleep(2.0)
        return await real(request)

    world.network.hosts["skillmeat.sim"] = slow
    world.source("b", "b", catalog="b", interval="5m")
    await world.ready("b", "b")
    for number in range(20):
        name = f"a{number}"
        world.source(
            name, "a", catalog=name, timeout="1s", interval="10s", skillmeat={"platform": f"p{number}"}
        )
    await asyncio.sleep(4 * HOUR)
    assert max(later - before for before, later in itertools.pairwise(reads)) < 400


@scenario
async def test_who_asks_hears_that_the_address_wants_a_pause(world: World) -> None:
    await settled(world)
    server = world.skillmeat()
    server.answers = lambda path: (
        httpx.Response(429, headers={"Retry-After": "900"}) if path.endswith("/templates") else None
    )
    world.source("other", "noisy", catalog="noisy", skillmeat={"platform": "x"})
    await asyncio.sleep(30)
    token = world.request()
    await asyncio.sleep(30)
    status = world.get()["status"]
    assert status["handledRequests"]["skillmeat"] == token
    assert world.condition() == ("True", "ServingLastGood")
    world.source("late", "late", catalog="late", skillmeat={"platform": "y"})
    await asyncio.sleep(30)
    assert world.condition("SourceReachable", "late", "late") == ("False", "SourceUnreachable")
    assert world.condition("Ready", "late", "late")[0] == "False"


@pytest.mark.parametrize("through", [["StaticLocation"], ["StaticLocation", "External"]])
def test_a_location_that_was_registered_goes_with_the_object_whatever_brings_entities_by_then(
    through: list[str],
) -> None:
    @scenario
    async def run(world: World) -> None:
        await settled(world)
        for ingestion in through:
            world.source(backstage={"ingestion": ingestion})
            await asyncio.sleep(120)
        world.server.delete(SOURCES, "team", "main")
        await asyncio.sleep(120)
        assert world.server.get(SOURCES, "team", "main") is None
        assert not world.portal.locations

    run()


@scenario
async def test_entities_at_our_own_target_are_never_somebody_elses(world: World) -> None:
    names = await settled(world)
    world.portal.strips_markers = True
    world.skillmeat().add("t5")
    await asyncio.sleep(900)
    assert names <= {ref.rpartition("/")[2] for ref in world.portal.shown}
    assert not any(body == EMPTY for *_, body, _ in world.documents)
    assert world.get()["status"]["entities"]["conflicting"] == 0


@pytest.mark.parametrize("answer", [500, 429, 503])
def test_pages_that_could_not_be_read_are_not_pages_that_are_not_offered(answer: int) -> None:
    @scenario
    async def run(world: World) -> None:
        names = await settled(world, filters={"include": [{"bundleStatuses": ["published"]}]})
        world.skillmeat().answers = lambda path: (
            httpx.Response(answer) if path.endswith("/bundles/entities") else None
        )
        await world.restart(after=5)
        await asyncio.sleep(900)
        assert world.shown() == names
        assert world.condition() == ("True", "Succeeded")
        assert world.condition("Stale")[0] == "Unknown"
        assert world.get()["status"]["problems"]
        world.skillmeat().add("new")
        await asyncio.sleep(300)
        assert "new" not in world.shown(), "a new one waits for its status"
        world.skillmeat().answers = lambda path: None
        await world.until(lambda: "new" in world.shown(), within=1800)

    run()


@scenario
async def test_pages_that_are_not_offered_are_told_at_once(world: World) -> None:
    world.skillmeat().answers = lambda path: (
        httpx.Response(404) if path.endswith("/bundles/entities") else None
    )
    world.skillmeat().add("t0")
    world.source(filters={"include": [{"bundleStatuses": ["published"]}]})
    await world.until(lambda: world.condition() == ("False", "FilterUnsupported"), within=60)
    await world.restart(after=5)
    await asyncio.sleep(120)
    assert world.condition() == ("False", "FilterUnsupported")


@scenario
async def test_a_status_that_is_refused_is_named_and_stops_nothing_else(world: World) -> None:
    records: list[logging.LogRecord] = []
    keeper = logging.Handler()
    keeper.emit = records.append  # type: ignore[method-assign]
    logging.getLogger("skillmeat_operator").addHandler(keeper)
    try:
        await settled(world)
        found = {one.name: one.id for one in world.skillmeat().bundles.values()}
        world.bundle("good", ref={"id": found["t0"]})
        world.bundle("poisoned", ref={"id": found["t1"]})
        world.server.faults.append(
            Fault("unprocessable", plural=BUNDLES, name="poisoned", status=True, method="PATCH")
        )
        for number in range(6):
            world.skillmeat().add(f"more{number}")
            await asyncio.sleep(120)
    finally:
        logging.getLogger("skillmeat_operator").removeHandler(keeper)
    assert world.condition("Ready", "good", plural=BUNDLES) == ("True", "Succeeded")
    assert any("poisoned" in one.getMessage() and "422" in one.getMessage() for one in records)
    chunks = [key for key in world.server.objects if key[0] == "configmaps" and key[2].count("-") > 5]
    assert len(chunks) <= 2, chunks
    assert len(world.shown()) == 11


@scenario
async def test_a_token_that_sees_nothing_any_more_is_told_also_where_another_provider_publishes(
    world: World,
) -> None:
    server = world.skillmeat()
    for number in range(3):
        bundle = server.add(f"t{number}")
        entity = {
            "apiVersion": "scaffolder.backstage.io/v1beta3",
            "kind": "Template",
            "metadata": {
                "name": f"t{number}",
                "namespace": "skillmeat",
                "annotations": {"skillmeat.io/bundle-version": bundle.version},
            },
            "spec": {"type": "service", "owner": "group:default/x", "steps": []},
        }
        world.portal.bring(entity)
    world.source(backstage={"ingestion": "External"})
    await world.ready()
    world.portal.blind = True
    await asyncio.sleep(300)
    assert world.condition("CatalogReachable") == ("False", "TokenCannotRead")
    world.portal.blind = False
    await world.until(lambda: world.condition() == ("True", "Succeeded"), within=1200)


def _lose_head(world: World) -> None:
    for key in [key for key in world.server.objects if key[0] == "configmaps"]:
        del world.server.objects[key]


def _spoil_head(world: World) -> None:
    uid = world.get()["metadata"]["uid"]
    world.server.spoil("configmaps", "skillmeat-system", f"smsrc-{uid}", {"head.json": '{"version": 999}'})


@pytest.mark.parametrize("lose", [_lose_head, _spoil_head])
def test_a_head_that_is_lost_is_back_soon_after_somebody_asks_for_its_document(
    lose: Callable[[World], None],
) -> None:
    @scenario
    async def run(world: World) -> None:
        names = await settled(world, interval="1h")
        await asyncio.sleep(300)
        lose(world)
        await asyncio.sleep(400)
        at = next(at for at, _, status, *_ in reversed(world.documents) if status == 503)
        assert not [one for one in world.documents if one[0] > at + 10 and one[2] != 200]
        assert world.documents[-1][2] == 200
        assert world.shown() == names

    run()


@pytest.mark.parametrize("lose", [_lose_head, _spoil_head])
def test_a_requested_sync_looks_at_what_is_stored_after_it_was_asked_for(
    lose: Callable[[World], None],
) -> None:
    @scenario
    async def run(world: World) -> None:
        await settled(world, interval="1h")
        await asyncio.sleep(300)
        world.request()
        await asyncio.sleep(1)
        lose(world)
        world.request()
        await asyncio.sleep(5)
        uid = world.get()["metadata"]["uid"]
        head = world.server.get("configmaps", "skillmeat-system", f"smsrc-{uid}")
        assert head is not None
        assert "999" not in head["data"]["head.json"]

    run()
