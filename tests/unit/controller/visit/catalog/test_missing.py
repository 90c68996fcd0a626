"""Why something is missing: few dry runs, each for a reason, and a location that is put back where it is a ghost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.catalog.missing import Diagnostician
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.observation import CatalogEntity, DryRun
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import TARGET, Clock, Portal, superseded, visit

TIMINGS = Timings()
PLAN = a.plan(a.elements(3))
T0, T1, T2 = (a.ref(f"t{number}") for number in range(3))
KIND = DryRun(ok=False, kind_not_allowed=True)


@dataclass
class Scene:
    """A document that was published at 1000 s, and a portal that shows some of it."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.portal = Portal(clock=self.clock, listed={TARGET: "loc"})
        self.convergence = Convergence.start(self.clock())
        self.registered: float | None = None
        self.diagnostician = Diagnostician(clock=self.clock, timings=TIMINGS, contents=self._contents)

    async def _contents(self, uid: str) -> Content:
        return Content(records=PLAN.records, observed=None)

    def show(self, *refs: str, failing: bool = False, **changes: Any) -> None:
        for record in PLAN.published:
            if record.ref in refs:
                self.portal.shown[record.ref] = a.shown(record, failing=failing, **changes)

    async def diagnose(
        self, *, at: float | None = None, at_work: bool = False, of: Visit | None = None
    ) -> Diagnosis:
        """A look at a moment after the publication."""
        if at is not None:
            self.clock.now = 1000.0 + at
        state = a.state(PLAN, self.portal.shown.values())
        self.convergence.note(PLAN.expected, state.missing, self.clock())
        return await self.diagnostician.diagnose(
            of or visit(),
            PLAN,
            state,
            convergence=self.convergence,
            registered=self.registered,
            portal=self.portal.observed(),
            owner=a.OWNER,
            target=TARGET,
            entity_ref=location_ref(TARGET),
            at_work=at_work,
        )

    @property
    def dry_runs(self) -> int:
        return len(self.portal.made_calls("dry_run"))


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.mark.parametrize("without", ["view", "connection"])
async def test_what_is_missing_is_told_by_what_the_catalog_shows(scene: Scene, without: str) -> None:
    portal = replace(scene.portal.observed(), **{without: None})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        await scene.diagnostician.diagnose(
            visit(),
            PLAN,
            a.state(PLAN, []),
            convergence=scene.convergence,
            registered=None,
            portal=portal,
            owner=a.OWNER,
            target=TARGET,
            entity_ref="",
            at_work=False,
        )


@pytest.mark.parametrize(
    ("at", "at_work", "looked"),
    [
        pytest.param(TIMINGS.diagnose_after - 1, False, False, id="too-early"),
        pytest.param(TIMINGS.diagnose_after, False, True, id="when-it-is-time"),
        pytest.param(TIMINGS.diagnose_after + 5, True, False, id="while-the-portal-is-at-work"),
    ],
)
async def test_nothing_is_looked_into_before_the_portal_had_its_time(
    scene: Scene, at: float, at_work: bool, looked: bool
) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    await scene.diagnose(at=0)
    found = await scene.diagnose(at=at, at_work=at_work)
    assert scene.dry_runs == looked
    assert (found.document is not None) is looked
    if found.document is not None:
        assert found.document.reason == Reason.KIND_NOT_ALLOWED


async def test_a_deadline_that_has_passed_is_looked_into_however_busy_the_portal_is(scene: Scene) -> None:
    scene.show(T0)
    await scene.diagnose(at=0)
    await scene.diagnose(at=TIMINGS.progress_deadline - 1, at_work=True)
    assert scene.dry_runs == 0
    await scene.diagnose(at=TIMINGS.progress_deadline, at_work=True)
    assert scene.dry_runs == 1


def _unread(scene: Scene) -> None:
    scene.portal.location_read = False


