from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from skillmeat_operator.serving.connections import ConnectionLimits
from skillmeat_operator.serving.documents import Documents, NotFound, NotYet, Served
from skillmeat_operator.serving.health import Health
from skillmeat_operator.serving.server import HttpServer

LIMITS = ConnectionLimits(total=8, per_peer=4, reads_within=0.6)
PATH = "/catalogs/0a1b2c3d/team-a/main.yaml"
GREEDY, OTHER = "127.0.0.1", "127.0.0.2"


class Provider:
    """Has one document for everybody."""

    def __init__(self) -> None:
        self.found = Served.of(bytes(range(256)) * 100_000)

    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        return self.found


class Peers:
    """Clients on raw sockets, each with an address of its own choice."""

    def __init__(self, server: HttpServer, cleanup: contextlib.ExitStack) -> None:
        ((host, port),) = server.bound
        self._address = (host, port)
        self._cleanup = cleanup

    async def connect(self, source: str) -> socket.socket:
        client = self._cleanup.enter_context(socket.socket())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        client.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(client, self._address)
        return client

    async def ask(self, source: str, path: str = PATH) -> socket.socket:
        """Send a request and read nothing of its answer."""
        client = await self.connect(source)
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(client, request.encode())
        return client

    async def status(self, source: str, path: str = PATH) -> int:
        """Status of an answer; 0 if the connection was refused."""
        return await status_of(await self.ask(source, path))


async def status_of(client: socket.socket) -> int:
    try:
        line = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 12), 2)
    except ConnectionError:
        return 0
    return int(line.split()[1]) if line else 0


async def rest_of(client: socket.socket) -> int:
    """Bytes that still come until the connection ends."""
    received = 0
    with contextlib.suppress(ConnectionError):
        while chunk := await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1 << 16), 5):
            received += len(chunk)
    return received


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def server(provider: Provider) -> AsyncIterator[HttpServer]:
    health = Health(progress=lambda: None, ready=lambda: None)
    running = HttpServer("127.0.0.1", 0, Documents(provider), health, limits=LIMITS)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def cleanup() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
async def peers(server: HttpServer, cleanup: contextlib.ExitStack) -> Peers:
    return Peers(server, cleanup)


async def test_peer_that_reads_nothing_on_64_connections_leaves_documents_to_others(provider, cleanup):
    running = HttpServer("127.0.0.1", 0, Documents(provider))
    await running.start()
    peers = Peers(running, cleanup)
    try:
        for _ in range(64):
            await peers.ask(GREEDY)

        assert await peers.status(OTHER) == 200
    finally:
        await running.stop()


@pytest.mark.parametrize("path", [PATH, "/healthz", "/readyz"])
async def test_peer_at_its_limit_is_refused_while_another_goes_on(path, peers):
    for _ in range(LIMITS.per_peer):
        await peers.connect(GREEDY)

    assert await peers.status(GREEDY, path) == 0
    assert await peers.status(OTHER, path) == 200


async def test_connections_that_ended_make_room_for_the_same_peer(peers):
    for client in [await peers.connect(GREEDY) for _ in range(LIMITS.per_peer)]:
        client.close()
    await asyncio.sleep(0.1)

    assert await peers.status(GREEDY) == 200


async def test_many_full_peers_keep_no_new_one_out(peers):
    full = [await peers.connect(f"127.0.0.{last}") for last in (3, 4) for _ in range(LIMITS.per_peer)]

    assert await peers.status(OTHER) == 200
    assert await rest_of(full[0]) == 0, "the oldest of the busiest peer made room"


async def test_peer_with_its_fair_share_takes_nothing_from_others_when_all_is_full(peers):
    full = [await peers.connect(f"127.0.0.{last}") for last in (3, 4, 5, 6) for _ in range(2)]

    assert await peers.status("127.0.0.3") == 0
    for client in full:
        with pytest.raises(BlockingIOError):
            client.recv(1)


@pytest.mark.parametrize("kilobytes", [25_000, 400], ids=["a large one", "one whose last bytes wait unsent"])
async def test_document_that_nobody_reads_is_cut_in_time(kilobytes, peers, provider):
    provider.found = Served.of(bytes(kilobytes * 1000))
    client = await peers.ask(GREEDY)
    assert await status_of(client) == 200
    await asyncio.sleep(LIMITS.reads_within * 2)

    assert await rest_of(client) < kilobytes * 1000
    full = [await peers.connect(GREEDY) for _ in range(LIMITS.per_peer - 1)]
    assert await peers.status(GREEDY) == 200, "its place is free again"
    assert len(full) == LIMITS.per_peer - 1


async def test_slow_reader_that_goes_on_reading_gets_its_document(peers, provider):
    size = 2_000_000
    provider.found = Served.of(bytes(size))
    client = await peers.ask(GREEDY)
    received, began = 0, time.monotonic()
    while time.monotonic() - began < LIMITS.reads_within * 3:
        received += len(await asyncio.get_running_loop().sock_recv(client, 20_000))
        await asyncio.sleep(0.05)
    assert received < size, "it was still being sent"

    assert received + await rest_of(client) > size


async def test_stop_leaves_no_connection_whose_client_reads_nothing(server, peers):
    client = await peers.ask(GREEDY)
    assert await status_of(client) == 200
    await server.stop()
    await asyncio.sleep(0.1)

    began = time.monotonic()
    await rest_of(client)
    assert time.monotonic() - began < 1.0
