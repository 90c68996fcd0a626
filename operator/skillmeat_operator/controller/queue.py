"""The work queue: level-triggered, one visit per object at a time, fair between namespaces.

It alone plans visits (design, section 3, laws 7 and 9): a visit returns a :class:`Result`, a change or a
reading marks an object due, and each item has a backoff of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

logger = logging.getLogger(__name__)

VISIT_LIMIT: Final = 180.0
"""Seconds after which a visit is cut: every call in it has a shorter time-out, so this is a defect's."""

FIRST_RETRY: Final = 1.0
LONGEST_RETRY: Final = 60.0
"""Seconds of an item's backoff, unless the visit says otherwise."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a visit came to, and when the next one is due if nothing marks the object due before."""

    after: float | None = None
    """Seconds; None: only when it is marked due."""
    failed: bool = False
    """It is tried again with the item's backoff, which grows from ``first`` to ``longest`` seconds."""
    first: float = FIRST_RETRY
    longest: float = LONGEST_RETRY
    settles: bool = True
    """Whether a visit that did not fail ends a backoff: one that only waits in between does not."""

    @classmethod
    def done(cls, *, after: float | None = None, settles: bool = True) -> Self:
        """Everything was done that could be."""
        return cls(after=after, settles=settles)

    @classmethod
    def failure(cls, *, first: float = FIRST_RETRY, longest: float = LONGEST_RETRY) -> Self:
        """Something has to be tried again."""
        return cls(failed=True, first=first, longest=longest)


@dataclass(slots=True)
class _Item:
    """One object that is queued, or whose last visit failed."""

    share: str
    due: float | None = None
    """None: not queued."""
    serial: int = 0
    """Of its place in the heap; another number there is a place that it has left."""
    ready: bool = False
    """It waits for a worker."""
    changed: bool = False
    """The object itself changed since its last visit began."""
    failures: int = 0
    not_before: float = 0.0
    """Until then only a change of the object itself leads to a visit."""


