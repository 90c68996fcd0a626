"""The real kopf and the real lists on an API server that fails in every way: what is seen, and when again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.watching import Watching
from skillmeat_operator.domain.timings import Timings
from tests.unit.controller.virtual import Calls, middle
from tests.unit.controller.watch.api_server import FakeApiServer, error_line, serving

SOURCES, BUNDLES = "catalogsources", "templatebundles"
FAST = Timings(
    relist_settle=0.1,
    watch_retry_first=0.05,
    watch_retry_longest=0.4,
    watch_look_away=0.1,
    watch_look=0.2,
    watch_begin=0.6,
    watch_trouble=0.3,
    watch_behind=0.5,
)
WITHIN = 8.0
"""Far beyond what is expected, for machines that do other work."""


class Eyes:
    """What the operator sees, and a server it sees."""

    def __init__(
        self, server: FakeApiServer, namespaces: Sequence[str], timings: Timings, files: Path | None = None
    ) -> None:
        self.server = server
        self.store = Store(namespaces)
        self.visited = Calls()
        access = server.access(files)
        self.client = KubernetesClient(access, timeout=2.0)
        dispatcher = Dispatcher(
            store=self.store,
            changes=Changes(clock=time.monotonic),
            add=self.visited,
            forget=Calls(),
            interrupt=Calls(),
            uniform=middle,
            timings=timings,
        )
        self.swept = 0
        self.watching = Watching(
            store=self.store,
            dispatcher=dispatcher,
            client=self.client,
            access=access,
            swept=self._sweep,
            clock=time.monotonic,
            timings=timings,
        )

    async def _sweep(self) -> None:
        self.swept += 1

    def spec(self, name: str, namespace: str = "team") -> Any:
        found = self.store.sources.find(namespace, name)
        return found["spec"] if found is not None else None

    async def until(self, condition: Callable[[], bool], what: str, within: float = WITHIN) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s: {what}; {self.watching.problem()}"
            await asyncio.sleep(0.02)

    async def until_ready(self, within: float = WITHIN) -> None:
        await self.until(lambda: self.watching.problem() is None, "all watches are well", within)

    async def until_away(self) -> str:
        await self.until(lambda: self.watching.problem() is not None, "a watch is away")
        return self.watching.problem() or ""

    async def sees_a_change(self, namespace: str = "team", within: float = WITHIN) -> None:
        """A change is seen by a watch, not by a list: no list is made in between."""
        mark = str(time.monotonic())
        self.server.put(SOURCES, "probe", namespace, mark=mark)
        await self.until(lambda: self.spec("probe", namespace) == {"mark": mark}, "a change", within)


@asynccontextmanager
async def operator(
    server: FakeApiServer,
    *namespaces: str,
    timings: Timings = FAST,
    ready: bool = True,
    files: Path | None = None,
) -> AsyncIterator[Eyes]:
    eyes = Eyes(server, namespaces, timings, files)
    task = asyncio.create_task(eyes.watching.run())
    try:
        if ready:
            await eyes.until_ready()
        yield eyes
        assert not task.done(), "it lives"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eyes.client.close()
        await asyncio.sleep(0)
        # One that is stopped while it asks which kinds there are is given five seconds by kopf itself.
        deadline = time.monotonic() + 10
        while any(one.name.startswith("watch-") for one in threading.enumerate()):
            assert time.monotonic() < deadline, "kopf's threads end"
            await asyncio.sleep(0.02)


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with serving() as made:
        yield made


async def test_what_is_there_what_changes_and_what_goes_is_seen(server: FakeApiServer) -> None:
    server.put(SOURCES, "one", a=1)
    async with operator(server) as eyes:
        assert eyes.spec("one") == {"a": 1}
        server.put(SOURCES, "one", a=2)
        await eyes.until(lambda: eyes.spec("one") == {"a": 2}, "the change")
        server.put(BUNDLES, "bundle", sourceRef={"name": "one"})
        await eyes.until(lambda: len(eyes.store.bundles_of("team", "one")) == 1, "the bundle")
        server.delete(SOURCES, "one")
        await eyes.until(lambda: eyes.spec("one") is None, "the deletion")
        await eyes.until(lambda: eyes.swept > 0, "the sweep")


async def test_kinds_that_come_later_are_watched_at_once_and_named_until_then(
    server: FakeApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.served.clear()
    async with operator(server, ready=False) as eyes:
        await eyes.until(eyes.store.gate.is_set, "both kinds were tried")
        await asyncio.sleep(0.5)
        said = eyes.watching.problem() or ""
        assert "catalogsources.skillmeat.io" in said
        assert "skillmeat-operator crds | kubectl apply -f -" in said
        assert not eyes.store.is_open("team")
        server.served |= {SOURCES, BUNDLES}
        server.put(SOURCES, "first", a=1)
        began = time.monotonic()
        await eyes.until_ready(within=4.0)
        await eyes.until(lambda: eyes.store.is_open("team"), "both were listed")
        assert time.monotonic() - began < 4.0
        await eyes.sees_a_change()
    named = [one for one in caplog.messages if "is not installed" in one]
    assert len(named) == 2, "once for each kind"


async def test_a_kind_that_the_discovery_does_not_name_yet_is_looked_for_again(
    server: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = server._group
    groups = 0

    async def not_yet(request: Any) -> Any:
        nonlocal groups
        groups += 1
        if groups > 2:
            return await late(request)
        kept, server.served = server.served, set()
        answer = await late(request)
        server.served = kept
        return answer

    monkeypatch.setattr(server, "_group", not_yet)
    await server.down()
    await server.up()
    async with operator(server) as eyes:
        assert groups > 2
        await eyes.sees_a_change()


@pytest.mark.parametrize("line", [error_line(code) for code in (504, 500, 429, 410)] + [b"<html>no JSON\n"])
async def test_a_watch_that_is_told_an_error_is_begun_anew(
    server: FakeApiServer, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with operator(server) as eyes:
        await eyes.sees_a_change()
        server.send(line)
        server.deafen()
        await eyes.until(lambda: server.watched == {(SOURCES, None), (BUNDLES, None)}, "watches again")
        await eyes.until_ready()
        await eyes.sees_a_change()
    assert "canary" not in caplog.text


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_server_that_refuses_everything_for_a_while(server: FakeApiServer, status: int) -> None:
    server.put(SOURCES, "kept", a=1)
    async with operator(server) as eyes:
        server.refuse = lambda *_: status
        server.close_watches()
        said = await eyes.until_away()
        assert ".skillmeat.io in all namespaces" in said
        await asyncio.sleep(1.5)
        assert eyes.watching.problem() is not None
        assert eyes.spec("kept") == {"a": 1}, "what cannot be read is not empty"
        server.refuse = lambda *_: None
        await eyes.until_ready(within=5.0)
        await eyes.sees_a_change()


async def test_a_server_that_goes_away_and_comes_back(
    server: FakeApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.put(SOURCES, "kept", a=1)
    server.put(SOURCES, "gone", a=1)
    async with operator(server) as eyes:
        await server.down()
        assert "API server" in await eyes.until_away()
        server.delete(SOURCES, "gone")
        await asyncio.sleep(1.0)
        assert eyes.spec("gone") == {"a": 1}
        await server.up()
        await eyes.until_ready(within=5.0)
        await eyes.sees_a_change()
        await eyes.until(lambda: eyes.spec("gone") is None, "what vanished meanwhile")
        assert eyes.spec("kept") == {"a": 1}
    assert len([one for one in caplog.messages if one.startswith("trying again")]) <= 4, "once a change"


async def test_a_watch_that_is_silent_is_found_out_by_a_list(server: FakeApiServer) -> None:
    async with operator(server) as eyes:
        await eyes.sees_a_change()
        server.deafen()
        server.put(SOURCES, "unheard", a=1)
        eyes.watching.lister.ask()
        await eyes.until(lambda: (SOURCES, None) in server.watched, "a watch again")
        await eyes.until_ready()
        await eyes.sees_a_change()


async def test_a_restored_backup_is_taken_for_what_is_there_now(server: FakeApiServer) -> None:
    restored = dict(server.put(SOURCES, "one", a=1))
    async with operator(server) as eyes:
        for value in (2, 3, 4):
            server.put(SOURCES, "one", a=value)
        server.put(SOURCES, "since", a=1)
        await eyes.until(lambda: eyes.spec("since") is not None, "the last change")
        eyes.visited.clear()
        # The watches stay open and wait for versions that are far ahead.
        server.deafen()
        server.objects = {(SOURCES, "team/one"): restored}
        server.revision = 101
        await eyes.until(lambda: eyes.spec("one") == {"a": 1}, "what was restored")
        await eyes.until(lambda: eyes.spec("since") is None, "what the backup lacks")
        assert "catalogsources-team-one" in eyes.visited.first
        await eyes.until_ready()
        await eyes.sees_a_change()


def refuses(namespace: str, *plurals: str) -> Callable[[str, str | None, bool], int | None]:
    """No rights in a namespace; for some kinds, or for all."""

    def refuse(plural: str, asked: str | None, _: bool) -> int | None:
        return 403 if asked == namespace and (not plurals or plural in plurals) else None

    return refuse


async def test_a_namespace_without_rights_holds_up_no_other(server: FakeApiServer) -> None:
    server.refuse = refuses("team-b")
    server.put(SOURCES, "one", "team-a", a=1)
    server.put(SOURCES, "two", "team-b", a=1)
    async with operator(server, "team-a", "team-b", ready=False) as eyes:
        await eyes.until(lambda: eyes.store.is_open("team-a"), "team-a is listed")
        await eyes.until(lambda: server.watched == {(SOURCES, "team-a"), (BUNDLES, "team-a")}, "team-a")
        await eyes.sees_a_change("team-a")
        assert "catalogsources-team-a-one" in eyes.visited.first
        said = eyes.watching.problem() or ""
        assert "may not list catalogsources.skillmeat.io in namespace team-b" in said
        assert "team-a" not in said
        assert (eyes.store.gate.is_set(), eyes.store.is_open("team-b")) == (True, False)
        server.refuse = lambda *_: None
        await eyes.until_ready(within=5.0)
        await eyes.until(lambda: "catalogsources-team-b-two" in eyes.visited.first, "its first visit")
        await eyes.sees_a_change("team-b")


async def test_rights_taken_away_freeze_a_namespace_and_given_back_wake_it(server: FakeApiServer) -> None:
    server.put(SOURCES, "stays", "team-b", a=1)
    server.put(SOURCES, "goes", "team-b", a=1)
    async with operator(server, "team-a", "team-b") as eyes:
        server.refuse = refuses("team-b")
        for kind in (SOURCES, BUNDLES):
            lacks = f"may not list {kind}.skillmeat.io in namespace team-b"
            await eyes.until(lambda lacks=lacks: lacks in (eyes.watching.problem() or ""), "team-b is away")
        server.delete(SOURCES, "goes", "team-b")
        server.put(SOURCES, "stays", "team-b", a=2)
        eyes.watching.lister.ask()
        await eyes.sees_a_change("team-a")
        await asyncio.sleep(0.5)
        assert (eyes.spec("goes", "team-b"), eyes.spec("stays", "team-b")) == ({"a": 1}, {"a": 1})
        server.refuse = lambda *_: None
        await eyes.until_ready()
        await eyes.until(lambda: eyes.spec("goes", "team-b") is None, "what went meanwhile")
        await eyes.until(lambda: eyes.spec("stays", "team-b") == {"a": 2}, "what changed meanwhile")
        await eyes.sees_a_change("team-b")


async def test_rights_for_one_kind_do_not_open_a_namespace(server: FakeApiServer) -> None:
    server.refuse = refuses("team-b", BUNDLES)
    server.put(SOURCES, "two", "team-b", a=1)
    async with operator(server, "team-b", ready=False) as eyes:
        await eyes.until(lambda: eyes.spec("two", "team-b") is not None, "the sources")
        await eyes.until(eyes.store.gate.is_set, "all was tried")
        assert not eyes.store.is_open("team-b")
        assert eyes.visited.made == []
        assert "templatebundles.skillmeat.io in namespace team-b" in (eyes.watching.problem() or "")


async def test_a_right_to_list_without_the_right_to_watch_is_named(server: FakeApiServer) -> None:
    server.refuse = lambda _plural, _namespace, watch: 403 if watch else None
    async with operator(server, ready=False) as eyes:
        await eyes.until(
            lambda: "may not watch catalogsources.skillmeat.io" in (eyes.watching.problem() or ""), "the verb"
        )
        server.refuse = lambda *_: None
        await eyes.until_ready()
        await eyes.sees_a_change()


async def test_kinds_deleted_and_applied_again(server: FakeApiServer) -> None:
    server.put(SOURCES, "one", a=1)
    async with operator(server) as eyes:
        server.served.clear()
        server.close_watches()
        server.objects.clear()
        assert "is not installed" in await eyes.until_away()
        await asyncio.sleep(0.5)
        server.served |= {SOURCES, BUNDLES}
        server.put(SOURCES, "anew", a=2)
        await eyes.until_ready(within=5.0)
        await eyes.until(
            lambda: (eyes.spec("one"), eyes.spec("anew")) == (None, {"a": 2}), "what is there now"
        )
        await eyes.sees_a_change()


async def test_what_is_asked_for_while_a_list_is_under_way_is_listed_again(server: FakeApiServer) -> None:
    async with operator(server) as eyes:
        await asyncio.sleep(0.5)
        server.deafen()
        reads = len(server.calls)
        eyes.watching.lister.ask()
        await asyncio.sleep(0.12)
        eyes.watching.lister.ask()
        await eyes.until(
            lambda: sum(1 for one in server.calls[reads:] if one[:3] == (SOURCES, None, False)) >= 2,
            "two lists",
        )


async def test_an_authority_rotated_in_its_file_is_trusted_without_a_restart(
    server: FakeApiServer, tmp_path: Path
) -> None:
    former, following = trustme.CA(), trustme.CA()
    (tmp_path / "token").write_text("token")
    former.cert_pem.write_to_path(tmp_path / "ca.crt")
    await server.down()
    await server.up(former)
    async with operator(server, files=tmp_path) as eyes:
        await server.down()
        await server.up(following)
        await eyes.until(lambda: "not trusted" in (eyes.watching.problem() or ""), "it is told")
        following.cert_pem.write_to_path(tmp_path / "ca.crt")
        await eyes.until_ready()
        await eyes.sees_a_change()


async def test_a_rotated_token_is_used_by_the_watches_too(server: FakeApiServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    (tmp_path / "token").write_text("first")
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    server.token = "first"
    await server.down()
    await server.up(authority)
    async with operator(server, files=tmp_path) as eyes:
        server.token = "second"
        (tmp_path / "token").write_text("second")
        server.close_watches()
        await eyes.sees_a_change()
        server.token = "third"
        server.close_watches()
        assert "401" in await eyes.until_away()
        refused = len(server.calls)
        await asyncio.sleep(1.0)
        assert len(server.calls) - refused < 60, "a refused token is not tried without a pause"
        (tmp_path / "token").write_text("third")
        await eyes.until_ready()
        await eyes.sees_a_change()
