"""The operator as a whole: builds the parts, starts them in order and stops them within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.rate_limit import PORTAL_LIMITS, SOURCE_LIMITS, RateLimiter
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess, find_access
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.events import EventRecorder
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.controller.config import OperatorConfig
from skillmeat_operator.controller.keep_running import keep_running
from skillmeat_operator.controller.listeners import Listeners
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.controller.publication.documents import DocumentLookup
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.publication.sweeping import SnapshotSweeper
from skillmeat_operator.controller.queue import Result, WorkQueue
from skillmeat_operator.controller.remote.connections import Connections
from skillmeat_operator.controller.remote.outbound import outbound_client
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.scope import Scopes
from skillmeat_operator.controller.visit.acting import Acting
from skillmeat_operator.controller.visit.announcer import Announcer
from skillmeat_operator.controller.visit.bundles import BundleReconciler
from skillmeat_operator.controller.visit.catalog.external import ExternalVerifier
from skillmeat_operator.controller.visit.catalog.keeper import CatalogKeeper
from skillmeat_operator.controller.visit.decision import Decider
from skillmeat_operator.controller.visit.deletion.deleter import Deleter
from skillmeat_operator.controller.visit.deletion.finalizers import Finalizers
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.gather import Gatherer
from skillmeat_operator.controller.visit.planning import Planner
from skillmeat_operator.controller.visit.portal_slots import PortalSlots
from skillmeat_operator.controller.visit.resting import RestingVisits
from skillmeat_operator.controller.visit.source import Identity, SourceReconciler
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.controller.watch.watching import Watching
from skillmeat_operator.domain.decide.configuration import publication

logger = logging.getLogger(__name__)

_RANDOM = random.SystemRandom()

_UID_AGAIN = 1.0
"""Seconds between two tries to read the cluster's UID."""

STUCK_AFTER = 300.0
"""Seconds without a visit that begins or ends, while some are due, after which the operator is stuck."""


def _now() -> datetime:
    return datetime.now(UTC)


