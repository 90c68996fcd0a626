"""The full lists: they open the gates, and are the only way to learn what vanished unseen.

Each kind in each namespace is listed for itself: one that fails, or may not be read, holds up no other. What
cannot be listed is unreadable, never empty: its objects stay as they were last seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectList
from skillmeat_operator.api.keys import API_VERSION, CATALOG_SOURCE
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.needed import needed
from skillmeat_operator.controller.watch.object_store import RawObject, version_of
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.supervision import watch_keys
from skillmeat_operator.controller.watch.watch_health import WatchKey, refused
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

_AT_ONCE = 100
"""Objects taken in before others have their turn."""


class Lists(Protocol):
    """Who lists objects."""

    async def list_all(
        self, plural: str, namespace: str | None = None, *, keep: Callable[[RawObject], RawObject]
    ) -> ObjectList:
        """All objects of a kind, as they were at one moment: what is to be kept of each."""
        ...


class Lister:
    """Lists at the start, every ten minutes, and after every relist of a watch."""

    def __init__(
        self,
        client: Lists,
        *,
        store: Store,
        dispatcher: Dispatcher,
        swept: Callable[[], Awaitable[None]],
        timings: Timings,
        listed: Callable[[WatchKey, int], None] = lambda _key, _newest: None,
        went_back: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare the lists.

        Args:
            client: calls the API server.
            store: its scopes are listed.
            dispatcher: takes in what they show.
            swept: called after lists of CatalogSources, to delete what belongs to those that are gone.
            timings: cadence and delays.
            listed: told the highest resourceVersion among the objects of each list.
            went_back: told that the API server's resource versions went back.
        """
        self._swept = swept
        self._went_back = went_back
        self._sweep = asyncio.Event()
        self._listings = {
            key: _Listing(
                key,
                client=client,
                store=store,
                dispatcher=dispatcher,
                timings=timings,
                done=self._done,
                newest=listed,
            )
            for key in watch_keys(store)
        }

    def ask(self, key: WatchKey | None = None) -> None:
        """List soon, also where a list is under way: a watch began anew.

        Args:
            key: what to list; None: everything.
        """
        for listing in self._listings.values() if key is None else (self._listings[key],):
            listing.ask()

    async def run(self) -> None:
        """List until cancelled."""
        async with asyncio.TaskGroup() as group:
            for key, one in self._listings.items():
                group.create_task(one.run(), name=f"list {key}")
            group.create_task(self._sweep_after_lists(), name="sweep")

    def _done(self, key: WatchKey, *, went_back: bool) -> None:
        if went_back:
            logger.warning(
                "the API server's resource versions of %s went back, as after a restored backup: listing and "
                "watching anew",
                key.names.crd,
            )
            self._went_back()
            self.ask()
        if key.names is CATALOG_SOURCE:
            self._sweep.set()

    async def _sweep_after_lists(self) -> None:
        while True:
            await self._sweep.wait()
            self._sweep.clear()
            try:
                await self._swept()
            except KubernetesError as error:
                logger.warning("snapshots of objects that are gone were not swept: %s", error)
            except Exception:
                logger.exception("snapshots of objects that are gone were not swept")


class _Listing:
    """The full lists of one kind in one scope, one after the other."""

    def __init__(
        self,
        key: WatchKey,
        *,
        client: Lists,
        store: Store,
        dispatcher: Dispatcher,
        timings: Timings,
        done: Callable[..., None],
        newest: Callable[[WatchKey, int], None],
    ) -> None:
        self._key = key
        self._client = client
        self._store = store
        self._dispatcher = dispatcher
        self._timings = timings
        self._done = done
        self._newest = newest
        self._asked = asyncio.Event()
        self._told: str | None = None

    def ask(self) -> None:
        self._asked.set()

    async def run(self) -> None:
        delay = self._timings.watch_retry_first
        while True:
            self._asked.clear()
            try:
                await self._list()
            except KubernetesError as error:
                self._failed(error)
            except Exception:
                # A defect here must not leave this kind unlisted for ever.
                logger.exception("the list of %s failed", self._key)
            else:
                delay = self._timings.watch_retry_first
                self._told = None
                if await self._wait(self._timings.relist_interval):
                    await asyncio.sleep(self._timings.relist_settle)
                continue
            # Whoever asks knows that the API server answers again.
            await asyncio.sleep(self._timings.watch_retry_first)
            await self._wait(delay)
            delay = min(2 * delay, self._timings.watch_retry_longest)

    async def _wait(self, seconds: float) -> bool:
        """Wait until a list is asked for, or for some seconds; True where one was asked for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        return self._asked.is_set()

    def _failed(self, error: KubernetesError) -> None:
        absence = refused(self._key, error)
        if absence.cause.lasting:
            self._store.note_refused(self._key.names.plural, self._key.scope)
        if self._told != absence.cause.value:
            self._told = absence.cause.value
            logger.warning("%s cannot be listed, trying again: %s", self._key, error)

    async def _list(self) -> None:
        names, scope = self._key.names, self._key.scope
        objects = self._store.of(names.plural)
        listing = objects.begin_list(scope)

        def keep(item: RawObject) -> RawObject:
            # The items of a list lack what an object of its own has.
            return needed({"apiVersion": API_VERSION, "kind": names.kind, **item})

        found = await self._client.list_all(names.plural, scope, keep=keep)
        listing.answered(found.resource_version)
        for number, obj in enumerate(found.items, start=1):
            self._dispatcher.listed(names.plural, obj, listing)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        for gone in objects.end_list(listing):
            self._dispatcher.gone(names.plural, gone["metadata"]["uid"], found.resource_version)
        if self._store.note_listed(names.plural, scope):
            self._dispatcher.visit_all(scope)
        self._newest(self._key, max((version_of(item) for item in found.items), default=0))
        self._done(self._key, went_back=listing.new_history)
        if listing.doubtful:
            self.ask()
