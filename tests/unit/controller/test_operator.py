"""The operator as a whole: how it begins, whom it has visited by what, when it counts as stuck, how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, KubernetesError, UnavailableError
from skillmeat_operator.controller import operator as module
from skillmeat_operator.controller.listeners import Listeners
from skillmeat_operator.controller.operator import Operator, run_operator
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.watch.watching import Watching
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.simulation.wiring import Config
from tests.unit.controller.virtual import clock, middle, virtual

SOURCES, BUNDLES = "catalogsources", "templatebundles"
CLUSTER = "c1c1c1c1-0000-4000-8000-000000000000"
FREE = SimpleNamespace(host="127.0.0.1", port=0)
AWAY = UnavailableError("GET x: timed out")


class Client:
    """The API server as far as a start needs it."""

    def __init__(self, *answers: str | KubernetesError) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.closed = False

    async def cluster_uid(self) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KubernetesError):
            raise answer
        return answer

    async def close(self) -> None:
        self.closed = True


class Start:
    """All that a start makes, in place of the real parts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
        self.client = client
        self.access: dict[str, Any] = {}
        self.made: dict[str, Any] = {}
        self.listeners: Any = None
        self.ran = asyncio.Event()
        start = self

        async def find_access(**told: Any) -> str:
            start.access = told
            return "access"

        async def outbound_client(_config: Any, _access: Any) -> str:
            return "http"

        class Made:
            def __init__(self, _config: Any, **parts: Any) -> None:
                start.made = parts

            async def run(self) -> None:
                start.ran.set()
                await start.made["stop"].wait()

        class Noted(Listeners):
            def __init__(self, config: Any) -> None:
                super().__init__(config)
                start.listeners = self
                self.stops = 0

            async def stop(self) -> None:
                self.stops += 1
                await super().stop()

        monkeypatch.setattr(module, "find_access", find_access)
        monkeypatch.setattr(module, "KubernetesClient", lambda *_, **__: client)
        monkeypatch.setattr(module, "outbound_client", outbound_client)
        monkeypatch.setattr(module, "Operator", Made)
        monkeypatch.setattr(module, "Listeners", Noted)
        monkeypatch.setattr(module, "_UID_AGAIN", 0.005)
        monkeypatch.setattr(gc, "freeze", lambda: None)
        monkeypatch.setattr(gc, "set_threshold", lambda *_: None)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.002)


def config(**changes: Any) -> Any:
    return replace(Config(serve_address=FREE, metrics_address=FREE), **changes)


def tell(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_runs_until_it_is_told_to_stop(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    start = Start(monkeypatch, Client(CLUSTER))
    running = asyncio.create_task(run_operator(config()))
    await start.until(start.ran.is_set)
    assert start.made["cluster_uid"] == CLUSTER
    assert (start.made["access"], start.made["http"], start.made["client"]) == (
        "access",
        "http",
        start.client,
    )
    assert (start.client.closed, start.listeners.stops) == (False, 0)
    tell(number)
    assert await running == 0
    assert (start.client.closed, start.listeners.stops) == (True, 1)


async def test_a_cluster_id_that_is_given_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Start(monkeypatch, Client(AWAY))
    running = asyncio.create_task(run_operator(config(cluster_id="given")))
    await start.until(start.ran.is_set)
    tell(signal.SIGTERM)
    assert await running == 0
    assert (start.made["cluster_uid"], start.client.asked) == ("given", 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, {"kubeconfig": None, "context": None}),
        (
            {"kubeconfig": Path("/a/config"), "context": "one"},
            {"kubeconfig": "/a/config", "context": "one"},
        ),
    ],
)
async def test_the_way_to_the_api_server_is_the_one_that_is_named(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: dict[str, Any]
) -> None:
    start = Start(monkeypatch, Client(CLUSTER))
    running = asyncio.create_task(run_operator(config(**given)))
    await start.until(start.ran.is_set)
    tell(signal.SIGTERM)
    await running
    assert start.access == told


async def test_while_the_api_server_is_away_it_says_so_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = Start(monkeypatch, Client(AWAY))
    running = asyncio.create_task(run_operator(config()))
    await start.until(lambda: start.client.asked > 2)
    assert "timed out" in start.listeners.waiting_for
    assert "--cluster-id" in start.listeners.waiting_for
    tell(signal.SIGTERM)
    assert await running == 0
    assert (start.made, start.client.closed, start.listeners.stops) == ({}, True, 1)


