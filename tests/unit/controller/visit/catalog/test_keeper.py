"""What is served gets into the catalog: registered, refreshed where it differs, looked at until it is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.remote.views import Progress
from skillmeat_operator.controller.visit.catalog.keeper import CatalogKeeper, Verified
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import DryRun
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import CLUSTER, TARGET, Clock, Portal, static, superseded, visit

TIMINGS = Timings()
PLAN = a.plan(a.elements(3))
REFS = [a.ref(f"t{number}") for number in range(3)]
LOCATION = location_ref(TARGET)
FORMER = TARGET.replace("operator.example", "former.example")
KIND = DryRun(ok=False, kind_not_allowed=True)


@dataclass
class Scene:
    """One CatalogSource and its portal; the clock begins at 1000 s."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.portal = Portal(clock=self.clock)
        self.expected = Progress()
        self.finalizer: list[tuple[bool, int]] = []
        """Whether the location was listed, and how many calls the portal had got by then."""
        self.keeper = CatalogKeeper(
            cluster_uid=CLUSTER,
            clock=self.clock,
            timings=TIMINGS,
            expected=self.expected,
            contents=self._contents,
            ensure_finalizer=self._ensure,
        )
        self.visit = visit()

    async def _contents(self, uid: str) -> Content:
        return Content(records=PLAN.records, observed=None)

    async def _ensure(self, of: Visit, listed: bool) -> None:
        self.finalizer.append((listed, len(self.portal.calls)))

    def show(self, *refs: str, **changes: Any) -> None:
        for record in PLAN.published:
            if record.ref in (refs or REFS):
                self.portal.shown[record.ref] = a.shown(record, **changes)

    async def keep(
        self,
        *,
        at: float | None = None,
        republished: bool = False,
        began: float | None = None,
        plan: Plan = PLAN,
        of: Visit | None = None,
    ) -> Verified:
        """A visit at a moment after the beginning, with a view that is as new unless told otherwise."""
        if at is not None:
            self.clock.now = 1000.0 + at
        return await self.keeper.keep(
            of or self.visit,
            plan,
            portal=self.portal.observed(began=1000.0 + began if began is not None else None),
            owner=a.OWNER,
            target=TARGET,
            republished=republished,
        )

    async def published(self) -> None:
        """What a first visit does: the location is registered, and nothing is shown yet."""
        await self.keep(at=0, republished=True)
        self.portal.calls.clear()

    async def converged(self) -> None:
        """All is shown."""
        await self.published()
        self.show()
        verified = await self.keep(at=1)
        assert verified.state.converged
        self.portal.calls.clear()

    @property
    def refreshes(self) -> int:
        return len(self.portal.made_calls("refresh"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("without", ["view", "connection"])
async def test_the_catalog_is_kept_by_what_it_shows(scene: Scene, without: str) -> None:
    portal = replace(scene.portal.observed(), **{without: None})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await scene.keeper.keep(
            scene.visit, PLAN, portal=portal, owner=a.OWNER, target=TARGET, republished=True
        )


async def test_a_first_publication_is_registered_after_its_finalizer_and_read_soon(scene: Scene) -> None:
    verified = await scene.keep(republished=True)
    assert scene.finalizer == [(False, 0)]
    assert scene.portal.calls == [("register", TARGET)]
    assert verified.unread
    assert verified.converging == set(REFS)
    assert (verified.target, verified.entity_ref) == (TARGET, LOCATION)
    assert verified.next_view == 1000.0 + TIMINGS.verify_early[0]
    assert scene.keeper.settles_soon(a.UID)


async def test_a_location_that_was_posted_after_the_view_is_not_posted_again(scene: Scene) -> None:
    await scene.keep(at=0, republished=True, began=-5)
    scene.portal.listed.clear()
    await scene.keep(at=0.5, began=-5)
    assert len(scene.portal.made_calls("register")) == 1
    await scene.keep(at=2, began=1)
    assert len(scene.portal.made_calls("register")) == 2


async def test_a_location_in_the_app_config_is_not_registered_and_refreshed_all_the_same(
    scene: Scene,
) -> None:
    scene.visit = visit(static())
    await scene.keep(republished=True)
    assert scene.portal.calls == [("refresh", LOCATION)]


async def test_a_location_that_exists_and_is_not_listed_is_hidden_from_the_token(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    scene.portal.lists_locations = False
    with pytest.raises(FailedError) as caught:
        await scene.keep(republished=True)
    assert caught.value.failure.reason == Reason.TOKEN_CANNOT_READ
    assert "catalog.location.read" in caught.value.failure.message


async def test_the_portal_says_which_entity_a_location_has(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    rows = scene.portal.locations_now()
    named = replace(rows[TARGET], entity_ref="location:default/named")
    scene.portal.locations_now = lambda: {TARGET: named}  # type: ignore[method-assign]
    verified = await scene.keep(republished=True)
    assert verified.entity_ref == "location:default/named"
    assert scene.finalizer == [(True, 0)]
    assert scene.portal.calls == [("refresh", "location:default/named")]


async def test_what_is_published_anew_is_refreshed_once_and_read_at_the_early_moments(scene: Scene) -> None:
    await scene.converged()
    scene.portal.shown.clear()
    verified = await scene.keep(at=100, republished=True)
    assert scene.refreshes == 1
    assert verified.unread
    moments = [verified.next_view]
    for at in (100.5, 101, 102, 103, 104):
        verified = await scene.keep(at=at)
        assert not verified.unread
        moments.append(verified.next_view)
    assert moments == [1100.5, 1101.0, 1102.0, 1103.0, 1104.0, 1109.0]
    assert scene.refreshes == 1


async def test_a_view_from_before_the_publication_says_nothing_of_it(scene: Scene) -> None:
    await scene.converged()
    await scene.keep(at=100, republished=True)
    verified = await scene.keep(at=100.4, began=99)
    assert verified.unread
    assert verified.converging == frozenset()
    assert verified.next_view == 1100.5
    verified = await scene.keep(at=101)
    assert not verified.unread
    assert verified.next_view is None


async def test_a_view_that_begins_with_the_publication_is_one_of_it(scene: Scene) -> None:
    await scene.published()
    scene.show()
    assert not (await scene.keep(at=0.1, began=0)).unread


async def test_repeated_refreshes_come_at_their_moments_while_it_differs(scene: Scene) -> None:
    await scene.published()
    for at in range(1, 100):
        await scene.keep(at=at)
    # The portal shows nothing of it, and is at work on nothing else.
    assert scene.refreshes == len(TIMINGS.refresh_at) + 1


async def test_while_the_portal_takes_things_in_no_refresh_is_repeated(scene: Scene) -> None:
    await scene.published()
    for at in range(1, 40):
        empty, other = Portal(clock=scene.clock), Portal(clock=scene.clock)
        other.shown[a.ref("x")] = a.shown(PLAN.published[0], managed_by=f"c1/{at}")
        scene.clock.now = 1000.0 + at
        before, now = empty.reading().value, other.reading().value
        assert now is not None
        scene.expected.news(before, now, [a.UID])
        await scene.keep(at=at)
        if at < TIMINGS.refresh_at[-1]:
            assert scene.refreshes == 0, at
    assert scene.refreshes == 1, "its patience ends"


async def test_progress_counts_for_a_few_seconds(scene: Scene) -> None:
    await scene.published()
    empty, other = Portal(clock=scene.clock), Portal(clock=scene.clock)
    other.shown[a.ref("x")] = a.shown(PLAN.published[0], managed_by="c1/other")
    scene.clock.now = 1004.0
    now = other.reading().value
    assert now is not None
    scene.expected.news(empty.reading().value, now, [a.UID])
    await scene.keep(at=4 + TIMINGS.verify_every - 0.5)
    assert scene.refreshes == 0
    await scene.keep(at=4 + TIMINGS.verify_every)
    assert scene.refreshes == 1


async def test_what_differs_after_a_restart_is_refreshed_at_once_and_once(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    scene.show(*REFS[:2])
    verified = await scene.keep(at=0)
    assert scene.refreshes == 1
    assert verified.converging == {REFS[2]}
    await scene.keep(at=1)
    assert scene.refreshes == 1


async def test_what_differs_and_is_not_listed_is_registered_and_not_refreshed(scene: Scene) -> None:
    await scene.keep(at=0)
    assert [one[0] for one in scene.portal.calls] == ["register"]


async def test_once_all_is_there_nothing_is_due_and_it_is_left_alone(scene: Scene) -> None:
    await scene.published()
    scene.show()
    verified = await scene.keep(at=1)
    assert verified.state.converged
    assert (verified.unread, verified.converging, verified.next_view) == (False, frozenset(), None)
    assert not verified.diagnosis.entities
    for at in (10, 100, 1000):
        await scene.keep(at=at)
    assert scene.portal.calls == []
    assert not scene.keeper.settles_soon(a.UID)
    assert scene.keeper.keeps_waiting(a.UID, 0.0)


async def test_a_location_that_was_lost_long_after_is_registered_anew(scene: Scene) -> None:
    await scene.converged()
    scene.portal.listed.clear()
    await scene.keep(at=500)
    assert scene.portal.calls == [("register", TARGET)]


async def test_what_left_the_document_is_refreshed_once_and_awaited_for_a_sweep(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    scene.show()
    fewer = a.plan(a.elements(2))
    verified = await scene.keep(at=0, plan=fewer)
    assert verified.state.leftovers == (REFS[2],)
    assert scene.refreshes == 1
    assert verified.next_view == 1000.0 + TIMINGS.verify_every
    verified = await scene.keep(at=TIMINGS.removal_wait - 1, plan=fewer)
    assert verified.next_view == scene.clock() + TIMINGS.verify_every
    verified = await scene.keep(at=TIMINGS.removal_wait, plan=fewer)
    assert verified.next_view is None
    assert scene.refreshes == 1
    del scene.portal.shown[REFS[2]]
    await scene.keep(at=100, plan=fewer)
    scene.show()
    verified = await scene.keep(at=200, plan=fewer)
    assert scene.refreshes == 2, "it came back"
    assert verified.next_view == 1200.0 + TIMINGS.verify_every


async def test_orphans_of_ours_are_deleted_once_all_is_there(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    scene.show()
    scene.show(REFS[2], orphan=True)
    scene.portal.shown[a.ref("other")] = a.shown(
        PLAN.published[0], ref=a.ref("other"), managed_by="c1/another", origin="url:x", orphan=True
    )
    fewer = a.plan(a.elements(2))
    await scene.keep(at=0, plan=fewer)
    assert scene.portal.made_calls("delete_entity") == [("delete_entity", f"uid-of-{REFS[2]}")]


async def test_nothing_is_written_for_a_spec_that_has_changed(scene: Scene) -> None:
    with pytest.raises(SupersededError):
        await scene.keep(of=superseded(visit()))
    scene.portal.listed[TARGET] = "loc"
    with pytest.raises(SupersededError):
        await scene.keep(of=superseded(visit()), republished=True)
    assert scene.portal.calls == []


async def test_who_asked_waits_for_the_deadline_and_no_longer(scene: Scene) -> None:
    assert scene.keeper.keeps_waiting(a.UID, 1000.0)
    await scene.published()
    await scene.keep(at=1)
    scene.clock.now = 1000.0 + TIMINGS.progress_deadline - 1
    assert scene.keeper.keeps_waiting(a.UID, 1000.0)
    scene.clock.now += 1
    assert not scene.keeper.keeps_waiting(a.UID, 1000.0)


async def test_what_was_published_a_moment_ago_settles_soon(scene: Scene) -> None:
    assert not scene.keeper.settles_soon(a.UID)
    await scene.published()
    scene.clock.now = 1000.0 + TIMINGS.quiet_visit - 0.1
    assert scene.keeper.settles_soon(a.UID)
    scene.clock.now = 1000.0 + TIMINGS.quiet_visit
    assert not scene.keeper.settles_soon(a.UID)


@pytest.mark.parametrize(("at", "after"), [(65, 32.5), (5000, TIMINGS.backoff_longest)])
async def test_what_stays_missing_is_read_ever_more_rarely(scene: Scene, at: float, after: float) -> None:
    await scene.published()
    await scene.keep(at=1)
    verified = await scene.keep(at=at)
    assert verified.converging == frozenset()
    assert verified.next_view == pytest.approx(1000.0 + at + after)


async def test_what_is_missing_because_of_the_whole_document_is_read_at_the_cadence(scene: Scene) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    await scene.published()
    verified = await scene.keep(at=11)
    assert verified.diagnosis.document is not None
    assert verified.converging == frozenset()
    assert verified.next_view is None


@pytest.mark.parametrize("why", ["nothing", "asked", "was away", "spec"])
async def test_a_dry_run_is_repeated_for_a_request_a_new_spec_and_a_portal_that_was_away(
    scene: Scene, why: str
) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    await scene.published()
    await scene.keep(at=11)
    await scene.keep(at=21)
    assert len(scene.portal.made_calls("dry_run")) == 1
    if why == "asked":
        scene.keeper.asked(a.UID)
    elif why == "was away":
        scene.keeper.failed(a.UID)
    elif why == "spec":
        scene.visit = replace(scene.visit, spec_seen=1020.0)
    for at in (31, 41):
        await scene.keep(at=at)
    assert len(scene.portal.made_calls("dry_run")) == (1 if why == "nothing" else 2)


async def test_the_former_location_stays_and_is_told_until_somebody_says_that_it_moves(scene: Scene) -> None:
    scene.portal.listed[FORMER] = "former"
    verified = await scene.keep(republished=True)
    assert verified.moved is not None
    assert verified.moved.reason == Reason.LOCATION_MOVED
    assert (verified.target, verified.entity_ref) == (FORMER, location_ref(FORMER))
    assert scene.portal.calls == [("refresh", location_ref(FORMER))]
    scene.show()
    verified = await scene.keep(at=1)
    assert verified.state.converged
    assert verified.moved is not None
    assert verified.target == FORMER


@pytest.mark.parametrize("said", [TARGET, "http://elsewhere.example/x.yaml"])
async def test_it_moves_where_the_annotation_names_the_present_target(scene: Scene, said: str) -> None:
    scene.portal.listed[FORMER] = "former"
    scene.visit = visit(annotations={"skillmeat.io/move-location": said})
    verified = await scene.keep(republished=True)
    if said != TARGET:
        assert verified.moved is not None
        assert scene.portal.made_calls("move") == []
        return
    assert scene.portal.made_calls("move") == [("move", "former", TARGET)]
    assert (verified.moved, verified.entity_ref, verified.target) == (None, None, TARGET)
    assert verified.unread
    assert verified.next_view == 1000.0 + TIMINGS.verify_early[0]
    scene.portal.calls.clear()
    scene.portal.listed.clear()
    await scene.keep(at=0.2, began=-1)
    assert scene.portal.made_calls("register") == []


async def test_an_annotation_without_a_former_location_moves_nothing(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    scene.visit = visit(annotations={"skillmeat.io/move-location": TARGET})
    verified = await scene.keep(republished=True)
    assert verified.moved is None
    assert scene.portal.calls == [("refresh", LOCATION)]


async def test_why_it_was_not_moved_is_told(scene: Scene) -> None:
    scene.portal.listed[FORMER] = "former"
    scene.portal.answer = KIND
    scene.visit = visit(annotations={"skillmeat.io/move-location": TARGET})
    verified = await scene.keep(republished=True)
    assert verified.moved is not None
    assert "was not moved" in verified.moved.message
    assert verified.target == FORMER


async def test_a_location_that_is_not_listed_is_made_to_prove_that_nothing_is_there(scene: Scene) -> None:
    assert await scene.keeper.register_unlisted(scene.visit, scene.portal.observed(), TARGET)
    assert scene.finalizer == [(False, 0)]
    assert scene.portal.calls == [("register", TARGET)]
    scene.clock.now += 1
    assert await scene.keeper.register_unlisted(scene.visit, scene.portal.observed(), TARGET)
    assert len(scene.portal.calls) == 1


async def test_a_view_from_before_it_was_made_makes_it_no_second_time(scene: Scene) -> None:
    before = scene.portal.observed(began=990.0)
    for _ in range(2):
        assert await scene.keeper.register_unlisted(scene.visit, before, TARGET)
    assert len(scene.portal.calls) == 1


async def test_one_that_somebody_else_made_proves_nothing(scene: Scene) -> None:
    scene.portal.listed[TARGET] = "loc"
    assert not await scene.keeper.register_unlisted(scene.visit, scene.portal.observed(), TARGET)
    assert scene.portal.calls == []


@pytest.mark.parametrize("why", ["view", "connection", "target", "static"])
async def test_where_nothing_can_be_registered_nothing_is_proved(scene: Scene, why: str) -> None:
    portal, target, of = scene.portal.observed(), TARGET, scene.visit
    if why in {"view", "connection"}:
        portal = replace(portal, **{why: None})  # type: ignore[arg-type]
    if why == "static":
        of = visit(static())
    wanted = None if why == "target" else target
    assert not await scene.keeper.register_unlisted(of, portal, wanted)
    assert scene.portal.calls == []
    assert scene.finalizer == []


async def test_nothing_is_left_of_what_is_forgotten(scene: Scene) -> None:
    await scene.published()
    assert a.UID in scene.keeper
    scene.keeper.forget(a.UID)
    scene.keeper.forget(a.UID)
    assert a.UID not in scene.keeper
