"""One run of kopf, with a kopf that does as told: what is taken in of its calls and events, and its end."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import kopf
import pytest

from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.controller.watch.kopf_watches import KopfWatch
from skillmeat_operator.controller.watch.watch_health import Cause, WatchKey
from tests.unit.controller.virtual import Calls
from tests.unit.controller.watch.api_server import FakeApiServer, serving

KEY = WatchKey(CATALOG_SOURCE, None)
GROUP_PATH = "/apis/skillmeat.io/v1alpha1"
LIST = f"{GROUP_PATH}/catalogsources"
WATCH = f"{LIST}?watch=true&resourceVersion=1"
WITHIN = 5.0


@dataclass
class FakeKopf:
    """Stands where kopf's operator does, in the thread of a watch, and makes the calls that a test says."""

    told: dict[str, Any] = field(default_factory=dict)
    runs: int = 0
    fails: Exception | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    loop: asyncio.AbstractEventLoop | None = None
    session: aiohttp.ClientSession | None = None
    server: str = ""
    thread: str = ""

    async def operator(self, **told: Any) -> None:
        self.told, self.loop, self.runs = told, asyncio.get_running_loop(), self.runs + 1
        self.thread = threading.current_thread().name
        [login] = [one for one in self._activities if one.id == "login"]
        made: Any = await login.fn()
        self.session, self.server = made.aiohttp_session, made.server
        self.ready.set()
        if self.fails is not None:
            raise self.fails
        await told["stop_flag"].wait()

    @property
    def _activities(self) -> list[Any]:
        return list(self.told["registry"]._activities.get_all_handlers())

    async def do(self, made: Coroutine[Any, Any, None]) -> None:
        """Have something done in kopf's thread, and wait until the operator's loop has heard of it."""
        assert self.loop is not None
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(made, self.loop))
        await asyncio.sleep(0)

    async def call(self, path: str, *, server: str | None = None, **more: Any) -> None:
        """A call of kopf's; one that fails is kopf's business."""

        async def calls() -> None:
            assert self.session is not None
            try:
                async with self.session.get((server or self.server) + path, **more):
                    pass
            except (aiohttp.ClientError, TimeoutError):
                pass

        await self.do(calls())

    async def event(self, kind: str | None, version: int) -> dict[str, Any]:
        """An event of a watch."""
        obj = {"metadata": {"name": "one", "resourceVersion": str(version)}}
        [watch] = self.told["registry"]._watching.get_all_handlers()
        await self.do(watch.fn(event={"type": kind, "object": obj}))
        return obj

    async def ends_by_itself(self) -> None:
        """Its clean-up is called after its watch has ended."""
        [cleanup] = [one for one in self._activities if one.id == "end"]
        await self.do(cleanup.fn())


class World:
    """A watch on a server, with what it told."""

    def __init__(self, server: FakeApiServer, fake: FakeKopf, key: WatchKey) -> None:
        self.server, self.kopf = server, fake
        self.seen, self.gone, self.relisted = Calls(), Calls(), Calls()
        times = itertools.count(1)
        self.watch = KopfWatch(
            key,
            access=server.access(),
            seen=self.seen,
            gone=self.gone,
            relisted=self.relisted,
            clock=lambda: float(next(times)),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WITHIN
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.005)

    async def until_ended(self) -> None:
        await self.until(lambda: self.watch.ended)


@asynccontextmanager
async def running(
    monkeypatch: pytest.MonkeyPatch, *, key: WatchKey = KEY, fails: Exception | None = None
) -> AsyncIterator[World]:
    fake = FakeKopf(fails=fails)
    monkeypatch.setattr(kopf, "operator", fake.operator)
    async with serving() as server:
        world = World(server, fake, key)
        world.watch.begin()
        await world.until(fake.ready.is_set)
        try:
            yield world
        finally:
            world.watch.stop()
            await world.until_ended()
            await world.until(lambda: not any(one.name.startswith("watch-") for one in threading.enumerate()))
            assert fake.session is not None
            assert fake.session.closed


@pytest.mark.parametrize(
    ("scope", "clusterwide", "namespaces"), [(None, True, []), ("team", False, ["team"])]
)
async def test_kopf_watches_the_cluster_or_one_namespace_and_is_a_guest(
    monkeypatch: pytest.MonkeyPatch, scope: str | None, clusterwide: bool, namespaces: list[str]
) -> None:
    async with running(monkeypatch, key=WatchKey(CATALOG_SOURCE, scope)) as world:
        told = world.kopf.told
        assert (told["clusterwide"], told["namespaces"]) == (clusterwide, namespaces)
        assert told["standalone"], "it talks to no other kopf"
        settings = told["settings"]
        assert settings.peering.standalone
        assert not settings.posting.enabled, "it posts no Events of its own"
        assert settings.scanning.disabled, "it does not look for namespaces and kinds that come later"
        assert settings.process.ultimate_exiting_timeout is None, "it does not end the process"
        assert world.kopf.thread == "watch-catalogsources"


