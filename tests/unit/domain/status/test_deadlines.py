"""Summaries through time, with the memory of verify: what is missing is told, and who asked hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.observation import CatalogEntity
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding, LastDiagnosis, still_converging
from tests.conditions import builders as a
from tests.conditions.laws import conditions, written

TIMINGS = Timings()
REFUSED = Finding(Reason.SCHEMA_REFUSED, "correct it")


@dataclass
class Portal:
    """A portal that takes a form in after a while, but for some that it never takes."""

    never: frozenset[str]
    takes: float = 3.0
    asked_at: float | None = None
    """When somebody asked for a sync; None: nobody did."""
    source: dict[str, Any] = field(default_factory=a.raw_source)
    shown: dict[str, CatalogEntity] = field(default_factory=dict)
    convergence: Convergence | None = None
    echoed: float | None = None
    writes: int = 0

    def live(self, until: float, *, changes_every: float | None, explains: bool = False) -> None:
        """Poll, publish what changed, read the catalog each second; a visit at each of them."""
        plan, published = self.published("form 0"), 0.0
        for second in range(int(until)):
            now = float(second)
            republished = second == 0
            if changes_every is not None and second and second % changes_every == 0:
                plan, published, republished = self.published(f"form {second}"), now, True
            if now - published >= self.takes:
                self.shown = {one.ref: a.shown(one) for one in plan.published if one.ref not in self.never}
            self.visit(plan, now, republished=republished, explains=explains)

    def published(self, form: str) -> Plan:
        """Three templates, of which the last changes."""
        return a.plan([*a.elements(2), a.element("t2", description=form)])

    def visit(self, plan: Plan, now: float, *, republished: bool, explains: bool) -> None:
        state = a.state(plan, self.shown.values())
        convergence = self.convergence or Convergence.start(now)
        if republished:
            convergence.published(plan.expected, now)
        else:
            convergence.note(plan.expected, state.missing, now)
        given_up = convergence.given_up(now, TIMINGS)
        diagnosis = Diagnosis(entities=dict.fromkeys(given_up, REFUSED) if explains else {})
        converging = still_converging(state, convergence, diagnosis, now=now, timings=TIMINGS)
        self.convergence = convergence if state.missing or republished else None
        waits = self.asked_at is not None and convergence.keeps_waiting(self.asked_at, now, TIMINGS)
        asked = self.asked_at is not None and now >= self.asked_at and self.echoed is None
        outcome = Outcome(
            source=SideOutcome(),
            catalog=SideOutcome(),
            plan=plan,
            state=state,
            converging=converging,
            unread=republished,
            diagnosis=diagnosis,
            serving=True,
            requests=("asked" if asked else None, None),
            requests_overdue=asked and not waits,
        )
        source = CatalogSource.from_object(self.source)
        told = summarise(
            source, outcome, carried_out=SpecVersion.of(source), now=a.NOW + timedelta(seconds=now)
        )
        after = written(self.source, told.to_wire())
        self.writes += after != self.source
        self.source = after
        if asked and told.handled_requests is not None and told.handled_requests.skillmeat == "asked":
            self.echoed = now

    def told(self) -> dict[str, Any]:
        """What status tells of what is missing."""
        found = conditions(self.source)
        return {
            "ready": (found["Ready"]["status"], found["Ready"]["reason"]),
            "synced": (found["CatalogSynced"]["status"], found["CatalogSynced"]["reason"]),
            "problems": [
                (one["entityRef"], one["reason"]) for one in self.source["status"].get("problems", [])
            ],
        }


@pytest.mark.parametrize(
    ("explains", "ready", "why"),
    [
        pytest.param(True, ("True", "SucceededWithProblems"), "SchemaRefused", id="refused"),
        pytest.param(False, ("False", "NotYetProcessed"), "NotYetProcessed", id="without-a-reason"),
    ],
)
def test_a_template_that_changes_at_each_poll_hides_no_other_that_is_missing(
    explains: bool, ready: tuple[str, str], why: str
) -> None:
    portal = Portal(never=frozenset({a.ref("t0")}))
    for until in (200, 215, 231):
        portal.live(until, changes_every=30, explains=explains)
        assert portal.told() == {
            "ready": ready,
            "synced": ("False", why),
            "problems": [(a.ref("t0"), why)],
        }


def test_what_is_missing_is_told_also_while_something_else_is_always_on_its_way() -> None:
    portal = Portal(never=frozenset({a.ref("t0"), a.ref("t2")}))
    portal.live(120, changes_every=5)
    assert portal.told()["problems"] == [(a.ref("t0"), "NotYetProcessed")]
    assert portal.source["status"]["entities"]["missing"] == 2


def test_within_the_deadline_nothing_is_told_and_nothing_is_written_again() -> None:
    portal = Portal(never=frozenset({a.ref("t0")}))
    portal.live(60, changes_every=None)
    assert portal.told()["ready"] == ("False", "Progressing")
    assert (portal.told()["problems"], portal.writes) == ([], 1)


def test_who_asked_hears_at_the_deadline_of_what_stays_missing() -> None:
    portal = Portal(never=frozenset({a.ref("t0")}), asked_at=0.0)
    portal.live(120, changes_every=None)
    assert portal.echoed == portal.takes + TIMINGS.progress_deadline
    assert portal.told()["problems"] == [(a.ref("t0"), "NotYetProcessed")]
    assert portal.source["status"]["entities"]["missing"] == 1


def test_who_asked_hears_as_soon_as_everything_is_there() -> None:
    portal = Portal(never=frozenset(), asked_at=0.0)
    portal.live(30, changes_every=None)
    assert portal.echoed == 3.0


@pytest.mark.parametrize("changes_every", [2, 10, 30])
def test_who_asked_hears_within_two_minutes_whatever_changes_meanwhile(changes_every: float) -> None:
    portal = Portal(never=frozenset({a.ref("t0"), a.ref("t2")}), asked_at=5.0)
    portal.live(120, changes_every=changes_every)
    assert portal.echoed is not None
    assert portal.echoed <= 66.0


def test_a_removal_that_the_catalog_has_not_carried_out_delays_no_echo() -> None:
    portal = Portal(never=frozenset(), asked_at=0.0)
    plan = portal.published("form 0")
    portal.shown = {one.ref: a.shown(one) for one in plan.published}
    left = a.ref("left")
    portal.shown[left] = a.shown(plan.published[0], ref=left)
    portal.visit(plan, 0.0, republished=False, explains=False)
    assert portal.echoed == 0.0


def test_what_was_found_out_stands_for_the_same_content_only() -> None:
    portal = Portal(never=frozenset())
    plan, changed = portal.published("form 0"), portal.published("form 1")
    found = dict.fromkeys((a.ref("t0"), a.ref("t2")), REFUSED)
    last = LastDiagnosis(
        looked_at={}, hashes=plan.expected, at=0.0, result=Diagnosis(document=REFUSED, entities=found)
    )
    assert set(last.still(plan.expected, list(found)).entities) == set(found)
    assert last.still(changed.expected, list(found)).entities == {a.ref("t0"): REFUSED}
    assert last.still(plan.expected, [a.ref("t2")]).entities == {a.ref("t2"): REFUSED}
    assert last.still(plan.expected, []).document is None