@pytest.mark.parametrize(
    ("arrange", "looked"),
    [
        pytest.param(lambda scene: None, False, id="all-on-its-way"),
        pytest.param(lambda scene: scene.show(T0), False, id="some-shown-and-the-rest-on-its-way"),
        pytest.param(_unread, True, id="no-location"),
        pytest.param(
            lambda scene: (scene.show(T0), _unread(scene)),  # type: ignore[func-returns-value]
            False,
            id="no-location-though-something-is-shown",
        ),
        pytest.param(
            lambda scene: scene.show(T0, failing=True, content_hash="older"), True, id="one-is-refused"
        ),
    ],
)
async def test_it_is_looked_into_where_the_location_was_not_read_or_something_was_refused(
    scene: Scene, arrange: Callable[[Scene], Any], looked: bool
) -> None:
    arrange(scene)
    await scene.diagnose(at=0)
    await scene.diagnose(at=20)
    assert scene.dry_runs == looked


async def test_what_was_found_stands_while_the_same_is_missing(scene: Scene) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    first = await scene.diagnose(at=20)
    second = await scene.diagnose(at=100)
    third = await scene.diagnose(at=20 + TIMINGS.diagnose_every - 1)
    assert scene.dry_runs == 1
    assert first.document == second.document == third.document
    assert first.document is not None
    await scene.diagnose(at=20 + TIMINGS.diagnose_every)
    assert scene.dry_runs == 2


async def test_who_asks_has_it_looked_into_anew_once(scene: Scene) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    await scene.diagnose(at=20)
    scene.diagnostician.look_anew(a.UID)
    await scene.diagnose(at=30)
    await scene.diagnose(at=40)
    assert scene.dry_runs == 2


async def test_something_else_that_is_missing_is_looked_into_at_once(scene: Scene) -> None:
    scene.show(T0)
    await scene.diagnose(at=0)
    await scene.diagnose(at=70)
    scene.portal.shown.clear()
    scene.show(T1, T2)
    await scene.diagnose(at=80)
    assert scene.dry_runs == 1, "the first is on its way again"
    await scene.diagnose(at=80 + TIMINGS.progress_deadline)
    assert scene.dry_runs == 2


async def test_what_is_on_its_way_is_no_reason_to_look_again_where_something_is_shown(scene: Scene) -> None:
    scene.show(T0)
    scene.show(T1, failing=True, content_hash="older")
    scene.portal.answer = DryRun(ok=False, refused_refs=(T2,))
    first = await scene.diagnose(at=20)
    second = await scene.diagnose(at=30)
    assert set(first.entities) == set(second.entities) == {T1, T2}, "what was found of all of them holds"
    scene.show(T2)
    await scene.diagnose(at=40)
    assert scene.dry_runs == 1


async def test_while_nothing_is_shown_all_of_it_is_what_was_looked_into(scene: Scene) -> None:
    scene.portal.location_read = False
    await scene.diagnose(at=0)
    await scene.diagnose(at=20)
    await scene.diagnose(at=TIMINGS.progress_deadline)
    assert scene.dry_runs == 1, "that their deadline has passed makes no other set of them"


async def test_what_was_found_stands_for_nothing_once_all_was_shown(scene: Scene) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    await scene.diagnose(at=20)
    scene.diagnostician.nothing_missing(a.UID)
    scene.convergence.published(PLAN.expected, 1025.0)
    assert (await scene.diagnose(at=26)).document is None


async def test_nothing_is_remembered_of_who_is_gone(scene: Scene) -> None:
    scene.diagnostician.nothing_missing(a.UID)
    assert a.UID not in scene.diagnostician
    scene.diagnostician.look_anew(a.UID)
    assert a.UID in scene.diagnostician
    scene.diagnostician.forget(a.UID)
    scene.diagnostician.forget(a.UID)
    assert a.UID not in scene.diagnostician


async def test_early_on_what_was_found_of_the_whole_document_holds_while_nothing_is_shown(
    scene: Scene,
) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    found = await scene.diagnose(at=20)
    scene.convergence.published(PLAN.expected, 1025.0)
    early = await scene.diagnose(at=26)
    assert early.document == found.document
    assert early.document is not None
    scene.show(T0)
    assert (await scene.diagnose(at=27)).document is None


@pytest.mark.parametrize("same", [True, False])
async def test_a_visit_waits_for_no_dry_run_of_another(scene: Scene, same: bool) -> None:
    scene.portal.location_read = False
    scene.portal.answer = KIND
    found = await scene.diagnose(at=20)
    if not same:
        scene.show(T0, failing=True, content_hash="older")
        scene.show(T1)
    scene.diagnostician.look_anew(a.UID)
    scene.portal.dry_run_waits = True
    held = await scene.diagnose(at=40)
    assert scene.dry_runs == 1
    assert held.document == (found.document if same else None)
    scene.portal.dry_run_waits = False
    await scene.diagnose(at=41)
    assert scene.dry_runs == 2