async def test_it_begins_once_the_api_server_is_back_and_tells_each_cause_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    forbidden = ForbiddenError("GET x: HTTP 403")
    start = Start(monkeypatch, Client(AWAY, AWAY, forbidden, forbidden, AWAY, CLUSTER))
    running = asyncio.create_task(run_operator(config()))
    await start.until(start.ran.is_set)
    tell(signal.SIGTERM)
    assert await running == 0
    assert start.made["cluster_uid"] == CLUSTER
    assert [one.rpartition(": ")[2] for one in caplog.messages] == ["timed out", "HTTP 403", "timed out"]


async def test_an_address_that_is_taken_ends_it_before_it_does_anything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = Start(monkeypatch, Client(CLUSTER))
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    taken = SimpleNamespace(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    assert await run_operator(config(metrics_address=taken)) == 1
    assert (start.client.asked, start.listeners.stops) == (0, 1)
    assert "cannot be listened on" in caplog.text
    server.close()
    await server.wait_closed()


class Listening:
    """Notes what is to be served."""

    def __init__(self) -> None:
        self.progress: Callable[[], str | None] = lambda: "not told"
        self.ready: Callable[[], str | None] = lambda: "not told"

    def serve(self, _provider: Any, *, progress: Any, ready: Any) -> None:
        self.progress, self.ready = progress, ready


class Http:
    """The way out; closing it takes its time."""

    def __init__(self) -> None:
        self.closed = False
        self.seconds = 0.0

    async def aclose(self) -> None:
        await asyncio.sleep(self.seconds)
        self.closed = True


class World:
    """An operator whose watches a test moves, and whose visits it sees."""

    def __init__(self, workers: int = 20) -> None:
        self.stop, self.listening, self.http = asyncio.Event(), Listening(), Http()
        client = KubernetesClient.__new__(KubernetesClient)
        client.namespace = "skillmeat-system"
        self.operator = Operator(
            cast(Any, Config(workers=workers)),
            access=cast(Any, None),
            client=client,
            cluster_uid=CLUSTER,
            http=cast(Any, self.http),
            listeners=cast(Any, self.listening),
            stop=self.stop,
            clock=clock,
            now=lambda: datetime(2026, 3, 1, tzinfo=UTC),
            uniform=middle,
        )
        self.visits: list[tuple[str, str]] = []
        self.during: Callable[[str], Awaitable[None]] | None = None
        operator: Any = self.operator
        operator._reconciler = SimpleNamespace(visit=self._visits("source"))
        operator._bundles = SimpleNamespace(visit_orphan=self._visits("bundle"))
        self.store = operator._store
        self.dispatcher = operator._watching._dispatcher

    def _visits(self, kind: str) -> Callable[[str], Awaitable[Result]]:
        async def visit(uid: str) -> Result:
            self.visits.append((kind, uid))
            if self.during is not None:
                await self.during(uid)
            return Result.done()

        return visit

    def list_all(self) -> None:
        for plural in (SOURCES, BUNDLES):
            self.store.note_listed(plural)

    def source(self, uid: str = a.UID, namespace: str = "team") -> None:
        obj = a.raw_source(uid=uid, name=uid[:8], namespace=namespace)
        self.dispatcher.seen(SOURCES, obj)


@asynccontextmanager
async def operating(monkeypatch: pytest.MonkeyPatch, world: World) -> AsyncIterator[asyncio.Task[None]]:
    async def watches(_: Watching) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Watching, "run", watches)
    task = asyncio.create_task(world.operator.run())
    await asyncio.sleep(0.1)
    try:
        yield task
    finally:
        world.stop.set()
        await asyncio.gather(task, return_exceptions=True)


@virtual
async def test_nothing_is_visited_before_everything_was_listed() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        async with operating(monkeypatch, world):
            world.operator._mark_due("u", 0.0)
            await asyncio.sleep(10)
            assert world.visits == []
            world.list_all()
            await asyncio.sleep(1)
            assert len(world.visits) == 1


@virtual
async def test_sources_are_reconciled_and_bundles_without_a_source_visited_by_themselves() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        world.list_all()
        async with operating(monkeypatch, world):
            world.dispatcher.seen(BUNDLES, a.raw_bundle(uid="bundle"))
            await asyncio.sleep(1)
            world.source()
            await asyncio.sleep(1)
            assert world.visits == [("bundle", "bundle"), ("source", a.UID)]


