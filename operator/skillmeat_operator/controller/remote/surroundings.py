"""What is read of a server beside its list: version, edition and staleness pages."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from skillmeat_operator.controller.remote.connections import SourceConnection
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server tells about itself; None for what it does not tell."""

    server: ServerInfo | None
    staleness: StalenessReading | None


async def read_surroundings(connection: SourceConnection, _within: float) -> Surroundings:
    """Read them over a connection, page by page; what could not be read is None."""
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
