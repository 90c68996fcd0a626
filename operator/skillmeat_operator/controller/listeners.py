"""The listening addresses, open from the very start: before the API server answers there is nothing to serve,
but somebody who says so.
"""

from __future__ import annotations

import asyncio

from skillmeat_operator.controller.config import OperatorConfig
from skillmeat_operator.serving.documents import DocumentProvider, Documents, NotFound, NotYet, Served
from skillmeat_operator.serving.health import Check, Health
from skillmeat_operator.serving.server import HttpServer


class Listeners:
    """Documents and probes. What they answer comes from the operator, once it is there."""

    def __init__(self, config: OperatorConfig) -> None:
        self._provider: DocumentProvider | None = None
        self._checks: tuple[Check, Check] = (lambda: None, lambda: self.waiting_for)
        self.waiting_for = "the operator is starting"
        """What keeps the operator from its work before it is there."""
        self._servers = (
            HttpServer(config.serve_address.host, config.serve_address.port, Documents(self)),
            HttpServer(
                config.metrics_address.host,
                config.metrics_address.port,
                Health(progress=self._progress, ready=self._ready),
            ),
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address cannot be bound.
        """
        for server in self._servers:
            await server.start()

    async def stop(self) -> None:
        """Stop listening."""
        await asyncio.gather(*(server.stop() for server in self._servers))

    def serve(
        self,
        provider: DocumentProvider,
        *,
        progress: Check,
        ready: Check,
    ) -> None:
        """Answer from now on what the operator says."""
        self._provider, self._checks = provider, (progress, ready)

    def _progress(self) -> str | None:
        return self._checks[0]()

    def _ready(self) -> str | None:
        return self._checks[1]()

    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        """The document of a CatalogSource; before the operator is there it is not decided yet."""
        if self._provider is None:
            return NotYet()
        return await self._provider.document(prefix, namespace, name)
