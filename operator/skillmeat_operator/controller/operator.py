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
from datetime import UTC, datetime
from urllib.parse import urlsplit

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.rate_limit import PORTAL_LIMITS, SOURCE_LIMITS, RateLimiter
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess, find_access
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError, NotFoundError
from skillmeat_operator.adapters.kubernetes.events import EventRecorder
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.config import OperatorConfig
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.controller.publication.documents import DocumentLookup
from skillmeat_operator.controller.publication.snapshots import Snapshots
from skillmeat_operator.controller.queue import WorkQueue
from skillmeat_operator.controller.remote.connections import Connections
from skillmeat_operator.controller.remote.outbound import outbound_client
from skillmeat_operator.controller.remote.poller import Pollers
from skillmeat_operator.controller.remote.portals import Portals
from skillmeat_operator.controller.visit.bundles import BundleReconciler
from skillmeat_operator.controller.visit.catalog import CatalogKeeper
from skillmeat_operator.controller.visit.decision import Decider
from skillmeat_operator.controller.visit.deletion import Deleter, Finalizers
from skillmeat_operator.controller.visit.gather import Gatherer
from skillmeat_operator.controller.visit.memory import SourceMemory
from skillmeat_operator.controller.visit.schedule import Scheduler
from skillmeat_operator.controller.visit.source import Identity, SourceReconciler
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.kopf_watches import Watches, registry
from skillmeat_operator.controller.watch.lists import Lister
from skillmeat_operator.controller.watch.login import add_login
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.decide.configuration import publication
from skillmeat_operator.serving.documents import Documents
from skillmeat_operator.serving.health import Health
from skillmeat_operator.serving.server import HttpServer

logger = logging.getLogger(__name__)

STUCK_AFTER = 300.0
"""Seconds by which a due visit may be late before the operator counts as stuck."""


def _now() -> datetime:
    return datetime.now(UTC)