class WorkQueue:
    """Objects to visit, each with the earliest moment at which it is due.

    Marking an object that is queued already moves it forward, never back; one marked while it is being
    visited is visited again afterwards. Of the objects that are due, namespaces take turns, and no namespace
    has more than half of the workers.
    """

    def __init__(
        self,
        visit: Callable[[str], Awaitable[Result]],
        *,
        workers: int,
        share: Callable[[str], str],
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        limit: float = VISIT_LIMIT,
    ) -> None:
        """Make a queue.

        Args:
            visit: visits an object by its UID.
            workers: visits at the same time.
            share: whose turn an object takes: its namespace.
            clock: monotonic seconds.
            uniform: random number between two bounds.
            limit: seconds for one visit.
        """
        self._visit = visit
        self._workers = workers
        self._most = max(1, workers // 2)
        self._share = share
        self._clock = clock
        self._uniform = uniform
        self._limit = limit
        self._items: dict[str, _Item] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._serial = itertools.count(1)
        self._ready: dict[str, deque[str]] = {}
        """Due objects by share, in the order in which the shares take turns."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._busy: Counter[str] = Counter()
        self._turned = clock()
        """When a visit last began or ended."""
        self._wake = asyncio.Event()

    def add(self, uid: str, *, delay: float = 0.0, changed: bool = False) -> None:
        """Mark an object due after ``delay`` seconds, or sooner if it is due sooner.

        Args:
            uid: of the object.
            delay: seconds.
            changed: whether the object itself changed: what failed before may go well now.
        """
        item = self._items.get(uid)
        if item is None:
            item = self._items[uid] = _Item(share=self._share(uid))
        if changed:
            item.changed, item.failures, item.not_before = True, 0, 0.0
        self._plan(uid, item, max(self._clock() + delay, item.not_before))

    def forget(self, uid: str) -> None:
        """Drop an object that is gone; a visit of it that is under way is cut at its next await."""
        item = self._items.pop(uid, None)
        if item is not None and item.ready:
            self._unready(uid, item.share)
        self.interrupt(uid)

    def interrupt(self, uid: str) -> None:
        """Cut a visit short at its next await; whoever asks for that marks the object due again."""
        task = self._running.get(uid)
        if task is not None:
            task.cancel()

    def __len__(self) -> int:
        return sum(item.due is not None for item in self._items.values())

    def __contains__(self, uid: object) -> bool:
        return uid in self._items or uid in self._running

    def stuck_for(self) -> float:
        """Seconds for which objects have been due and no visit has begun or ended; 0 where none is due.

        How slow a server is has no part in it: visits wait for none.
        """
        self._move_due()
        return self._clock() - self._turned if self._ready else 0.0

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

    def _plan(self, uid: str, item: _Item, due: float) -> None:
        if item.due is not None and item.due <= due:
            return
        item.due = due
        if item.ready:
            return
        item.serial = next(self._serial)
        heapq.heappush(self._heap, (due, item.serial, uid))
        self._wake.set()

    def _move_due(self) -> float | None:
        """Let whoever is due wait for a worker; returns the seconds until the next one is due."""
        now = self._clock()
        while self._heap:
            due, serial, uid = self._heap[0]
            item = self._items.get(uid)
            if item is None or item.serial != serial or item.due is None:
                heapq.heappop(self._heap)
                continue
            if due > now:
                return due - now
            heapq.heappop(self._heap)
            if uid in self._running:
                # Comes back when its visit ends.
                continue
            self._make_ready(uid, item)
        return None

    def _make_ready(self, uid: str, item: _Item) -> None:
        if not self._ready and not self._running:
            self._turned = self._clock()
        item.ready = True
        self._ready.setdefault(item.share, deque()).append(uid)

    def _start_due(self) -> float | None:
        delay = self._move_due()
        while len(self._running) < self._workers:
            uid = self._next()
            if uid is None:
                break
            self._start(uid)
        return delay

    def _next(self) -> str | None:
        """The object whose turn it is; its share goes to the end of the line."""
        for share in tuple(self._ready):
            if self._busy[share] >= self._most:
                continue
            waiting = self._ready.pop(share)
            uid = waiting.popleft()
            if waiting:
                self._ready[share] = waiting
            return uid
        return None

    def _unready(self, uid: str, share: str) -> None:
        waiting = self._ready.get(share)
        if waiting is None:
            return
        with contextlib.suppress(ValueError):
            waiting.remove(uid)
        if not waiting:
            del self._ready[share]

    def _start(self, uid: str) -> None:
        item = self._items[uid]
        item.ready, item.changed, item.due = False, False, None
        self._busy[item.share] += 1
        self._turned = self._clock()
        task = asyncio.create_task(self._run_one(uid), name=f"visit-{uid}")
        self._running[uid] = task
        # A task that is cancelled before its first step runs no line of its own, not even a ``finally``.
        share = item.share
        task.add_done_callback(lambda _: self._ended(uid, share))

    async def _run_one(self, uid: str) -> None:
        try:
            async with asyncio.timeout(self._limit):
                result = await self._visit(uid)
        except Exception:
            # A visit handles its own failures; what gets here is a defect, and must not end the other
            # objects' visits.
            logger.exception("visit of %s failed", uid)
            result = Result.failure(first=30.0, longest=900.0)
        self._take(uid, result)

    def _take(self, uid: str, result: Result) -> None:
        item = self._items.get(uid)
        if item is None:
            return
        now = self._clock()
        if result.failed and not item.changed:
            item.failures += 1
            ceiling = min(result.longest, result.first * 2.0 ** min(item.failures - 1, 16))
            item.not_before = now + self._uniform(ceiling / 2, ceiling)
            # A reading that marked it meanwhile waits for the backoff too.
            item.due = None
            self._plan(uid, item, item.not_before)
            return
        item.not_before = 0.0
        if result.settles:
            item.failures = 0
        if result.after is not None:
            self._plan(uid, item, now + result.after)

    def _ended(self, uid: str, share: str) -> None:
        del self._running[uid]
        self._busy[share] -= 1
        if not self._busy[share]:
            del self._busy[share]
        self._turned = self._clock()
        item = self._items.get(uid)
        if item is not None and item.due is not None:
            item.serial = next(self._serial)
            heapq.heappush(self._heap, (item.due, item.serial, uid))
        elif item is not None and item.not_before <= self._clock():
            del self._items[uid]
        self._wake.set()
