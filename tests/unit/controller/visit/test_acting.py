"""Acting: what is decided is stored before it is shown, and what goes wrong in a portal is part of the outcome."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    KubernetesError,
    UnavailableError,
)
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.publication.published import StoredForm
from skillmeat_operator.controller.visit.acting import Acted, Acting
from skillmeat_operator.controller.visit.catalog.keeper import Verified
from skillmeat_operator.controller.visit.catalog.missing import cannot_read
from skillmeat_operator.controller.visit.decision import Decision
from skillmeat_operator.controller.visit.failure_judge import FailureJudge
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.portal_slots import PortalBusyError, PortalSlots
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.domain.failure import FailedError, Failure
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import (
    AWAY,
    PORTAL,
    REFUSED,
    TARGET,
    Clock,
    Portal,
    Remotes,
    superseded,
    visit,
)

PLAN = a.plan(a.elements(3))
FORM, OTHER = StoredForm("one", frozenset()), StoredForm("another", frozenset())
CONTENT = Content(records=PLAN.records, observed=tuple(a.elements(3)))
BLIND = cannot_read("catalog.entity.read")


@dataclass
class Stored:
    """What is published, as far as acting looks at it."""

    form: StoredForm


@dataclass
class Publications:
    """One snapshot."""

    there: Stored | None = None
    fails: KubernetesError | None = None
    published: list[dict[str, Any]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def current(self, uid: str) -> Stored | None:
        return self.there

    async def publish(self, source: Any, content: Content, form: StoredForm, **rest: Any) -> bool:
        if self.fails is not None:
            raise self.fails
        self.published.append({"content": content, "form": form, **rest})
        changed = self.there is None or self.there.form.fingerprint != form.fingerprint
        self.there = Stored(form)
        return changed

    async def delete(self, uid: str) -> None:
        self.deleted.append(uid)
        self.there = None


@dataclass
class Keeper:
    """A catalog that shows all, or fails."""

    verified: Verified
    fails: Failure | None = None
    republished: list[bool] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def keep(self, of: Visit, plan: Any, *, republished: bool, **rest: Any) -> Verified:
        self.republished.append(republished)
        if self.fails is not None:
            raise FailedError(self.fails)
        return self.verified

    def failed(self, uid: str) -> None:
        self.failures.append(uid)


@dataclass
class External:
    """Another provider's catalog."""

    answer: tuple[Outcome, float | None] | None = None
    fails: Failure | None = None

    def verify(self, of: Visit, plan: Any, portal: Any, base: Outcome) -> tuple[Outcome, float | None] | None:
        if self.fails is not None:
            raise FailedError(self.fails)
        return self.answer