async def run_operator(config: OperatorConfig) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    # What is loaded by now stays; without it each collection would stop the loop for as long as a large body
    # takes. Young garbage is looked for often, old garbage rarely.
    gc.freeze()
    gc.set_threshold(10_000, 10, 100)
    access = await find_access(
        kubeconfig=str(config.kubeconfig) if config.kubeconfig is not None else None, context=config.context
    )
    listeners = Listeners(config)
    try:
        await listeners.start()
    except OSError:
        logger.exception("an address cannot be listened on, and the operator cannot do without it")
        await listeners.stop()
        return 1
    client = KubernetesClient(access, timeout=config.timings.kubernetes_timeout)
    try:
        starting = asyncio.create_task(_start(config, access, client, listeners, stop), name="start")
        await _first(starting, stop)
        if not starting.cancelled():
            await starting.result().run()
        return 0
    finally:
        await listeners.stop()
        await client.close()


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _first(task: asyncio.Task[Operator], stop: asyncio.Event) -> None:
    """Wait for a task, or cancel it when the operator is told to stop."""
    waiter = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait([task, waiter], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait([task])


async def _start(
    config: OperatorConfig,
    access: ClusterAccess,
    client: KubernetesClient,
    listeners: Listeners,
    stop: asyncio.Event,
) -> Operator:
    """The operator, once the API server tells which cluster this is."""
    return Operator(
        config,
        access=access,
        client=client,
        cluster_uid=config.cluster_id or await _cluster_uid(client, listeners),
        http=await outbound_client(config, access),
        listeners=listeners,
        stop=stop,
    )


async def _cluster_uid(client: KubernetesClient, listeners: Listeners) -> str:
    """UID of kube-system, awaited while the API server is away."""
    told: type[KubernetesError] | None = None
    while True:
        try:
            return await client.cluster_uid()
        except KubernetesError as error:
            listeners.waiting_for = (
                "the cluster's UID cannot be read, trying again; where the operator may not read namespace "
                f"kube-system, give --cluster-id: {error}"
            )
            if told is not type(error):
                told = type(error)
                logger.warning("%s", listeners.waiting_for)
            await asyncio.sleep(_UID_AGAIN)


def own_namespace(config: OperatorConfig, reached_by: str | None) -> str:
    """The operator's namespace: as it is told, else that of the pod or of the kubeconfig's context."""
    return config.operator_namespace or reached_by or "default"


class Operator:
    """All parts, wired."""

    def __init__(
        self,
        config: OperatorConfig,
        *,
        access: ClusterAccess,
        client: KubernetesClient,
        cluster_uid: str,
        http: HttpClient,
        listeners: Listeners,
        stop: asyncio.Event,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
        uniform: Callable[[float, float], float] = _RANDOM.uniform,
    ) -> None:
        """Wire the parts.

        Args:
            config: the operator's settings.
            access: way to the API server, for the watches.
            client: for all other calls to it.
            cluster_uid: UID of the cluster.
            http: way to SkillMeat and Backstage.
            listeners: open already; told what to answer.
            stop: set when the operator has to stop.
            clock: monotonic seconds.
            now: the present, in UTC.
            uniform: random number between two bounds.
        """
        self._config = config
        self._client = client
        self._cluster_uid = cluster_uid
        timings = config.timings
        self._store = store = Store(tuple(config.namespaces))
        self._changes = changes = Changes(clock=clock)
        snapshot_store = SnapshotStore(client, own_namespace(config, client.namespace))
        self._publications = publications = Publications(snapshot_store, clock=clock)
        self._http = http
        connections = Connections(
            http=self._http,
            source_limiter=RateLimiter(SOURCE_LIMITS, clock=clock),
            portal_limiter=RateLimiter(PORTAL_LIMITS, clock=clock),
            secrets=SecretReader(client),
            backstage_url=config.backstage_url,
            backstage_token_file=config.backstage_token_file,
            clock=clock,
            timings=timings,
        )
        self._queue = WorkQueue(
            self._visit, workers=config.workers, share=self._share, clock=clock, uniform=uniform
        )
        self._remotes = remotes = Remotes(
            mark_due=self._mark_due, clock=clock, uniform=uniform, timings=timings
        )
        dispatcher = Dispatcher(
            store=store,
            changes=changes,
            add=self._changed,
            forget=lambda uid: self._scopes.close(uid),  # noqa: PLW0108  they know the parts made below
            interrupt=self._queue.interrupt,
            uniform=uniform,
            timings=timings,
        )
        events = EventRecorder(client, instance=os.environ.get("POD_NAME") or socket.gethostname())
        self._announcer = announcer = Announcer(events)
        writer = ObjectWriter(
            store=store, seen=dispatcher.seen, statuses=StatusWriter(client), announcer=announcer, now=now
        )
        self._bundles = bundles = BundleReconciler(
            store=store, writer=writer, mark_due=self._mark_due, now=now, timings=timings
        )
        finalizers = Finalizers(client)
        judge = FailureJudge(clock=clock, now=now, timings=timings)
        slots = PortalSlots(workers=config.workers, mark_due=self._mark_due)
        deleter = Deleter(
            cluster_uid=cluster_uid,
            target_of=self._target_of,
            connections=connections,
            remotes=remotes,
            publications=publications,
            finalizers=finalizers,
            slots=slots,
            writer=writer,
            clock=clock,
            now=now,
            timings=timings,
        )
        decider = Decider(
            publications=publications, claims=Claims(), lookups=remotes.lookups, now=now, timings=timings
        )
        keeper = CatalogKeeper(
            cluster_uid=cluster_uid,
            clock=clock,
            timings=timings,
            expected=remotes.expected,
            contents=publications.content,
            ensure_finalizer=finalizers.ensure,
        )
        external = ExternalVerifier(lookups=remotes.lookups, clock=clock, timings=timings)
        self._scopes = Scopes(
            *(self._queue, remotes, connections, changes, judge, decider, keeper, external),
            *(deleter, slots, bundles, publications),
        )
        self._reconciler = SourceReconciler(
            identity=Identity(
                cluster_uid=cluster_uid,
                public_url=config.public_url,
                backstage_url=config.backstage_url,
                allowed_catalog_namespaces=tuple(config.allowed_catalog_namespaces),
            ),
            store=store,
            changes=changes,
            remotes=remotes,
            gatherer=Gatherer(
                connections=connections,
                remotes=remotes,
                changes=changes,
                working=deleter.remember,
                judge=judge,
                timings=timings,
            ),
            decider=decider,
            publications=publications,
            keeper=keeper,
            external=external,
            acting=Acting(
                publications=publications,
                remotes=remotes,
                judge=judge,
                keeper=keeper,
                external=external,
                slots=slots,
            ),
            deleter=deleter,
            bundles=bundles,
            resting=RestingVisits(
                remotes=remotes, publications=publications, bundles=bundles, writer=writer, now=now
            ),
            writer=writer,
            planner=Planner(now=now, uniform=uniform, timings=timings),
            clock=clock,
            now=now,
            timings=timings,
        )
        sweeper = SnapshotSweeper(
            client=client, store=store, snapshots=snapshot_store, publications=publications
        )
        self._watching = Watching(
            store=store,
            dispatcher=dispatcher,
            client=client,
            access=access,
            swept=sweeper.sweep,
            clock=clock,
            timings=timings,
        )
        self._stop_asked = stop
        provider = DocumentLookup(
            store=store,
            publications=publications,
            heads=snapshot_store,
            mark_due=self._mark_due,
            cluster_uid=cluster_uid,
            timings=timings,
        )
        listeners.serve(provider, progress=self._progress, ready=self._watching.problem)

    def remembers(self, uid: str) -> list[str]:
        """Parts that remember something of an object; none does after its end."""
        return self._scopes.holders(uid)

    async def run(self) -> None:
        """Run until it is told to stop; a part that ends is begun anew."""
        tasks = [
            asyncio.create_task(keep_running("watching", self._watching.run), name="watch"),
            asyncio.create_task(keep_running("work", self._work), name="work"),
            asyncio.create_task(keep_running("events", self._announcer.run), name="events"),
        ]
        logger.info("started")
        try:
            await self._stop_asked.wait()
        finally:
            await self._stop(tasks)
            logger.info("stopped")

    async def _work(self) -> None:
        await self._store.gate.wait()
        await self._queue.run()

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Stop within the time for it: no new visits, what is under way is cut at its next await."""
        for task in tasks:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.timings.shutdown_timeout):
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._remotes.stop()
                await self._http.aclose()

    async def _visit(self, uid: str) -> Result:
        is_source = self._store.sources.get(uid) is not None
        try:
            return await (self._reconciler.visit(uid) if is_source else self._bundles.visit_orphan(uid))
        finally:
            if self._store.sources.get(uid) is None and self._store.bundles.get(uid) is None:
                # It went while it was visited: what the visit registered meanwhile goes too.
                self._scopes.close(uid)

    def _changed(self, uid: str, delay: float) -> None:
        self._queue.add(uid, delay=delay, changed=True)

    def _mark_due(self, uid: str, delay: float) -> None:
        self._queue.add(uid, delay=delay)

    def _share(self, uid: str) -> str:
        """Namespace of an object: namespaces take turns."""
        obj = self._store.sources.get(uid) or self._store.bundles.get(uid)
        return obj["metadata"].get("namespace", "") if obj is not None else ""

    def _target_of(self, visit: Visit) -> str | None:
        return publication(
            visit.source,
            public_url=self._config.public_url,
            cluster_uid=self._cluster_uid,
            backstage_url=self._config.backstage_url,
            allowed_catalog_namespaces=("*",),
        ).target

    def _progress(self) -> str | None:
        if not self._store.gate.is_set():
            return None
        stuck = self._queue.stuck_for()
        return f"no visit has begun or ended for {stuck:.0f} s" if stuck > STUCK_AFTER else None
