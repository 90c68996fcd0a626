"""HTTP/1.1 over connections that go to checked addresses and nowhere else.

Used as a transport and without an ``httpx.AsyncClient``: a client shared by tenants would carry the cookies
of one into the requests of another, and its log has query strings. A transport follows no redirect and
reads no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from skillmeat_operator.adapters.http.hosts import Host, canonical_name
from skillmeat_operator.api.urls import DEFAULT_PORTS

if TYPE_CHECKING:
    from skillmeat_operator.adapters.http.egress import Egress

MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
MOST_TRIES = 3
"""Addresses of one name that are tried before the call fails."""
IDLE_EXPIRY = 4.0
"""Seconds after which an unused connection is closed: below the 5 s after which uvicorn and Node close
theirs, so that no request is written into a connection that the server is just closing."""


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Opens each connection to an address that :class:`Egress` has just checked.

    The name stays in the ``Host`` header, in SNI and in the verification of the certificate, which httpcore
    derives from the URL and not from where the socket leads.
    """

    def __init__(self, egress: Egress, inner: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._egress = egress
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers; ``timeout`` holds for each.

        Raises:
            CallError: the host is refused, or its name is not known.
            httpcore.ConnectError, httpcore.ConnectTimeout: no address answers; that of the last one.
        """
        checked = await self._egress.addresses(Host(name=canonical_name(host), port=port))
        addresses = checked[:MOST_TRIES]
        for address in addresses[:-1]:
            try:
                return await self._connect(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._connect(addresses[-1], port, timeout, local_address, socket_options)

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
        try:
            return await self._inner.start_tls(ssl_context, server_hostname, timeout)
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
    """A pool of connections over a :class:`PinnedBackend`, for one kind of TLS material."""

    def __init__(self, egress: Egress, context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_EXPIRY,
            network_backend=PinnedBackend(egress),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the answer is still to be read, as it comes over the wire.

        Raises:
            CallError: the host is refused, or its name is not known.
            httpx.TransportError: what else went wrong.
        """
        url = request.url
        with _as_httpx(request):
            answer = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme,
                        host=url.raw_host,
                        port=url.port or DEFAULT_PORTS[url.scheme],
                        target=url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.content,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            status_code=answer.status, headers=answer.headers, stream=_Body(answer, request), request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


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
