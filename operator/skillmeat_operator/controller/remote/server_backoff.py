"""The backoff that all pollers of one server share (design, section 4): what keeps one from it keeps all."""

from __future__ import annotations

from collections.abc import Callable

from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.domain.timings import Timings


class ServerBackoff:
    """How long a server is left alone that refused connections, timed out or asked for it (HTTP 429)."""

    def __init__(
        self,
        *,
        timings: Timings,
        uniform: Callable[[float, float], float],
        clock: Callable[[], float],
    ) -> None:
        self._backoff = Backoff(timings=timings, uniform=uniform)
        self._clock = clock
        self.until = 0.0
        """No poller reads by itself before this moment (monotonic seconds)."""
        self.asked_until = 0.0
        """The server asked not to be called before this moment, by whomever (``Retry-After``)."""

    def failed(self, began: float, *, retry_after: float | None) -> None:
        """A reading that began at that moment met it."""
        now = self._clock()
        if began >= self.until:
            # One outage counts once, however many readings were under way or asked for meanwhile.
            self.until = now + self._backoff.next()
        if retry_after is not None:
            self.asked_until = max(self.asked_until, now + retry_after)
            self.until = max(self.until, self.asked_until)

    def answered(self) -> bool:
        """It gave what it was asked for; returns whether it was away before.

        A time that it asked for stands. Failures do not come here: some are our own refusals, which say
        nothing of the server.
        """
        was_away = self._backoff.failures > 0
        self._backoff.reset()
        self.until = self.asked_until if self.asked_until > self._clock() else 0.0
        return was_away
