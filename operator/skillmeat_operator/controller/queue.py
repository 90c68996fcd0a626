"""The work queue: level-triggered, one visit per object at a time, never a crowd on one slow server."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Entry:
    due: float
    serial: int


class WorkQueue:
    """Objects to visit, each with the earliest moment at which it is due.

    Adding an object that is queued already moves it forward, never back. An object added while it is being
    visited is visited again afterwards. At most half of the workers are busy with one bulkhead (a remote
    host) at a time.
    """

    def __init__(
        self,
        visit: Callable[[str], Awaitable[None]],
        *,
        workers: int,
        clock: Callable[[], float],
        bulkhead: Callable[[str], str | None],
    ) -> None:
        self._visit = visit
        self._workers = workers
        self._clock = clock
        self._bulkhead = bulkhead
        self._entries: dict[str, _Entry] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._serial = itertools.count()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._crowds: dict[str, deque[tuple[float, int, str]]] = {}
        self._wake = asyncio.Event()

    def add(self, uid: str, *, delay: float = 0.0) -> None:
        """Visit an object after ``delay`` seconds, or sooner if it is due sooner."""
        due = self._clock() + delay
        entry = self._entries.get(uid)
        if entry is not None and entry.due <= due:
            return
        serial = next(self._serial)
        self._entries[uid] = _Entry(due=due, serial=serial)
        heapq.heappush(self._heap, (due, serial, uid))
        self._wake.set()

    def forget(self, uid: str) -> None:
        """Drop an object that is gone."""
        self._entries.pop(uid, None)

    def interrupt(self, uid: str) -> None:
        """Cut a visit short at its next await; whoever asks for that adds the object again."""
        task = self._running.get(uid)
        if task is not None:
            task.cancel()

    def __len__(self) -> int:
        return len(self._entries)

    def overdue(self) -> float:
        """Seconds by which the oldest due object is late; 0 where nothing is due."""
        now = self._clock()
        waiting = (now - entry.due for uid, entry in self._entries.items() if uid not in self._running)
        return max(0.0, max(waiting, default=0.0))

    async def run(self) -> None:
        """Hand out visits until cancelled; a cancelled queue waits for nothing."""
        try:
            while True:
                delay = self._start_due()
                self._wake.clear()
                # Not wait_for: in Python 3.11 it loses a cancellation that meets the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._wake.wait()
        finally:
            tasks = tuple(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _start_due(self) -> float | None:
        """Start every visit that is due and allowed; returns the seconds until the next one is due."""
        now = self._clock()
        while self._heap:
            due, serial, uid = self._heap[0]
            if not self._stands(uid, serial):
                heapq.heappop(self._heap)
                continue
            if due > now:
                return due - now
            if len(self._running) >= self._workers:
                return None
            heapq.heappop(self._heap)
            if uid in self._running:
                # Comes back when its visit ends.
                continue
            bulkhead = self._bulkhead(uid)
            if bulkhead is not None and self._busy[bulkhead] >= max(1, self._workers // 2):
                # Waits apart: looking at each of a thousand again whenever a visit ends would be the work.
                self._crowds.setdefault(bulkhead, deque()).append((due, serial, uid))
                continue
            del self._entries[uid]
            self._start(uid, bulkhead)
        return None

    def _stands(self, uid: str, serial: int) -> bool:
        """Whether an item of the heap is still the object's entry, and not one that was moved forward."""
        entry = self._entries.get(uid)
        return entry is not None and entry.serial == serial

    def _start(self, uid: str, bulkhead: str | None) -> None:
        if bulkhead is not None:
            self._busy[bulkhead] += 1
        task = asyncio.create_task(self._run_one(uid), name=f"visit-{uid}")
        self._running[uid] = task
        # A task that is cancelled before its first step runs no line of its own, not even a ``finally``.
        task.add_done_callback(lambda _: self._ended(uid, bulkhead))

    async def _run_one(self, uid: str) -> None:
        try:
            await self._visit(uid)
        except Exception:
            # A visit handles its own failures; what gets here is a defect, and must not end the other
            # objects' visits.
            logger.exception("visit of %s failed", uid)
            self.add(uid, delay=30.0)

    def _ended(self, uid: str, bulkhead: str | None) -> None:
        del self._running[uid]
        entry = self._entries.get(uid)
        if entry is not None:
            heapq.heappush(self._heap, (entry.due, entry.serial, uid))
        if bulkhead is not None:
            self._busy[bulkhead] -= 1
            if not self._busy[bulkhead]:
                del self._busy[bulkhead]
            self._let_in(bulkhead)
        self._wake.set()

    def _let_in(self, bulkhead: str) -> None:
        """Bring back one object that waits for a bulkhead, and those that wait for it no more."""
        crowd = self._crowds.pop(bulkhead, None)
        while crowd:
            due, serial, uid = crowd.popleft()
            if not self._stands(uid, serial):
                continue
            heapq.heappush(self._heap, (due, serial, uid))
            if self._bulkhead(uid) == bulkhead:
                break
        if crowd:
            self._crowds[bulkhead] = crowd