@dataclass
class Scene:
    """A decision to be carried out."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.portal, self.remotes, self.publications = Portal(clock=self.clock), Remotes(), Publications()
        self.verified = Verified(
            state=a.state(PLAN, []),
            converging=frozenset(PLAN.expected),
            unread=True,
            diagnosis=Diagnosis(document=Finding(Reason.DOCUMENT_REFUSED, "m")),
            moved=Finding(Reason.LOCATION_MOVED, "m"),
            entity_ref="location:default/x",
            target="http://read.example",
            next_view=1234.0,
        )
        self.keeper, self.external = Keeper(self.verified), External()
        self.judge = FailureJudge(clock=self.clock, now=lambda: a.NOW, timings=Timings())
        self.slots = PortalSlots(workers=1, mark_due=lambda uid, after: None)
        self.acting = Acting(
            publications=cast(Any, self.publications),
            remotes=cast(Any, self.remotes),
            judge=self.judge,
            keeper=cast(Any, self.keeper),
            external=cast(Any, self.external),
            slots=self.slots,
        )
        self.base = Outcome(source=SideOutcome(), catalog=SideOutcome())

    async def act(
        self,
        *,
        content: Content | None = CONTENT,
        form: StoredForm | None = FORM,
        publishable: bool = True,
        portal: PortalObserved | None = None,
        of: Visit | None = None,
    ) -> Acted:
        plan = replace(PLAN, publishable=publishable)
        return await self.acting.act(
            of or visit(),
            Decision(plan=plan, content=content, form=form),
            portal or self.portal.observed(),
            self.base,
            owner=a.OWNER,
            target=TARGET,
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_decided_is_stored_and_then_shown(scene: Scene) -> None:
    acted = await scene.act()
    assert scene.publications.published == [
        {
            "content": CONTENT,
            "form": FORM,
            "revision": PLAN.revision,
            "guard": PLAN.guard,
            "target": TARGET,
        }
    ]
    assert scene.keeper.republished == [True]
    assert acted.outcome == replace(
        scene.base,
        plan=PLAN,
        serving=True,
        state=scene.verified.state,
        converging=scene.verified.converging,
        unread=True,
        diagnosis=scene.verified.diagnosis,
        moved=scene.verified.moved,
        seen=CatalogSeen(url=PORTAL, target="http://read.example", entity_ref="location:default/x"),
    )
    assert (acted.next_view, acted.after, acted.retry) == (1234.0, None, False)


async def test_nothing_is_published_while_too_little_is_known_and_it_is_tried_again(scene: Scene) -> None:
    acted = await scene.act(publishable=False)
    assert acted.retry
    assert acted.outcome.plan is not None
    assert not acted.outcome.plan.publishable
    assert scene.publications.published == []
    assert scene.keeper.republished == []


@pytest.mark.parametrize(
    ("stored", "content", "form", "written"),
    [
        pytest.param(None, CONTENT, FORM, 1, id="nothing-is-stored"),
        pytest.param(Stored(FORM), CONTENT, FORM, 0, id="the-same-is-stored"),
        pytest.param(Stored(OTHER), CONTENT, FORM, 1, id="another-is-stored"),
        pytest.param(Stored(OTHER), None, FORM, 0, id="no-content"),
        pytest.param(Stored(OTHER), CONTENT, None, 0, id="no-form"),
        pytest.param(Stored(OTHER), None, None, 0, id="the-decision-stands"),
    ],
)
async def test_what_is_stored_already_is_not_stored_again(
    scene: Scene, stored: Stored | None, content: Content | None, form: StoredForm | None, written: int
) -> None:
    scene.publications.there = stored
    await scene.act(content=content, form=form)
    assert len(scene.publications.published) == written
    assert scene.keeper.republished == [bool(written)]


@pytest.mark.parametrize("served", [True, False])
async def test_what_could_not_be_stored_is_not_shown_and_tried_again(scene: Scene, served: bool) -> None:
    scene.publications.there = Stored(OTHER) if served else None
    scene.publications.fails = UnavailableError("timed out")
    acted = await scene.act()
    assert acted.retry
    assert not acted.outcome.published
    assert scene.keeper.republished == []


async def test_nothing_is_stored_for_a_spec_that_has_changed(scene: Scene) -> None:
    with pytest.raises(SupersededError):
        await scene.act(of=superseded(visit()))
    assert scene.publications.published == []


@pytest.mark.parametrize("without", ["view", "connection"])
async def test_without_the_portal_it_is_stored_and_served_all_the_same(scene: Scene, without: str) -> None:
    portal = replace(scene.portal.observed(), **{without: None})  # type: ignore[arg-type]
    acted = await scene.act(portal=portal)
    assert len(scene.publications.published) == 1
    assert acted == Acted(replace(scene.base, plan=PLAN, serving=True))
    assert scene.keeper.republished == []


async def test_a_portal_that_fails_is_part_of_the_outcome(scene: Scene) -> None:
    scene.keeper.fails = AWAY
    acted = await scene.act()
    assert acted.outcome.catalog == SideOutcome(failure=AWAY)
    assert acted.outcome.serving
    assert acted.outcome.state is None
    assert not acted.retry
    assert scene.remotes.views.failures == [AWAY]
    assert scene.keeper.failures == [a.UID]
    assert scene.publications.deleted == []


@pytest.mark.parametrize(
    ("stored", "failure", "reads", "taken_back"),
    [
        pytest.param(None, BLIND, False, True, id="a-first-document-that-nobody-can-see"),
        pytest.param(Stored(OTHER), BLIND, False, False, id="not-the-first"),
        pytest.param(None, BLIND, True, False, id="the-token-reads"),
        pytest.param(None, AWAY, False, False, id="another-failure"),
        pytest.param(Stored(OTHER), AWAY, False, False, id="neither"),
    ],
)
async def test_a_first_document_is_taken_back_where_the_token_cannot_see_what_was_there(
    scene: Scene, stored: Stored | None, failure: Failure, reads: bool, taken_back: bool
) -> None:
    scene.publications.there, scene.keeper.fails = stored, failure
    scene.portal.reads_entities = reads
    acted = await scene.act()
    assert scene.publications.deleted == [a.UID] * taken_back
    assert (acted.outcome.published, acted.outcome.serving) == (not taken_back, not taken_back)
    assert acted.outcome.catalog is not None
    assert acted.outcome.catalog.failure == failure


async def test_a_portal_in_which_others_are_at_work_is_come_back_to(scene: Scene) -> None:
    with scene.slots.held(PORTAL, "another"), pytest.raises(PortalBusyError):
        await scene.act()
    assert len(scene.publications.published) == 1
    await scene.act()
    assert scene.keeper.republished == [False]


def refused(scene: Scene, *, began: float) -> bool:
    """Whether the portal's token counts as refused twice at a reading that began then."""
    return scene.judge(visit(), REFUSED, secrets="token", began=began).stalled


