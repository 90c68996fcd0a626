"""The network of the simulation: host names that lead to models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import httpx

from skillmeat_operator.adapters.http.tls import TlsMaterial

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass
class Network(httpx.AsyncBaseTransport):
    """Every host by name; an address of its own for each."""

    hosts: dict[str, Handler] = field(default_factory=dict)
    names_hang: set[str] = field(default_factory=set)
    """Names whose look-up does not end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        handler = self.hosts.get(request.url.host)
        if handler is None:
            raise httpx.ConnectError("no such host")
        response = await handler(request)
        response.request = request
        # The operator reads the raw stream, as it comes over a connection.
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Stream(response.content)
        )

    def transport(self, _scheme: str, _tls: TlsMaterial) -> httpx.AsyncBaseTransport:
        """The transport of a pool."""
        return self

    async def resolve(self, name: str, _port: int) -> Collection[str]:
        """Addresses of a name."""
        if name in self.names_hang:
            await asyncio.sleep(10_000)
        if name not in self.hosts:
            raise OSError("no such name")
        return [f"198.51.100.{sorted(self.hosts).index(name) + 1}"]


class _Stream(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self):  # type: ignore[no-untyped-def]
        yield self._content
