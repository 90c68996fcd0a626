"""All that keeps the store in step with the API server: watches, full lists, and what is told of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.kopf_watches import KopfWatch
from skillmeat_operator.controller.watch.lists import Lister
from skillmeat_operator.controller.watch.object_store import RawObject
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.supervision import Supervisor, watch_keys
from skillmeat_operator.controller.watch.watch_health import WatchHealth, WatchKey
from skillmeat_operator.domain.timings import Timings


class Watching:
    """The watches and the lists, wired to each other."""

    def __init__(
        self,
        *,
        store: Store,
        dispatcher: Dispatcher,
        client: KubernetesClient,
        access: ClusterAccess,
        swept: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
        timings: Timings,
    ) -> None:
        """Prepare everything; nothing is called before :meth:`run`.

        Args:
            store: is kept in step.
            dispatcher: takes in what is seen.
            client: lists.
            access: the way to the API server for the watches.
            swept: see :class:`~skillmeat_operator.controller.watch.lists.Lister`.
            clock: monotonic seconds.
            timings: cadence and delays.
        """
        self._store = store
        self._dispatcher = dispatcher
        self._access = access
        self._clock = clock
        self.health = WatchHealth(watch_keys(store), clock=clock)
        self.lister = Lister(
            client,
            store=store,
            dispatcher=dispatcher,
            swept=swept,
            timings=timings,
            listed=self._listed,
            went_back=lambda: self.supervisor.begin_anew("the API server's resource versions went back"),
        )
        self.supervisor = Supervisor(
            store=store,
            health=self.health,
            client=client,
            new_run=self._new_run,
            ask_list=self.lister.ask,
            clock=clock,
            timings=timings,
        )

    def problem(self) -> str | None:
        """What the operator cannot see at present, in one sentence; None if it sees everything."""
        if self._store.gate.is_set():
            return self.health.problem()
        return f"the objects have not been listed yet: {self.health.problem() or 'their lists are under way'}"

    async def run(self) -> None:
        """Watch and list until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.lister.run(), name="lists")
            group.create_task(self.supervisor.run(), name="watches")

    def _listed(self, key: WatchKey, newest: int) -> None:
        self.supervisor.listed(key, newest)

    def _new_run(self, key: WatchKey) -> KopfWatch:
        plural = key.names.plural

        def gone(obj: RawObject) -> None:
            metadata = obj["metadata"]
            self._dispatcher.gone(plural, metadata["uid"], metadata.get("resourceVersion", ""))

        return KopfWatch(
            key,
            access=self._access,
            seen=lambda obj: self._dispatcher.seen(plural, obj),
            gone=gone,
            relisted=lambda: self.lister.ask(key),
            clock=self._clock,
        )