@pytest.mark.parametrize("external", [False, True])
async def test_a_portal_that_took_the_token_has_not_refused_it(scene: Scene, external: bool) -> None:
    refused(scene, began=900.0)
    if external:
        scene.external.answer = replace(scene.base, state=scene.verified.state), None
        scene.acting.verify_external(visit(), Decision(PLAN, None, None), scene.portal.observed(), scene.base)
    else:
        await scene.act()
    assert not refused(scene, began=1000.0)


async def test_a_call_that_refuses_the_token_counts_as_a_reading_of_this_visit(scene: Scene) -> None:
    scene.keeper.fails = REFUSED
    refused(scene, began=900.0)
    acted = await scene.act()
    assert acted.outcome.catalog is not None
    assert acted.outcome.catalog.stalled


# --- External


def verify(scene: Scene) -> Acted | None:
    plan = replace(PLAN, publishable=False)
    return scene.acting.verify_external(
        visit(), Decision(plan=plan, content=None, form=None), scene.portal.observed(), scene.base
    )


def test_what_another_provider_brings_in_is_verified(scene: Scene) -> None:
    outcome = replace(scene.base, state=scene.verified.state)
    scene.external.answer = outcome, 5.0
    assert verify(scene) == Acted(outcome, after=5.0)


def test_while_it_is_being_looked_up_nothing_is_said(scene: Scene) -> None:
    assert verify(scene) is None


def test_a_look_up_that_failed_is_part_of_the_outcome(scene: Scene) -> None:
    scene.external.fails = AWAY
    assert verify(scene) == Acted(
        replace(scene.base, plan=replace(PLAN, publishable=True), catalog=SideOutcome(failure=AWAY))
    )
    assert scene.remotes.views.failures == [AWAY]


def test_what_was_not_compared_proves_no_token(scene: Scene) -> None:
    refused(scene, began=900.0)
    scene.external.answer = scene.base, None
    verify(scene)
    assert refused(scene, began=1000.0)


def test_a_portal_without_a_connection_can_fail_too(scene: Scene) -> None:
    found = scene.acting.portal_failed(visit(), PortalObserved(outcome=None), AWAY)
    assert found == PortalObserved(outcome=SideOutcome(failure=AWAY))
    with_view = scene.acting.portal_failed(visit(), scene.portal.observed(), AWAY)
    assert with_view.view is None
    assert with_view.connection is not None
