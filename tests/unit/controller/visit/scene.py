"""What the parts of a visit are tested with: an object, a portal that notes what it is asked, a clock that is set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.adapters.http.hosts import Host
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.connections import PortalConnection
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.views import SharedView
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import CatalogEntity, DryRun, PortalView, RegisteredLocation
from skillmeat_operator.domain.status.outcome import SideOutcome
from tests.conditions import builders as a

PORTAL = "http://portal.example:7007"
TARGET = a.TARGET
CLUSTER = "c1c1c1c1-0000-4000-8000-000000000000"
"""The cluster of :data:`TARGET`."""
AWAY = Failure(
    side=Side.CATALOG, kind=FailureKind.TRANSIENT, reason=Reason.CATALOG_UNREACHABLE, message="it is away"
)
REFUSED = Failure(
    side=Side.CATALOG, kind=FailureKind.CREDENTIAL, reason=Reason.AUTHENTICATION_FAILED, message="it refuses"
)


@dataclass
class Clock:
    """Moves where a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Portal:
    """A portal's API as the adapter offers it; everything that changes something is noted."""

    clock: Clock = field(default_factory=Clock)
    listed: dict[str, str] = field(default_factory=dict)
    """Id of each location, by target."""
    shown: dict[str, CatalogEntity] = field(default_factory=dict)
    reads_entities: bool = True
    lists_locations: bool = True
    location_read: bool = True
    """Whether there is an entity of a location that is asked for."""
    dry_run_waits: bool = False
    answer: DryRun = field(default_factory=lambda: DryRun(ok=True))
    moves: bool = True
    repairs: bool = True
    keeps_locations: bool = False
    """What is unregistered stays listed."""
    fails: Failure | None = None
    full: dict[str, Any] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    views: int = 0
    made: int = 0

    def locations_now(self) -> dict[str, RegisteredLocation]:
        rows = self.listed.items() if self.lists_locations else ()
        return {target: RegisteredLocation(one, target, location_ref(target)) for target, one in rows}

    def reading(self, *, began: float | None = None, serial: int = 1) -> Reading[SharedView]:
        """What it shows now."""
        at = self.clock() if began is None else began
        view = PortalView(
            entities=dict(self.shown),
            locations=self.locations_now(),
            reads_entities=self.reads_entities,
            began_at=at,
        )
        return Reading(began=at, value=SharedView(view), failure=None, serial=serial)

    def connection(self, secrets: str = "token") -> PortalConnection:
        return PortalConnection(
            key=(PORTAL, secrets),
            host=Host("portal.example", 7007),
            url=PORTAL,
            client=cast(Any, self),
            secrets=secrets,
        )

    def observed(self, *, began: float | None = None) -> PortalObserved:
        """As a visit sees it."""
        return PortalObserved(
            outcome=SideOutcome(), connection=self.connection(), view=self.reading(began=began)
        )

    def made_calls(self, name: str) -> list[tuple[str, ...]]:
        return [one for one in self.calls if one[0] == name]

    def _note(self, *call: str) -> None:
        self.calls.append(call)
        if self.fails is not None:
            raise FailedError(self.fails)

    async def view(self) -> PortalView:
        self.views += 1
        if self.fails is not None:
            raise FailedError(self.fails)
        return self.reading().get().view

    async def locations(self) -> dict[str, RegisteredLocation]:
        return self.locations_now()

    async def register(self, target: str) -> RegisteredLocation | None:
        self._note("register", target)
        if target in self.listed:
            return None
        self.made += 1
        self.listed[target] = f"made-{self.made}"
        return RegisteredLocation(self.listed[target], target, location_ref(target))

    async def unregister(self, location_id: str) -> bool:
        self._note("unregister", location_id)
        if not self.keeps_locations:
            self.listed = {target: one for target, one in self.listed.items() if one != location_id}
        return True

    async def move(self, location_id: str, target: str) -> bool:
        self._note("move", location_id, target)
        if self.moves:
            await self.unregister(location_id)
            self.calls.pop()
            self.listed[target] = location_id
        return self.moves

    async def onconflict_refresh(self, target: str) -> bool:
        self._note("onconflict_refresh", target)
        return self.repairs

    async def refresh(self, entity_ref: str) -> bool:
        self._note("refresh", entity_ref)
        return True

    async def dry_run(self, target: str) -> DryRun:
        self._note("dry_run", target)
        return self.answer

    async def delete_entity(self, uid: str) -> None:
        self._note("delete_entity", uid)

    async def entity_exists(self, entity_ref: str) -> bool:
        return self.location_read

    async def entities_by_refs(self, refs: Iterable[str]) -> Mapping[str, CatalogEntity | None]:
        return {ref: self.shown.get(ref) for ref in refs}

    async def full_entities(self, refs: Iterable[str]) -> Mapping[str, Any]:
        self.calls.append(("full_entities", *sorted(refs)))
        return {ref: self.full[ref] for ref in refs if ref in self.full}


