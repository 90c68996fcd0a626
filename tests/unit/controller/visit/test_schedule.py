"""When an object is visited next: the last column of the table of the design, section 4."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.visit.memory import RefusedCredential, SourceMemory
from skillmeat_operator.controller.visit.schedule import Scheduler
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.failure import FailureKind, Side
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis
from tests.conditions import builders as a
from tests.conditions.laws import written
from tests.conditions.outcomes import DOCUMENT, PLANS, failed, nothing_shown, well
from tests.unit.controller.virtual import Calls

NOW = 5000.0
LAST = 345.0
"""The interval of 5 minutes, and 15 % for what has a poller that comes before."""


class Delays:
    """Stands for pollers and portals: a delay for each, and who was left."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.left = Calls()
        self.unsubscribe = self.leave = self.left

    def retry_delay(self, uid: str) -> float:
        return self.seconds


class World:
    """A scheduler and one visit."""

    def __init__(self, before: Outcome | None = None, minutes: float = 0) -> None:
        raw = a.raw_source()
        if before is not None:
            raw = written(raw, summarise(CatalogSource.from_object(raw), before, now=a.NOW).to_wire())
        self.added = Calls()
        self.pollers: Any = Delays(20.0)
        self.portals: Any = Delays(40.0)
        self.memory = SourceMemory(spec_seen=0.0, generation=1)
        store = Store()
        store.sources.put(raw)
        self.visit = Visit(
            source=CatalogSource.from_object(raw), raw=raw, memory=self.memory, store=store, began=NOW
        )
        self.scheduler = Scheduler(
            add=self.added,
            pollers=self.pollers,
            portals=self.portals,
            clock=lambda: NOW,
            now=lambda: a.NOW + timedelta(minutes=minutes),
            uniform=lambda low, high: (low + high) / 2,
            timings=Timings(),
        )

    def after(self, outcome: Outcome) -> list[float]:
        self.added.clear()
        self.scheduler.after(self.visit, outcome)
        assert set(self.added.first) == {a.UID}
        return sorted(round(delay, 3) for _, delay in self.added.made)


@pytest.mark.parametrize(
    ("outcome", "before", "delays"),
    [
        pytest.param(well(), None, [LAST], id="synced"),
        pytest.param(well("removal held"), None, [LAST], id="removal-held"),
        pytest.param(
            Outcome(configuration=failed(FailureKind.CONFIGURATION).failure), None, [LAST], id="configuration"
        ),
        pytest.param(well(source=failed(FailureKind.CONFIGURATION)), None, [LAST], id="endpoint"),
        pytest.param(well(source=failed()), None, [20.1, LAST, 901.0], id="source-down"),
        pytest.param(
            well(catalog=failed(side=Side.CATALOG), state=None), None, [40.0, LAST, 901.0], id="portal-down"
        ),
        pytest.param(
            well(source=failed()), well(source=failed()), [20.1, LAST, 601.0], id="end-of-the-grace"
        ),
        pytest.param(well(source=failed(FailureKind.SECRET)), None, [10.0, LAST], id="secret-missing"),
        pytest.param(
            well(source=failed(FailureKind.SECRET, stalled=True)),
            None,
            [15.0, LAST],
            id="secret-still-missing",
        ),
        pytest.param(
            well(source=failed(FailureKind.CREDENTIAL)), None, [15.0, 30.05, LAST], id="credential-once"
        ),
        pytest.param(
            well(source=failed(FailureKind.CREDENTIAL, stalled=True)),
            None,
            [15.0, LAST],
            id="credential-twice",
        ),
        pytest.param(well(published=False, state=None), None, [5.0, LAST], id="not-stored"),
        pytest.param(well("nothing known", state=None), None, [5.0, LAST], id="not-publishable"),
    ],
)
def test_after(outcome: Outcome, before: Outcome | None, delays: list[float]) -> None:
    assert World(before, minutes=5).after(outcome) == delays


def test_a_grace_that_is_over_needs_no_visit() -> None:
    assert World(well(source=failed()), minutes=16).after(well(source=failed())) == [20.1, LAST]


def test_the_second_try_of_a_credential_comes_thirty_seconds_after_the_first() -> None:
    world = World()
    world.memory.refusals[Side.SOURCE] = RefusedCredential(secrets="s", first=NOW - 20)
    assert world.after(well(source=failed(FailureKind.CREDENTIAL))) == [10.05, 15.0, LAST]


def test_while_hashes_differ_the_catalog_is_read_in_seconds() -> None:
    world = World()
    world.memory.convergence = Convergence.start(NOW - 0.2)
    assert world.after(nothing_shown(converging=True)) == [0.3, LAST]


@pytest.mark.parametrize(("late", "delay"), [(2.0, 5.0), (60.0, 30.0), (200.0, 100.0), (4000.0, 900.0)])
def test_what_stays_missing_is_looked_at_less_and_less(late: float, delay: float) -> None:
    world = World()
    world.memory.convergence = Convergence.start(NOW - late)
    assert delay in world.after(nothing_shown())


def test_a_refused_document_waits_for_the_interval() -> None:
    world = World()
    world.memory.convergence = Convergence.start(NOW - 100)
    assert world.after(nothing_shown(diagnosis=Diagnosis(document=DOCUMENT))) == [LAST]


def test_leftovers_are_awaited_for_a_while() -> None:
    plan = PLANS["three"]
    left = [a.shown(one) for one in plan.published] + [a.shown(plan.published[0], ref="template:skillmeat/x")]
    outcome = well(state=a.state(plan, left))
    world = World()
    assert world.after(outcome) == [5.0, LAST]
    world.memory.leftovers_since = NOW - 45
    assert world.after(outcome) == [LAST]
    assert world.after(well()) == [LAST]
    assert world.memory.leftovers_since is None


def test_trouble_with_the_api_server_backs_off_up_to_half_a_minute() -> None:
    world = World()
    for _ in range(12):
        world.scheduler.after_trouble(a.UID)
    delays = [delay for _, delay in world.added.made]
    assert delays[:3] == [3.125, 6.25, 12.5]
    assert delays[-1] == 30.0
    world.after(well())
    world.added.clear()
    world.scheduler.after_trouble(a.UID)
    assert world.added.made == [(a.UID, 3.125)]


def test_a_deletion_is_retried_with_growing_delays() -> None:
    world = World()
    for _ in range(3):
        world.scheduler.deletion(a.UID)
    assert [delay for _, delay in world.added.made] == [3.125, 6.25, 12.5]


@pytest.mark.parametrize("end", ["rest", "forget"])
def test_who_rests_needs_no_poller_and_no_portal(end: str) -> None:
    world = World()
    getattr(world.scheduler, end)(a.UID)
    assert (world.pollers.left.made, world.portals.left.made) == ([(a.UID,)], [(a.UID,)])
    assert world.added.made == []


def test_again_is_at_once() -> None:
    world = World()
    world.scheduler.again(a.UID)
    world.scheduler.at(a.UID, 7.0)
    assert world.added.made == [(a.UID, 0.0), (a.UID, 7.0)]


def test_both_sides_are_planned_for() -> None:
    both = replace(well(source=failed()), catalog=failed(FailureKind.SECRET, side=Side.CATALOG))
    assert World().after(both) == [10.0, 20.1, LAST, 901.0]
