"""How fast and how much at once requests go to one server: callers wait, and shares take turns.

The real SkillMeat server blocks an address at its 20th equal request (method, path, query) within 10 s, on
every path (``facts/skillmeat.md``, fact 9); the limits stay well below that, whatever credentials and objects
the requests are for.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from skillmeat_operator.adapters.http.call_errors import CallError, CallProblem

Endpoint = tuple[str, int]
"""A resolved address and a port."""

TIDY_EVERY = 10.0
"""Seconds between two looks for state that is no longer needed."""

_SLACK = 1e-9
"""Tokens by which rounding may miss a whole one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: ``burst`` at once, ``per_second`` in the long run."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class RateLimits:
    """What one server is asked at most."""

    any_request: Rate
    equal_requests: Rate | None
    """For requests with the same method, path and query; ``None``: no limit of their own."""
    in_flight: int


SOURCE_LIMITS = RateLimits(
    any_request=Rate(per_second=8.0, burst=8.0),
    equal_requests=Rate(per_second=0.8, burst=4.0),
    in_flight=4,
)
PORTAL_LIMITS = RateLimits(any_request=Rate(per_second=200.0, burst=200.0), equal_requests=None, in_flight=20)


class _Bucket:
    """Tokens that come back with time."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = now

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
            self._at = now

    def ready_at(self, now: float) -> float:
        """When the next token is there: ``now`` if it is."""
        self._fill(now)
        missing = 1.0 - self._tokens
        return now if missing <= _SLACK else now + missing / self._rate.per_second

    def take(self, now: float) -> None:
        self._fill(now)
        self._tokens -= 1.0

    def is_full(self, now: float) -> bool:
        self._fill(now)
        return self._tokens >= self._rate.burst - _SLACK


@dataclass(slots=True, eq=False)
class _Waiter:
    number: tuple[int, int]
    """Its round, then the order of coming: shares take turns, one request each in a round."""
    turn: asyncio.Future[None]
    deadline: float


@dataclass(slots=True)
class _Server:
    """State towards one endpoint; forgotten when it is idle and its buckets are full again."""

    any_request: _Bucket
    equal_requests: dict[Hashable, _Bucket] = field(default_factory=dict)
    queues: dict[Hashable, list[_Waiter]] = field(default_factory=dict)
    """By what makes requests equal; sorted."""
    round: int = 0
    """Of the request that was let through last."""
    rounds: dict[str, int] = field(default_factory=dict)
    """Round of the last request of each share that waits or waited."""
    in_flight: int = 0
    driver: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class RateLimiter:
    """Lets requests through within :class:`RateLimits`, each endpoint by itself.

    Of two requests of one share the earlier goes first, unless its own bucket of equal requests holds it.
    """

    def __init__(
        self,
        limits: RateLimits,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._sleep = sleep
        self._servers: dict[Endpoint, _Server] = {}
        self._count = 0
        self._tidied_at = clock()

    @asynccontextmanager
    async def slot(
        self, endpoint: Endpoint, request: Hashable, *, deadline: float, share: str = ""
    ) -> AsyncIterator[None]:
        """One request's turn; it counts as in flight until the block ends.

        Args:
            endpoint: Where the request goes.
            request: What makes it equal to others: method, path and query.
            deadline: Clock time up to which the caller waits.
            share: On whose behalf; of those that wait, shares take turns.

        Raises:
            CallError: ``THROTTLED``, the turn would come after the deadline.
        """
        server = await self._take_turn(endpoint, request, deadline, share)
        try:
            yield
        finally:
            server.in_flight -= 1
            server.wake.set()
            self._forget_idle()

    @property
    def endpoints(self) -> int:
        """How many endpoints have state."""
        return len(self._servers)

    async def _take_turn(self, endpoint: Endpoint, request: Hashable, deadline: float, share: str) -> _Server:
        server = self._server(endpoint)
        self._count += 1
        turn = max(server.round, server.rounds.get(share, server.round - 1) + 1)
        server.rounds[share] = turn
        waiter = _Waiter((turn, self._count), asyncio.get_running_loop().create_future(), deadline)
        insort(server.queues.setdefault(request, []), waiter, key=lambda one: one.number)
        self._let_through(server)
        if not waiter.turn.done() and server.driver is None:
            server.driver = asyncio.create_task(self._drive(server))
        server.wake.set()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                server.in_flight -= 1
            self._drop(server, request, waiter)
            server.wake.set()
            raise
        return server

    async def _drive(self, server: _Server) -> None:
        """Give turns while anybody waits."""
        try:
            while server.queues:
                server.wake.clear()
                pause = self._let_through(server)
                if not server.queues:
                    return
                await self._until(server.wake, pause)
        finally:
            server.driver = None

    async def _until(self, wake: asyncio.Event, seconds: float | None) -> None:
        """Sleep, or less if something changes meanwhile; ``None``: until something changes."""
        if seconds is None:
            await wake.wait()
            return
        waiting = {asyncio.ensure_future(wake.wait()), asyncio.ensure_future(self._sleep(seconds))}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def _let_through(self, server: _Server) -> float | None:
        """Give all turns that are due; how long until the next can be, ``None`` if only an event can tell."""
        while True:
            now = self._clock()
            self._expire(server, now)
            due = self._next(server, now)
            if due is None:
                return None
            at, request, waiter = due
            if waiter is None or at > now:
                deadline = min(waiting.deadline for queue in server.queues.values() for waiting in queue)
                return max(0.0, min(at, deadline) - now)
            server.any_request.take(now)
            if self._limits.equal_requests is not None:
                server.equal_requests[request].take(now)
            server.in_flight += 1
            server.round = max(server.round, waiter.number[0])
            self._drop(server, request, waiter)
            if not server.queues:
                server.rounds.clear()
            waiter.turn.set_result(None)

    def _next(self, server: _Server, now: float) -> tuple[float, Hashable, _Waiter | None] | None:
        """The next turn and its time; no waiter while the requests in flight are too many."""
        if not server.queues:
            return None
        if server.in_flight >= self._limits.in_flight:
            return float("inf"), None, None
        earliest = server.any_request.ready_at(now)
        candidates: list[tuple[float, tuple[int, int], Hashable, _Waiter]] = []
        for request, queue in server.queues.items():
            at = max(earliest, self._equal_bucket(server, request, now))
            candidates.append((at, queue[0].number, request, queue[0]))
        at, _, request, waiter = min(candidates, key=lambda candidate: candidate[:2])
        return at, request, waiter

    def _equal_bucket(self, server: _Server, request: Hashable, now: float) -> float:
        """When the bucket of equal requests has a token for this one."""
        if self._limits.equal_requests is None:
            return now
        bucket = server.equal_requests.get(request)
        if bucket is None:
            bucket = server.equal_requests[request] = _Bucket(self._limits.equal_requests, now)
        return bucket.ready_at(now)

    def _expire(self, server: _Server, now: float) -> None:
        """Tell those whose deadline has passed, or comes before any turn of theirs can."""
        earliest = server.any_request.ready_at(now)
        for request, queue in list(server.queues.items()):
            at = max(earliest, self._equal_bucket(server, request, now))
            for waiter in [waiting for waiting in queue if waiting.deadline < at or waiting.deadline <= now]:
                self._drop(server, request, waiter)
                waiter.turn.set_exception(CallError(CallProblem.THROTTLED))

    def _drop(self, server: _Server, request: Hashable, waiter: _Waiter) -> None:
        queue = server.queues.get(request)
        if queue is None or waiter not in queue:
            return
        queue.remove(waiter)
        if not queue:
            del server.queues[request]

    def _server(self, endpoint: Endpoint) -> _Server:
        server = self._servers.get(endpoint)
        if server is None:
            bucket = _Bucket(self._limits.any_request, self._clock())
            server = self._servers[endpoint] = _Server(any_request=bucket)
        return server

    def _forget_idle(self) -> None:
        """Drop state that says nothing any more, now and then; the rates bound what is left."""
        now = self._clock()
        if now - self._tidied_at < TIDY_EVERY:
            return
        self._tidied_at = now
        for endpoint, server in list(self._servers.items()):
            for request, bucket in list(server.equal_requests.items()):
                if request not in server.queues and bucket.is_full(now):
                    del server.equal_requests[request]
            idle = not server.queues and server.in_flight == 0 and server.driver is None
            if idle and not server.equal_requests and server.any_request.is_full(now):
                del self._servers[endpoint]
