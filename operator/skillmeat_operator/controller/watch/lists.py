"""The full list of both kinds: it opens the gate, and it is the only way to learn what vanished unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.keys import KINDS
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

_SETTLE = 2.0
"""Seconds after the first sign of a relist: its events come one by one."""


class Lister:
    """Lists at the start, every ten minutes, and after every relist of a watch."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        store: Store,
        dispatcher: Dispatcher,
        namespaces: tuple[str, ...],
        swept: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        timings: Timings,
    ) -> None:
        self._client = client
        self._store = store
        self._dispatcher = dispatcher
        self._namespaces = namespaces
        self._swept = swept
        self._clock = clock
        self._timings = timings
        self._asked = asyncio.Event()
        self._last = 0.0

    def ask(self) -> None:
        """List soon: a watch began anew."""
        if self._clock() - self._last > _SETTLE:
            self._asked.set()

    async def run(self) -> None:
        """List until cancelled."""
        delay = 1.0
        while True:
            try:
                await self._list()
            except KubernetesError as error:
                logger.warning("the objects cannot be listed, trying again: %s", error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 15.0)
                continue
            delay = 1.0
            try:
                await self._swept()
            except KubernetesError as error:
                logger.warning("snapshots of objects that are gone were not swept: %s", error)
            try:
                async with asyncio.timeout(self._timings.relist_interval):
                    await self._asked.wait()
                await asyncio.sleep(_SETTLE)
            except TimeoutError:
                pass
            self._asked.clear()

    async def _list(self) -> None:
        opening = not self._store.gate.is_set()
        for names in KINDS:
            listed: set[str] = set()
            versions: list[str] = []
            for namespace in self._namespaces or (None,):
                found = await self._client.list_all(names.plural, namespace)
                versions.append(found.resource_version)
                for obj in found.items:
                    listed.add(obj["metadata"]["uid"])
                    self._dispatcher.seen(names.plural, {"kind": names.kind, **obj})
            oldest = min(versions, key=lambda version: int(version) if version.isdigit() else 0)
            for obj in self._store.of(names.plural).vanished(listed, oldest):
                self._dispatcher.gone(names.plural, obj["metadata"]["uid"])
            self._store.note_listed(names.plural)
        self._last = self._clock()
        if opening:
            self._dispatcher.visit_all()
