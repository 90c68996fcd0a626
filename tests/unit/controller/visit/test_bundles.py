"""Statuses of TemplateBundles: a bundle is missing when it was missed twice, one that fails stops no other, and what
is at rest is not looked at again.
"""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError, UnavailableError
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.controller.visit.bundles import AT_ONCE, BundleReconciler
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls

TIMINGS = Timings()


@dataclass
class Desk:
    """Derives and stores statuses; some names fail."""

    store: Store
    fails: dict[str, Exception] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)
    invalid_told: list[str] = field(default_factory=list)

    async def bundle(self, raw: RawObject, derive: Any) -> None:
        await asyncio.sleep(0)
        name = raw["metadata"]["name"]
        self.derived.append(name)
        if name in self.fails:
            raise self.fails[name]
        bundle = TemplateBundle.from_object(raw)
        status: TemplateBundleStatus = derive(bundle)
        stored = copy.deepcopy(dict(raw))
        stored["status"] = dict(status.to_wire())
        stored["metadata"]["resourceVersion"] = str(int(raw["metadata"]["resourceVersion"]) + 1)
        self.store.bundles.put(stored)

    async def invalid(self, raw: RawObject, message: str) -> None:
        self.invalid_told.append(raw["metadata"]["name"])


@dataclass
class Scene:
    """A CatalogSource with bundles t0, t1, … upstream, and TemplateBundles."""

    store: Store = field(default_factory=Store)
    marked: Calls = field(default_factory=Calls)
    passed: timedelta = timedelta()

    def __post_init__(self) -> None:
        self.raw = a.raw_source()
        self.store.sources.put(self.raw)
        self.desk = Desk(self.store)
        self.bundles = BundleReconciler(
            store=self.store,
            writer=cast(ObjectWriter, self.desk),
            mark_due=self.marked,
            now=lambda: a.NOW + self.passed,
            timings=TIMINGS,
        )

    def add(self, name: str, identifier: str, **metadata: Any) -> None:
        self.store.bundles.put(a.raw_bundle({"bundleRef": {"id": identifier}}, name=name, **metadata))

    @property
    def visit(self) -> Visit:
        source = CatalogSource.from_object(self.raw)
        return Visit(source=source, raw=self.raw, store=self.store, began=0.0, spec_seen=0.0)

    def outcome(self, count: int = 2) -> Outcome:
        raws = self.bundles.of(self.visit)
        plan = a.plan(a.elements(count), bundles=self.bundles.models(raws))
        return Outcome(
            source=SideOutcome(), catalog=SideOutcome(), plan=plan, state=a.state(plan), serving=True
        )

    def write(self, outcome: Outcome, *, serial: int | None) -> float | None:
        raws = self.bundles.of(self.visit)
        return asyncio.run(self.bundles.write(self.visit, raws, outcome, serial=serial))

    def stalls(self, name: str) -> bool:
        found = self.store.bundles.find("team", name)
        assert found is not None
        return any(one["type"] == "Stalled" for one in found["status"]["conditions"])

    def ready(self, name: str) -> tuple[str, str]:
        found = self.store.bundles.find("team", name)
        assert found is not None
        [ready] = [one for one in found["status"]["conditions"] if one["type"] == "Ready"]
        return ready["status"], ready["reason"]


def test_one_that_the_source_has_is_ready() -> None:
    scene = Scene()
    scene.add("good", "id-t0")
    assert scene.write(scene.outcome(), serial=1) is None
    assert scene.ready("good") == ("True", "Succeeded")


GRACE = timedelta(seconds=TIMINGS.secret_grace)


def test_one_that_is_missed_once_is_looked_for_again_and_given_up_when_a_further_list_lacks_it() -> None:
    scene = Scene()
    scene.add("lost", "id-of-nothing")
    again = scene.write(scene.outcome(), serial=4)
    assert again is not None
    assert again > TIMINGS.secret_grace
    assert scene.ready("lost") == ("False", "BundleNotFound")
    scene.passed = GRACE
    scene.write(scene.outcome(), serial=4)
    assert not scene.stalls("lost")
    scene.write(scene.outcome(), serial=5)
    assert scene.stalls("lost")


def test_a_further_list_gives_nobody_up_before_the_grace_is_over() -> None:
    scene = Scene()
    scene.add("lost", "id-of-nothing")
    scene.write(scene.outcome(), serial=4)
    scene.passed = GRACE - timedelta(seconds=1)
    scene.write(scene.outcome(), serial=5)
    assert not scene.stalls("lost")


def test_another_reference_is_missed_twice_on_its_own_account() -> None:
    scene = Scene()
    scene.add("lost", "id-of-nothing")
    scene.write(scene.outcome(), serial=1)
    scene.passed = GRACE
    scene.write(scene.outcome(), serial=2)
    assert scene.stalls("lost")
    scene.add("lost", "id-of-something-else", generation=2, resourceVersion="9")
    scene.write(scene.outcome(), serial=2)
    assert not scene.stalls("lost")


