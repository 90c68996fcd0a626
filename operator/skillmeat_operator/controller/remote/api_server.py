"""Where the API server listens: no request of a CatalogSource may reach it (design, section 7)."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from skillmeat_operator.adapters.http.addresses import Address, parse_address
from skillmeat_operator.adapters.http.egress import Resolver
from skillmeat_operator.adapters.http.hosts import Host

logger = logging.getLogger(__name__)

KEPT: Final = 300.0
"""Seconds for which what was found serves."""
AGAIN: Final = 5.0
"""Seconds after a look that failed until the next one."""
LOOK_WITHIN: Final = 5.0
"""Seconds for one look."""
PATIENCE: Final = 1.0
"""Seconds for which somebody's connection waits for a look: a name server that hangs holds up no others."""
MOST_ADVERTISED: Final = 64

Advertised = Callable[[], Awaitable[Collection[tuple[str, int]]]]
"""Asks the API server at which addresses its instances listen, behind whatever its URL names."""

Endpoint = tuple[Address, int]


class ApiServer:
    """The endpoints of the API server, looked up again and again: a look that fails is no answer for ever."""

    def __init__(
        self, url: str, *, resolver: Resolver, advertised: Advertised, clock: Callable[[], float]
    ) -> None:
        """Prepare; nothing is looked up yet.

        Args:
            url: the API server's, http or https.
            resolver: looks its name up.
            advertised: asks it for the addresses of its instances.
            clock: monotonic seconds.
        """
        self.host = Host.of(url)
        self._resolver = resolver
        self._advertised = advertised
        self._clock = clock
        self._named: frozenset[Endpoint] = frozenset()
        # Each answer comes from one of several instances and names that one alone.
        self._instances: OrderedDict[Endpoint, None] = OrderedDict()
        self._due = clock()
        self._look: asyncio.Task[None] | None = None

    async def endpoints(self, *, patience: float = PATIENCE) -> frozenset[Endpoint]:
        """All (address, port) pairs that are known by now."""
        if self._look is None and self._clock() >= self._due:
            self._look = asyncio.create_task(self._look_around(), name="look for the API server")
        if self._look is not None:
            await asyncio.wait([self._look], timeout=patience)
        return self._named | self._instances.keys()

    async def _look_around(self) -> None:
        try:
            done = await asyncio.gather(self._look_up(), self._ask())
            self._due = self._clock() + (KEPT if all(done) else AGAIN)
        finally:
            self._look = None

    async def _look_up(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                found = await self._resolver(self.host.name, self.host.port)
            self._named = frozenset((parse_address(one), self.host.port) for one in found)
        except (OSError, ValueError):
            logger.debug("the API server's name was not found; what is known of it stands")
            return False
        return bool(self._named)

    async def _ask(self) -> bool:
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                told = [(parse_address(address), port) for address, port in await self._advertised()]
        except Exception:  # noqa: BLE001  whatever it was: what is known stands, and it is asked again
            logger.debug("the API server does not tell its addresses; what is known of them stands")
            return False
        for endpoint in told:
            self._instances[endpoint] = None
            self._instances.move_to_end(endpoint)
            if len(self._instances) > MOST_ADVERTISED:
                self._instances.popitem(last=False)
        return True
