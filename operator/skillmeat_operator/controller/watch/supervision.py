"""Watches that are begun anew for whatever reason they ended, each for itself.

Figures: a watch that ended is begun anew after 0.25 s, doubled up to 5 s; what was missing (kind, rights,
server) is looked for every second, so that a watch is back within 2 s of it; a look is one list of one
object, about 2 ms. A watch that is well is compared with the API server every 15 s, and by each full list
with what it has brought.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.keys import KINDS
from skillmeat_operator.controller.watch.object_store import version_number
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.watch_health import (
    Absence,
    Cause,
    WatchHealth,
    WatchKey,
    ended,
    refused,
    starting,
)
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

_LOOK_WITHIN = 5.0
"""Seconds for one look."""
_END_WITHIN = 1.0
"""Seconds that a run is given to end when the process does."""


class Run(Protocol):
    """One run of a watch; see :class:`~skillmeat_operator.controller.watch.kopf_watches.KopfWatch`."""

    changed: asyncio.Event
    began: float
    discovered: float | None
    listing: float | None
    opened: float | None
    failing: Absence | None
    failing_since: float
    ended: bool
    shown: int

    @property
    def is_open(self) -> bool:
        """Whether it watches."""
        ...

    def begin(self) -> None:
        """Start to watch."""
        ...

    def stop(self) -> None:
        """End soon."""
        ...


class Looks(Protocol):
    """What the API server is asked."""

    async def newest_version(
        self, plural: str, namespace: str | None = None, *, within: float | None = None
    ) -> str:
        """The resourceVersion of a kind's list as it is now."""
        ...


