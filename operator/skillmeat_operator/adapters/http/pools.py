"""Pools of connections, one for each scheme and TLS material in use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from skillmeat_operator.adapters.http.egress import Egress
from skillmeat_operator.adapters.http.pinning import PinnedTransport
from skillmeat_operator.adapters.http.tls import TlsMaterial, client_context

MOST_POOLS = 64
"""Pools kept open; beyond them the one used longest ago is closed once nobody uses it."""

TransportFactory = Callable[[str, TlsMaterial], httpx.AsyncBaseTransport]
"""Makes the transport for a scheme and TLS material. Raises CallError for material that cannot be used."""


def pinned_transports(egress: Egress) -> TransportFactory:
    """Transports that connect to checked addresses; plain http needs no TLS context, and so gets none."""

    def make(scheme: str, tls: TlsMaterial) -> httpx.AsyncBaseTransport:
        return PinnedTransport(egress, client_context(tls) if scheme == "https" else None)

    return make


@dataclass(slots=True)
class _Pool:
    transport: httpx.AsyncBaseTransport
    users: int = 0


class Transports:
    """Lends out transports and closes those that are no longer needed."""

    def __init__(self, factory: TransportFactory, *, most: int = MOST_POOLS) -> None:
        self._factory = factory
        self._most = most
        self._pools: OrderedDict[tuple[str, str], _Pool] = OrderedDict()

    @asynccontextmanager
    async def use(self, scheme: str, tls: TlsMaterial) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """A transport, which stays open until the block ends.

        Raises:
            CallError: ``TLS_MATERIAL``.
        """
        key = (scheme, tls.digest if scheme == "https" else "")
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(self._factory(scheme, tls))
        self._pools.move_to_end(key)
        pool.users += 1
        try:
            yield pool.transport
        finally:
            pool.users -= 1
            await self._shrink()

    async def aclose(self) -> None:
        """Close all, used or not."""
        while self._pools:
            _, pool = self._pools.popitem()
            await pool.transport.aclose()

    async def _shrink(self) -> None:
        while len(self._pools) > self._most:
            idle = next((key for key, pool in self._pools.items() if pool.users == 0), None)
            if idle is None:
                return
            await self._pools.pop(idle).transport.aclose()