@pytest.mark.parametrize("plural", [SOURCES, BUNDLES])
def test_of_what_goes_while_it_is_visited_nothing_is_remembered(plural: str) -> None:
    @virtual
    async def scenario() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            world = World()
            world.list_all()
            gone = False

            async def during(uid: str) -> None:
                if gone:
                    world.store.of(plural).remove(uid)
                world.operator._remotes.expected.expect(uid, a.TARGET)

            world.during = during
            async with operating(monkeypatch, world):
                if plural == SOURCES:
                    world.source("u")
                else:
                    world.dispatcher.seen(BUNDLES, a.raw_bundle(uid="u"))
                await asyncio.sleep(1)
                assert "Remotes" in world.operator.remembers("u"), "it is there, and what it registered too"
                gone = True
                world.operator._mark_due("u", 0.0)
                await asyncio.sleep(1)
                assert world.operator.remembers("u") == []

    scenario()


@virtual
async def test_what_is_gone_is_forgotten_at_once() -> None:
    world = World()
    world.list_all()
    world.source("u")
    assert world.operator.remembers("u") != []
    world.dispatcher.gone(SOURCES, "u")
    assert world.operator.remembers("u") == []


@virtual
async def test_one_namespace_holds_half_of_the_workers_only() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(workers=2)
        world.list_all()

        async def hangs(_: str) -> None:
            await asyncio.sleep(60)

        world.during = hangs
        async with operating(monkeypatch, world):
            for uid, namespace in (("one", "team"), ("two", "team"), ("three", "other")):
                world.source(uid, namespace)
            world.dispatcher.seen(BUNDLES, a.raw_bundle(uid="bundle", namespace="other"))
            await asyncio.sleep(10)
            assert world.visits == [("source", "one"), ("source", "three")]


@virtual
async def test_a_change_ends_a_backoff_and_a_mark_does_not() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        world.list_all()

        async def fails(_: str) -> None:
            raise ValueError("a defect")

        world.during = fails
        async with operating(monkeypatch, world):
            world.source("u")
            await asyncio.sleep(1)
            world.operator._mark_due("u", 0.0)
            await asyncio.sleep(5)
            assert len(world.visits) == 1
            obj = a.raw_source(uid="u", name="u", generation=2, resourceVersion="2")
            world.dispatcher.seen(SOURCES, obj)
            await asyncio.sleep(1)
            assert len(world.visits) == 2


@virtual
async def test_it_is_stuck_where_for_five_minutes_nobody_visits_what_is_due() -> None:
    world = World()
    world.operator._mark_due("u", 0.0)
    assert world.operator._queue.stuck_for() == 0.0
    await asyncio.sleep(300)
    assert world.operator._queue.stuck_for() == 300.0
    world.store.gate.set()
    assert world.listening.progress() is None
    await asyncio.sleep(1)
    assert "for 301 s" in (world.listening.progress() or "")
    world.store.gate.clear()
    assert world.listening.progress() is None, "before everything was listed nobody is to be visited"
    world.store.gate.set()
    world.operator._queue.forget("u")
    assert world.listening.progress() is None, "nobody is due"


@virtual
async def test_it_is_ready_when_it_sees_everything() -> None:
    world = World()
    assert "not been listed yet" in (world.listening.ready() or "")
    world.list_all()
    assert "not watched yet" in (world.listening.ready() or "")
    for key in world.operator._watching.health.states:
        world.operator._watching.health.well(key)
    assert world.listening.ready() is None


@virtual
async def test_it_stops_whatever_is_under_way_and_closes_its_way_out() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        world.list_all()
        cut: list[str] = []

        async def hangs(uid: str) -> None:
            try:
                await asyncio.sleep(100)
            finally:
                cut.append(uid)

        world.during = hangs
        async with operating(monkeypatch, world) as task:
            world.source("u")
            await asyncio.sleep(1)
            began = clock()
            world.stop.set()
            await task
            assert (cut, world.http.closed) == (["u"], True)
            assert clock() - began == pytest.approx(0.0, abs=0.01)


@virtual
async def test_it_stops_within_its_time_although_something_hangs() -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World()
        world.http.seconds = 1000.0
        async with operating(monkeypatch, world) as task:
            began = clock()
            world.stop.set()
            await task
            assert clock() - began == pytest.approx(Timings().shutdown_timeout)


@pytest.mark.parametrize(
    ("told", "reached_by", "namespace"),
    [("a", "b", "a"), (None, "b", "b"), (None, None, "default")],
)
def test_its_namespace_is_told_or_that_of_its_way_to_the_cluster(
    told: str | None, reached_by: str | None, namespace: str
) -> None:
    assert module.own_namespace(config(operator_namespace=told), reached_by) == namespace
