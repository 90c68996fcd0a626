"""One reading for all who want it: callers that ask while a reading is under way share the next or the
current one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from skillmeat_operator.domain.failure import FailedError, Failure

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """Result of one reading: a complete value or a failure."""

    began: float
    """Monotonic seconds."""
    value: T | None
    failure: Failure | None
    serial: int
    """Counts the readings of one reader; readings that succeeded only."""

    def get(self) -> T:
        """The value.

        Raises:
            FailedError: the reading failed.
        """
        if self.failure is not None:
            raise FailedError(self.failure)
        if self.value is None:
            raise RuntimeError("a reading without failure has a value")
        return self.value


class SharedReader(Generic[T]):
    """Reads one thing for many callers: at most one reading at a time, and none that nobody needs."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._latest: Reading[T] | None = None
        self._current: asyncio.Task[Reading[T]] | None = None
        self._current_began = 0.0
        self._good = 0

    @property
    def latest(self) -> Reading[T] | None:
        """The last finished reading."""
        return self._latest

    async def get(self, *, not_before: float) -> Reading[T]:
        """A reading that began at ``not_before`` (monotonic seconds) or later; the future counts as now."""
        not_before = min(not_before, self._clock())
        while True:
            if self._latest is not None and self._latest.began >= not_before:
                return self._latest
            if self._current is None:
                self._current_began = self._clock()
                self._current = asyncio.create_task(self._run(self._current_began))
            # Shielded: a caller that gives up must not take the reading away from the others.
            await asyncio.shield(self._current)

    def replace(self, read: Callable[[], Awaitable[T]]) -> None:
        """Use another way to read from the next reading on (a rebuilt client for the same server and
        credential).
        """
        self._read = read

    async def _run(self, began: float) -> Reading[T]:
        try:
            value = await self._read()
        except FailedError as error:
            reading: Reading[T] = Reading(began=began, value=None, failure=error.failure, serial=self._good)
        else:
            self._good += 1
            reading = Reading(began=began, value=value, failure=None, serial=self._good)
        finally:
            self._current = None
        self._latest = reading
        return reading
