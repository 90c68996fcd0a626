"""How long each server is left alone (design, section 4): what keeps one reader from it keeps all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from weakref import WeakValueDictionary

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.domain.failure import Failure
from skillmeat_operator.domain.timings import Timings


class Server:
    """One address that refused connections, timed out or asked to be left alone (HTTP 429), or that is well.

    While it is away its readers take turns: one of them tries, and the others wait for what that comes to.
    """

    def __init__(
        self, *, timings: Timings, uniform: Callable[[float, float], float], clock: Callable[[], float]
    ) -> None:
        self._backoff = Backoff(timings=timings, uniform=uniform)
        self._clock = clock
        self._trying: object | None = None
        self.until = 0.0
        """No reader reads by itself before this moment (monotonic seconds)."""
        self.asked_until = 0.0
        """The server asked not to be called before this moment, by whomever (``Retry-After``)."""
        self.asking: Failure | None = None
        """What it asked that with."""
        self.readings: Counter[str] = Counter()
        """Readings under way, by kind."""
        self._waiting: dict[object, Callable[[], None]] = {}

    @property
    def away(self) -> bool:
        """Whether nobody has got an answer since it failed."""
        return self._backoff.failures > 0

    @property
    def idle(self) -> bool:
        """Whether nothing about it has to be remembered."""
        return not self.away and self.asked_until <= self._clock() and self._trying is None

    def lets_in(self, reader: object) -> bool:
        """Whether a reader may read now; of a server that is away it is the one that tries."""
        if not self.away:
            return True
        if self._trying is not None and self._trying is not reader:
            return False
        self._trying = reader
        return True

    def entered(self, kind: str) -> None:
        """Take in that a reading begins."""
        self.readings[kind] += 1

    def left(self, reader: object, kind: str) -> None:
        """Take in that a reading is over, however it ended; who waits for the last of its kind is called."""
        self.gave_way(reader)
        self.readings[kind] -= 1
        if not self.readings[kind]:
            waiting, self._waiting = self._waiting, {}
            for call in waiting.values():
                call()

    def gave_way(self, reader: object) -> None:
        """Take in that a reader does not try now."""
        if self._trying is reader:
            self._trying = None

    def when_left(self, reader: object, call: Callable[[], None]) -> None:
        """Call once, for a reader, when the last reading of some kind is over."""
        self._waiting[reader] = call

    def failed(self, began: float, failure: Failure) -> None:
        """Take in that a reading that began at that moment met a failure of the whole server."""
        now, retry_after = self._clock(), failure.retry_after
        if began >= self.until:
            # One outage counts once, however many readings were under way or asked for meanwhile.
            self.until = now + self._backoff.next()
        if retry_after is not None:
            self.asking = failure
            self.asked_until = max(self.asked_until, now + retry_after)
            self.until = max(self.until, self.asked_until)

    def answered(self) -> bool:
        """Take in that it gave what it was asked for; returns whether it was away before.

        A time that it asked for stands. Failures of other kinds do not come here: some are our own refusals,
        which say nothing of the server.
        """
        was_away = self.away
        self._backoff.reset()
        self.until = self.asked_until if self.asked_until > self._clock() else 0.0
        return was_away


class Servers:
    """All servers that are read, by address; shared by readers of every kind."""

    def __init__(
        self, *, timings: Timings, uniform: Callable[[float, float], float], clock: Callable[[], float]
    ) -> None:
        self._timings = timings
        self._uniform = uniform
        self._clock = clock
        self._by_host: WeakValueDictionary[Host, Server] = WeakValueDictionary()
        """Its readers keep a server."""
        self._left_alone: set[Server] = set()
        """Servers that have no reader any more and are to be left alone all the same."""

    def of(self, host: Host) -> Server:
        """The server at an address."""
        self._left_alone = {one for one in self._left_alone if not one.idle}
        found = self._by_host.get(host)
        if found is None:
            found = Server(timings=self._timings, uniform=self._uniform, clock=self._clock)
            self._by_host[host] = found
        return found

    def without_reader(self, server: Server) -> None:
        """Take in that a reader of a server ends: what is known of its state outlives it."""
        if not server.idle:
            self._left_alone.add(server)
