"""Growing delays after failures, with full jitter."""

from __future__ import annotations

from collections.abc import Callable

from skillmeat_operator.domain.timings import Timings


class Backoff:
    """Delays that double from the first to the longest; not persisted."""

    def __init__(self, *, timings: Timings, uniform: Callable[[float, float], float]) -> None:
        self._timings = timings
        self._uniform = uniform
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def next(self, *, at_least: float | None = None) -> float:
        """Seconds to wait after one more failure; never shorter than the remote side asked for."""
        self._failures += 1
        return max(self.delay(), at_least or 0.0)

    def delay(self) -> float:
        """Seconds to wait after the failures so far."""
        doublings = min(max(self._failures - 1, 0), 16)
        ceiling = min(self._timings.backoff_longest, self._timings.backoff_first * 2**doublings)
        # A delay near zero would not be a backoff: the lower quarter of the jitter is left out.
        return self._uniform(ceiling / 4, ceiling)

    def reset(self) -> None:
        """Start over after a success."""
        self._failures = 0
