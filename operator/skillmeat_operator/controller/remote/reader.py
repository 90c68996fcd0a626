"""One reader: who follows it, who asked for what, and when it reads next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from skillmeat_operator.controller.remote.backoff import Backoff
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.servers import Server

T = TypeVar("T")


@dataclass(slots=True)
class Follower:
    """What an object wants of the reader that it follows."""

    interval: float | None
    """Seconds; None: it reads only when asked."""
    within: float
    """Seconds that a reading may take for it."""


@dataclass(slots=True)
class _Ask:
    first: float
    """A reading that began at this moment or later is told to who asked."""
    last: float
    """One that began at this moment or later answers everything that was asked."""
    urgent: bool


@dataclass(slots=True, eq=False)
class Reader(Generic[T]):
    """State of one key."""

    server: Server
    backoff: Backoff
    read: Callable[[float], Awaitable[T]]
    followers: dict[str, Follower] = field(default_factory=dict)
    intervals: Counter[float] = field(default_factory=Counter)
    """How many of them have which interval."""
    asks: dict[str, _Ask] = field(default_factory=dict)
    latest: Reading[T] | None = None
    good: T | None = None
    serial: int = 0
    jitter: float = 1.0
    retry_at: float = 0.0
    """After a transient failure: nobody reads before, unless urgently."""
    asked_until: float = 0.0
    """The server asked not to be read with this credential before this moment."""
    held_since: float | None = None
    """Since when readings of another kind have gone first."""
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    @property
    def interval(self) -> float | None:
        """The shortest interval of its followers."""
        return min(self.intervals, default=None)

    def take(self, uid: str, follower: Follower | None) -> bool:
        """Take a follower in, or out (None); whether that is a change."""
        before = self.followers.pop(uid, None)
        if before is not None and before.interval is not None:
            self.intervals[before.interval] -= 1
            if not self.intervals[before.interval]:
                del self.intervals[before.interval]
        if follower is not None:
            self.followers[uid] = follower
            if follower.interval is not None:
                self.intervals[follower.interval] += 1
        return before != follower

    def due(self) -> float | None:
        """When it reads next; None: when somebody asks."""
        latest, interval = self.latest, self.interval
        wanted = [one.first for one in self.asks.values()]
        if interval is not None:
            wanted.append(latest.began + interval * self.jitter if latest is not None else 0.0)
            if self.retry_at:
                wanted.append(self.retry_at)
        if not wanted:
            return None
        hold = max(self.retry_at, self.server.until)
        due = max(min(wanted), hold)
        urgent = [one.first for one in self.asks.values() if one.urgent]
        if urgent:
            due = min(due, *urgent)
        return max(due, self.asked_until, self.server.asked_until)

    def answered(self, began: float) -> list[str]:
        """Followers whose question a reading answers that began at a moment; the question is over."""
        told = [uid for uid, one in self.asks.items() if began >= one.first]
        for uid in told:
            ask = self.asks[uid]
            if began >= ask.last:
                del self.asks[uid]
            else:
                ask.first = ask.last
        return told

    def ask(self, uid: str, *, at: float, urgent: bool, now: float) -> None:
        """Note that a follower wants a reading that begins at a moment or later."""
        ask = self.asks.get(uid)
        if ask is None:
            self.asks[uid] = _Ask(first=at, last=at, urgent=urgent)
            return
        ask.first, ask.urgent = min(ask.first, at), ask.urgent or urgent
        # Of two moments to come the nearer one is enough: who is told then asks again.
        ask.last = ask.first if ask.first > now else max(ask.last, at)