async def test_a_silent_connection_is_noticed_and_a_request_lasts_as_long_as_the_server_lets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch) as world:
        settings = world.kopf.told["settings"]
        watching, networking = settings.watching, settings.networking
        assert isinstance(watching.server_timeout, int), "the API server refuses a fraction"
        assert watching.server_timeout == 300
        assert watching.client_timeout == 310, "the server ends it first"
        assert 60 < watching.inactivity_timeout <= 90, "a bookmark comes each minute"
        assert watching.reconnect_backoff == 0.5
        assert list(networking.error_backoffs) == [1.0]
        assert (networking.connect_timeout, networking.request_timeout) == (10.0, 30.0)
        assert settings.queueing.exit_timeout == 0.5


async def test_kopf_keeps_little_of_many_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        settings = world.kopf.told["settings"]
        assert 0 < settings.watching.chunk_size <= 500, "a list comes in pages"
        assert 0 < settings.queueing.idle_timeout < 1, "a worker holds the last object that it was given"
        body: Any = kopf.Body({"metadata": {"name": "one"}, "spec": {"a": 1}, "status": {"b": 2}})
        storage, progress = settings.persistence.diffbase_storage, settings.persistence.progress_storage
        assert (storage.build(body=body, extra_fields=()), storage.fetch(body=body)) == ({}, None)
        essence: dict[str, Any] = {}
        assert progress.clear(essence=essence) is essence
        assert progress.fetch(key="watch", body=body) is None


async def test_a_further_page_is_no_new_list(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        await world.kopf.call(f"{LIST}?limit=200")
        first = world.watch.listing
        assert first is not None
        await world.kopf.call(f"{LIST}?limit=200&continue=abc")
        assert world.watch.listing is not None
        assert world.watch.listing > first, "it goes on: it is not taken for one that hangs"
        assert (world.relisted.made, world.watch.opened) == ([()], None)


async def test_kopfs_own_log_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch):
        assert not logging.getLogger("kopf").isEnabledFor(logging.CRITICAL)


async def test_a_watch_is_open_once_it_was_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        watch = world.watch
        assert (watch.discovered, watch.listing, watch.opened, watch.is_open) == (None, None, None, False)
        await world.kopf.call(GROUP_PATH)
        assert watch.discovered is not None
        assert (watch.listing, watch.opened, watch.is_open) == (None, None, False)
        assert watch.changed.is_set()
        await world.kopf.call(LIST)
        assert watch.listing is not None
        assert watch.listing > watch.discovered > watch.began
        assert (watch.opened, watch.is_open, world.relisted.made) == (None, False, [()])
        watch.changed.clear()
        discovered, listing = watch.discovered, watch.listing
        await world.kopf.call(WATCH)
        assert watch.opened is not None
        assert watch.is_open
        assert watch.changed.is_set()
        assert (watch.discovered, watch.listing) == (discovered, listing)
        assert world.relisted.made == [()]


