"""Which connection a call goes over: what answers, a kept one where it lasts, a fresh one where it does not."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import pytest
import trustme

from skillmeat_operator.adapters.http import racing
from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.client import Answer, Call, HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pinning import PinnedBackend
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.rate_limit import SOURCE_LIMITS, RateLimiter
from skillmeat_operator.adapters.http.tls import TlsMaterial

CA = trustme.CA()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class Server:
    """Answers so many requests on a connection and closes it at the next one, without a word."""

    def __init__(self, answers: int, *, resets: bool = False) -> None:
        self.answers = answers
        self.resets = resets
        self.requests: list[str] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def up(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        listener = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=tls)
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            for turn in range(self.answers + 1):
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head.decode().partition(" HTTP")[0])
                if turn == self.answers:
                    break
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            pass
        if self.resets:
            writer.transport.abort()
        writer.close()


@asynccontextmanager
async def client(*allowed: str) -> AsyncIterator[HttpClient]:
    async def loopback(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    clock = asyncio.get_running_loop().time
    policy = EgressPolicy.of_flags(allowed_hosts=allowed or ["localhost"], cluster_wide=True)
    egress = Egress(policy, clock=clock, resolver=loopback)
    http = HttpClient(egress=egress, transports=Transports(pinned_transports(egress)), clock=clock)
    try:
        yield http
    finally:
        await http.aclose()


async def send(
    http: HttpClient,
    url: str,
    method: str = "GET",
    *,
    repeatable: bool = True,
    tls: TlsMaterial | None = None,
) -> Answer:
    return await http.send(
        Call(method, url, repeatable=repeatable),
        limiter=RateLimiter(SOURCE_LIMITS, clock=http.clock),
        tls=tls or TlsMaterial(),
        within=5.0,
        deadline=http.clock() + 20,
    )


@pytest.mark.parametrize("resets", [False, True], ids=["closes", "resets"])
async def test_a_kept_connection_that_is_closed_at_the_next_request_costs_nothing(*, resets: bool) -> None:
    server = Server(1, resets=resets)
    async with server.up() as port, client() as http:
        for _ in range(4):
            assert (await send(http, f"http://localhost:{port}/")).status == 200


async def test_kept_connections_that_last_are_used() -> None:
    server = Server(10)
    async with server.up() as port, client() as http:
        for _ in range(4):
            await send(http, f"http://localhost:{port}/")
    assert server.connections == 1


@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_server_that_closes_at_once_is_asked_once(*, repeatable: bool) -> None:
    server = Server(0)
    async with server.up() as port, client() as http:
        with pytest.raises(CallError) as caught:
            await send(http, f"http://localhost:{port}/", repeatable=repeatable)
    assert caught.value.problem is CallProblem.CONNECTION_LOST
    assert len(server.requests) == 1


async def test_what_must_not_be_doubled_goes_over_a_connection_of_its_own() -> None:
    server = Server(1)
    async with server.up() as port, client() as http:
        await send(http, f"http://localhost:{port}/kept")
        for _ in range(2):
            await send(http, f"http://localhost:{port}/once", "POST", repeatable=False)
    assert server.requests == ["GET /kept", "POST /once", "POST /once"]
    assert server.connections == 3


async def test_a_final_dot_is_no_part_of_sni_nor_of_the_certificates_name() -> None:
    names: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert("localhost").configure_cert(context)
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    async with Server(1).up(context) as port, client() as http:
        trust = TlsMaterial(ca=CA.cert_pem.bytes())
        assert (await send(http, f"https://localhost.:{port}/", tls=trust)).status == 200
        assert await http.endpoint(f"https://localhost.:{port}/") == await http.endpoint(
            f"https://localhost:{port}/"
        )
    assert names == ["localhost"]


@pytest.mark.parametrize(
    ("hosts", "goes"),
    [
        (("other.example",), False),
        ((), False),
        (("localhost:1",), False),
        (("localhost",), True),
        (None, True),
    ],
)
async def test_certificates_of_a_secret_that_is_bound_are_used_nowhere_else(
    hosts: tuple[str, ...] | None, goes: bool
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert("localhost").configure_cert(context)
    bindings = (("clientCertSecretRef", hosts),) if hosts is not None else ()
    trust = TlsMaterial(ca=CA.cert_pem.bytes(), bindings=bindings)
    server = Server(1)
    async with server.up(context) as port, client() as http:
        url = f"https://localhost:{port}/"
        if goes:
            assert (await send(http, url, tls=trust)).status == 200
        else:
            with pytest.raises(CallError) as caught:
                await send(http, url, tls=trust)
            assert caught.value.problem is CallProblem.CREDENTIAL_BOUND
            assert server.connections == 0


class Network(httpcore.AsyncNetworkBackend):
    """Some addresses answer, some refuse, all others are dead."""

    def __init__(self, *, alive: Iterable[str] = (), refusing: Iterable[str] = ()) -> None:
        self.alive, self.refusing = set(alive), set(refusing)
        self.tried: list[str] = []
        self.ended: list[str] = []

    async def connect_tcp(self, host: str, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self.tried.append(host)
        try:
            if host in self.alive:
                return httpcore.AsyncMockStream([])
            if host in self.refusing:
                raise httpcore.ConnectError("refused")
            await asyncio.sleep(3600)
            raise httpcore.ConnectTimeout("dead")
        finally:
            self.ended.append(host)


ADDRESSES = [f"203.0.113.{number}" for number in range(1, 9)]


def backend(network: Network) -> PinnedBackend:
    async def resolver(name: str, port: int) -> list[str]:
        return ADDRESSES

    policy = EgressPolicy.of_flags(allowed_hosts=["*"], cluster_wide=True)
    return PinnedBackend(Egress(policy, clock=time.monotonic, resolver=resolver), network)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "STAGGER", 0.02)


async def test_the_last_of_many_addresses_is_reached_and_tried_first_the_next_time() -> None:
    network = Network(alive=ADDRESSES[-1:], refusing=ADDRESSES[3:5])
    one = backend(network)
    await asyncio.wait_for(one.connect_tcp("many.example", 443), 3)
    assert network.tried == ADDRESSES
    assert sorted(network.ended) == ADDRESSES, "nothing is left of the other tries"
    network.tried.clear()
    await one.connect_tcp("many.example", 443)
    assert network.tried == ADDRESSES[-1:]
    network.alive = {ADDRESSES[0]}
    network.tried.clear()
    await asyncio.wait_for(one.connect_tcp("many.example", 443), 3)
    assert network.tried[:2] == [ADDRESSES[-1], ADDRESSES[0]]


async def test_where_none_answers_the_failure_is_the_last_ones() -> None:
    network = Network(refusing=ADDRESSES)
    with pytest.raises(httpcore.ConnectError):
        await backend(network).connect_tcp("many.example", 443)
    assert network.tried == ADDRESSES


async def test_who_gives_up_leaves_nothing_behind() -> None:
    network = Network()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(backend(network).connect_tcp("many.example", 443), 0.1)
    assert len(network.tried) > 3
    assert sorted(network.ended) == sorted(network.tried)
