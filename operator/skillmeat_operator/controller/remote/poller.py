"""One polite poller per server and credential (design, section 5, Shared poller).

A poller owns the cadence: the shortest interval of its subscribers, with jitter. Each complete observation
goes to all of them. What it reads, and with which credential, is the business of the function that the first
subscriber brings.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.server_backoff import ServerBackoff
from skillmeat_operator.controller.remote.shared_read import Reading, SharedReader
from skillmeat_operator.domain.failure import FailureKind
from skillmeat_operator.domain.observation import TemplateList
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

JITTER = 0.1
"""Share of the interval by which polls are moved, and over which visits after an unchanged observation are
spread.
"""

FIRST_TRIES = 1.0
"""Seconds over which the pollers of a server that was left alone read again."""


@dataclass(frozen=True, slots=True)
class PollKey:
    """What two CatalogSources have to share to share a poller."""

    url: str
    """Scheme, host, port and path, canonical."""
    platform: str | None
    credentials: tuple[str, ...]
    """Digests of credentials, CA and client certificate."""


@dataclass(slots=True)
class _Poll:
    reader: SharedReader[TemplateList]
    backoff: Backoff
    server: ServerBackoff
    intervals: dict[str, float] = field(default_factory=dict)
    due: float = 0.0
    digest: str | None = None
    taken_in: Reading[TemplateList] | None = None
    retry_after_until: float = 0.0
    waits_for_server: bool = False
    """It would read sooner if the server were there."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Pollers:
    """All pollers, by key."""

    def __init__(
        self,
        *,
        notify: Callable[[str, float], None],
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
    ) -> None:
        """Make the registry.

        Args:
            notify: visits a subscriber (UID) after a delay in seconds.
            clock: monotonic seconds.
            uniform: random number between two bounds.
            timings: fixed times.
        """
        self._notify = notify
        self._clock = clock
        self._uniform = uniform
        self._timings = timings
        self._polls: dict[PollKey, _Poll] = {}
        self._key_of: dict[str, PollKey] = {}
        self._servers: dict[Host, ServerBackoff] = {}
        """Also of servers that nobody polls at the moment and that are left alone."""

    def subscribe(
        self, uid: str, key: PollKey, *, interval: float, read: Callable[[], Awaitable[TemplateList]]
    ) -> None:
        """Let a CatalogSource share the poller of ``key``; it leaves the one it had before."""
        if self._key_of.get(uid) not in {None, key}:
            self.unsubscribe(uid)
        poll = self._polls.get(key)
        if poll is None:
            backoff = Backoff(timings=self._timings, uniform=self._uniform)
            reader = SharedReader(read, clock=self._clock)
            poll = _Poll(reader=reader, backoff=backoff, server=self._server(Host.of(key.url)))
            poll.due = self._clock() + interval
            self._polls[key] = poll
            poll.task = asyncio.create_task(self._run(poll), name=f"poll-{key.url}")
        poll.reader.replace(read)
        if poll.intervals.get(uid) != interval:
            poll.intervals[uid] = interval
            poll.due = min(poll.due, self._clock() + interval)
            poll.wake.set()
        self._key_of[uid] = key

    def unsubscribe(self, uid: str) -> None:
        """Take a CatalogSource out; a poller without subscribers ends."""
        key = self._key_of.pop(uid, None)
        poll = self._polls.get(key) if key is not None else None
        if key is None or poll is None:
            return
        poll.intervals.pop(uid, None)
        if not poll.intervals:
            del self._polls[key]
            if poll.task is not None:
                poll.task.cancel()
            used = {one.server for one in self._polls.values()}
            self._servers = {
                host: server
                for host, server in self._servers.items()
                if server in used or server.until > self._clock()
            }

    def latest(self, uid: str) -> Reading[TemplateList] | None:
        """The last finished reading of the poller that a CatalogSource shares."""
        poll = self._poll_of(uid)
        return poll.reader.latest if poll is not None else None

    def retry_delay(self, uid: str) -> float:
        """Seconds until the poller of a CatalogSource reads next."""
        poll = self._poll_of(uid)
        return max(0.0, max(poll.due, poll.server.until) - self._clock()) if poll is not None else 0.0

    async def read(self, uid: str, *, not_before: float) -> Reading[TemplateList]:
        """A reading that began at ``not_before`` or later, made now if there is none.

        A reading that the remote side asked to wait for is not made before that time: the last one is
        returned.
        """
        poll = self._poll_of(uid)
        if poll is None:
            raise RuntimeError("a CatalogSource subscribes before it reads")
        latest = poll.reader.latest
        asked_until = max(poll.retry_after_until, poll.server.asked_until)
        if latest is not None and latest.failure is not None and self._clock() < asked_until:
            return latest
        reading = await poll.reader.get(not_before=not_before)
        self._take_in(poll, reading, asker=uid)
        return reading

    async def stop(self) -> None:
        """End all pollers."""
        tasks = [poll.task for poll in self._polls.values() if poll.task is not None]
        self._polls.clear()
        self._key_of.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _poll_of(self, uid: str) -> _Poll | None:
        key = self._key_of.get(uid)
        return self._polls.get(key) if key is not None else None

    async def _run(self, poll: _Poll) -> None:
        while True:
            if poll.due < poll.server.until:
                poll.waits_for_server = True
                poll.due = poll.server.until + self._uniform(0.0, FIRST_TRIES / 2)
            delay = poll.due - self._clock()
            if delay > 0:
                poll.wake.clear()
                # Not wait_for: in Python 3.11 it loses a cancellation that meets the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await poll.wake.wait()
                continue
            try:
                reading = await poll.reader.get(not_before=self._clock())
            except Exception:
                # A reading turns what a server does into a failure; what gets here is a defect, and must
                # not end the polling.
                logger.exception("a poll failed")
                poll.due = self._clock() + poll.backoff.next()
                continue
            self._take_in(poll, reading, asker=None)

    def _take_in(self, poll: _Poll, reading: Reading[TemplateList], *, asker: str | None) -> None:
        """Plan the next reading, and tell the subscribers of this one; once for each reading, whoever comes
        first.
        """
        if reading is poll.taken_in:
            return
        before, poll.taken_in = poll.taken_in, reading
        poll.waits_for_server = False
        interval = min(poll.intervals.values(), default=self._timings.backoff_longest)
        failure = reading.failure
        if failure is None:
            if poll.server.answered():
                self._read_again(poll.server)
            value = reading.get()
            recovered = poll.backoff.failures > 0
            changed = value.digest != poll.digest or recovered
            poll.backoff.reset()
            poll.digest = value.digest
            poll.due = reading.began + interval * self._uniform(1 - JITTER, 1 + JITTER)
        else:
            # A further failure of the same kind changes nothing but the age of the outage.
            last = before.failure if before is not None else None
            changed = last is None or (last.kind, last.reason) != (failure.kind, failure.reason)
            if failure.kind is FailureKind.TRANSIENT:
                delay = poll.backoff.next(at_least=failure.retry_after)
                poll.due = self._clock() + delay
                if failure.whole_server:
                    poll.server.failed(reading.began, retry_after=failure.retry_after)
                    # After those that were well: one that alone times out delays nobody for long.
                    poll.waits_for_server = True
                    later = self._uniform(FIRST_TRIES / 2, FIRST_TRIES)
                    poll.due = max(poll.due, poll.server.until + later)
                elif failure.retry_after is not None:
                    poll.retry_after_until = self._clock() + failure.retry_after
            else:
                poll.backoff.next()
                poll.due = reading.began + interval * self._uniform(1 - JITTER, 1 + JITTER)
        poll.wake.set()
        spread = 0.0 if changed else JITTER * interval
        for uid in poll.intervals:
            if uid != asker:
                self._notify(uid, self._uniform(0.0, spread) if spread else 0.0)

    def _server(self, host: Host) -> ServerBackoff:
        found = self._servers.get(host)
        if found is None:
            found = ServerBackoff(timings=self._timings, uniform=self._uniform, clock=self._clock)
            self._servers[host] = found
        return found

    def _read_again(self, server: ServerBackoff) -> None:
        """A server is back: whoever could not reach it need not wait for the end of a long backoff."""
        for poll in self._polls.values():
            if poll.server is server and poll.waits_for_server:
                poll.due = min(poll.due, self._clock() + self._uniform(0.0, FIRST_TRIES))
                poll.wake.set()