class Supervisor:
    """All watches: each kind in each scope."""

    def __init__(
        self,
        *,
        store: Store,
        health: WatchHealth,
        client: Looks,
        new_run: Callable[[WatchKey], Run],
        ask_list: Callable[[], None],
        clock: Callable[[], float],
        timings: Timings,
    ) -> None:
        """Prepare the watches.

        Args:
            store: its scopes are watched.
            health: told how each watch is.
            client: calls the API server beside kopf.
            new_run: makes a run of a watch, not begun.
            ask_list: asks for full lists of everything.
            clock: monotonic seconds.
            timings: delays.
        """
        self._watches = {
            key: _Watch(
                key,
                store=store,
                health=health,
                client=client,
                new_run=new_run,
                ask_list=ask_list,
                clock=clock,
                timings=timings,
            )
            for key in watch_keys(store)
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for key, watch in self._watches.items():
                group.create_task(watch.run(), name=f"watch {key}")

    def listed(self, key: WatchKey, newest: int) -> None:
        """Take in the highest resourceVersion among the objects of a full list: a watch has to bring it."""
        self._watches[key].expect(newest)

    def begin_anew(self, why: str) -> None:
        """Begin every watch anew."""
        for watch in self._watches.values():
            watch.begin_anew(why)


def watch_keys(store: Store) -> tuple[WatchKey, ...]:
    """The watches that a store needs."""
    return tuple(WatchKey(names, scope) for scope in store.scopes for names in KINDS)


class _Watch:
    """One watch, run after run."""

    def __init__(
        self,
        key: WatchKey,
        *,
        store: Store,
        health: WatchHealth,
        client: Looks,
        new_run: Callable[[WatchKey], Run],
        ask_list: Callable[[], None],
        clock: Callable[[], float],
        timings: Timings,
    ) -> None:
        self._key = key
        self._objects = store.of(key.names.plural)
        self._health = health
        self._client = client
        self._new_run = new_run
        self._ask_list = ask_list
        self._clock = clock
        self._timings = timings
        self._run: Run | None = None
        self._unwanted: str | None = None
        self._expected: tuple[int, float] | None = None
        self._outage: float | None = None
        """Since when the operator's own calls fail."""

    async def run(self) -> None:
        pause = self._timings.watch_retry_first
        while True:
            began = self._clock()
            try:
                await self._until_listable()
                began = self._clock()
                absence = await self._one_run()
            except Exception:
                logger.exception("the supervision of %s failed", self._key)
                absence = ended(self._key, "its supervision failed")
            self._health.away(self._key, absence)
            if self._clock() - began > self._timings.watch_open:
                pause = self._timings.watch_retry_first
            await asyncio.sleep(pause)
            pause = min(2 * pause, self._timings.watch_retry_longest)

    def expect(self, newest: int) -> None:
        if self._run is not None and self._run.is_open and self._run.shown < newest:
            self._expected = (newest, self._clock() + self._timings.watch_behind)

    def begin_anew(self, why: str) -> None:
        if self._run is not None:
            self._unwanted = why
            self._run.changed.set()

    async def _until_listable(self) -> None:
        """Wait until the API server serves the kind, and the operator may list it."""
        while True:
            try:
                await self._look()
            except KubernetesError as error:
                self._health.away(self._key, refused(self._key, error))
                await asyncio.sleep(self._timings.watch_look_away)
            else:
                return

    async def _one_run(self) -> Absence:
        """Watch until there is a reason to begin anew, which is returned."""
        self._unwanted = self._expected = self._outage = None
        run = self._run = self._new_run(self._key)
        run.begin()
        due = self._clock() + self._timings.watch_look_away
        opened: float | None = None
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, due - self._clock())):
                        await run.changed.wait()
                run.changed.clear()
                absence = self._judge(run)
                if run.opened != opened:
                    # The API server it watches now may have another history than the one before.
                    opened, due = run.opened, self._clock()
                if absence is None and self._clock() >= due:
                    absence = await self._compare(run)
                    well = run.is_open and self._outage is None
                    due = self._clock() + (
                        self._timings.watch_look if well else self._timings.watch_look_away
                    )
                if absence is not None:
                    return absence
                if not run.is_open:
                    due = min(due, self._clock() + self._timings.watch_look_away)
        except asyncio.CancelledError:
            # The process is about to end: kopf's thread is not to be in the middle of something then.
            run.stop()
            await _end_of(run)
            raise
        finally:
            run.stop()
            self._run = None

    def _judge(self, run: Run) -> Absence | None:
        """Tell how a run is; returns a reason to begin anew."""
        if run.ended:
            return run.failing or ended(self._key, "it broke off")
        if self._unwanted is not None:
            return ended(self._key, self._unwanted)
        if self._expected is not None:
            version, by = self._expected
            if run.shown >= version:
                self._expected = None
            elif self._clock() >= by:
                return ended(self._key, "it did not bring what a list shows")
        if run.failing is not None:
            self._health.away(self._key, run.failing)
        elif run.opened is not None and self._outage is None:
            self._health.well(self._key)
        return None

    async def _compare(self, run: Run) -> Absence | None:
        """Look at the API server beside kopf; returns a reason to begin anew."""
        known = self._objects.highest
        try:
            version = await self._look()
        except KubernetesError as error:
            absence = refused(self._key, error)
            if absence.cause.lasting:
                return absence
            self._outage = self._outage if self._outage is not None else self._clock()
            self._health.away(self._key, absence)
            return None
        if version < known:
            self._ask_list()
            return ended(self._key, "the API server's resource versions went back")
        outage, self._outage = self._outage, None
        if outage is not None and (run.opened is None or run.opened < outage):
            return ended(self._key, "the API server was away meanwhile")
        return self._hangs(run) or self._judge(run)

    def _hangs(self, run: Run) -> Absence | None:
        """The API server answers: a run that does not get on is begun anew."""
        now, timings = self._clock(), self._timings
        if run.failing is not None:
            return run.failing if now - run.failing_since > timings.watch_trouble else None
        if run.opened is not None:
            return None
        if run.listing is None and run.discovered is not None:
            if now - run.discovered > timings.watch_begin:
                return Absence(
                    Cause.STARTING, f"{self._key} are not watched yet: kopf does not find the kind yet"
                )
        elif now - (run.listing if run.listing is not None else run.began) > timings.watch_open:
            return ended(self._key, "it did not get to watch")
        self._health.away(self._key, starting(self._key))
        return None

    async def _look(self) -> int:
        plural, scope = self._key.names.plural, self._key.scope
        return version_number(await self._client.newest_version(plural, scope, within=_LOOK_WITHIN))


async def _end_of(run: Run) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_END_WITHIN):
            while not run.ended:
                run.changed.clear()
                await run.changed.wait()
