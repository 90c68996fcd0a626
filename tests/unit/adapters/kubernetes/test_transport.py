from __future__ import annotations

import asyncio

import aiohttp
import pytest
from kubernetes.aio.client import Configuration

from skillmeat_operator.adapters.kubernetes.errors import RejectedError, UnavailableError
from skillmeat_operator.adapters.kubernetes.transport import MERGE_PATCH, Transport


@pytest.fixture
async def transport(server, time):
    configuration = Configuration(host=server.url)
    configuration.client_session_kwargs = {"trust_env": False}
    made = Transport(configuration, timeout=10.0, clock=time.clock, sleep=time.sleep)
    yield made
    await made.close()


async def test_call_sends_what_it_was_given(transport, server):
    await transport.request(
        "PATCH", "/api/x", query={"a": "1 2"}, body={"b": [None, "ü"]}, content_type=MERGE_PATCH
    )

    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("PATCH", "/api/x", {"a": "1 2"})
    assert request.body == {"b": [None, "ü"]}
    assert request.headers["Content-Type"] == MERGE_PATCH
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"] == "skillmeat-operator"


async def test_json_patch_type_is_never_guessed(transport, server):
    await transport.request("POST", "/api/x", body={"a": 1})

    assert server.requests[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("outcome", "method", "first", "headers", "slept"),
    [
        ("429 waits as long as asked", "GET", 429, {"Retry-After": "2"}, [2.0]),
        ("429 on a write was not carried out", "PATCH", 429, {"Retry-After": "1"}, [1.0]),
        ("429 without a time waits a second", "POST", 429, {}, [1.0]),
        ("5xx with a time on a read", "GET", 503, {"Retry-After": "3"}, [3.0]),
    ],
)
async def test_repeated(*, outcome, method, first, headers, slept, transport, server, answer, time):
    server.answers = [answer(first, {}, headers), answer(first, {}, headers), answer(200, {"ok": 1})]

    assert await transport.request(method, "/api/x") == {"ok": 1}
    assert time.slept == slept * 2
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("outcome", "method", "status", "headers"),
    [
        ("5xx with a time on a write may have been carried out", "PATCH", 503, {"Retry-After": "1"}),
        ("5xx without a time", "GET", 503, {}),
        ("429 that asks for more than the time-out", "GET", 429, {"Retry-After": "60"}),
        ("401", "GET", 401, {"Retry-After": "1"}),
    ],
)
async def test_not_repeated(*, outcome, method, status, headers, transport, server, answer):
    server.answers = [answer(status, {}, headers)]

    with pytest.raises(UnavailableError) as caught:
        await transport.request(method, "/api/x")

    assert len(server.requests) == 1
    assert caught.value.status == status
    assert caught.value.retry_after == (float(headers["Retry-After"]) if headers else None)


async def test_rejected_is_not_repeated(transport, server, answer, refusal):
    server.answers = [answer(422, refusal(422, "Invalid"))]

    with pytest.raises(RejectedError):
        await transport.request("PATCH", "/api/x")
    assert len(server.requests) == 1


async def test_repeating_ends_with_the_time_out(transport, server, answer, time):
    server.answers = [answer(429, {}, {"Retry-After": "3"})]

    with pytest.raises(UnavailableError):
        await transport.request("GET", "/api/x")
    assert time.slept == [3.0, 3.0, 3.0]


@pytest.mark.parametrize("text", ["", "<html>", "null", "{"])
async def test_2xx_that_is_no_json_is_unavailable(text, transport, server, answer):
    server.answers = [answer(200, text=text)]

    with pytest.raises(UnavailableError, match="no JSON"):
        await transport.request("GET", "/api/x")


async def test_hanging_server_is_a_time_out(server):
    async def hang(reader, writer):
        await reader.read()  # until the client gives up
        writer.close()

    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    transport = Transport(Configuration(host=f"http://{host}:{port}"), timeout=0.2)
    try:
        with pytest.raises(UnavailableError, match="timed out"):
            await transport.request("GET", "/api/x")
        with pytest.raises(UnavailableError, match="timed out"):
            await transport.request("GET", "/api/x", within=0.05)
    finally:
        await transport.close()
        listener.close()


async def test_body_that_stops_half_way_is_a_broken_connection():
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(half, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()
    transport = Transport(Configuration(host=f"http://{host}:{port}"), timeout=2.0)
    try:
        with pytest.raises(UnavailableError, match="broke"):
            await transport.request("GET", "/api/x")
    finally:
        await transport.close()
        listener.close()


async def test_nobody_listening_is_no_connection(server):
    transport = Transport(Configuration(host="http://127.0.0.1:1"), timeout=2.0)
    try:
        with pytest.raises(UnavailableError, match="no connection"):
            await transport.request("GET", "/api/x")
    finally:
        await transport.close()


async def test_proxies_of_the_environment_are_not_used(transport, server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert await transport.request("GET", "/api/x") == {}


async def test_token_is_sent_and_stays_out_of_errors(server, answer):
    configuration = Configuration(host=server.url, api_key={"BearerToken": "Bearer canary-token"})
    transport = Transport(configuration, timeout=2.0)
    server.answers = [answer(500, text="canary-token")]
    try:
        with pytest.raises(UnavailableError) as caught:
            await transport.request("GET", "/api/x")
    finally:
        await transport.close()

    assert server.requests[0].headers["Authorization"] == "Bearer canary-token"
    assert "canary" not in repr(caught.value)


async def test_connections_are_bounded():
    configuration = Configuration(host="http://127.0.0.1:1")
    configuration.connection_pool_maxsize = 3
    transport = Transport(configuration, timeout=1.0)
    connector = transport._pool.api.rest_client._create_connector()

    assert isinstance(connector, aiohttp.TCPConnector)
    assert connector.limit == 3
    await connector.close()
    await transport.close()
