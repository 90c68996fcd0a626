"""The HTTP client against servers on loopback that misbehave in one way each."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trustme

from skillmeat_operator.adapters.http import client as http_module
from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem
from skillmeat_operator.adapters.http.client import NOT_READ, Answer, Call, HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports, pinned_transports
from skillmeat_operator.adapters.http.rate_limit import SOURCE_LIMITS, RateLimiter
from skillmeat_operator.adapters.http.tls import TlsMaterial

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CA = trustme.CA()
TRUST = TlsMaterial(ca=CA.cert_pem.bytes())
MIB = 1024 * 1024


@asynccontextmanager
async def server(talk: Conversation, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A TCP server on a free port; it ends with its conversations."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*parts: bytes, pause: float = 0.0, reset: bool = False) -> Conversation:
    """Reads one request, sends the parts and closes, by a reset if so wanted."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(1, 13, linger)
            writer.transport.abort()

    return talk


async def loopback(name: str, port: int) -> Collection[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def client(*allowed: str, **flags: object) -> AsyncIterator[HttpClient]:
    """A client as the operator has it, whose resolver knows loopback alone."""
    clock = asyncio.get_running_loop().time
    policy = EgressPolicy.of_flags(allowed_hosts=allowed or ["localhost"], cluster_wide=True, **flags)  # type: ignore[arg-type]
    egress = Egress(policy, clock=clock, resolver=loopback)
    http = HttpClient(
        egress=egress,
        transports=Transports(pinned_transports(egress)),
        clock=clock,
        now=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        new_id=lambda: "id-1",
    )
    try:
        yield http
    finally:
        await http.aclose()


async def get(
    http: HttpClient, url: str, *, tls: TlsMaterial | None = None, within: float = 5.0, **headers: str
) -> Answer:
    limiter = RateLimiter(SOURCE_LIMITS, clock=http.clock)
    call = Call("GET", url, query={"q": "a b&c"}, headers=headers)
    return await http.send(
        call, limiter=limiter, tls=tls or TlsMaterial(), within=within, deadline=http.clock() + 20
    )


async def problem(talk: Conversation, *, within: float = 5.0) -> CallProblem:
    async with server(talk) as port, client() as http:
        with pytest.raises(CallError) as caught:
            await get(http, f"http://localhost:{port}/x", within=within)
        return caught.value.problem


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b"\0" * (33 * MIB))


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        pytest.param(saying(OK + b"Content-Length: 9\r\n\r\n[1, 2"), CallProblem.CUT_SHORT, id="half-a-body"),
        pytest.param(
            saying(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1, 2\r\n"),
            CallProblem.CUT_SHORT,
            id="half-the-chunks",
        ),
        pytest.param(
            saying(OK + b"Content-Length: 9\r\n\r\n[1, 2", reset=True),
            CallProblem.CUT_SHORT,
            id="reset-inside-the-body",
        ),
        pytest.param(
            saying(OK + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\n" + BOMB),
            CallProblem.TOO_LARGE,
            id="gzip-bomb",
        ),
        pytest.param(
            saying(OK + b"Connection: close\r\n\r\n", *([b"x" * MIB] * 33)),
            CallProblem.TOO_LARGE,
            id="33-mib",
        ),
        pytest.param(saying(reset=True), CallProblem.CONNECTION_LOST, id="reset-before-the-answer"),
        pytest.param(saying(), CallProblem.CONNECTION_LOST, id="closed-before-the-answer"),
        pytest.param(saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), CallProblem.MALFORMED, id="no-http"),
        pytest.param(
            saying(OK + b"Content-Encoding: br\r\nContent-Length: 1\r\n\r\nx"),
            CallProblem.ENCODING,
            id="brotli",
        ),
    ],
)
async def test_no_complete_answer(talk: Conversation, expected: CallProblem) -> None:
    assert await problem(talk) is expected


@pytest.mark.parametrize(
    "talk",
    [
        pytest.param(saying(b"", pause=60), id="no-answer"),
        pytest.param(saying(*([b"H"] * 100), pause=0.1), id="head-drips"),
        pytest.param(
            saying(OK + b"Content-Length: 1000\r\n\r\n", *([b"x"] * 1000), pause=0.1), id="body-drips"
        ),
    ],
)
async def test_a_slow_answer_ends_with_the_call(talk: Conversation) -> None:
    async def main() -> CallProblem:
        return await problem(talk, within=0.4)

    began = asyncio.get_running_loop().time()
    assert await main() is CallProblem.TIMED_OUT
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_refused_connection() -> None:
    async with server(saying()) as port:
        pass
    async with client() as http:
        with pytest.raises(CallError, match="connection refused"):
            await get(http, f"http://localhost:{port}/")


async def test_http_to_a_tls_port_and_tls_to_an_http_port() -> None:
    async with server(saying(OK), tls=_server_tls("localhost")) as port, client() as http:
        with pytest.raises(CallError, match=r"connection lost|answer malformed"):
            await get(http, f"http://localhost:{port}/", within=2)
    async with server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port, client() as http:
        with pytest.raises(CallError, match=r"TLS handshake failed|timed out"):
            await get(http, f"https://localhost:{port}/", within=2)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))

    async with server(note) as other:
        head = f"HTTP/1.1 {status} Moved\r\nLocation: http://localhost:{other}/\r\nContent-Length: 0\r\n\r\n"
        async with server(saying(head.encode())) as port, client() as http:
            answer = await get(http, f"http://localhost:{port}/")
    assert (answer.status, answer.is_success, seen) == (status, False, [])


