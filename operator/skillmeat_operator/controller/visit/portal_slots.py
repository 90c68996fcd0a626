"""How many visits may be in the middle of changing a portal: one that hangs holds few workers (laws 6 and 7).

Readings run in the background, but what a visit changes in a portal (locations, refreshes, dry runs,
deletions) it waits for. A visit that finds no place ends, and is due when one is free.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class PortalBusyError(Exception):
    """No place is free; the object is marked due when one is."""


class PortalSlots:
    """Places of visits in portals: less than half of the workers in one, little more than half in all.

    A portal in which nobody is at work has always a place.
    """

    def __init__(self, *, workers: int, mark_due: Callable[[str, float], None]) -> None:
        """Make them.

        Args:
            workers: visits at the same time.
            mark_due: marks an object due after some seconds.
        """
        self._each = max(1, workers * 2 // 5)
        self._all = max(1, workers * 3 // 5)
        self._mark_due = mark_due
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, None] = {}
        """UIDs, in the order in which they came."""

    @contextmanager
    def held(self, portal: str, uid: str) -> Iterator[None]:
        """Hold a place in a portal.

        Args:
            portal: its base URL.
            uid: of the object whose visit it is.

        Raises:
            PortalBusyError: none is free.
        """
        here = self._held[portal]
        if here >= self._each or (here > 0 and self._held.total() >= self._all):
            self._waiting[uid] = None
            raise PortalBusyError
        self._waiting.pop(uid, None)
        self._held[portal] += 1
        try:
            yield
        finally:
            self._held[portal] -= 1
            if not self._held[portal]:
                del self._held[portal]
            for waiting in list(self._waiting)[:1]:
                del self._waiting[waiting]
                self._mark_due(waiting, 0.0)

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._waiting.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._waiting
