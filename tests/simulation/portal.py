"""A model of the catalog of a stock Backstage, with its delays, sweeps, conflicts and faults.

Made from ``facts/backstage.md``: a location's document is read at a refresh and every 100 to 150 s; what it
holds is stitched a moment later; what left it goes with the sweep that comes every 30 s; a document that
cannot be read changes nothing, an empty one empties; whoever holds a ref keeps it; a token that may not read
gets empty 200s; an unknown path and a catalog that starts answer 404 with an empty body.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from skillmeat_operator.adapters.backstage.entities import location_ref

MARKER = "skillmeat.io/managed-by"


@dataclass
class Location:
    """A registered location."""

    id: str
    target: str
    due: float
    """When its document is read next."""
    was_read: bool = False
    """It has an entity only once its document was read (facts/backstage.md, section 4)."""


@dataclass
class Shown:
    """An entity of the catalog."""

    entity: dict[str, Any]
    target: str
    uid: str
    failing: bool = False


@dataclass
class Change:
    """What happened to an entity, for the laws."""

    at: float
    ref: str
    what: str
    """``appeared``, ``changed`` or ``left``."""


@dataclass
class Portal:
    """One portal."""

    clock: Callable[[], float]
    rng: random.Random
    fetch: Callable[[str], Awaitable[httpx.Response]]
    locations: dict[str, Location] = field(default_factory=dict)
    shown: dict[str, Shown] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    writes: list[tuple[float, str, str]] = field(default_factory=list)
    """Everything that changes something, or tries: time, method, path."""
    reads: list[tuple[float, str]] = field(default_factory=list)
    refuses: bool = False
    hangs: bool = False
    latency: float = 0.03
    read_latency: float = 0.0
    """Seconds that a query takes besides."""
    answers: Callable[[str, str], httpx.Response | None] = lambda method, path: None
    others: int = 1
    """Entities that no test looks at, which any portal has."""
    blind: bool = False
    """The token may not read entities."""
    refused_refs: set[str] = field(default_factory=set)
    """Entities that a processor refuses."""
    names_refused: bool = True
    """Whether a dry run names the one it refuses: what a custom processor throws does not."""
    strips_markers: bool = False
    made: int = 0
    _leaving: dict[str, float] = field(default_factory=dict)
    _coming: dict[str, tuple[float, Shown]] = field(default_factory=dict)

    async def run(self) -> None:
        """Process for ever."""
        while True:
            await asyncio.sleep(0.5)
            for location in list(self.locations.values()):
                if location.due <= self.clock() and location.id in self.locations:
                    location.due = self.clock() + 100 + 50 * self.rng.random()
                    await self._read(location)
            self._settle()

    def restart(self, *, with_data: bool) -> None:
        """Restart the process."""
        if not with_data:
            for ref in list(self.shown):
                self._leave(ref)
            self.locations.clear()
            self._coming.clear()
            self._leaving.clear()

    def bring(self, entity: dict[str, Any], target: str = "http://another/provider.yaml") -> str:
        """Let another provider bring an entity in."""
        self.made += 1
        ref = _ref(entity)
        self.shown[ref] = Shown(entity, target, f"other-{self.made}")
        self.changes.append(Change(self.clock(), ref, "appeared"))
        return ref

    def marked(self, uid: str) -> set[str]:
        """Refs that carry a CatalogSource's marker."""
        return {
            ref
            for ref, one in self.shown.items()
            if str((one.entity["metadata"].get("annotations") or {}).get(MARKER, "")).endswith(f"/{uid}")
        }

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        method, path = request.method, request.url.path.partition("/api/catalog")[2]
        is_read = method == "GET" or path.startswith(("/entities/by-refs", "/validate-entity"))
        if is_read:
            self.reads.append((self.clock(), path))
        else:
            self.writes.append((self.clock(), method, path))
        if self.refuses:
            raise httpx.ConnectError("refused")
        if self.hangs:
            await asyncio.sleep(10_000)
        await asyncio.sleep(self.latency * (0.5 + self.rng.random()))
        if path.startswith("/entities/by-query") and self.read_latency:
            await asyncio.sleep(self.read_latency)
        instead = self.answers(method, path)
        if instead is not None:
            return instead
        return await self._respond(request, method, path)

    async def _respond(self, request: httpx.Request, method: str, path: str) -> httpx.Response:
        match method, path.strip("/").split("/"):
            case "GET", ["entities", "by-query"]:
                return self._query(request)
            case "POST", ["entities", "by-refs"]:
                refs = json.loads(request.content)["entityRefs"]
                found = [None if self.blind else self._as_sent(ref) for ref in refs]
                return httpx.Response(200, json={"items": found})
            case "GET", ["entities", "by-name", kind, namespace, name]:
                return self._by_name(f"{kind}:{namespace}/{name}")
            case "DELETE", ["entities", "by-uid", uid]:
                for ref, one in list(self.shown.items()):
                    if one.uid == uid:
                        self._leave(ref)
                return httpx.Response(204)
            case "POST", ["validate-entity"]:
                if _ref(json.loads(request.content)["entity"]) in self.refused_refs:
                    return httpx.Response(400, json={"errors": [{"name": "Error", "message": "no"}]})
                return httpx.Response(200)
            case "GET", ["locations"]:
                rows = [{"data": self._row(one)} for one in self.locations.values()]
                return httpx.Response(200, json=rows)
            case "POST", ["locations"]:
                return await self._register(request)
            case "DELETE", ["locations", identifier]:
                return self._unregister(identifier)
            case "POST", ["refresh"]:
                return self._refresh(json.loads(request.content)["entityRef"])
        return httpx.Response(404, content=b"")

    def _query(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        if self.blind:
            found: list[Any] = []
        elif "filter" in params or "cursor" in params:
            found = [
                self._as_sent(ref)
                for ref, one in self.shown.items()
                if MARKER in (one.entity["metadata"].get("annotations") or {})
            ]
        else:
            found = [self._as_sent(ref) for ref in self.shown]
            found += [{"kind": "Location"} for one in self.locations.values() if one.was_read]
            found += [{"kind": "User"}] * self.others
        limit, first = int(params.get("limit", "1000")), int(params.get("cursor", "0"))
        more = {"nextCursor": str(first + limit)} if first + limit < len(found) else {}
        items = found[first : first + limit]
        return httpx.Response(200, json={"items": items, "totalItems": len(found), "pageInfo": more})

    def _by_name(self, ref: str) -> httpx.Response:
        known = {location_ref(one.target): one for one in self.locations.values() if one.was_read}
        if not self.blind and ref in known:
            name = ref.partition("/")[2]
            metadata = {"namespace": "default", "name": name, "uid": f"location-{known[ref].id}"}
            return httpx.Response(200, json={"kind": "Location", "metadata": metadata})
        if not self.blind and ref in self.shown:
            return httpx.Response(200, json=self._as_sent(ref))
        return httpx.Response(404, json={"error": {"name": "NotFoundError", "message": "no such entity"}})

    async def _register(self, request: httpx.Request) -> httpx.Response:
        target = json.loads(request.content)["target"]
        there = next((one for one in self.locations.values() if one.target == target), None)
        if request.url.params.get("dryRun") == "true":
            return await self._dry_run(target, exists=there is not None)
        if there is not None:
            if request.url.params.get("onConflict") == "refresh":
                there.due = self.clock() + 0.2
                return httpx.Response(201, json={"location": self._row(there), "entities": []})
            return httpx.Response(409, json={"error": {"name": "ConflictError", "message": "exists"}})
        self.made += 1
        made = Location(f"l{self.made}", target, due=self.clock() + 0.3 + self.rng.random())
        self.locations[made.id] = made
        return httpx.Response(201, json={"location": self._row(made), "entities": []})

    async def _dry_run(self, target: str, *, exists: bool) -> httpx.Response:
        document = await self._fetch(target)
        if document is None:
            said = {"name": "InputError", "message": f"Error: Unable to read url, {target} could not be read"}
            return httpx.Response(400, json={"error": said})
        for entity in document:
            if _ref(entity) in self.refused_refs:
                said = {
                    "name": "InputError",
                    "message": f"Processor refused {_ref(entity)}: policy check failed"
                    if self.names_refused
                    else "Processor Custom threw an error while preprocessing; caused by Error: no",
                }
                return httpx.Response(400, json={"error": said})
        row = {"id": "dry", "type": "url", "target": target}
        return httpx.Response(201, json={"location": row, "entities": [], "exists": exists})

    def _unregister(self, identifier: str) -> httpx.Response:
        location = self.locations.pop(identifier, None)
        if location is None:
            return httpx.Response(404, json={"error": {"name": "NotFoundError", "message": "no location"}})
        for ref, one in list(self.shown.items()):
            if one.target == location.target:
                self._leave(ref)
        for ref, (_, one) in list(self._coming.items()):
            if one.target == location.target:
                del self._coming[ref]
        return httpx.Response(204)

    def _refresh(self, ref: str) -> httpx.Response:
        for location in self.locations.values():
            if location_ref(location.target) == ref:
                location.due = self.clock() + 0.2 + 0.5 * self.rng.random()
                return httpx.Response(200)
        return httpx.Response(404, json={"error": {"name": "NotFoundError", "message": "no entity"}})

    async def _fetch(self, target: str) -> list[dict[str, Any]] | None:
        try:
            response = await self.fetch(target)
        except httpx.HTTPError:
            return None
        if response.status_code != 200:
            return None
        parts = response.text.split("---\n")
        return [json.loads(part) for part in parts if part.strip() and not part.startswith("#")]

    async def _read(self, location: Location) -> None:
        document = await self._fetch(location.target)
        if document is None or location.id not in self.locations:
            return
        location.was_read = True
        wanted = {_ref(entity): entity for entity in document}
        for ref, entity in wanted.items():
            there = self.shown.get(ref)
            if there is not None and there.target != location.target:
                continue
            self._leaving.pop(ref, None)
            if ref in self.refused_refs:
                if there is not None:
                    there.failing = there.entity != entity
                continue
            if there is None or there.entity != entity:
                self.made += 1
                uid = there.uid if there is not None else f"entity-{self.made}"
                soon = self.clock() + 0.2 + 1.5 * self.rng.random()
                self._coming[ref] = (soon, Shown(entity, location.target, uid))
        sweep = (self.clock() // 30 + 1) * 30
        for ref, one in self.shown.items():
            if one.target == location.target and ref not in wanted:
                self._leaving.setdefault(ref, sweep)
        for ref, (_, coming) in list(self._coming.items()):
            if coming.target == location.target and ref not in wanted:
                del self._coming[ref]

    def _settle(self) -> None:
        now = self.clock()
        for ref, (at, coming) in list(self._coming.items()):
            if at <= now:
                del self._coming[ref]
                there = self.shown.get(ref)
                if there is None or there.target == coming.target:
                    self.changes.append(Change(now, ref, "changed" if there is not None else "appeared"))
                    self.shown[ref] = coming
        for ref, at in list(self._leaving.items()):
            if at <= now:
                del self._leaving[ref]
                self._leave(ref)

    def _leave(self, ref: str) -> None:
        if self.shown.pop(ref, None) is not None:
            self.changes.append(Change(self.clock(), ref, "left"))

    def _as_sent(self, ref: str) -> dict[str, Any] | None:
        one = self.shown.get(ref)
        if one is None:
            return None
        metadata = dict(one.entity["metadata"])
        annotations = dict(metadata.get("annotations") or {})
        if self.strips_markers:
            annotations = {}
        annotations["backstage.io/managed-by-origin-location"] = f"url:{one.target}"
        metadata |= {"uid": one.uid, "annotations": annotations}
        sent = {**one.entity, "metadata": metadata}
        if one.failing:
            sent["status"] = {"items": [{"level": "error", "type": "backstage.io/catalog-processing"}]}
        return sent

    def _row(self, one: Location) -> dict[str, Any]:
        return {"id": one.id, "type": "url", "target": one.target, "entityRef": location_ref(one.target)}


def _ref(entity: dict[str, Any]) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata.get('namespace', 'default')}/{metadata['name']}".lower()
