"""Events on their way to the API server: no status waits for the Event that tells of it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from skillmeat_operator.adapters.kubernetes.events import EventRecorder, EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef

logger = logging.getLogger(__name__)

LIMIT: Final = 10_000
"""Events that wait at most. Where more come, the newest are lost: the statuses say the same."""

WORKERS: Final = 4
"""Events sent at the same time: next to the statuses, which come first."""


class _Event(NamedTuple):
    ref: ObjectRef
    event_type: EventType
    reason: str
    message: str


class Announcer:
    """Sends Events in the background, of namespaces in turns."""

    def __init__(self, events: EventRecorder) -> None:
        self._events = events
        self._waiting: dict[str, deque[_Event]] = {}
        """By namespace, in the order in which namespaces take turns."""
        self._count = 0
        self._some = asyncio.Event()
        self.lost = 0
        """How many found no place to wait."""

    def post(self, ref: ObjectRef, event_type: EventType, reason: str, message: str) -> None:
        """Have an Event about an object sent soon; never waits, never fails.

        Args:
            ref: the object.
            event_type: whether somebody should look.
            reason: CamelCase.
            message: one sentence.
        """
        if self._count >= LIMIT:
            if not self.lost:
                logger.warning("%d Events wait for the API server: those that come now are not sent", LIMIT)
            self.lost += 1
            return
        self._waiting.setdefault(ref.namespace, deque()).append(_Event(ref, event_type, reason, message))
        self._count += 1
        self._some.set()

    async def send(self, ref: ObjectRef, event_type: EventType, reason: str, message: str) -> bool:
        """Send an Event now, where what comes next depends on it; False if the API server did not take it."""
        return await self._events.emit(ref, event_type, reason, message)

    async def run(self) -> None:
        """Send what is posted until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._send())

    async def _send(self) -> None:
        while True:
            await self._some.wait()
            one = self._next()
            if one is not None:
                try:
                    await self._events.emit(*one)
                except Exception:
                    logger.exception("an Event about %s was not sent", one.ref)

    def _next(self) -> _Event | None:
        """The next Event, of the namespace whose turn it is."""
        if not self._waiting:
            self._some.clear()
            return None
        namespace = next(iter(self._waiting))
        line = self._waiting.pop(namespace)
        one = line.popleft()
        if line:
            # To the end of the line of namespaces.
            self._waiting[namespace] = line
        self._count -= 1
        return one
