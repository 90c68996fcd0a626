from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from skillmeat_operator.serving.documents import Documents, NotFound, NotYet, Served
from skillmeat_operator.serving.server import MAX_HEADER, HttpServer


class Slow:
    """A handler whose answers take as long as they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.under_way = asyncio.Event()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._answer)
        app.router.add_post("/", self._echo)

    async def _answer(self, _: web.Request) -> web.Response:
        self.under_way.set()
        await asyncio.sleep(self.seconds)
        return web.Response(text="done")

    async def _echo(self, request: web.Request) -> web.Response:
        return web.Response(body=await request.read())


class Large:
    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        return Served.of(bytes(range(256)) * 200_000)


@pytest.fixture
async def slow() -> Slow:
    return Slow()


@pytest.fixture
async def server(slow: Slow) -> AsyncIterator[HttpServer]:
    running = HttpServer("127.0.0.1", 0, slow, idle=0.3)
    await running.start()
    yield running
    await running.stop()


def url(server: HttpServer) -> str:
    ((host, port),) = server.bound
    return f"http://{host}:{port}/"


async def stopped_after(server: HttpServer) -> float:
    began = time.monotonic()
    await server.stop()
    return time.monotonic() - began


async def test_port_zero_takes_a_free_one_and_says_which(server):
    ((host, port),) = server.bound

    assert host == "127.0.0.1"
    assert port > 0


async def test_address_in_use_is_an_error_and_leaves_nothing_open(server, slow):
    ((host, port),) = server.bound
    other = HttpServer(host, port, slow)

    with pytest.raises(OSError, match="address already in use"):
        await other.start()
    assert other.bound == ()


async def test_stopped_server_is_gone(server):
    address = url(server)
    await server.stop()

    assert server.bound == ()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(address)


async def test_stop_without_clients_is_immediate(server):
    assert await stopped_after(server) < 0.2


async def test_stop_lets_a_short_request_end(server, slow):
    slow.seconds = 0.2
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.get(url(server)))
        await slow.under_way.wait()
        await server.stop()

        assert await (await asking).text() == "done"


async def test_stop_ends_within_a_second_while_a_handler_hangs(server, slow):
    slow.seconds = 60.0
    async with aiohttp.ClientSession() as session:
        asking = asyncio.create_task(session.get(url(server)))
        await slow.under_way.wait()

        assert await stopped_after(server) < 1.2
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_stop_ends_within_a_second_while_a_slow_client_reads():
    server = HttpServer("127.0.0.1", 0, Documents(Large()))
    await server.start()
    ((host, port),) = server.bound
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, (host, port))
        request = "GET /catalogs/0a1b2c3d/a/b.yaml HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"
        await loop.sock_sendall(client, request.encode())
        assert (await loop.sock_recv(client, 15)).startswith(b"HTTP/1.1 200")

        assert await stopped_after(server) < 1.2


async def test_stop_closes_kept_connections(server):
    async with aiohttp.ClientSession() as session:
        async with session.get(url(server)) as answer:
            await answer.read()

        assert await stopped_after(server) < 0.3


async def test_connection_without_a_request_is_closed(server):
    ((host, port),) = server.bound
    reader, writer = await asyncio.open_connection(host, port)

    assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()


async def test_large_headers_are_refused(server):
    async with (
        aiohttp.ClientSession() as session,
        session.get(url(server), headers={"X-Long": "a" * (MAX_HEADER + 1)}) as answer,
    ):
        assert answer.status == 400


async def test_large_bodies_are_refused(server):
    async with aiohttp.ClientSession() as session, session.post(url(server), data=b"a" * 100_000) as answer:
        assert answer.status == 413


async def test_tls_is_spoken_where_a_certificate_is_given(slow, tmp_path):
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    given = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(given)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = HttpServer("127.0.0.1", 0, slow, tls=given)
    await server.start()
    ((host, port),) = server.bound
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"https://{host}:{port}/", ssl=trusting) as answer,
        ):
            assert await answer.text() == "done"
    finally:
        await server.stop()
