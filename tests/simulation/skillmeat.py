"""A model of a SkillMeat server: its template list, staleness pages and version, with caches, limits and faults.

Made from ``facts/skillmeat.md``, sections 1 and 5 and fact 9: a cache per worker process whose
``generated-at`` is the moment the entry was built; ``platform`` filters by tag; 429 at the 20th equal request
within 10 s, which is measured for an address.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx

from tests.conditions import builders


@dataclass
class Bundle:
    """One bundle with an enabled template."""

    id: str
    name: str
    title: str
    version: str = "1.0.0"
    tags: list[str] = field(default_factory=lambda: ["python"])
    type: str = "service"
    status: str = "published"
    description: str = "A template."
    fields: tuple[str, ...] = ()
    """Names of its form's fields, in their order."""
    broken: bool = False
    """Its template would be refused by Backstage."""


@dataclass
class Requested:
    """One request that came in."""

    at: float
    path: str
    query: str
    token: str
    status: int


@dataclass
class SkillMeat:
    """One server."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    rng: random.Random
    bundles: dict[str, Bundle] = field(default_factory=dict)
    token: str | None = None
    workers: int = 1
    refuses: bool = False
    hangs: bool = False
    answers: Callable[[str], httpx.Response | None] = lambda _: None
    """Instead of the true answer to a path."""
    latency: float = 0.05
    skew: timedelta = timedelta(0)
    has_pages: bool = True
    requests: list[Requested] = field(default_factory=list)
    """Everything that came in."""
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _built: dict[tuple[int, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)
    made: int = 0

    def add(self, name: str, **changes: Any) -> Bundle:
        """Add a bundle."""
        self.made += 1
        bundle = Bundle(id=f"{self.made:032x}", name=name, title=changes.pop("title", name), **changes)
        self.bundles[bundle.id] = bundle
        return bundle

    def changed(self, bundle: Bundle, **changes: Any) -> None:
        """Change a bundle; every worker is told."""
        for key, value in changes.items():
            setattr(bundle, key, value)
        self._built.clear()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        path, query = request.url.path, request.url.query.decode()
        token = request.headers.get("authorization", "")
        noted = Requested(self.clock(), path, query, token, 0)
        self.requests.append(noted)
        if self.refuses:
            raise httpx.ConnectError("refused")
        if self.hangs:
            await asyncio.sleep(10_000)
        await asyncio.sleep(self.latency * (0.5 + self.rng.random()))
        response = self._respond(request, path, query)
        noted.status = response.status_code
        return response

    def _respond(self, request: httpx.Request, path: str, query: str) -> httpx.Response:
        recent = self._recent.setdefault(f"{path}?{query}", deque())
        while recent and recent[0] < self.clock() - 10.0:
            recent.popleft()
        recent.append(self.clock())
        if len(recent) >= 20:
            return httpx.Response(429, json={"detail": "rate limited"}, headers={"retry-after": "60"})
        instead = self.answers(path)
        if instead is not None:
            return instead
        if self.token is not None and request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"detail": "Not authenticated"})
        if path.endswith("/integrations/idp/templates"):
            worker = self.rng.randrange(self.workers)
            platform = request.url.params.get("platform")
            found = [
                self._entity(worker, one)
                for one in self.bundles.values()
                if platform is None or platform in one.tags
            ]
            return httpx.Response(200, json=found)
        if path.endswith("/version"):
            return httpx.Response(200, json={"version": "0.74.0", "edition": "community"})
        if self.has_pages and path.endswith(("/bundles/entities", "/scaffold-templates")):
            return httpx.Response(
                200, json=self._page(request, scaffolds=path.endswith("/scaffold-templates"))
            )
        return httpx.Response(404, json={"detail": "Not Found"})

    def _entity(self, worker: int, bundle: Bundle) -> dict[str, Any]:
        form = json.dumps(bundle.__dict__, sort_keys=True)
        built = self._built.get((worker, bundle.id))
        if built is None or built[0] != form:
            generated = (self.now() + self.skew).strftime("%Y-%m-%dT%H:%M:%SZ")
            entity = builders.element(
                bundle.name,
                id=bundle.id,
                version=bundle.version,
                title=bundle.title,
                tags=list(bundle.tags),
                generated=generated,
                description=bundle.description,
            )
            entity["spec"]["type"] = bundle.type
            if bundle.fields:
                fields = {one: {"type": "string"} for one in bundle.fields}
                entity["spec"]["parameters"] = {"properties": fields}
            if bundle.broken:
                entity["spec"]["steps"] = "none"
            built = self._built[worker, bundle.id] = (form, entity)
        return built[1]

    def _page(self, request: httpx.Request, *, scaffolds: bool) -> dict[str, Any]:
        size, number = int(request.url.params["page_size"]), int(request.url.params["page"])
        old = "2025-01-01T00:00:00"
        rows: list[dict[str, Any]] = [
            {"id": f"s{one.id}", "bundle_id": one.id, "updated_at": old}
            if scaffolds
            else {"id": one.id, "status": one.status, "updated_at": old}
            for one in self.bundles.values()
        ]
        return {"items": rows[(number - 1) * size : number * size], "total": len(rows)}
