"""Listening sockets: started together, stopped within a given time, with limits on what a client may send and
on how many connections, and for how long unread, it may hold.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from functools import partial
from typing import Any, Final, Protocol

from aiohttp import web

from skillmeat_operator.serving.connections import ConnectionLimits, Connections
from skillmeat_operator.serving.protocol_log import protocol_log
from skillmeat_operator.serving.reticent import ReticentHandler

MAX_HEADER: Final = 8 * 1024
"""Bytes of one header field, and of the request line."""
MAX_BODY: Final = 64 * 1024
"""Bytes of a request's body."""
IDLE: Final = 75.0
"""Seconds after which a connection without a request is closed, a new one as well as a kept one."""
BACKLOG: Final = 128
SEND_BUFFER: Final = 128 * 1024
"""Bytes that the kernel takes for a client (Linux doubles them); without it, several MiB for each one."""


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
        limits: ConnectionLimits | None = None,
    ) -> None:
        """Prepare a server.

        Args:
            host: IP address it listens on.
            port: 0 takes a free one.
            handlers: what it serves.
            tls: context with the server's certificate; None: plain HTTP.
            stop_within: seconds for what is under way when the server is told to stop.
            idle: see :data:`IDLE`.
            limits: connections that clients may hold; None: the usual ones.
        """
        self._host, self._port = host, port
        self._tls = tls
        self._limits = limits or ConnectionLimits()
        self._connections: Connections | None = None
        self._listening: asyncio.Server | None = None
        app = web.Application(client_max_size=MAX_BODY)
        for handler in handlers:
            handler.add_routes(app)
        self._protocol: dict[str, Any] = {
            "access_log": None,
            "logger": protocol_log(),
            "keepalive_timeout": idle,
            "max_line_size": MAX_HEADER,
            "max_field_size": MAX_HEADER,
            "lingering_time": 0.0,
        }
        self._runner = web.AppRunner(
            app,
            handle_signals=False,
            # The runner waits this long twice: for handlers to end, then for cancelled ones to go.
            shutdown_timeout=stop_within / 2,
        )

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("a runner has a server once it is set up")
        loop = asyncio.get_running_loop()
        connections = Connections(partial(ReticentHandler, server, loop=loop, **self._protocol), self._limits)
        within = self._limits.reads_within if self._tls else None
        try:
            listening = await loop.create_server(
                connections.protocol,
                self._host,
                self._port,
                ssl=self._tls,
                ssl_handshake_timeout=within,
                ssl_shutdown_timeout=within,
                backlog=BACKLOG,
                start_serving=False,
            )
        except OSError:
            await self._runner.cleanup()
            raise
        for each in listening.sockets:
            # Accepted sockets inherit it.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        await listening.start_serving()
        self._connections, self._listening = connections, listening

    async def stop(self) -> None:
        """Stop listening, let requests end within the time for it, then close all connections."""
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
        if self._connections is not None:
            self._connections.abort_all()
        self._listening = self._connections = None

    @property
    def bound(self) -> tuple[tuple[str, int], ...]:
        """The (address, port) pairs it listens on, with the real ports; empty unless it runs."""
        if self._listening is None:
            return ()
        return tuple(each.getsockname()[:2] for each in self._listening.sockets)
