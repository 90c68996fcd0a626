"""Listening sockets: started together, stopped within a given time, with limits on what a client may send."""

from __future__ import annotations

import ssl
from typing import Final, Protocol

from aiohttp import web

MAX_HEADER: Final = 8 * 1024
"""Bytes of one header field, and of the request line."""
MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body."""
IDLE: Final = 75.0
"""Seconds after which a connection without a request is closed, a new one as well as a kept one."""
BACKLOG: Final = 128


class Routes(Protocol):
    """A handler that knows its own routes."""

    def add_routes(self, app: web.Application) -> None:
        """Serve in an application."""
        ...


class HttpServer:
    """One application on one address."""

    def __init__(
        self,
        host: str,
        port: int,
        *handlers: Routes,
        tls: ssl.SSLContext | None = None,
        stop_within: float = 1.0,
        idle: float = IDLE,
    ) -> None:
        """Prepare a server.

        Args:
            host: IP address it listens on.
            port: 0 takes a free one.
            handlers: what it serves.
            tls: context with the server's certificate; None: plain HTTP.
            stop_within: seconds for what is under way when the server is told to stop.
            idle: see :data:`IDLE`.
        """
        self._host, self._port = host, port
        self._tls = tls
        app = web.Application(client_max_size=MAX_BODY)
        for handler in handlers:
            handler.add_routes(app)
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            access_log=None,
            # The runner waits this long twice: for handlers to end, then for cancelled ones to go.
            shutdown_timeout=stop_within / 2,
            keepalive_timeout=idle,
            max_line_size=MAX_HEADER,
            max_field_size=MAX_HEADER,
            lingering_time=0.0,
        )

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls, backlog=BACKLOG)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise

    async def stop(self) -> None:
        """Stop listening, let requests end within the time for it, then close all connections."""
        await self._runner.cleanup()

    @property
    def bound(self) -> tuple[tuple[str, int], ...]:
        """The (address, port) pairs it listens on, with the real ports; empty unless it runs."""
        return tuple((found[0], found[1]) for found in self._runner.addresses)
