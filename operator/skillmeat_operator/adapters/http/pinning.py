"""HTTP/1.1 over connections that go to checked addresses and nowhere else.

Used as a transport and without an ``httpx.AsyncClient``: a client shared by tenants would carry the cookies
of one into the requests of another, and its log has query strings. A transport follows no redirect and
reads no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from skillmeat_operator.adapters.http.hosts import Host, canonical_name
from skillmeat_operator.adapters.http.racing import first_connected
from skillmeat_operator.api.urls import DEFAULT_PORTS

if TYPE_CHECKING:
    from skillmeat_operator.adapters.http.egress import Egress

MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
MOST_REMEMBERED = 4096
"""Names of which it is kept which address answered last."""
IDLE_EXPIRY = 4.0
"""Seconds after which an unused connection is closed: below the 5 s after which uvicorn and Node close
theirs, so that no request is written into a connection that the server is just closing."""
REPEATABLE = "skillmeat.repeatable"
"""Extension of a request: whether it may be sent once more where nobody knows what became of it."""


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens each connection to an address that :class:`Egress` has just checked.

    The name stays in the ``Host`` header, in SNI and in the verification of the certificate, which httpcore
    derives from the URL and not from where the socket leads.
    """

    def __init__(self, egress: Egress, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._egress = egress
        self._inner = inner or httpcore.AnyIOBackend()
        self._answered: OrderedDict[Host, str] = OrderedDict()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers; the one that did so last is tried first.

        ``timeout`` holds for each.

        Raises:
            CallError: the host is refused, or its name is not known.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answers; that of the last one.
        """
        asked = Host(name=canonical_name(host), port=port)
        checked = await self._egress.addresses(asked)
        known = self._answered.get(asked)
        address, stream = await first_connected(
            sorted(checked, key=lambda one: one != known),
            lambda one: self._connect(one, port, timeout, local_address, socket_options),
        )
        self._answered[asked] = address
        self._answered.move_to_end(asked)
        if len(self._answered) > MOST_REMEMBERED:
            self._answered.popitem(last=False)
        return stream

    async def _connect(
        self,
        address: str,
        port: int,
        timeout: float | None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._inner.connect_tcp(address, port, timeout, local_address, socket_options))

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002, ASYNC109
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Refused: no URL of ours leads to a socket file."""
        raise httpcore.ConnectError("no socket files")

    async def sleep(self, seconds: float) -> None:
        """Wait, for httpcore's retries."""
        await self._inner.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is also closed when its TLS handshake is cancelled, which httpcore 1.0.9 forgets."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        # A final dot is for the DNS alone: SNI has none (RFC 6066, section 3), nor have certificates.
        name = server_hostname.removesuffix(".") if server_hostname is not None else None
        try:
            return await self._inner.start_tls(ssl_context, name, timeout)
        except asyncio.CancelledError:
            await self._inner.aclose()
            raise

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class PinnedTransport(httpx.AsyncBaseTransport):
    """A pool of connections over a :class:`PinnedBackend`, for one kind of TLS material.

    What stands before a server may close a kept connection whenever it likes, at each second request even. A
    request that may be repeated is then sent once more over a connection of its own; one that may not be goes
    over a connection of its own from the start.
    """

    def __init__(self, egress: Egress, context: ssl.SSLContext | None) -> None:
        backend = PinnedBackend(egress)
        self._kept, self._fresh = (
            httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=most,
                keepalive_expiry=IDLE_EXPIRY,
                network_backend=backend,
            )
            for most in (MAX_IDLE_CONNECTIONS, 0)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the answer is still to be read, as it comes over the wire.

        Raises:
            CallError: the host is refused, or its name is not known.
            httpx.TransportError: what else went wrong.
        """
        repeatable = request.extensions.get(REPEATABLE, False)
        opened = _Opened()
        with _as_httpx(request):
            try:
                pool = self._kept if repeatable else self._fresh
                answer = await pool.handle_async_request(_as_httpcore(request, opened))
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                if not repeatable or opened.by_now or not _is_closed(error):
                    raise
                answer = await self._fresh.handle_async_request(_as_httpcore(request, opened))
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._kept.aclose()
        await self._fresh.aclose()


class _Opened:
    """Hears of it when a request has a connection opened for it (httpcore's extension ``trace``)."""

    def __init__(self) -> None:
        self.by_now = False

    async def __call__(self, event: str, _: Any) -> None:
        self.by_now = self.by_now or event == "connection.connect_tcp.started"


def _as_httpcore(request: httpx.Request, opened: _Opened) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=url.raw_scheme,
            host=url.raw_host,
            port=url.port or DEFAULT_PORTS[url.scheme],
            target=url.raw_path,
        ),
        headers=request.headers.raw,
        content=request.content,
        extensions={**request.extensions, "trace": opened},
    )


def _is_closed(error: Exception) -> bool:
    """Whether the connection was closed or reset, rather than something said that is no HTTP."""
    return not isinstance(error, httpcore.RemoteProtocolError) or "disconnected" in str(error)


class _Body(httpx.AsyncByteStream):
    """The body as httpcore reads it."""

    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _as_httpx(self._request):
            await self._answer.aclose()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Raise httpcore's exceptions as httpx's, which have the same names."""
    try:
        yield
    except (
        httpcore.TimeoutException,
        httpcore.NetworkError,
        httpcore.ProtocolError,
        httpcore.UnsupportedProtocol,
    ) as error:
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind("the transport failed", request=request) from error
