"""kopf's login: our own client's credential, another one after a refusal, and the end where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf
import pytest
from kubernetes.aio.client import Configuration

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.controller.watch.login import Login

SERVER = "http://api.example"


def configuration(token: str | None = "one", **changes: Any) -> Configuration:
    made = Configuration(host=SERVER)
    if token is not None:
        made.api_key["BearerToken"] = f"Bearer {token}"
    for name, value in changes.items():
        setattr(made, name, value)
    return made


class World:
    """A login over an access whose files a test changes."""

    def __init__(self, first: Configuration, traces: tuple[aiohttp.TraceConfig, ...] = ()) -> None:
        self.now = 0.0
        self.found: Configuration | None = first
        self.access = ClusterAccess(
            configuration=first, namespace=None, load=self._load, clock=lambda: self.now
        )
        self.login = Login(self.access, loop=asyncio.get_running_loop(), traces=traces)
        handlers = kopf.OperatorRegistry()
        self.login.add_to(handlers)
        [self.handler] = handlers._activities.get_all_handlers()

    async def _load(self) -> Configuration:
        if self.found is None:
            raise OSError("there is no file")
        return self.found

    async def log_in(self) -> kopf.AiohttpSession:
        """As kopf does at its start, and when it was refused."""
        self.now += 10.0
        made: Any = await self.handler.fn()  # type: ignore[call-arg,misc]
        assert isinstance(made, kopf.AiohttpSession)
        return made

    async def sent(self) -> str | None:
        """What a session sends as its credential."""
        return (await self.log_in()).aiohttp_session.headers.get("Authorization")


@asynccontextmanager
async def world(first: Configuration | None = None, **more: Any) -> AsyncIterator[World]:
    made = World(configuration() if first is None else first, **more)
    yield made
    await made.login.close()


async def test_kopf_asks_the_server_of_our_client_with_its_credential() -> None:
    trace = aiohttp.TraceConfig()
    async with world(traces=(trace,)) as scene:
        made = await scene.log_in()
        assert made.server == SERVER
        session = made.aiohttp_session
        assert session.headers["Authorization"] == "Bearer one"
        assert session.headers["User-Agent"] == "skillmeat-operator"
        assert session.trace_configs == [trace]
        assert not session.trust_env, "no proxy but that of the configuration"


async def test_without_a_token_none_is_sent() -> None:
    async with world(configuration(None)) as scene:
        assert await scene.sent() is None


async def test_a_login_is_tried_once() -> None:
    async with world() as scene:
        assert scene.handler.retries == 1


async def test_a_refused_credential_that_is_the_same_ends_that_kopf() -> None:
    async with world() as scene:
        assert await scene.sent() == "Bearer one"
        with pytest.raises(kopf.PermanentError):
            await scene.log_in()
        scene.found = None
        with pytest.raises(kopf.PermanentError):
            await scene.log_in()


@pytest.mark.parametrize("token", ["two", "another", "zero"])
async def test_a_rotated_credential_is_used(token: str) -> None:
    async with world() as scene:
        await scene.log_in()
        scene.found = configuration(token)
        assert await scene.sent() == f"Bearer {token}"
        with pytest.raises(kopf.PermanentError):
            await scene.log_in()


async def test_the_same_token_for_a_server_that_is_another_now_is_used() -> None:
    async with world() as scene:
        await scene.log_in()
        scene.found = configuration(username="another")
        assert await scene.sent() == "Bearer one"


async def test_a_token_that_the_configuration_renewed_by_itself_is_used() -> None:
    first = configuration()
    async with world(first) as scene:
        await scene.log_in()
        first.api_key["BearerToken"] = "Bearer two"
        scene.found = None
        assert await scene.sent() == "Bearer two"


async def test_nothing_is_renewed_at_the_first_login() -> None:
    async with world() as scene:
        scene.found = configuration("two")
        assert await scene.sent() == "Bearer one"
        assert scene.access.revision == 0


async def test_all_sessions_are_closed_at_the_end() -> None:
    async with world() as scene:
        sessions = [(await scene.log_in()).aiohttp_session]
        scene.found = configuration("two")
        sessions.append((await scene.log_in()).aiohttp_session)
        assert [one.closed for one in sessions] == [False, False]
    assert [one.closed for one in sessions] == [True, True]
