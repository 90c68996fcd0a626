"""What is read of a server beside its list: once for all CatalogSources of the server and credential."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import SourceConnection
from skillmeat_operator.controller.remote.poller import PollKey
from skillmeat_operator.controller.remote.surroundings import FORGET_AFTER, Surroundings, SurroundingsReader
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import ServerInfo

SERVER = ServerInfo(version="1.0.0", edition="local")
STALENESS = cast("Any", object())


class Server:
    """Counts what is read of it."""

    def __init__(self, *, tells: bool = True) -> None:
        self.tells = tells
        self.read = 0

    async def server_info(self) -> ServerInfo:
        self.read += 1
        await asyncio.sleep(0)
        return SERVER

    async def read_staleness(self) -> Any:
        if not self.tells:
            message = "no"
            raise FailedError(Failure(Side.SOURCE, FailureKind.TRANSIENT, Reason.SOURCE_UNREACHABLE, message))
        return STALENESS

    def seen_from(self, platform: str | None = None, credential: str = "a") -> SourceConnection:
        key = PollKey(url="http://skillmeat", platform=platform, credentials=(credential,))
        return SourceConnection(key=key, client=cast("Any", self), secrets=credential)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_many_sources_of_one_server_share_one_reading(clock: Clock) -> None:
    server, reader = Server(), SurroundingsReader(clock=clock)
    asked = [reader.of(server.seen_from(platform=f"p{number}"), not_before=0.0) for number in range(50)]
    assert set(await asyncio.gather(*asked)) == {Surroundings(server=SERVER, staleness=STALENESS)}
    assert server.read == 1


@pytest.mark.parametrize(
    ("not_before", "read"),
    [pytest.param(1000.0, 1, id="fresh-enough"), pytest.param(1000.1, 2, id="too-old")],
)
async def test_a_reading_serves_until_somebody_needs_a_newer_one(
    clock: Clock, not_before: float, read: int
) -> None:
    server, reader = Server(), SurroundingsReader(clock=clock)
    await reader.of(server.seen_from(), not_before=0.0)
    clock.now += 5
    await reader.of(server.seen_from(), not_before=not_before)
    assert server.read == read


async def test_another_credential_reads_for_itself(clock: Clock) -> None:
    server, reader = Server(), SurroundingsReader(clock=clock)
    await reader.of(server.seen_from(credential="a"), not_before=0.0)
    await reader.of(server.seen_from(credential="b"), not_before=0.0)
    assert server.read == 2


async def test_what_the_server_does_not_tell_is_none_and_no_error(clock: Clock) -> None:
    reader = SurroundingsReader(clock=clock)
    found = await reader.of(Server(tells=False).seen_from(), not_before=0.0)
    assert found == Surroundings(server=SERVER, staleness=None)


async def test_what_nobody_asks_for_is_forgotten(clock: Clock) -> None:
    server, reader = Server(), SurroundingsReader(clock=clock)
    await reader.of(server.seen_from(credential="old"), not_before=0.0)
    clock.now += FORGET_AFTER + 1
    await reader.of(server.seen_from(credential="new"), not_before=0.0)
    await reader.of(server.seen_from(credential="old"), not_before=0.0)
    assert server.read == 3
