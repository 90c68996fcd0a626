"""One random run: users, faults and crashes by a seed, then peace, in which everything has to settle."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

import httpx

from tests.simulation.apiserver import CUSTOM, Fault
from tests.simulation.laws import BrokenLawError, Laws
from tests.simulation.loop import run
from tests.simulation.skillmeat import Bundle
from tests.simulation.world import BUNDLES, SOURCES, World, clock

HOURS = 6
"""Virtual hours of trouble in one run; four more of peace follow."""
SETTLE = 2400.0
"""Seconds within which everything is as it should be once faults have stopped: the longest backoff (15 min), an
interval, and the portal's own delays.
"""
DAYS_A_RUN = (HOURS + 4) / 24


class Run:
    """A run by a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.world: World
        self.laws: Laws
        self.uids: set[str] = set()
        self.log: list[str] = []
        self.tenants = ["one", "two"]
        self.names: dict[str, set[str]] = {tenant: set() for tenant in self.tenants}

    def execute(self) -> str:
        """Carry it out; returns its digest.

        Raises:
            BrokenLawError: a law does not hold.
        """
        return run(self._main())

    async def _main(self) -> str:
        world = self.world = World(seed=self.seed)
        self.laws = Laws(world)
        self.laws.watch()
        for tenant in self.tenants:
            server = world.skillmeat(f"{tenant}.sim")
            server.workers = self.rng.choice([1, 1, 2])
            for number in range(self.rng.randrange(9, 14)):
                server.add(f"{tenant}-t{number}")
        async with world.alive():
            for tenant in self.tenants:
                self._apply_source(tenant)
            end = clock() + HOURS * 3600
            while clock() < end:
                await asyncio.sleep(self.rng.expovariate(1 / 180))
                await self._step()
                self._look()
            await self._peace()
        return world.digest()

    def _look(self) -> None:
        self.uids |= {
            obj["metadata"]["uid"] for key, obj in self.world.server.objects.items() if key[0] in CUSTOM
        }
        self._excuse()
        self.laws.look()
        if self.world.running is not None and self.world.running.task.done():
            self.world.running.task.result()
            raise BrokenLawError("the operator ended")

    def _excuse(self) -> None:
        """What somebody took out may leave for as long as it is out, and a while after."""
        for tenant in self.tenants:
            there = self.world.server.get(SOURCES, tenant, "main")
            going = there is None or there["metadata"].get("deletionTimestamp") is not None
            server = self.world.skillmeat(f"{tenant}.sim")
            self.names[tenant] |= {one.name for one in server.bundles.values()}
            wanted = set() if going else self._wanted(tenant)
            for name in self.names[tenant] - wanted:
                self._gone(tenant, name)

    def _wanted(self, tenant: str) -> set[str]:
        """Names of the templates that nobody keeps out."""
        kept_out = {
            obj["spec"]["bundleRef"]["id"]
            for key, obj in self.world.server.objects.items()
            if key[:2] == (BUNDLES, tenant) and not obj["spec"].get("publish", True)
        }
        bundles = self.world.skillmeat(f"{tenant}.sim").bundles.values()
        return {one.name for one in bundles if one.id not in kept_out}

    async def _step(self) -> None:
        tenant = self.rng.choice(self.tenants)
        steps: list[tuple[int, Callable[[str], None]]] = [
            (6, self._upstream),
            (3, self._bundle),
            (3, self._spec),
            (3, self._request),
            (4, self._api_fault),
            (3, self._source_fault),
            (3, self._portal_fault),
            (2, self._suspend),
            (1, self._remake),
            (1, self._portal_restart),
            (1, self._clock),
            (2, self._break_watches),
            (1, self._lose_snapshot),
            (1, self._newer_version),
        ]
        weights, actions = zip(*steps, strict=True)
        if self.rng.random() < 0.12:
            self._note("crash")
            self.world.crash_at(self.rng.randrange(1, 30))
            await self.world.until_crashed(within=self.rng.random() * 300)
            return
        action = self.rng.choices(actions, weights)[0]
        action(tenant)

    def _note(self, what: str) -> None:
        self.log.append(f"{clock():9.1f} {what}")

    def _apply_source(self, tenant: str, **spec: object) -> None:
        made = self.world.source("main", tenant, host=f"{tenant}.sim", catalog=tenant, **spec)  # type: ignore[arg-type]
        self.uids.add(made["metadata"]["uid"])

    def _gone(self, tenant: str, name: str) -> None:
        self.laws.excuse(f"template:{tenant}/{name}")

    def _upstream(self, tenant: str) -> None:
        server = self.world.skillmeat(f"{tenant}.sim")
        bundles = list(server.bundles.values())
        choice = self.rng.random()
        if choice < 0.4 or not bundles:
            made = server.add(f"{tenant}-t{server.made}")
            self._note(f"upstream adds {made.name}")
        elif choice < 0.75:
            bundle: Bundle = self.rng.choice(bundles)
            version = f"1.{self.rng.randrange(9)}.{self.rng.randrange(9)}"
            server.changed(bundle, description=f"At {clock():.0f}.", version=version)
            self._note(f"upstream changes {bundle.name}")
        elif len(bundles) > 8:
            bundle = self.rng.choice(bundles)
            del server.bundles[bundle.id]
            self._gone(tenant, bundle.name)
            self._note(f"upstream removes {bundle.name}")

    def _bundle(self, tenant: str) -> None:
        server = self.world.skillmeat(f"{tenant}.sim")
        if not server.bundles:
            return
        bundle = self.rng.choice(list(server.bundles.values()))
        there = self.world.server.get(BUNDLES, tenant, bundle.name)
        if there is not None and self.rng.random() < 0.3:
            self.world.server.delete(BUNDLES, tenant, bundle.name)
            self._note(f"TemplateBundle {bundle.name} is deleted")
            return
        publish = self.rng.random() < 0.85
        if not publish:
            self._gone(tenant, bundle.name)
        self.world.bundle(bundle.name, tenant, ref={"id": bundle.id}, publish=publish)
        self._note(f"TemplateBundle {bundle.name}, publish {publish}")

    def _spec(self, tenant: str) -> None:
        there = self.world.server.get(SOURCES, tenant, "main")
        if there is None:
            return
        spec = {**there["spec"], "interval": self.rng.choice(["30s", "1m", "5m"])}
        spec["entityDefaults"] = {"lifecycle": self.rng.choice(["production", "experimental"])}
        self.world.server.apply(SOURCES, tenant, "main", spec)
        self._note(f"spec of {tenant} changes")

    def _request(self, tenant: str) -> None:
        self.world.request("main", tenant)
        self._note(f"sync of {tenant} is requested")

    def _api_fault(self, tenant: str) -> None:
        kind = self.rng.choice(["lost", "answer lost", "forbidden", "broken", "unauthorized"])
        plural = self.rng.choice(["configmaps", "catalogsources", "templatebundles", None])
        method = self.rng.choice(["POST", "PUT", "PATCH", "GET", None])
        until = clock() + self.rng.choice([5, 60, 300])
        times = self.rng.choice([1, 1, 3, None])
        self.world.server.faults.append(
            Fault(kind, method=method, plural=plural, until=until, times=times)  # type: ignore[arg-type]
        )
        self._note(f"API server: {kind} {method} {plural} {times}")

    def _source_fault(self, tenant: str) -> None:
        server = self.world.skillmeat(f"{tenant}.sim")
        self._mend_source(tenant)
        fault = self.rng.choice(["refuses", "hangs", "500", "empty", "garbage", "429", "none", "pages"])
        if fault in {"refuses", "hangs"}:
            setattr(server, fault, True)
        elif fault == "429":
            # It blocks for a minute, as the real one does.
            asks = {"left": 1}

            def limited(path: str) -> httpx.Response | None:
                if asks["left"] and path.endswith("/templates"):
                    asks["left"] = 0
                    return httpx.Response(429, json={}, headers={"retry-after": "60"})
                return None

            server.answers = limited
        elif fault != "none":
            answers = {
                "500": lambda: httpx.Response(500, json={"detail": "broken"}),
                "empty": lambda: httpx.Response(200, json=[]),
                "garbage": lambda: httpx.Response(
                    200, content=b"<html>", headers={"content-type": "text/html"}
                ),
                "pages": lambda: httpx.Response(500, json={}),
            }
            only = "/bundles/entities" if fault == "pages" else "/templates"
            server.answers = lambda path: answers[fault]() if path.endswith(only) else None
        self._note(f"SkillMeat of {tenant}: {fault}")

    def _mend_source(self, tenant: str) -> None:
        server = self.world.skillmeat(f"{tenant}.sim")
        server.refuses = server.hangs = False
        server.answers = lambda _: None

    def _portal_fault(self, _tenant: str) -> None:
        portal = self.world.portal
        self._mend_portal()
        fault = self.rng.choice(["refuses", "hangs", "503", "starting", "none", "slow"])
        if fault in {"refuses", "hangs"}:
            setattr(portal, fault, True)
        elif fault == "503":
            portal.answers = lambda _method, _path: httpx.Response(503, json={})
        elif fault == "starting":
            portal.answers = lambda _method, _path: httpx.Response(404, content=b"")
        elif fault == "slow":
            portal.read_latency = 5.0
        self._note(f"portal: {fault}")

    def _mend_portal(self) -> None:
        portal = self.world.portal
        portal.refuses = portal.hangs = False
        portal.read_latency = 0.0
        portal.answers = lambda _method, _path: None

    def _suspend(self, tenant: str) -> None:
        there = self.world.server.get(SOURCES, tenant, "main")
        if there is not None:
            spec = {**there["spec"], "suspend": not there["spec"].get("suspend", False)}
            self.world.server.apply(SOURCES, tenant, "main", spec)
            self._note(f"{tenant} suspend {spec['suspend']}")

    def _remake(self, tenant: str) -> None:
        if self.world.server.get(SOURCES, tenant, "main") is None:
            self._apply_source(tenant)
            self._note(f"source of {tenant} is made")
        else:
            self.laws.excuse()
            self.world.server.delete(SOURCES, tenant, "main")
            self._note(f"source of {tenant} is deleted")

    def _portal_restart(self, _tenant: str) -> None:
        with_data = self.rng.random() < 0.5
        if not with_data:
            self.laws.excuse()
        self.world.portal.restart(with_data=with_data)
        self._note(f"the portal restarts, with its data: {with_data}")

    def _clock(self, _tenant: str) -> None:
        self.world.operator_skew = timedelta(seconds=self.rng.choice([0, 0, 3600, -600]))
        self._note(f"clock {self.world.operator_skew}")

    def _break_watches(self, _tenant: str) -> None:
        self.world.server.break_watches()
        self._note("all watches break")

    def _lose_snapshot(self, tenant: str) -> None:
        keys = [key for key in self.world.server.objects if key[0] == "configmaps"]
        if keys:
            key = self.rng.choice(keys)
            del self.world.server.objects[key]
            self._note(f"ConfigMap {key[2]} is deleted")

    def _newer_version(self, tenant: str) -> None:
        bundles = [key for key in self.world.server.objects if key[:2] == (BUNDLES, tenant)]
        if bundles:
            key = self.rng.choice(bundles)
            spec = {**self.world.server.objects[key]["spec"], "stalePolicy": "Newer"}
            self.world.server.apply(*key, spec)
            self._note(f"TemplateBundle {key[2]} is of a newer version")

    async def _peace(self) -> None:
        """Faults stop; what is there has to be right in time, and then nothing is written."""
        world = self.world
        world.server.faults.clear()
        world.operator_skew = timedelta(0)
        self._mend_portal()
        for tenant in self.tenants:
            self._mend_source(tenant)
            there = world.server.get(SOURCES, tenant, "main")
            if there is not None and there["metadata"].get("deletionTimestamp") is None:
                spec = {**there["spec"], "suspend": False}
                world.server.apply(SOURCES, tenant, "main", spec)
            for key in [key for key in world.server.objects if key[:2] == (BUNDLES, tenant)]:
                spec = {**world.server.objects[key]["spec"]}
                spec.pop("stalePolicy", None)
                world.server.apply(*key, spec)
        self._note("peace")
        await asyncio.sleep(SETTLE)
        self._look()
        for tenant in self.tenants:
            self._settled(tenant)
        self.laws.served_is_stored()
        since, writes = clock(), len(world.portal.writes)
        await asyncio.sleep(3600)
        self._look()
        if world.operator_writes(since):
            raise BrokenLawError(f"an idle operator writes: {world.operator_writes(since)[:3]}")
        if len(world.portal.writes) > writes:
            raise BrokenLawError(f"an idle operator writes to the portal: {world.portal.writes[writes:][:3]}")
        self.laws.polite()
        self.laws.nothing_is_remembered(self.uids)

    def _settled(self, tenant: str) -> None:
        world = self.world
        there = world.server.get(SOURCES, tenant, "main")
        if there is None:
            if any(ref.startswith(f"template:{tenant}/") for ref in world.portal.shown):
                raise BrokenLawError(
                    f"the source of {tenant} is gone, and the portal shows what it published"
                )
            return
        ready = world.condition("Ready", "main", tenant)
        wanted = self._wanted(tenant)
        shown = world.shown("main", tenant)
        if ready == ("False", "RemovalHeld"):
            if wanted <= shown:
                return
        elif ready[0] == "True" and shown == wanted:
            return
        raise BrokenLawError(
            f"{tenant} has not settled: Ready is {ready}, shown {sorted(shown)}, wanted {sorted(wanted)}"
        )
