"""The world of the simulation: a cluster, SkillMeat servers, a portal, users, and lives of the operator."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from skillmeat_operator.serving.documents import NotFound, Served
from tests.simulation import wiring
from tests.simulation.apiserver import NOON, ApiServer, Obj
from tests.simulation.loop import BEGINNING
from tests.simulation.network import Network
from tests.simulation.portal import Portal
from tests.simulation.skillmeat import SkillMeat

SOURCES, BUNDLES = "catalogsources", "templatebundles"
REQUESTED = "skillmeat.io/reconcile-requested-at"


def clock() -> float:
    """Seconds of the running loop."""
    return asyncio.get_running_loop().time()


@dataclass
class World:
    """Everything that one run holds."""

    seed: int = 0
    config: wiring.Config = field(default_factory=wiring.Config)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.server = ApiServer(clock, random.Random(self.rng.random()))
        self.network = Network()
        self.portal = Portal(clock, random.Random(self.rng.random()), self._fetch)
        self.network.hosts["portal.sim"] = self.portal.handle
        self.skillmeats: dict[str, SkillMeat] = {}
        self.operator_skew = timedelta(0)
        self.running: wiring.Running | None = None
        self.lives = 0
        self.documents: list[tuple[float, str, int, bytes, int]] = []
        """What was served: time, path, status, document, and how many entities the portal showed of it."""
        self._crash_at: int | None = None
        self._calls = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.server.crashes = self._maybe_crash

    # Life

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[World]:
        """The portal and the operator run inside the block."""
        self._tasks.append(asyncio.create_task(self.portal.run(), name="portal"))
        await self.start()
        try:
            yield self
        finally:
            await self.stop()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start(self) -> None:
        """Begin a life of the operator."""
        self.lives += 1
        self.running = await wiring.start(
            self.config,
            server=self.server,
            network=self.network,
            clock=clock,
            now=self.now,
            rng=random.Random(self.rng.random()),
        )

    async def stop(self) -> None:
        """End the life of the operator without a word."""
        if self.running is not None:
            await self.running.crash()
            self.running = None

    async def restart(self, *, after: float = 0.0) -> None:
        """End it, and begin another."""
        await self.stop()
        await asyncio.sleep(after)
        await self.start()

    def crash_at(self, calls: int) -> None:
        """Let the operator end at one of the next calls of the API server."""
        self._calls, self._crash_at = 0, calls

    async def until_crashed(self, *, within: float) -> bool:
        """Wait for a planned crash, and begin another life; False if it did not come."""
        running = self.running
        if running is None:
            return False
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(within):
                await asyncio.shield(asyncio.wait([running.task]))
        self._crash_at = None
        if running.task.cancelling():
            await asyncio.wait([running.task])
        crashed = running.task.done()
        if crashed:
            self.running = None
            await self.start()
        return crashed

    def now(self) -> datetime:
        """The operator's wall clock."""
        return NOON + timedelta(seconds=clock() - BEGINNING) + self.operator_skew

    def _maybe_crash(self) -> None:
        self._calls += 1
        if self._crash_at is not None and self._calls >= self._crash_at and self.running is not None:
            self._crash_at = None
            self.running.task.cancel()

    async def _fetch(self, target: str) -> httpx.Response:
        """The portal reads a document of ours."""
        if self.running is None:
            raise httpx.ConnectError("the operator is down")
        path = urlsplit(target).path
        shown = sum(one.target == target for one in self.portal.shown.values())
        _, _, prefix, namespace, name = path.split("/")
        found = await self.running.document(prefix, namespace, name.removesuffix(".yaml"))
        if isinstance(found, Served):
            body = gzip.decompress(found.compressed)
            self.documents.append((clock(), path, 200, body, shown))
            return httpx.Response(200, content=body)
        status = 404 if isinstance(found, NotFound) else 503
        self.documents.append((clock(), path, status, b"", shown))
        return httpx.Response(status)

    # Users and upstream

    def skillmeat(self, host: str = "skillmeat.sim") -> SkillMeat:
        """A SkillMeat server, made at the first call."""
        if host not in self.skillmeats:
            made = SkillMeat(clock, self.server.now, random.Random(self.rng.random()))
            self.skillmeats[host] = made
            self.network.hosts[host] = made.handle
        return self.skillmeats[host]

    def source(
        self, name: str = "main", namespace: str = "team", *, host: str = "skillmeat.sim", **spec: Any
    ) -> Obj:
        """Apply a CatalogSource."""
        self.skillmeat(host)
        skillmeat = {"url": f"http://{host}", **spec.pop("skillmeat", {})}
        backstage = {"catalogNamespace": spec.pop("catalog", "skillmeat"), **spec.pop("backstage", {})}
        body = {
            "source": {"skillmeat": skillmeat},
            "backstage": backstage,
            "interval": "1m",
            **spec,
        }
        return self.server.apply(SOURCES, namespace, name, body)

    def bundle(
        self,
        name: str,
        namespace: str = "team",
        *,
        source: str = "main",
        ref: Mapping[str, str],
        **spec: Any,
    ) -> Obj:
        """Apply a TemplateBundle."""
        body = {"sourceRef": {"name": source}, "bundleRef": dict(ref), **spec}
        return self.server.apply(BUNDLES, namespace, name, body)

    def request(self, name: str = "main", namespace: str = "team") -> str:
        """Request a reconcile; returns the token."""
        token = f"{clock():.3f}"
        self.server.annotate(SOURCES, namespace, name, REQUESTED, token)
        return token

    # What can be seen

    def get(self, name: str = "main", namespace: str = "team", plural: str = SOURCES) -> Obj:
        """An object."""
        found = self.server.get(plural, namespace, name)
        assert found is not None, f"{plural} {namespace}/{name} is gone"
        return found

    def condition(
        self, kind: str = "Ready", name: str = "main", namespace: str = "team", plural: str = SOURCES
    ) -> tuple[str, str]:
        """Status and reason of a condition of the present generation; empty where it has none."""
        found = self.get(name, namespace, plural)
        for one in (found.get("status") or {}).get("conditions") or []:
            if one["type"] == kind and one["observedGeneration"] == found["metadata"]["generation"]:
                return one["status"], one["reason"]
        return "", ""

    def shown(self, name: str = "main", namespace: str = "team") -> set[str]:
        """Names of the entities that the portal shows with a CatalogSource's marker."""
        uid = self.get(name, namespace)["metadata"]["uid"]
        return {ref.partition("/")[2] for ref in self.portal.marked(uid)}

    def operator_writes(self, since: float) -> list[str]:
        """What the operator wrote to the API server, Events included."""
        return [
            f"{one.method} {one.plural} {one.namespace}/{one.name}"
            for one in self.server.calls
            if one.at >= since and one.method != "GET"
        ]

    async def until(self, met: Callable[[], object], *, within: float, what: str = "") -> float:
        """Wait for something; returns how long it took.

        Raises:
            AssertionError: it did not come in time.
        """
        began = clock()
        while not met():
            assert clock() - began < within, f"not within {within:.0f} s: {what or met}"
            await asyncio.sleep(0.25)
        return clock() - began

    async def ready(self, name: str = "main", namespace: str = "team", *, within: float = 60.0) -> None:
        """Wait for Ready=True of the present generation."""
        await self.until(
            lambda: self.condition("Ready", name, namespace)[0] == "True",
            within=within,
            what=f"{namespace}/{name} is Ready; it is {self.condition('Ready', name, namespace)}",
        )

    def digest(self) -> str:
        """Equal for two runs in which the same happened."""
        told = [
            [(round(one.at, 6), one.method, one.plural, one.name, one.status) for one in self.server.calls],
            [(round(at, 6), *rest) for at, *rest in self.portal.writes],
            [(round(one.at, 6), one.ref, one.what) for one in self.portal.changes],
            sorted((*key, obj["metadata"]["resourceVersion"]) for key, obj in self.server.objects.items()),
        ]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()
