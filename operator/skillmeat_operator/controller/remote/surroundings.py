"""What is read of a server beside its list: version, edition and staleness pages."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass

from skillmeat_operator.controller.remote.connections import SourceConnection
from skillmeat_operator.controller.remote.shared_read import SharedReader
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading

logger = logging.getLogger(__name__)

FORGET_AFTER = 7200.0
"""Seconds after which what nobody asked for is forgotten: credentials are rotated, servers move."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server tells about itself; None for what it does not tell."""

    server: ServerInfo | None
    staleness: StalenessReading | None


@dataclass(slots=True)
class _Entry:
    reader: SharedReader[Surroundings]
    asked: float


class SurroundingsReader:
    """One reading for each server and credential: one for each CatalogSource queues at the rate limit."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """Make a reader; ``clock`` tells monotonic seconds."""
        self._clock = clock
        self._entries: dict[tuple[str, tuple[str, ...]], _Entry] = {}

    async def of(self, connection: SourceConnection, *, not_before: float) -> Surroundings:
        """A reading that began at ``not_before`` (monotonic seconds) or later, made now if there is none.

        It does not fail: what could not be read is None.
        """
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if now - entry.asked > FORGET_AFTER]:
            del self._entries[key]
        read = functools.partial(_read, connection)
        # The platform is a matter of the list alone.
        key = (connection.key.url, connection.key.credentials)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(SharedReader(read, clock=self._clock), asked=now)
        entry.asked = now
        entry.reader.replace(read)
        return (await entry.reader.get(not_before=not_before)).get()


async def _read(connection: SourceConnection) -> Surroundings:
    server = staleness = None
    try:
        server = await connection.client.server_info()
    except FailedError as error:
        logger.info("the server does not tell its version: %s", error.failure.reason)
    try:
        staleness = await connection.client.read_staleness()
    except FailedError as error:
        logger.info("the server does not tell what is stale: %s", error.failure.reason)
    return Surroundings(server=server, staleness=staleness)
