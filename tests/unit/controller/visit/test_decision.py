"""A decision stands for as long as all that it was made from does, and is made anew with the entities otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.api.keys import APPROVE_REMOVAL
from skillmeat_operator.controller.off_loop import LARGE
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.controller.publication.published import StoredForm, spec_hash
from skillmeat_operator.controller.remote.lookups import Found
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.surroundings import Surroundings
from skillmeat_operator.controller.visit import decision as module
from skillmeat_operator.controller.visit.decision import Decider, Decision, HoldersPendingError
from skillmeat_operator.controller.visit.gather import Observation, SourceObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.declarations import UnreadableDeclaration
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError, Failure
from skillmeat_operator.domain.observation import BundleFacts, CatalogEntity, StalenessReading, TemplateList
from skillmeat_operator.domain.snapshot.model import Content, GuardState
from skillmeat_operator.domain.status.outcome import SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import AWAY, PORTAL, Clock, Portal, external, visit

T0, T1, T2 = (a.ref(f"t{number}") for number in range(3))


def somebody_elses(ref: str) -> CatalogEntity:
    return CatalogEntity(ref, "u", None, managed_by=None, origin="url:http://other.example/x.yaml")


@dataclass
class Publications:
    """One snapshot; each time that its entities are needed is counted."""

    there: Content | None = None
    guarded: GuardState = field(default_factory=GuardState)
    decoded: int = 0

    async def content(self, uid: str) -> Content | None:
        self.decoded += 1
        return self.there

    def guard(self, uid: str) -> GuardState:
        return self.guarded


@dataclass
class Lookups:
    """Who holds which refs; answers at once, or is still looking."""

    held: dict[str, CatalogEntity] = field(default_factory=dict)
    answers: bool = True
    fails: Failure | None = None
    asked: list[tuple[str, set[str], float]] = field(default_factory=list)

    def look(
        self, uid: str, connection: Any, refs: Iterable[str], *, purpose: str, not_before: float
    ) -> Found | None:
        wanted = set(refs)
        self.asked.append((purpose, wanted, not_before))
        if self.fails is not None:
            raise FailedError(self.fails)
        return {ref: self.held.get(ref) for ref in wanted} if self.answers or not wanted else None

    peek = look


@dataclass
class Scene:
    """One CatalogSource, a list with three templates and an empty portal."""

    elements: list[Any] = field(default_factory=lambda: a.elements(3))
    clock: Clock = field(default_factory=Clock)
    claims: Claims = field(default_factory=Claims)
    staleness: StalenessReading | None = None
    listed: bool = True
    serial: int = 1
    bundles: Sequence[Any] = ()
    unreadable: Sequence[Any] = ()
    owner: Owner = a.OWNER
    seeing: bool = True
    connected: bool = True
    published: Any = None
    view_began: float = 995.0
    spec: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.portal, self.publications, self.lookups = Portal(clock=self.clock), Publications(), Lookups()
        self.decider = Decider(
            publications=cast(Any, self.publications),
            claims=self.claims,
            lookups=cast(Any, self.lookups),
            now=lambda: a.NOW,
            timings=Timings(),
        )

    def visit(self) -> Visit:
        return visit(self.spec, status=self.status, **self.metadata)

    def observation(self) -> Observation:
        listing = None
        if self.listed:
            digest = str([one["metadata"]["title"] for one in self.elements])
            value = TemplateList(elements=tuple(self.elements), digest=digest)
            listing = Reading(began=990.0, value=value, failure=None, serial=self.serial)
        around = Surroundings(server=None, staleness=self.staleness) if self.staleness else None
        portal = self.portal.observed(began=self.view_began)
        if not self.seeing:
            portal = replace(portal, view=None)
        if not self.connected:
            portal = replace(portal, view=None, connection=None)
        return Observation(
            source=SourceObserved(outcome=SideOutcome(), listing=listing, around=around), portal=portal
        )

    async def decide(self) -> Decision | None:
        observation = self.observation()
        return await self.decider.decide(
            self.visit(),
            observation,
            portal=observation.portal,
            owner=self.owner,
            bundles=self.bundles,
            unreadable=self.unreadable,
            published=self.published,
        )

    async def made(self) -> Decision:
        found = await self.decide()
        assert found is not None
        return found

    def store(self, decision: Decision) -> None:
        """Publish what was decided, and let the portal show it."""
        assert decision.content is not None
        assert decision.form is not None
        self.publications.there = decision.content
        self.published = SimpleNamespace(
            form=decision.form, head=SimpleNamespace(spec_hash=spec_hash(self.visit().source.spec))
        )
        for record in decision.content.records:
            self.portal.shown[record.ref] = a.shown(record)

    async def settled(self) -> Decision:
        """Decided and published."""
        decision = await self.made()
        self.store(decision)
        assert await self.stands()
        return decision

    async def stands(self) -> bool:
        """Whether the decision before still is the one."""
        before = self.publications.decoded
        found = await self.made()
        assert (found.content is None) is (found.form is None)
        if found.content is None:
            assert self.publications.decoded == before
        return found.content is None

    def looked_for(self, purpose: str) -> list[tuple[set[str], float]]:
        return [(refs, not_before) for name, refs, not_before in self.lookups.asked if name == purpose]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_first_decision_brings_all_that_has_to_be_stored(scene: Scene) -> None:
    found = await scene.made()
    assert found.content is not None
    assert [record.ref for record in found.content.records] == [T0, T1, T2]
    assert all(record.entity for record in found.content.records)
    assert found.content.observed == tuple(scene.elements)
    assert found.form == StoredForm.of(
        found.content, found.plan.guard, generation=1, spec=spec_hash(scene.visit().source.spec)
    )
    assert all(record.entity == {} for record in found.plan.published), "memory is dear"


async def test_without_any_list_ever_nothing_is_decided(scene: Scene) -> None:
    scene.listed = False
    assert await scene.decide() is None


async def test_in_an_outage_what_was_observed_last_is_decided_on(scene: Scene) -> None:
    await scene.settled()
    scene.listed = False
    scene.metadata = {"generation": 2}
    found = await scene.made()
    assert found.content is not None
    assert found.content.observed == tuple(scene.elements)
    assert [record.ref for record in found.plan.published] == [T0, T1, T2]


async def test_in_an_outage_the_same_is_decided(scene: Scene) -> None:
    decision = await scene.settled()
    scene.listed = False
    assert (await scene.made()).form == decision.form
    assert await scene.stands()


# --- what a decision depends on


STALE = StalenessReading({"id-t0": BundleFacts("id-t0", "published", a.NOW)})
FRESH = StalenessReading({"id-t0": BundleFacts("id-t0", "published", a.NOW.replace(year=2020))})


def _change(scene: Scene, name: str) -> None:
    match name:
        case "list":
            scene.elements = [a.element("t0", title="Another"), *scene.elements[1:]]
        case "generation":
            scene.metadata = {"generation": 2}
        case "target":
            scene.owner = replace(scene.owner, target="http://another.example/x.yaml")
        case "bundle":
            scene.bundles = [a.bundle()]
        case "unreadable bundle":
            scene.unreadable = [UnreadableDeclaration.of(a.raw_bundle())]
        case "approval":
            scene.metadata = {"annotations": {APPROVE_REMOVAL: "x"}}
        case "staleness":
            scene.staleness = FRESH
        case "stored":
            scene.published.form = StoredForm("another", frozenset())
        case "unstored":
            scene.published = None
        case "outage":
            scene.listed = False


@pytest.mark.parametrize(
    "change",
    [
        "list",
        "generation",
        "target",
        "bundle",
        "unreadable bundle",
        "approval",
        "staleness",
        "stored",
        "unstored",
        "outage",
    ],
)
async def test_it_is_made_anew_with_whatever_it_was_made_from(scene: Scene, change: str) -> None:
    await scene.settled()
    _change(scene, change)
    assert not await scene.stands()


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        pytest.param("bundles", lambda: [a.bundle(generation=2)], id="bundle"),
        pytest.param(
            "unreadable", lambda: [UnreadableDeclaration.of(a.raw_bundle(generation=2))], id="unreadable"
        ),
    ],
)
async def test_another_spec_of_a_bundle_is_another_bundle(
    scene: Scene, of: str, changes: Callable[[], list[Any]]
) -> None:
    setattr(
        scene, of, [a.bundle()] if of == "bundles" else [UnreadableDeclaration.of(a.raw_bundle(generation=1))]
    )
    await scene.settled()
    setattr(scene, of, changes())
    assert not await scene.stands()


async def test_another_reading_of_the_same_list_changes_nothing(scene: Scene) -> None:
    await scene.settled()
    scene.serial = 2
    assert await scene.stands()


async def test_the_order_of_bundles_changes_nothing(scene: Scene) -> None:
    scene.bundles = [a.bundle(name="a"), a.bundle({"bundleRef": {"id": "id-t1"}}, name="b")]
    await scene.settled()
    scene.bundles = list(reversed(scene.bundles))
    assert await scene.stands()


async def test_while_something_is_stale_each_reading_is_decided_on(scene: Scene) -> None:
    scene.staleness = STALE
    decision = await scene.made()
    assert decision.plan.stale == 1
    scene.store(decision)
    await scene.made()
    assert await scene.stands()
    scene.serial = 2
    assert not await scene.stands()


async def test_while_something_is_ignored_each_reading_is_decided_on(scene: Scene) -> None:
    newer = a.element("t0", generated="2026-02-01T00:00:00Z")
    scene.elements[0] = newer
    await scene.settled()
    scene.elements[0] = a.element("t0", title="Older", generated="2026-01-01T00:00:00Z")
    decision = await scene.made()
    assert decision.content is not None
    assert decision.content.observed is not None
    assert decision.content.observed[0] == newer, "its server lags behind"
    scene.store(decision)
    await scene.made()
    assert await scene.stands()
    scene.serial = 2
    assert not await scene.stands()


# --- what is seen of the portal


async def test_what_was_decided_blindly_is_decided_anew_with_a_view_and_not_the_reverse(scene: Scene) -> None:
    scene.seeing = False
    scene.publications.there = None
    decision = await scene.made()
    assert not decision.plan.publishable, "with neither snapshot nor catalog nothing is known"
    assert await scene.stands()
    scene.seeing = True
    decision = await scene.made()
    assert decision.plan.publishable
    scene.store(decision)
    assert await scene.stands()
    scene.seeing = False
    assert await scene.stands()


async def test_a_blind_decision_on_a_snapshot_stands_until_the_portal_is_seen(scene: Scene) -> None:
    await scene.settled()
    scene.seeing = False
    scene.metadata = {"generation": 2}
    scene.store(await scene.made())
    assert await scene.stands()
    scene.seeing = True
    assert not await scene.stands()


async def test_without_a_snapshot_what_the_catalog_shows_of_ours_counts(scene: Scene) -> None:
    shown = a.plan(a.elements(9))
    for record in shown.published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.elements = a.elements(4)
    scene.spec = {"removalPolicy": {"maxPercent": 20}}
    decision = await scene.made()
    assert not decision.plan.publishable, "five of nine would go, and what they are is not known"
    assert decision.plan.removal is not None
    assert await scene.stands()
    del scene.portal.shown[a.ref("t8")]
    assert not await scene.stands()


async def test_once_a_decision_is_stored_the_snapshot_takes_the_catalogs_place(scene: Scene) -> None:
    await scene.settled()
    del scene.portal.shown[T0]
    assert await scene.stands()


# --- who holds the refs


async def test_refs_that_are_not_shown_are_looked_up(scene: Scene) -> None:
    for record in a.plan(a.elements(1)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.portal.shown[T1] = replace(somebody_elses(T1), managed_by="c2/another")
    found = await scene.made()
    assert scene.looked_for("wanted") == [({T2}, 1000.0 - Timings().lookup_kept)]
    assert [one.candidate.key for one in found.plan.conflicting] == ["id-t1"]
    assert [record.ref for record in found.plan.published] == [T0, T2]


async def test_while_they_are_looked_up_nothing_is_decided(scene: Scene) -> None:
    scene.lookups.answers = False
    with pytest.raises(HoldersPendingError):
        await scene.decide()
    scene.lookups.fails = AWAY
    with pytest.raises(FailedError):
        await scene.decide()


@pytest.mark.parametrize("without", ["view", "connection"])
async def test_without_the_portal_nobody_is_looked_up(scene: Scene, without: str) -> None:
    await scene.settled()
    scene.lookups.asked.clear()
    setattr(scene, "seeing" if without == "view" else "connected", False)
    scene.metadata = {"generation": 2}
    assert len((await scene.made()).plan.published) == 3
    assert scene.lookups.asked == []


async def test_what_somebody_else_holds_is_a_conflict_until_it_is_gone(scene: Scene) -> None:
    scene.lookups.held[T1] = somebody_elses(T1)
    decision = await scene.settled()
    assert [one.candidate.key for one in decision.plan.conflicting] == ["id-t1"]
    assert decision.plan.conflicting[0].holder is not None
    assert decision.plan.conflicting[0].holder.origin == "url:http://other.example/x.yaml"
    del scene.lookups.held[T1]
    found = await scene.made()
    assert [record.ref for record in found.plan.published] == [T0, T1, T2]


async def test_another_holder_of_the_same_ref_is_named(scene: Scene) -> None:
    scene.lookups.held[T1] = somebody_elses(T1)
    await scene.settled()
    scene.lookups.held[T1] = replace(somebody_elses(T1), origin="url:http://third.example/x.yaml")
    found = await scene.made()
    assert found.plan.conflicting[0].holder is not None
    assert found.plan.conflicting[0].holder.origin == "url:http://third.example/x.yaml"


async def test_another_older_source_is_named(scene: Scene) -> None:
    older(scene, T1)
    await scene.settled()
    scene.claims.release("old")
    third = a.source(name="third", uid="third", creationTimestamp="2020-01-01T00:00:00Z")
    scene.claims.claim("third", PORTAL, {T1}, source=third)
    found = await scene.made()
    assert found.plan.conflicting[0].holder is not None
    assert found.plan.conflicting[0].holder.source == "team/third"


async def test_a_look_up_that_is_on_its_way_leaves_what_was_known(scene: Scene) -> None:
    scene.lookups.held[T1] = somebody_elses(T1)
    await scene.settled()
    scene.lookups.answers = False
    assert await scene.stands()


@pytest.mark.parametrize(
    ("interval", "requested", "not_before"),
    [
        pytest.param("30m", False, 1000.0 - 1800.0, id="interval"),
        pytest.param("10s", False, 1000.0 - Timings().lookup_kept, id="a-minute-at-least"),
        pytest.param("30m", True, 995.0, id="requested"),
    ],
)
async def test_a_holder_is_looked_up_again_after_an_interval_or_for_who_asks(
    scene: Scene, interval: str, requested: bool, not_before: float
) -> None:
    scene.spec = {"interval": interval}
    scene.lookups.held[T1] = somebody_elses(T1)
    await scene.settled()
    scene.lookups.asked.clear()
    if requested:
        scene.metadata = {"annotations": {"skillmeat.io/reconcile-requested-at": "now"}}
    await scene.made()
    assert scene.looked_for("conflicts") == [({T1}, not_before)]


async def test_where_nobody_holds_anything_nobody_is_looked_up_again(scene: Scene) -> None:
    await scene.settled()
    scene.lookups.asked.clear()
    assert await scene.stands()
    assert scene.lookups.asked == []


async def test_a_holder_with_a_marker_is_seen_without_a_look_up(scene: Scene) -> None:
    await scene.settled()
    scene.portal.shown[T1] = replace(somebody_elses(T1), managed_by="c2/another")
    found = await scene.made()
    assert [one.candidate.key for one in found.plan.conflicting] == ["id-t1"]


async def test_a_holder_that_is_ours_by_now_is_none(scene: Scene) -> None:
    scene.lookups.held[T1] = somebody_elses(T1)
    await scene.settled()
    record = next(one for one in a.plan(a.elements(3)).published if one.ref == T1)
    scene.portal.shown[T1] = a.shown(record)
    found = await scene.made()
    assert found.plan.conflicting == ()


# --- rivals


def older(scene: Scene, *refs: str, portal: str = PORTAL) -> None:
    """An older CatalogSource publishes some refs."""
    source = a.source(name="old", uid="old", creationTimestamp="2020-01-01T00:00:00Z")
    scene.claims.claim("old", portal, set(refs), source=source)


def conflicts(decision: Decision) -> list[str]:
    return [one.candidate.key for one in decision.plan.conflicting]


async def test_what_an_older_source_publishes_is_left_to_it(scene: Scene) -> None:
    older(scene, T1)
    decision = await scene.made()
    assert conflicts(decision) == ["id-t1"]
    assert decision.plan.conflicting[0].holder is not None
    assert decision.plan.conflicting[0].holder.source == "team/old"


async def test_a_decision_is_made_anew_when_an_older_source_comes_or_goes(scene: Scene) -> None:
    decision = await scene.made()
    scene.publications.there = decision.content
    scene.published = SimpleNamespace(form=decision.form, head=SimpleNamespace(spec_hash="another"))
    assert await scene.stands()
    older(scene, T1)
    found = await scene.made()
    assert conflicts(found) == ["id-t1"]
    assert found.form is not None
    scene.published.form = found.form
    assert found.content is not None
    scene.publications.there = found.content
    assert await scene.stands()
    scene.claims.release("old")
    assert conflicts(await scene.made()) == []


async def test_what_the_catalog_shows_as_ours_stays_ours(scene: Scene) -> None:
    await scene.settled()
    older(scene, T1)
    assert await scene.stands()


@pytest.mark.parametrize("connected", [True, False])
async def test_what_is_published_stays_ours_while_nobody_can_look(scene: Scene, connected: bool) -> None:
    await scene.settled()
    scene.seeing, scene.connected = False, connected
    scene.elements = [*scene.elements, a.element("t3")]
    older(scene, T1, a.ref("t3"))
    decision = await scene.made()
    assert conflicts(decision) == (["id-t3"] if connected else [])


async def test_another_portals_claims_are_no_matter(scene: Scene) -> None:
    older(scene, T1, portal="http://another.example")
    assert conflicts(await scene.made()) == []


@pytest.mark.parametrize(("target", "claimed"), [(a.TARGET, {T0, T1, T2}), (None, set())])
async def test_what_is_decided_is_claimed_where_it_is_published_here(
    scene: Scene, target: str | None, claimed: set[str]
) -> None:
    scene.owner = replace(scene.owner, target=target)
    await scene.made()
    young = a.source(name="young", uid="young", creationTimestamp="2026-05-01T00:00:00Z")
    found = scene.claims.rivals("young", PORTAL, {T0, T1, T2}, created=young.created)
    assert set(found) == claimed


async def test_without_a_connection_what_was_claimed_stays_claimed(scene: Scene) -> None:
    await scene.settled()
    scene.connected = False
    scene.elements = [*scene.elements, a.element("t3")]
    await scene.made()
    young = a.source(name="young", uid="young", creationTimestamp="2026-05-01T00:00:00Z")
    found = scene.claims.rivals("young", PORTAL, {T0, a.ref("t3")}, created=young.created)
    assert set(found) == {T0}


# --- External


async def test_under_external_nothing_is_stored_and_nobody_holds_anything(scene: Scene) -> None:
    scene.owner, scene.spec = replace(scene.owner, target=None), external()
    scene.portal.shown[T1] = replace(somebody_elses(T1), managed_by="c2/another")
    older(scene, T0)
    found = await scene.made()
    assert (found.content, found.form) == (None, None)
    assert found.plan.conflicting == ()
    assert scene.lookups.asked == []
    again = await scene.made()
    assert again.plan is found.plan
    scene.elements = a.elements(4)
    assert (await scene.made()).plan is not found.plan


# --- what was known before


def _template(name: str) -> dict[str, Any]:
    """As the catalog gives it back in full."""
    record = next(one for one in a.plan([a.element(name)]).published)
    entity: dict[str, Any] = {**(record.entity or {}), "relations": []}
    return entity


async def test_what_would_be_lost_and_is_in_no_snapshot_is_read_back_from_the_catalog(scene: Scene) -> None:
    for record in a.plan(a.elements(10)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.elements = a.elements(5)
    scene.spec = {"removalPolicy": {"maxPercent": 10}}
    forged = _template("t6")
    forged["metadata"] = {**forged["metadata"], "title": "Forged"}
    scene.portal.full = {a.ref("t5"): _template("t5"), a.ref("t6"): forged, a.ref("t7"): "nothing of ours"}
    found = await scene.made()
    read = [call[1:] for call in scene.portal.calls if call[0] == "full_entities"]
    assert read == [tuple(a.ref(f"t{number}") for number in range(5, 10))]
    assert found.plan.removal is not None
    held = {record.ref for record in found.plan.published}
    assert a.ref("t5") in held
    assert a.ref("t6") not in held, "it does not prove itself by its content hash"


async def test_what_has_to_stay_and_is_in_no_snapshot_is_read_back_too(scene: Scene) -> None:
    for record in a.plan(a.elements(3)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.elements = [a.invalid("t0"), *a.elements(3)[1:]]
    scene.spec = {"invalidPolicy": "Quarantine"}
    scene.portal.full = {T0: _template("t0")}
    found = await scene.made()
    assert found.plan.removal is None
    assert found.plan.publishable
    assert [record.ref for record in found.plan.published] == [T0, T1, T2]


async def test_what_is_all_there_is_not_read_back(scene: Scene) -> None:
    for record in a.plan(a.elements(3)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    await scene.made()
    assert scene.portal.made_calls("full_entities") == []


async def test_few_that_may_go_are_not_read_back(scene: Scene) -> None:
    for record in a.plan(a.elements(100)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.elements = a.elements(99)
    found = await scene.made()
    assert found.plan.publishable
    assert found.plan.removal is None
    assert scene.portal.made_calls("full_entities") == []


async def test_a_hold_goes_on_without_its_snapshot_as_status_tells(scene: Scene) -> None:
    for record in a.plan(a.elements(10)).published:
        scene.portal.shown[record.ref] = a.shown(record)
    scene.elements = a.elements(5)
    scene.spec = {"removalPolicy": {"maxPercent": 10}}
    removal = {"since": "2026-03-01T09:00:00Z", "count": 5, "id": "x"}
    scene.status = {"removal": removal}
    found = await scene.made()
    assert found.plan.removal is not None
    assert found.plan.guard.since == "2026-03-01T09:00:00Z"


async def test_what_a_changed_filter_takes_out_is_no_loss(scene: Scene) -> None:
    scene.elements = a.elements(10)
    await scene.settled()
    only = {"filters": {"include": [{"names": ["t0"]}]}}
    scene.spec, scene.metadata = only, {"generation": 2}
    found = await scene.made()
    assert [record.ref for record in found.plan.published] == [T0]
    assert found.plan.removal is None


async def test_what_the_same_filter_does_not_take_any_more_is_a_loss(scene: Scene) -> None:
    scene.spec = {"filters": {"include": [{"tags": ["python"]}]}}
    scene.elements = a.elements(10)
    await scene.settled()
    scene.elements = [a.element("t0"), *(a.element(f"t{n}", tags=["go"], title="n") for n in range(1, 10))]
    found = await scene.made()
    assert len(found.plan.published) == 10
    assert found.plan.removal is not None


async def test_the_guards_memory_and_an_approval_count(scene: Scene) -> None:
    scene.elements = a.elements(10)
    await scene.settled()
    scene.elements = a.elements(2)
    held = await scene.made()
    assert held.plan.removal is not None
    scene.publications.guarded = held.plan.guard
    scene.metadata = {"annotations": {APPROVE_REMOVAL: held.plan.guard.id}}
    found = await scene.made()
    assert found.plan.approved
    assert len(found.plan.published) == 2


async def test_nothing_is_left_of_what_is_forgotten(scene: Scene) -> None:
    await scene.made()
    assert a.UID in scene.decider
    scene.decider.forget(a.UID)
    scene.decider.forget(a.UID)
    assert a.UID not in scene.decider
    young = a.source(name="young", uid="young", creationTimestamp="2026-05-01T00:00:00Z")
    assert scene.claims.rivals("young", PORTAL, {T0}, created=young.created) == {}


# --- work


@pytest.mark.parametrize(("count", "large"), [(LARGE - 1, False), (LARGE, True)])
async def test_large_lists_are_decided_on_beside_the_loop(
    scene: Scene, count: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    async def compute(call: Callable[[], Any], *, large: bool) -> Any:
        found.append(large)
        return call()

    monkeypatch.setattr(module, "compute", compute)
    scene.elements = a.elements(count)
    await scene.made()
    assert found == [large] * 4


@pytest.mark.parametrize(("kept", "shared"), [(4, True), (3, False)])
async def test_what_was_normalised_is_shared_unless_it_would_push_others_out(
    scene: Scene, kept: int, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    prepare = module.prepare  # type: ignore[attr-defined]

    def noting(*args: Any, **kwargs: Any) -> Any:
        given.append(kwargs["templates"])
        return prepare(*args, **kwargs)

    monkeypatch.setattr(module, "prepare", noting)
    monkeypatch.setattr(module, "KEPT", kept)
    await scene.made()
    scene.metadata = {"generation": 2}
    await scene.made()
    assert (given[0] is given[1]) is shared


@pytest.mark.parametrize(
    ("skillmeat", "base", "web"),
    [
        ({"url": "http://skillmeat.example/"}, "http://skillmeat.example", None),
        (
            {"url": "http://skillmeat.example", "webURL": "http://web.example"},
            "http://skillmeat.example",
            "http://web.example",
        ),
    ],
)
def test_what_normalisation_needs_comes_from_the_spec(
    skillmeat: Mapping[str, str], base: str, web: str | None
) -> None:
    source = a.source({"source": {"skillmeat": skillmeat}, "backstage": {"catalogNamespace": "x"}})
    context = module.normalise_context(source, a.OWNER)
    assert (context.view_base, context.web_url) == (base, web)
    assert (context.catalog_namespace, context.managed_by) == ("x", a.OWNER.marker)