async def run_operator(config: OperatorConfig) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    # What is loaded by now stays; without it each collection would stop the loop for as long as a large body
    # takes.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    access = await find_access(
        kubeconfig=str(config.kubeconfig) if config.kubeconfig is not None else None, context=config.context
    )
    client = KubernetesClient(access, timeout=config.timings.kubernetes_timeout)
    try:
        cluster_uid = config.cluster_id or await _cluster_uid(client, stop)
        if cluster_uid is None:
            return 0
        operator = Operator(
            config,
            access=access,
            client=client,
            cluster_uid=cluster_uid,
            http=await outbound_client(config, access),
            stop=stop,
        )
        return await operator.run()
    finally:
        await client.close()


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _cluster_uid(client: KubernetesClient, stop: asyncio.Event) -> str | None:
    """UID of kube-system, awaited while the API server is away; None when told to stop meanwhile."""
    while not stop.is_set():
        try:
            return await client.cluster_uid()
        except KubernetesError as error:
            logger.warning(
                "the cluster's UID cannot be read, trying again; where the operator may not read namespace "
                "kube-system, give --cluster-id: %s",
                error,
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=2.0)
    return None


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
        stop: asyncio.Event,
    ) -> None:
        self._config = config
        self._client = client
        self._cluster_uid = cluster_uid
        timings, clock = config.timings, time.monotonic
        uniform = random.SystemRandom().uniform
        self._store = store = Store()
        self._memories: dict[str, SourceMemory] = {}
        self._snapshot_store = snapshot_store = SnapshotStore(client, config.operator_namespace)
        self._snapshots = snapshots = Snapshots(snapshot_store)
        self._http = http
        connections = Connections(
            http=self._http,
            source_limiter=RateLimiter(SOURCE_LIMITS, clock=clock),
            portal_limiter=RateLimiter(PORTAL_LIMITS, clock=clock),
            secrets=SecretReader(client),
            backstage_url=config.backstage_url,
            backstage_token_file=config.backstage_token_file,
            timings=timings,
        )
        self._queue = WorkQueue(self._visit, workers=config.workers, clock=clock, bulkhead=self._bulkhead)
        self._pollers = pollers = Pollers(notify=self._add, clock=clock, uniform=uniform, timings=timings)
        self._portals = portals = Portals(notify=self._add, clock=clock, uniform=uniform, timings=timings)
        self._claims = Claims()
        self._scheduler = scheduler = Scheduler(
            add=self._add,
            pollers=pollers,
            portals=portals,
            clock=clock,
            now=_now,
            uniform=uniform,
            timings=timings,
        )
        dispatcher = Dispatcher(
            store=store,
            memories=self._memories,
            add=self._add,
            forget=self._forget,
            interrupt=self._queue.interrupt,
            clock=clock,
            uniform=uniform,
            timings=timings,
        )
        events = EventRecorder(client, instance=os.environ.get("POD_NAME") or socket.gethostname())
        writer = ObjectWriter(
            store=store, seen=dispatcher.seen, statuses=StatusWriter(client), events=events, now=_now
        )
        self._bundles = BundleReconciler(store=store, writer=writer, add=self._add, now=_now, timings=timings)
        finalizers = Finalizers(client)
        self._deleter = Deleter(
            cluster_uid=cluster_uid,
            target_of=self._target_of,
            connections=connections,
            portals=portals,
            snapshots=snapshots,
            finalizers=finalizers,
            writer=writer,
            scheduler=scheduler,
            clock=clock,
            now=_now,
            timings=timings,
        )
        self._reconciler = SourceReconciler(
            identity=Identity(
                cluster_uid=cluster_uid,
                public_url=config.public_url,
                backstage_url=config.backstage_url,
                allowed_catalog_namespaces=tuple(config.allowed_catalog_namespaces),
            ),
            store=store,
            memories=self._memories,
            gatherer=Gatherer(
                connections=connections,
                pollers=pollers,
                portals=portals,
                working=self._deleter.remember,
                clock=clock,
                now=_now,
                timings=timings,
            ),
            decider=Decider(snapshots=snapshots, claims=self._claims, now=_now, timings=timings),
            snapshots=snapshots,
            keeper=CatalogKeeper(
                cluster_uid=cluster_uid, clock=clock, timings=timings, ensure_finalizer=finalizers.ensure
            ),
            deleter=self._deleter,
            bundles=self._bundles,
            writer=writer,
            scheduler=scheduler,
            clock=clock,
            now=_now,
            timings=timings,
        )
        self._lister = Lister(
            client,
            store=store,
            dispatcher=dispatcher,
            namespaces=tuple(config.namespaces),
            swept=self._sweep,
            clock=clock,
            timings=timings,
        )
        self._stop_asked = stop
        self._handlers = registry(dispatcher, self._lister.ask, loop=asyncio.get_running_loop())
        add_login(self._handlers, access)
        provider = DocumentLookup(
            store=store, snapshots=snapshots, heads=snapshot_store, cluster_uid=cluster_uid, timings=timings
        )
        self._document_server = HttpServer(
            config.serve_address.host, config.serve_address.port, Documents(provider)
        )
        self._probe_server = HttpServer(
            config.metrics_address.host,
            config.metrics_address.port,
            Health(progress=self._progress, ready=self._ready),
        )

    async def run(self) -> int:
        """Run until it is told to stop, or until a part fails that the operator cannot do without."""
        stop = self._stop_asked
        await self._document_server.start()
        await self._probe_server.start()
        watches = Watches(self._handlers, namespaces=tuple(self._config.namespaces))
        tasks = [
            asyncio.create_task(watches.run(), name="watch"),
            asyncio.create_task(self._lister.run(), name="list"),
            asyncio.create_task(self._work(), name="work"),
        ]
        waiter = asyncio.create_task(stop.wait(), name="stop")
        logger.info("started")
        try:
            await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
            return self._exit_code(stop, tasks)
        finally:
            waiter.cancel()
            watches.stop()
            await self._stop(tasks)
            logger.info("stopped")

    async def _work(self) -> None:
        await self._store.gate.wait()
        await self._queue.run()

    def _exit_code(self, stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> int:
        if stop.is_set():
            return 0
        for task in tasks:
            if task.done() and not task.cancelled():
                error = task.exception()
                logger.error(
                    "%s ended and the operator cannot go on without it", task.get_name(), exc_info=error
                )
        return 1

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        """Stop within the time for it: no new visits, what is under way is cut at its next await."""
        for task in tasks[1:]:
            task.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._config.timings.shutdown_timeout):
                await asyncio.gather(*tasks[1:], return_exceptions=True)
                await self._pollers.stop()
                await asyncio.gather(self._document_server.stop(), self._probe_server.stop())
                await self._http.aclose()
                await asyncio.wait(tasks[:1], timeout=1.0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _visit(self, uid: str) -> None:
        if self._store.sources.get(uid) is not None:
            await self._reconciler.visit(uid)
        else:
            await self._bundles.visit_orphan(uid)

    def _add(self, uid: str, delay: float) -> None:
        self._queue.add(uid, delay=delay)

    def _bulkhead(self, uid: str) -> str | None:
        """The server whose slowness would hold a visit up."""
        obj = self._store.sources.get(uid)
        if obj is None:
            return None
        source = ((obj.get("spec") or {}).get("source") or {}).get("skillmeat") or {}
        return urlsplit(str(source.get("url", ""))).netloc or None

    def _forget(self, uid: str) -> None:
        self._queue.forget(uid)
        self._scheduler.forget(uid)
        self._claims.release(uid)
        self._snapshots.forget(uid)
        self._deleter.forget(uid)
        self._memories.pop(uid, None)

    def _target_of(self, visit: Visit) -> str | None:
        return publication(
            visit.source,
            public_url=self._config.public_url,
            cluster_uid=self._cluster_uid,
            backstage_url=self._config.backstage_url,
            allowed_catalog_namespaces=("*",),
        ).target

    async def _sweep(self) -> None:
        """Delete snapshots whose CatalogSource is gone, or has been made anew; one that cannot be read is
        left.
        """
        for head in await self._snapshot_store.heads():
            if self._store.sources.get(head.uid) is not None:
                continue
            try:
                found = await self._client.get(CATALOG_SOURCE.plural, head.namespace, head.name)
            except NotFoundError:
                await self._snapshots.delete(head.uid)
                continue
            except KubernetesError:
                continue
            if CatalogSource.from_object(found).uid != head.uid:
                await self._snapshots.delete(head.uid)

    def _progress(self) -> str | None:
        if not self._store.gate.is_set():
            return None
        late = self._queue.overdue()
        return f"a visit is overdue by {late:.0f} s" if late > STUCK_AFTER else None

    def _ready(self) -> str | None:
        return None if self._store.gate.is_set() else "the objects have not been listed yet"