async def test_an_error_keeps_its_status_whatever_its_body_is() -> None:
    head = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 999999\r\n\r\n"
    async with server(saying(head + b"x" * 300_000)) as port, client() as http:
        answer = await get(http, f"http://localhost:{port}/")
    assert (answer.status, answer.body, answer.retry_after) == (503, NOT_READ, 7.0)


async def test_what_goes_out() -> None:
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK + b"Set-Cookie: session=canary\r\nContent-Length: 2\r\n\r\n[]")
        await writer.drain()

    async with server(note) as port, client("skillmeat.localhost") as http:
        for _ in range(2):
            answer = await get(http, f"http://skillmeat.localhost:{port}/a/b", Authorization="Bearer t")
        assert (answer.status, answer.body, answer.is_json) == (200, b"[]", True)
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "GET /a/b?q=a+b%26c HTTP/1.1"
    assert set(lines[1:-2]) == {
        f"Host: skillmeat.localhost:{port}",
        "Accept: application/json",
        "Accept-Encoding: gzip",
        "User-Agent: skillmeat-operator",
        "X-Request-ID: id-1",
        "Authorization: Bearer t",
    }
    assert seen[1] == seen[0]  # no cookie of the first answer


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with server(saying(OK + b"Content-Length: 2\r\n\r\n[]")) as port, client() as http:
        assert (await get(http, f"http://localhost:{port}/")).status == 200


def _server_tls(*names: str, client_ca: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    CA.issue_cert(*names).configure_cert(context)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        client_ca.configure_trust(context)
    return context


ANSWER = saying(OK + b"Content-Length: 2\r\n\r\n[]")


async def test_sni_and_the_certificate_are_those_of_the_name_though_the_socket_leads_to_an_address() -> None:
    names: list[str | None] = []
    context = _server_tls("portal.test")
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    async with server(ANSWER, tls=context) as port:
        portal = f"https://portal.test:{port}"
        async with client(backstage_url=portal) as http:
            assert (await get(http, f"{portal}/", tls=TRUST)).status == 200
    assert names == ["portal.test"]


@pytest.mark.parametrize(
    ("certificate_for", "tls", "expected"),
    [
        pytest.param("other.test", TRUST, CallProblem.UNTRUSTED, id="certificate-of-another-name"),
        pytest.param(
            "portal.test", TlsMaterial(), CallProblem.UNTRUSTED, id="ca-that-the-system-does-not-know"
        ),
        pytest.param(
            "portal.test",
            TlsMaterial(ca=trustme.CA().cert_pem.bytes()),
            CallProblem.UNTRUSTED,
            id="another-ca",
        ),
        pytest.param(
            "portal.test", TlsMaterial(ca=b"canary"), CallProblem.TLS_MATERIAL, id="ca-that-is-none"
        ),
    ],
)
async def test_tls_that_is_refused(certificate_for: str, tls: TlsMaterial, expected: CallProblem) -> None:
    async with server(ANSWER, tls=_server_tls(certificate_for)) as port:
        portal = f"https://portal.test:{port}"
        async with client(backstage_url=portal) as http:
            with pytest.raises(CallError) as caught:
                await get(http, f"{portal}/", tls=tls)
    assert caught.value.problem is expected


async def test_mutual_tls() -> None:
    issued = CA.issue_cert("operator.test")
    chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
    mutual = TlsMaterial(ca=CA.cert_pem.bytes(), certificate=chain, key=issued.private_key_pem.bytes())
    context = _server_tls("portal.test", client_ca=CA)
    # In TLS 1.3 the refusal comes after the handshake, and as a reset if the request was quicker.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with server(ANSWER, tls=context) as port:
        portal = f"https://portal.test:{port}"
        async with client(backstage_url=portal) as http:
            assert (await get(http, f"{portal}/", tls=mutual)).status == 200
            with pytest.raises(CallError) as caught:
                await get(http, f"{portal}/", tls=TRUST)
    assert caught.value.problem is CallProblem.TLS_FAILED


async def test_a_refused_host_is_never_connected_to() -> None:
    accepted: list[int] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(1)

    async with server(note) as port, client("*") as http:
        with pytest.raises(CallError, match="egress refused"):
            await get(http, f"http://rebound.example.com:{port}/")
    assert not accepted


async def test_secrets_and_query_strings_stay_out_of_log_and_errors(
    no_secret: Callable[[str, object], None],
) -> None:
    async with server(saying(OK + b"Content-Length: 20\r\n\r\ncanary-in-the-body")) as port, client() as http:
        with pytest.raises(CallError) as caught:
            await get(http, f"http://localhost:{port}/x", Authorization="Bearer canary-token")
    for canary in ("canary-token", "canary-in-the-body", "a b", "a+b"):
        no_secret(canary, caught.value)
    call = Call("GET", "http://a", headers={"Authorization": "canary-token"}, payload="canary-token")
    no_secret("canary", call)
    no_secret("canary", Answer(200, {"x": "canary"}, b"canary"))


async def test_the_log_has_the_request_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger=http_module.__name__)
    async with server(ANSWER) as port, client() as http:
        await get(http, f"http://localhost:{port}/x")
    assert [(record.getMessage(), record.__dict__["request_id"]) for record in caplog.records] == [
        (f"GET localhost:{port}/x: HTTP 200", "id-1")
    ]
