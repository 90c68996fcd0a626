"""Readings in the background: lists, staleness pages, views of portals and look-ups, all by one class.

Nobody waits for a reading (design, section 3, law 6). An object follows the reader of its key and uses the
last reading; a reading that brings news, or that an object asked for, marks the object due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from typing import Final, Generic, TypeVar

from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.reader import Follower, Reader
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.servers import Server, Servers
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

JITTER: Final = 0.1
"""Share of the interval by which readings are moved."""

FIRST_TRIES: Final = 1.0
"""Seconds over which the readers of a server that was left alone read again."""

LOCAL_RETRY: Final = 2.0
"""Seconds after which a reading that our own limits held up is tried again."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Readers(Generic[K, T]):
    """Readers of one kind of thing, one for each key.

    A reader owns its cadence: the shortest interval of its followers, with jitter; a reading takes at most
    the longest time that one of them allows, so that nobody's short time-out breaks it for the others.
    """

    def __init__(
        self,
        kind: str,
        *,
        servers: Servers,
        mark_due: Callable[[str, float], None],
        news: Callable[[T | None, T, Iterable[str]], Iterable[str]],
        broken: Failure,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        timings: Timings,
        after: Iterable[str] = (),
    ) -> None:
        """Make the registry.

        Args:
            kind: what is read; readers of one kind share a registry.
            servers: all servers, shared with readers of other kinds.
            mark_due: marks an object (UID) due after a delay in seconds.
            news: of the last good value, this one and all followers (UIDs), those whom the difference
                concerns.
            broken: the failure where the reading itself has a defect.
            clock: monotonic seconds.
            uniform: random number between two bounds.
            timings: fixed times.
            after: kinds of readings that go first where both are due at one server.
        """
        self._kind = kind
        self._servers = servers
        self._mark_due = mark_due
        self._news = news
        self._broken = broken
        self._clock = clock
        self._uniform = uniform
        self._timings = timings
        self._after = frozenset(after)
        self._readers: dict[K, Reader[T]] = {}
        self._key_of: dict[str, K] = {}

    def follow(
        self,
        uid: str,
        key: K,
        *,
        host: Host,
        interval: float | None,
        read: Callable[[float], Awaitable[T]],
        within: float = 60.0,
    ) -> None:
        """Let an object share the reader of ``key``; it leaves the one that it had before.

        Args:
            uid: of the object.
            key: equal for all that may share a reading.
            host: the server's address.
            interval: seconds between two readings; None: only when asked.
            read: reads within a number of seconds; raises ``FailedError``.
            within: seconds that a reading may take for this follower.
        """
        if self._key_of.get(uid) not in {None, key}:
            self.leave(uid)
        reader = self._readers.get(key)
        if reader is None:
            backoff = Backoff(timings=self._timings, uniform=self._uniform)
            reader = Reader(server=self._servers.of(host), backoff=backoff, read=read)
            self._readers[key] = reader
        reader.read = read
        self._key_of[uid] = key
        follower = Follower(interval=interval, within=within)
        if reader.take(uid, follower):
            self._arm(key, reader)

    def leave(self, uid: str) -> None:
        """Take an object out; a reader without followers ends."""
        key = self._key_of.pop(uid, None)
        reader = self._readers.get(key) if key is not None else None
        if key is None or reader is None:
            return
        reader.take(uid, None)
        reader.asks.pop(uid, None)
        if reader.followers:
            return
        del self._readers[key]
        self._end(reader)

    def latest(self, uid: str) -> Reading[T] | None:
        """The last finished reading of the reader that an object follows."""
        reader = self._reader_of(uid)
        return reader.latest if reader is not None else None

    def ask(self, uid: str, *, at: float, urgent: bool = False) -> None:
        """Have a reading made that begins at a moment or later; the object is marked due when it is over.

        Args:
            uid: a follower.
            at: monotonic seconds.
            urgent: something of the object changed, so that it does not wait for the end of a backoff. A time
                that the server asked for is waited for all the same.
        """
        key = self._key_of.get(uid)
        reader = self._reader_of(uid)
        if key is None or reader is None:
            raise RuntimeError("an object follows a reader before it asks")
        now = self._clock()
        reader.ask(uid, at=at, urgent=urgent, now=now)
        if (
            urgent
            or reader.timer is None
            or reader.timer.when() > asyncio.get_running_loop().time() + at - now
        ):
            self._arm(key, reader)

    def refused(self, uid: str) -> bool:
        """Whether the server of an object asked to be left alone, so that not even what is urgent is read."""
        reader = self._reader_of(uid)
        return reader is not None and self._clock() < max(reader.asked_until, reader.server.asked_until)

    def pause(self, uid: str) -> Failure | None:
        """What an object's server, asked by whomever, said when it wanted to be left alone, while it does."""
        reader = self._reader_of(uid)
        if reader is None or self._clock() >= reader.server.asked_until:
            return None
        return reader.server.asking

    def failed(self, uid: str, failure: Failure) -> None:
        """Take in that a call of another kind met a failure, so that readings leave the server alone too."""
        key, reader = self._key_of.get(uid), self._reader_of(uid)
        if key is None or reader is None or failure.kind is not FailureKind.TRANSIENT:
            return
        self._note_failure(reader, self._clock(), failure)
        self._arm(key, reader)

    def __contains__(self, uid: object) -> bool:
        return uid in self._key_of

    def __len__(self) -> int:
        return len(self._readers)

    async def stop(self) -> None:
        """End all readers."""
        tasks = [reader.task for reader in self._readers.values() if reader.task is not None]
        for reader in self._readers.values():
            self._end(reader)
        self._readers.clear()
        self._key_of.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reader_of(self, uid: str) -> Reader[T] | None:
        key = self._key_of.get(uid)
        return self._readers.get(key) if key is not None else None

    def _end(self, reader: Reader[T]) -> None:
        if reader.timer is not None:
            reader.timer.cancel()
        if reader.task is not None:
            reader.task.cancel()
        self._servers.without_reader(reader.server)

    def _arm(self, key: K, reader: Reader[T]) -> None:
        """Set the timer of the next reading."""
        if reader.timer is not None:
            reader.timer.cancel()
            reader.timer = None
        due = reader.due() if reader.task is None else None
        if due is None:
            return
        delay = due - self._clock()
        if delay <= 0:
            self._start(key, reader)
        else:
            self._set_timer(key, reader, delay)

    def _set_timer(self, key: K, reader: Reader[T], delay: float) -> None:
        reader.timer = asyncio.get_running_loop().call_later(delay, self._arm, key, reader)

    def _start(self, key: K, reader: Reader[T]) -> None:
        if self._readers.get(key) is not reader:
            return
        if not reader.server.lets_in(reader):
            # Another reader tries whether the server is back; whoever is told of it reads at once.
            self._set_timer(key, reader, self._uniform(FIRST_TRIES, 2 * FIRST_TRIES))
            return
        if self._waits(reader):
            reader.server.gave_way(reader)
            reader.server.when_left(reader, partial(self._arm, key, reader))
            self._set_timer(key, reader, 10 * FIRST_TRIES)
            return
        reader.server.entered(self._kind)
        task = asyncio.create_task(self._run(key, reader), name=f"reading-{self._kind}")
        reader.task = task
        # A task that is cancelled before its first step runs no line of its own, not even a ``finally``.
        task.add_done_callback(lambda _: self._over(key, reader))

    def _waits(self, reader: Reader[T]) -> bool:
        """Whether readings of another kind go first, for a while, at the reader's server."""
        if not any(reader.server.readings[kind] for kind in self._after):
            reader.held_since = None
            return False
        now = self._clock()
        reader.held_since = now if reader.held_since is None else reader.held_since
        urgent = any(one.urgent for one in reader.asks.values())
        return not urgent and now - reader.held_since < self._timings.staleness_least

    async def _run(self, key: K, reader: Reader[T]) -> None:
        began = self._clock()
        within = max((one.within for one in reader.followers.values()), default=60.0)
        failure: Failure | None = None
        value: T | None = None
        try:
            value = await reader.read(within)
        except FailedError as error:
            failure = error.failure
        except Exception:
            # A reading turns what a server does into a failure; what gets here is a defect.
            logger.exception("a reading failed")
            failure = self._broken
        if self._readers.get(key) is reader:
            self._take_in(reader, began, value, failure)

    def _over(self, key: K, reader: Reader[T]) -> None:
        reader.task = None
        reader.server.left(reader, self._kind)
        if self._readers.get(key) is reader:
            self._arm(key, reader)

    def _take_in(self, reader: Reader[T], began: float, value: T | None, failure: Failure | None) -> None:
        if failure is not None and failure.local:
            # Our own limits held it up: that says nothing of the server.
            reader.retry_at = self._clock() + self._uniform(LOCAL_RETRY / 2, LOCAL_RETRY)
            return
        before = reader.latest
        reader.serial += failure is None
        reader.latest = Reading(began=began, value=value, failure=failure, serial=reader.serial)
        reader.jitter = self._uniform(1 - JITTER, 1 + JITTER)
        concerned = set[str]()
        if failure is None and value is not None:
            reader.retry_at = 0.0
            reader.backoff.reset()
            recovered = before is not None and before.failure is not None
            if before is None or recovered:
                concerned.update(reader.followers)
            else:
                concerned.update(self._news(reader.good, value, tuple(reader.followers)))
            reader.good = value
            if reader.server.answered():
                self._read_again(reader.server)
        elif failure is not None:
            last = before.failure if before is not None else None
            if last is None or (last.kind, last.reason) != (failure.kind, failure.reason):
                concerned.update(reader.followers)
            self._note_failure(reader, began, failure)
        for uid in sorted(concerned.union(reader.answered(began))):
            self._mark_due(uid, 0.0)

    def _note_failure(self, reader: Reader[T], began: float, failure: Failure) -> None:
        if failure.kind is not FailureKind.TRANSIENT:
            # It needs a person, or a second look: it is read at its cadence, or when somebody asks.
            reader.retry_at = 0.0
            return
        now = self._clock()
        reader.retry_at = now + reader.backoff.next(at_least=failure.retry_after)
        if failure.retry_after is not None:
            reader.asked_until = max(reader.asked_until, now + failure.retry_after)
        if failure.whole_server:
            reader.server.failed(began, failure)
            # After those that were well: one that alone times out delays nobody for long.
            later = self._uniform(FIRST_TRIES / 2, FIRST_TRIES)
            reader.retry_at = max(reader.retry_at, reader.server.until + later)

    def _read_again(self, server: Server) -> None:
        """A server is back: whoever could not reach it need not wait for the end of a long backoff."""
        for key, reader in tuple(self._readers.items()):
            if reader.server is server and reader.latest is not None and reader.latest.failure is not None:
                if reader.latest.failure.whole_server:
                    soon = self._clock() + self._uniform(0.0, FIRST_TRIES)
                    reader.retry_at = min(reader.retry_at, soon)
                self._arm(key, reader)