def visit(
    spec: Mapping[str, Any] | None = None,
    *,
    began: float = 1000.0,
    spec_seen: float = 0.0,
    status: Mapping[str, Any] | None = None,
    store: Store | None = None,
    **metadata: Any,
) -> Visit:
    """A visit of a CatalogSource that the store has."""
    raw = a.raw_source(spec, **metadata)
    raw["status"] |= status or {}
    the_store = store or Store()
    the_store.sources.put(raw)
    source = CatalogSource.from_object(raw)
    return Visit(source=source, raw=raw, store=the_store, began=began, spec_seen=spec_seen)


def superseded(of: Visit) -> Visit:
    """The same visit, after somebody changed the spec."""
    of.store.sources.put(
        {
            **of.raw,
            "metadata": {
                **of.raw["metadata"],
                "generation": of.source.generation + 1,
                "resourceVersion": "9",
            },
        }
    )
    return of


def external(**spec: Any) -> dict[str, Any]:
    """A spec whose entities another provider brings in."""
    return {"backstage": {"url": PORTAL, "ingestion": "External"}, **spec}


def static(**spec: Any) -> dict[str, Any]:
    """A spec whose location stands in the portal's app-config."""
    return {"backstage": {"url": PORTAL, "ingestion": "StaticLocation"}, **spec}


@dataclass
class Views:
    """Readings of one kind as a visit sees them: what is asked for comes when a test says so."""

    last: Reading[Any] | None = None
    following: list[dict[str, Any]] = field(default_factory=list)
    asks: list[tuple[float, bool]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    pausing: Failure | None = None
    """The server wants to be left alone; nothing is read."""
    followers: set[str] = field(default_factory=set)
    reader: Callable[[float], Awaitable[Any]] | None = None

    def follow(self, uid: str, key: Any, *, read: Callable[[float], Awaitable[Any]], **rest: Any) -> None:
        self.followers.add(uid)
        self.reader = read
        self.following.append({"key": key, **rest})

    def leave(self, uid: str) -> None:
        self.followers.discard(uid)
        self.left.append(uid)

    def latest(self, uid: str) -> Reading[Any] | None:
        return self.last

    def ask(self, uid: str, *, at: float, urgent: bool = False) -> None:
        self.asks.append((at, urgent))

    def refused(self, uid: str) -> bool:
        return self.pausing is not None

    def pause(self, uid: str) -> Failure | None:
        return self.pausing

    def failed(self, uid: str, failure: Failure) -> None:
        self.failures.append(failure)

    def __contains__(self, uid: object) -> bool:
        return uid in self.followers


@dataclass
class Remotes:
    """All readers of one object."""

    lists: Views = field(default_factory=Views)
    pages: Views = field(default_factory=Views)
    views: Views = field(default_factory=Views)
    forgotten: list[str] = field(default_factory=list)
    left_portal: list[str] = field(default_factory=list)

    def leave_portal(self, uid: str) -> None:
        self.left_portal.append(uid)

    def forget(self, uid: str) -> None:
        self.forgotten.append(uid)


@dataclass
class Writer:
    """Takes statuses and Events."""

    statuses: list[dict[str, Any]] = field(default_factory=list)
    invalids: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)
    fails: Exception | None = None

    async def source(self, raw: Mapping[str, Any], derive: Callable[[CatalogSource], Any]) -> None:
        if self.fails is not None:
            raise self.fails
        self.statuses.append(derive(CatalogSource.from_object(raw)).to_wire())

    async def invalid(self, raw: Mapping[str, Any], message: str) -> None:
        self.invalids.append(message)

    async def event(self, raw: Mapping[str, Any], event_type: str, reason: str, message: str) -> bool:
        self.events.append((reason, message))
        return True

    def ready(self) -> tuple[str, str, str]:
        """Status, reason and message of Ready in the last status."""
        found = next(one for one in self.statuses[-1]["conditions"] if one["type"] == "Ready")
        return found["status"], found["reason"], found["message"]
