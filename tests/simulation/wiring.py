"""The operator, wired with models: all that the simulation knows of the controller's inside stands here.

kopf itself does not run in virtual time: a model of one of its runs takes its place under the real
supervision, and brings events as kopf does, after a list, with a delay, and until its watch breaks. kopf is
tested on a real API server (``tests/real/test_api_server_faults.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from skillmeat_operator.adapters.http.client import HttpClient
from skillmeat_operator.adapters.http.egress import Egress, EgressPolicy
from skillmeat_operator.adapters.http.pools import Transports
from skillmeat_operator.adapters.kubernetes.client import FIELD_MANAGER, KubernetesClient
from skillmeat_operator.controller import operator as operator_module
from skillmeat_operator.controller.watch.watch_health import Absence, WatchKey, ended
from skillmeat_operator.controller.watch.watching import Watching
from skillmeat_operator.domain.timings import Timings
from tests.simulation.apiserver import ApiServer
from tests.simulation.network import Network

NAMESPACE = "skillmeat-system"
PUBLIC_URL = "http://operator.sim:8080"
PORTAL_URL = "http://portal.sim"


@dataclass(frozen=True)
class Config:
    """The operator's settings, as ``OperatorConfig`` describes them."""

    namespaces: tuple[str, ...] = ()
    operator_namespace: str | None = NAMESPACE
    cluster_id: str | None = None
    kubeconfig: None = None
    context: None = None
    serve_address: Any = field(default_factory=lambda: SimpleNamespace(host="127.0.0.1", port=1))
    metrics_address: Any = field(default_factory=lambda: SimpleNamespace(host="127.0.0.1", port=2))
    public_url: str | None = PUBLIC_URL
    backstage_url: str | None = PORTAL_URL
    backstage_token_file: None = None
    allowed_hosts: tuple[str, ...] | None = ("*",)
    allowed_catalog_namespaces: tuple[str, ...] = ("*",)
    workers: int = 20
    timings: Timings = field(default_factory=Timings)


class Listeners:
    """In place of sockets: what the operator serves."""

    def __init__(self) -> None:
        self.provider: Any = None
        self.progress: Callable[[], str | None] = lambda: None
        self.ready: Callable[[], str | None] = lambda: "not yet"

    def serve(self, provider: Any, *, progress: Any, ready: Any) -> None:
        """As the real one."""
        self.provider, self.progress, self.ready = provider, progress, ready


class ModelledWatch:
    """One run of a watch, as kopf brings it."""

    def __init__(self, key: WatchKey, watching: Any, server: ApiServer, rng: random.Random) -> None:
        self._key, self._watching, self._server, self._rng = key, watching, server, rng
        self._task: asyncio.Task[None] | None = None
        self.changed = asyncio.Event()
        self.began = server.clock()
        self.discovered: float | None = None
        self.listing: float | None = None
        self.opened: float | None = None
        self.failing: Absence | None = None
        self.failing_since = 0.0
        self.ended = False
        self.shown = 0

    @property
    def is_open(self) -> bool:
        """As the real one."""
        return self.opened is not None and self.failing is None and not self.ended

    def begin(self) -> None:
        """As the real one."""
        self._task = asyncio.create_task(self._run(), name="modelled-watch")

    def stop(self) -> None:
        """As the real one."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        server, plural = self._server, self._key.names.plural
        await asyncio.sleep(0.05 + 0.1 * self._rng.random())
        self.discovered = self.listing = server.clock()
        self.changed.set()
        objects, queue = server.watch(plural)
        self._watching.lister.ask(self._key)
        for obj in objects:
            self._take(None, obj)
        self.opened = server.clock()
        self.changed.set()
        while (event := await queue.get()) is not None:
            await asyncio.sleep(0.01 + 0.05 * self._rng.random())
            self._take(*event)
        self.ended, self.failing = True, ended(self._key, "it broke off")
        self.changed.set()

    def _take(self, kind: str | None, obj: dict[str, Any]) -> None:
        plural, metadata = self._key.names.plural, obj["metadata"]
        self.shown = max(self.shown, int(metadata["resourceVersion"]))
        if kind == "DELETED":
            self._watching._dispatcher.gone(plural, metadata["uid"], metadata["resourceVersion"])
        else:
            self._watching._dispatcher.seen(plural, obj)


@dataclass
class Running:
    """One life of the operator."""

    operator: Any
    listeners: Listeners
    task: asyncio.Task[None]
    stop: asyncio.Event

    async def document(self, prefix: str, namespace: str, name: str) -> Any:
        """What its document endpoint would answer with."""
        return await self.listeners.provider.document(prefix, namespace, name)

    def remembers(self, uid: str) -> list[str]:
        """Parts that remember something of an object."""
        found: list[str] = self.operator.remembers(uid)
        return found

    async def crash(self) -> None:
        """End at once; nothing that it remembered is left."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def start(
    config: Config,
    *,
    server: ApiServer,
    network: Network,
    clock: Callable[[], float],
    now: Callable[[], datetime],
    rng: random.Random,
) -> Running:
    """Begin a life of the operator."""
    access = SimpleNamespace(configuration=None, revision=0, namespace=NAMESPACE)
    client = KubernetesClient.__new__(KubernetesClient)
    client.namespace = NAMESPACE
    client._transport = cast(Any, server)
    client._managed = {"fieldManager": FIELD_MANAGER}
    policy = EgressPolicy.of_flags(
        allowed_hosts=config.allowed_hosts,
        cluster_wide=True,
        backstage_url=config.backstage_url,
        refused=[],
        own_addresses=(),
    )
    egress = Egress(policy, resolver=network.resolve, clock=clock)
    http = HttpClient(egress=egress, transports=Transports(network.transport), clock=clock, now=now)
    listeners, stop = Listeners(), asyncio.Event()

    def new_run(self: Any, key: WatchKey) -> ModelledWatch:
        return ModelledWatch(key, self, server, rng)

    original = Watching._new_run
    Watching._new_run = new_run  # type: ignore[method-assign,assignment]
    try:
        made = operator_module.Operator(
            cast(Any, config),
            access=cast(Any, access),
            client=client,
            cluster_uid=server.objects["namespaces", "", "kube-system"]["metadata"]["uid"],
            http=http,
            listeners=cast(Any, listeners),
            stop=stop,
            clock=clock,
            now=now,
            uniform=rng.uniform,
        )
        made._watching.supervisor  # noqa: B018  # made with the modelled runs
    finally:
        Watching._new_run = original  # type: ignore[method-assign]
    task = asyncio.create_task(made.run(), name="operator")
    return Running(operator=made, listeners=listeners, task=task, stop=stop)