@pytest.mark.parametrize("path", [f"{GROUP_PATH}/apples", f"{GROUP_PATH}/templatebundles", "/apis"])
async def test_calls_of_other_kinds_are_no_list(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async with running(monkeypatch) as world:
        await world.kopf.call(path)
        assert (world.watch.listing, world.relisted.made) == (None, [])


@pytest.mark.parametrize(
    ("path", "status", "cause", "said"),
    [
        (LIST, 403, Cause.RIGHTS, "may not list"),
        (WATCH, 403, Cause.RIGHTS, "may not watch"),
        (LIST, 404, Cause.KIND, "is not installed"),
        (WATCH, 410, Cause.SERVER, "HTTP 410 to watch"),
        (LIST, 400, Cause.SERVER, "HTTP 400 to list"),
    ],
)
async def test_a_refusal_is_said_until_a_call_is_answered_well(
    monkeypatch: pytest.MonkeyPatch, path: str, status: int, cause: Cause, said: str
) -> None:
    async with running(monkeypatch) as world:
        watch = world.watch
        await world.kopf.call(WATCH)
        watch.changed.clear()
        world.server.refuse = lambda *_: status
        await world.kopf.call(path)
        assert watch.failing is not None
        assert (watch.failing.cause, watch.is_open, watch.changed.is_set()) == (cause, False, True)
        assert said in watch.failing.sentence
        assert world.relisted.made == []
        since = watch.failing_since
        assert since > watch.began
        await world.kopf.call(WATCH)
        assert watch.failing_since == since, "it fails since then, whatever else is refused"
        world.server.refuse = lambda *_: None
        await world.kopf.call(WATCH)
        assert watch.failing is None
        assert watch.is_open


async def test_an_answer_below_400_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        world.server.refuse = lambda *_: 399
        await world.kopf.call(LIST)
        assert (world.watch.failing, world.relisted.made) == (None, [()])


async def test_a_call_that_breaks_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        watch, server = world.watch, world.kopf.server

        def said() -> str:
            assert watch.failing is not None
            assert watch.failing.cause is Cause.SERVER
            return watch.failing.sentence

        await world.kopf.call(LIST, timeout=aiohttp.ClientTimeout(total=1e-9))
        assert "does not answer in time" in said()
        await world.kopf.call(LIST, server=server.replace("http:", "https:"))
        assert "certificate is not trusted" in said()
        await world.server.down()
        await world.kopf.call(LIST)
        assert "no connection to the API server" in said()


async def test_a_call_that_kopf_gives_up_by_itself_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:

        async def given_up() -> None:
            assert world.kopf.session is not None
            task = asyncio.create_task(world.kopf.session._request("GET", world.kopf.server + LIST))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await world.kopf.do(given_up())
        assert world.watch.failing is None


async def test_events_are_told_and_the_newest_version_of_them_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(monkeypatch) as world:
        assert world.watch.shown == 0
        told = [await world.kopf.event(kind, version) for kind, version in ((None, 5), ("ADDED", 9))]
        told += [await world.kopf.event("MODIFIED", 7)]
        assert world.seen.first == told
        assert (world.watch.shown, world.gone.made) == (9, [])
        gone = await world.kopf.event("DELETED", 11)
        assert (world.gone.first, world.watch.shown, len(world.seen.made)) == ([gone], 11, 3)


async def test_what_comes_after_it_was_stopped_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        loop, hold = asyncio.get_running_loop(), asyncio.Event()
        assert world.kopf.loop is not None

        async def late() -> None:
            # kopf still has this to say when it is told to stop.
            loop.call_soon_threadsafe(hold.set)
            assert world.kopf.session is not None
            async with world.kopf.session.get(world.kopf.server + LIST):
                pass
            [watch] = world.kopf.told["registry"]._watching.get_all_handlers()
            obj = {"metadata": {"name": "one", "resourceVersion": "5"}}
            for kind in ("ADDED", "DELETED"):
                await watch.fn(event={"type": kind, "object": obj})

        world.kopf.told["stop_flag"].set = lambda: None
        world.watch.stop()
        await world.kopf.do(late())
        assert hold.is_set()
        assert (world.seen.made, world.gone.made, world.relisted.made) == ([], [], [])
        assert world.watch.shown == 0
        del world.kopf.told["stop_flag"].set


async def test_a_run_ends_when_it_is_told_and_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        await world.kopf.call(WATCH)
        world.watch.changed.clear()
        assert not world.watch.ended
        world.watch.stop()
        await world.until_ended()
        assert world.watch.failing is not None
        assert (world.watch.failing.cause, world.watch.is_open) == (Cause.ENDED, False)
        assert world.watch.changed.is_set()
        world.watch.stop()
    async with running(monkeypatch) as world:
        await world.kopf.ends_by_itself()
        await world.until_ended()


async def test_why_it_failed_before_it_ended_stays_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch) as world:
        world.server.refuse = lambda *_: 403
        await world.kopf.call(LIST)
        world.watch.stop()
        await world.until_ended()
        assert world.watch.failing is not None
        assert world.watch.failing.cause is Cause.RIGHTS


async def test_a_kopf_that_fails_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(monkeypatch, fails=ValueError("a defect")) as world:
        await world.until_ended()
        assert world.watch.failing is not None
        assert world.watch.failing.cause is Cause.ENDED


async def test_one_that_is_stopped_before_it_began_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeKopf()
    monkeypatch.setattr(kopf, "operator", fake.operator)
    async with serving() as server:
        world = World(server, fake, KEY)
        world.watch.stop()
        world.watch.begin()
        await world.until_ended()
        assert fake.runs == 0