def test_readings_that_begin_anew_are_counted_anew() -> None:
    scene = Scene()
    scene.add("lost", "id-of-nothing")
    scene.write(scene.outcome(), serial=7)
    scene.passed = GRACE
    scene.write(scene.outcome(), serial=1)
    assert not scene.stalls("lost")
    scene.write(scene.outcome(), serial=2)
    assert scene.stalls("lost")


def test_one_that_came_is_no_longer_looked_for() -> None:
    scene = Scene()
    scene.add("late", "id-t1")
    assert scene.write(scene.outcome(1), serial=1) is not None
    assert scene.write(scene.outcome(2), serial=2) is None
    assert scene.ready("late") == ("True", "Succeeded")


def test_what_is_at_rest_is_derived_again_only_for_another_outcome() -> None:
    scene = Scene()
    for number in range(2):
        scene.add(f"b{number}", f"id-t{number}")
    outcome = scene.outcome()
    scene.write(outcome, serial=1)
    scene.desk.derived.clear()
    scene.write(outcome, serial=1)
    assert scene.desk.derived == []
    scene.add("b1", "id-t1", resourceVersion="9", annotations={"a": "b"})
    scene.write(outcome, serial=1)
    assert scene.desk.derived == ["b1"]
    scene.desk.derived.clear()
    scene.write(replace(outcome, serving=False), serial=2)
    assert sorted(scene.desk.derived) == ["b0", "b1"]


def test_one_that_cannot_be_written_stops_no_other_and_is_told_at_the_end() -> None:
    scene = Scene()
    for number in range(2 * AT_ONCE + 1):
        scene.add(f"b{number:03}", "id-t0")
    scene.desk.fails = {"b000": UnavailableError("away"), "b001": SupersededError("it changed")}
    with pytest.raises(ExceptionGroup) as failed:
        scene.write(scene.outcome(), serial=1)
    assert len(failed.value.exceptions) == 1
    assert isinstance(failed.value.exceptions[0], KubernetesError)
    assert len(scene.desk.derived) == 2 * AT_ONCE + 1


def test_one_that_cannot_be_read_is_named_and_frozen() -> None:
    scene = Scene()
    scene.add("good", "id-t0")
    scene.store.bundles.put(a.raw_bundle({"publish": "perhaps", "bundleRef": {"id": "id-t1"}}, name="newer"))
    raws = scene.bundles.of(scene.visit)
    asyncio.run(scene.bundles.read(raws))
    assert [one.name for one in scene.bundles.models(raws)] == ["good"]
    assert [one.name for one in scene.bundles.unreadable(raws)] == ["newer"]
    assert len(scene.bundles.frozen(raws)) == 1


@pytest.mark.parametrize(("suspended", "moves"), [(True, None), (False, "True")])
def test_those_of_a_source_that_rests_wait_for_it(suspended: bool, moves: str | None) -> None:
    scene = Scene()
    scene.add("waits", "id-t0")
    asyncio.run(scene.bundles.write_waiting("team", "main", None, suspended=suspended))
    found = scene.store.bundles.find("team", "waits")
    assert found is not None
    told = {one["type"]: one["status"] for one in found["status"]["conditions"]}
    assert told["Ready"] != "True"
    assert told.get("Reconciling") == moves


def test_one_without_a_source_waits_for_it_for_a_grace() -> None:
    scene = Scene()
    scene.add("lonely", "id-t0")
    scene.store.sources.remove(a.UID)
    result = asyncio.run(scene.bundles.visit_orphan("uid-lonely"))
    assert result.after is not None
    assert result.after > TIMINGS.secret_grace
    assert scene.desk.derived == ["lonely"]
    assert scene.marked.made == []


def test_one_whose_source_came_meanwhile_marks_it() -> None:
    scene = Scene()
    scene.add("found", "id-t0")
    result = asyncio.run(scene.bundles.visit_orphan("uid-found"))
    assert (result.after, result.failed) == (None, False)
    assert scene.marked.made == [(a.UID, 0.0)]
    assert scene.desk.derived == []


def test_one_that_is_gone_or_going_is_left_alone() -> None:
    scene = Scene()
    scene.store.sources.remove(a.UID)
    scene.add("going", "id-t0", deletionTimestamp="2026-03-01T12:00:00Z")
    for uid in ("uid-going", "uid-unknown"):
        assert asyncio.run(scene.bundles.visit_orphan(uid)).after is None
    assert scene.desk.derived == []


def test_an_orphan_that_cannot_be_written_is_tried_again() -> None:
    scene = Scene()
    scene.store.sources.remove(a.UID)
    scene.add("lonely", "id-t0")
    scene.desk.fails = {"lonely": UnavailableError("away")}
    assert asyncio.run(scene.bundles.visit_orphan("uid-lonely")).failed


def test_nothing_is_remembered_of_a_source_that_is_gone() -> None:
    scene = Scene()
    scene.add("good", "id-t0")
    scene.write(scene.outcome(), serial=1)
    assert a.UID in scene.bundles
    scene.bundles.forget(a.UID)
    assert a.UID not in scene.bundles
