"""Shares of the connections of one listener: nobody keeps others out, neither by many nor by slow ones.

A connection carries one request at a time, so a share of the connections is a share of all that requests
cost: memory of answers under way, reads of the API server, file descriptors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a listener grants."""

    total: int = 128
    """Connections at a time; 128 that read nothing cost some 48 MiB, buffers of the kernel included."""
    per_peer: int = 32
    """Connections at a time of one address. A portal's catalog reads ten documents at a time; an ingress or a
    NAT in front of several portals is one address."""
    reads_within: float = 10.0
    """Seconds in which a peer that is owed bytes must take some of them."""


class Connections:
    """The connections of one listener, counted for each peer address.

    A peer at its limit is refused; others go on. When all are taken, a peer that has fewer connections
    than the busiest one gets the oldest of that one's, so that no number of full peers keeps a new one out.
    """

    def __init__(self, make: Callable[[], asyncio.Protocol], limits: ConnectionLimits) -> None:
        """Prepare for a listener.

        Args:
            make: the protocol that answers on an admitted connection.
            limits: what is granted.
        """
        self._make = make
        self._limits = limits
        # Oldest first, as dictionaries keep their order.
        self._of_peer: dict[str, dict[_Connection, None]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def protocol(self) -> asyncio.Protocol:
        """For a connection that was just accepted: what :meth:`asyncio.loop.create_server` calls."""
        return _Connection(self, self._make)

    def abort_all(self) -> None:
        """Cut what is left, whether or not its peer has read everything."""
        for connections in list(self._of_peer.values()):
            for connection in list(connections):
                connection.abort()

    def admit(self, connection: _Connection) -> bool:
        """Whether a new connection may stay; makes room for it where it is due."""
        own = self._of_peer.get(connection.peer, {})
        if len(own) >= self._limits.per_peer:
            return False
        if sum(map(len, self._of_peer.values())) >= self._limits.total:
            busiest = max(self._of_peer.values(), key=len)
            if len(own) + 1 >= len(busiest):
                return False
            oldest = next(iter(busiest))
            self.leave(oldest)
            oldest.abort()
        self._of_peer.setdefault(connection.peer, {})[connection] = None
        if self._sweep is None:
            self._sweep_later()
        return True

    def leave(self, connection: _Connection) -> None:
        """A connection is gone."""
        own = self._of_peer.get(connection.peer, {})
        own.pop(connection, None)
        if not own:
            self._of_peer.pop(connection.peer, None)

    def _sweep_later(self) -> None:
        # Four looks within the time: a connection is cut at most a quarter late.
        self._sweep = asyncio.get_running_loop().call_later(self._limits.reads_within / 4, self._cut_slow)

    def _cut_slow(self) -> None:
        self._sweep = None
        now = asyncio.get_running_loop().time()
        cut = 0
        for connections in list(self._of_peer.values()):
            for connection in list(connections):
                if now - connection.owed_since(now) >= self._limits.reads_within:
                    connection.abort()
                    cut += 1
        if cut:
            logger.info("%d connections were cut: their clients did not read what they asked for", cut)
        if self._of_peer:
            self._sweep_later()


_NOTHING: Final = (0, 0)


class _Connection(asyncio.Protocol):
    """Stands between a transport and the protocol that answers, and sees whether the peer takes bytes."""

    def __init__(self, all_of_them: Connections, make: Callable[[], asyncio.Protocol]) -> None:
        self.peer = ""
        self._all = all_of_them
        self._make = make
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._resumed = 0
        self._owed = _NOTHING
        self._owed_since = 0.0

    def owed_since(self, now: float) -> float:
        """When the peer last took bytes, as far as looks showed; `now` if none are left for it to take.

        While bytes wait, either the writer is paused, and then their number only falls, or it was resumed.
        """
        size = 0 if self._transport is None else self._transport.get_write_buffer_size()
        owed = (size, self._resumed) if size else _NOTHING
        if owed == _NOTHING or owed != self._owed:
            self._owed, self._owed_since = owed, now
        return self._owed_since

    def abort(self) -> None:
        """Cut it without waiting for the peer to read."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a connection has a transport that reads and writes")
        address = transport.get_extra_info("peername")
        self.peer = address[0] if address else ""
        if not self._all.admit(self):
            transport.abort()
            return
        self._transport = transport
        self._inner = self._make()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._inner is None else self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._resumed += 1
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.leave(self)
        if self._inner is not None:
            self._inner.connection_lost(exc)