async def test_a_spec_that_has_changed_costs_no_dry_run(scene: Scene) -> None:
    scene.portal.location_read = False
    with pytest.raises(SupersededError):
        await scene.diagnose(at=20, of=superseded(visit()))
    assert scene.portal.calls == []


async def test_a_ref_that_somebody_else_holds_is_a_conflict(scene: Scene) -> None:
    scene.show(T0)
    other = CatalogEntity(T1, "u", None, managed_by=None, origin="url:http://other.example/x.yaml")
    await scene.diagnose(at=0)
    scene.portal.shown[T1] = other
    found = await scene.diagnose(at=70)
    assert found.entities[T1].reason == Reason.CONFLICT
    assert "http://other.example/x.yaml" in found.entities[T1].message
    assert T2 not in found.entities


async def test_a_token_that_reads_nothing_is_told_and_tried_again(scene: Scene) -> None:
    scene.portal.location_read = scene.portal.reads_entities = False
    for at in (20, 25):
        with pytest.raises(FailedError) as caught:
            await scene.diagnose(at=at)
        assert caught.value.failure.reason == Reason.TOKEN_CANNOT_READ
        assert "catalog.entity.read" in caught.value.failure.message
    assert scene.dry_runs == 2


def repairs(scene: Scene) -> list[str]:
    kinds = ("onconflict_refresh", "unregister", "register")
    return [one[0] for one in scene.portal.calls if one[0] in kinds]


@pytest.mark.parametrize(
    ("at", "registered", "repaired"),
    [
        pytest.param(TIMINGS.ghost_after - 1, None, False, id="not-yet"),
        pytest.param(TIMINGS.ghost_after, None, True, id="a-minute-after-the-publication"),
        pytest.param(TIMINGS.ghost_after + 30, 31.0, False, id="posted-less-than-a-minute-ago"),
        pytest.param(TIMINGS.ghost_after + 31, 31.0, True, id="posted-a-minute-ago"),
    ],
)
async def test_a_location_whose_entity_stays_away_is_put_back(
    scene: Scene, at: float, registered: float | None, repaired: bool
) -> None:
    scene.portal.location_read = False
    scene.registered = None if registered is None else 1000.0 + registered
    await scene.diagnose(at=at)
    assert repairs(scene) == (["onconflict_refresh"] if repaired else [])


async def test_an_older_catalog_has_it_registered_anew(scene: Scene) -> None:
    scene.portal.location_read = scene.portal.repairs = False
    await scene.diagnose(at=TIMINGS.ghost_after)
    assert scene.portal.calls[-3:] == [
        ("onconflict_refresh", TARGET),
        ("unregister", "loc"),
        ("register", TARGET),
    ]


async def test_it_is_put_back_once_in_a_while_only(scene: Scene) -> None:
    scene.portal.location_read = False
    first = TIMINGS.ghost_after
    moments = (first, first + 1, first + TIMINGS.diagnose_every - 1, first + TIMINGS.diagnose_every)
    count = []
    for at in moments:
        scene.diagnostician.look_anew(a.UID)
        await scene.diagnose(at=at)
        count.append(len(repairs(scene)))
    assert count == [1, 1, 1, 2]


@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(lambda portal: setattr(portal, "answer", KIND), id="the-document-is-refused"),
        pytest.param(lambda portal: portal.listed.clear(), id="it-is-not-listed"),
    ],
)
async def test_a_location_that_is_no_ghost_is_left_alone(
    scene: Scene, arrange: Callable[[Portal], Any]
) -> None:
    scene.portal.location_read = False
    arrange(scene.portal)
    await scene.diagnose(at=TIMINGS.ghost_after)
    assert scene.dry_runs == 1
    assert repairs(scene) == []


async def test_a_location_that_was_read_is_no_ghost_whatever_is_missing(scene: Scene) -> None:
    await scene.diagnose(at=0)
    await scene.diagnose(at=TIMINGS.ghost_after + TIMINGS.progress_deadline)
    assert scene.dry_runs == 1
    assert repairs(scene) == []
