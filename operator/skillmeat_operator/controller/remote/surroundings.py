"""What is read of a server beside its list: version, edition and staleness pages."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import SourceConnection
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import ServerInfo, StalenessReading

logger = logging.getLogger(__name__)


NOT_OFFERED = frozenset({Reason.ENDPOINT_NOT_FOUND, Reason.EDITION_UNSUPPORTED})
"""Reasons that say that a server has no staleness pages (404, 501), not that they could not be read."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server tells about itself."""

    server: ServerInfo | None
    """None: it does not tell."""
    staleness: StalenessReading | None
    """None: it has no staleness pages. Those that could not be read are a failed reading, and no value."""


async def read_surroundings(connection: SourceConnection, _within: float) -> Surroundings:
    """Read them over a connection, page by page.

    Raises:
        FailedError: the staleness pages could not be read, which is not the same as that there are none.
    """
    server = staleness = None
    try:
        server = await connection.client.server_info()
    except FailedError as error:
        logger.info("the server does not tell its version: %s", error.failure.reason)
    try:
        staleness = await connection.client.read_staleness()
    except FailedError as error:
        logger.info("the server does not tell what is stale: %s", error.failure.reason)
        if error.failure.reason not in NOT_OFFERED:
            # Pages that time out do not say that the list does; a server that asks for time asks for all.
            asks = error.failure.retry_after is not None
            raise FailedError(replace(error.failure, whole_server=asks)) from None
    return Surroundings(server=server, staleness=staleness)
