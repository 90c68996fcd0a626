"""From what is seen to what is visited: level-triggered, and deaf to the operator's own writes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls, middle

SOURCES, BUNDLES = "catalogsources", "templatebundles"
COALESCE = Timings().coalesce_bundles
READY = [{"type": "Ready", "status": "True"}]


class World:
    """A dispatcher whose calls are noted."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.now = 100.0
        self.store, self.changes = Store(), Changes(clock=lambda: self.now)
        self.added, self.forgotten, self.interrupted = Calls(), Calls(), Calls()
        self.dispatcher = Dispatcher(
            store=self.store,
            changes=self.changes,
            add=self.added,
            forget=self.forgotten,
            interrupt=self.interrupted,
            uniform=middle,
            timings=Timings(),
        )

        if is_open:
            self.open()

    def open(self) -> None:
        for plural in (SOURCES, BUNDLES):
            self.store.note_listed(plural)

    def source(self, version: int = 1, **metadata: Any) -> dict[str, Any]:
        obj = a.raw_source(resourceVersion=str(version), **metadata)
        obj["status"] = {"conditions": READY}
        self.dispatcher.seen(SOURCES, obj)
        return obj

    def bundle(self, version: int = 1, spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
        obj = a.raw_bundle(spec, resourceVersion=str(version), **metadata)
        self.dispatcher.seen(BUNDLES, obj)
        return obj

    def again(
        self, obj: dict[str, Any], change: Callable[[dict[str, Any]], None], plural: str = SOURCES
    ) -> None:
        after = copy.deepcopy(obj)
        after["metadata"]["resourceVersion"] = str(int(obj["metadata"]["resourceVersion"]) + 1)
        change(after)
        self.added.clear()
        self.dispatcher.seen(plural, after)


def metadata(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda obj: obj["metadata"].update(changes)


def note(key: str, value: str = "true") -> Callable[[dict[str, Any]], None]:
    return metadata(annotations={key: value})


def test_a_new_source_is_visited_at_once_and_remembered() -> None:
    world = World()
    world.source()
    assert world.added.made == [(a.UID, 0.0)]
    assert world.changes.spec_seen(a.UID) == 100.0


@pytest.mark.parametrize(
    ("change", "visited"),
    [
        pytest.param(metadata(generation=2), True, id="spec"),
        pytest.param(metadata(deletionTimestamp="2026-03-01T12:00:00Z"), True, id="deletion"),
        pytest.param(note("skillmeat.io/reconcile-requested-at"), True, id="our-request"),
        pytest.param(note("reconcile.fluxcd.io/requestedAt"), True, id="request-of-flux"),
        pytest.param(note("skillmeat.io/approve-removal"), True, id="approval"),
        pytest.param(note("skillmeat.io/force-delete"), True, id="forced-deletion"),
        pytest.param(note("skillmeat.io/move-location"), True, id="moved-location"),
        pytest.param(lambda obj: obj.update(status={}), True, id="emptied-status"),
        pytest.param(
            lambda obj: obj.update(status={"conditions": [{"type": "Ready", "status": "False"}]}),
            False,
            id="own-status",
        ),
        pytest.param(metadata(finalizers=["skillmeat.io/catalog-cleanup"]), False, id="own-finalizer"),
        pytest.param(metadata(labels={"a": "b"}, managedFields=[{}]), False, id="labels-and-fields"),
        pytest.param(note("someone/else"), False, id="another-annotation"),
        pytest.param(lambda obj: None, False, id="nothing"),
    ],
)
def test_a_source_is_visited_for_what_matters(
    change: Callable[[dict[str, Any]], None], visited: bool
) -> None:
    world = World()
    obj = world.source()
    world.again(obj, change)
    assert world.added.made == ([(a.UID, 0.0)] if visited else [])


def test_an_old_event_is_not_news() -> None:
    world = World()
    world.source(version=9, generation=3)
    world.added.clear()
    world.source(version=8, generation=2)
    assert world.added.made == []
    found = world.store.sources.get(a.UID)
    assert found is not None
    assert found["metadata"]["generation"] == 3


def test_a_request_is_dated_when_it_is_first_seen() -> None:
    world = World()
    obj = world.source(annotations={"skillmeat.io/reconcile-requested-at": "one"})
    world.now = 200.0
    world.again(obj, metadata(generation=2))
    assert world.changes.asked(a.UID, "one") == 100.0


def test_a_source_made_anew_unseen_is_forgotten_in_its_former_life() -> None:
    world = World()
    world.source()
    world.source(version=9, uid="anew")
    assert world.forgotten.made == [(a.UID,)]
    assert world.added.made[-1] == ("anew", 0.0)
    world.dispatcher.gone(SOURCES, a.UID)
    assert world.forgotten.made == [(a.UID,)]


def test_a_late_event_of_a_former_life_changes_nothing() -> None:
    world = World()
    world.source(version=9, uid="anew")
    world.added.clear()
    world.source(version=5)
    assert (world.added.made, world.forgotten.made) == ([], [])
    assert world.changes.spec_seen(a.UID) is None


def test_a_bundle_marks_its_source_and_changes_are_coalesced() -> None:
    world = World()
    world.source()
    obj = world.bundle()
    assert world.added.made[-1] == (a.UID, COALESCE)
    world.again(obj, lambda one: one.update(status={"conditions": READY}), BUNDLES)
    assert world.added.made == []
    obj["metadata"]["resourceVersion"] = "2"
    world.again(obj, metadata(generation=2), BUNDLES)
    assert world.added.made == [(a.UID, COALESCE)]


def test_a_bundle_that_moves_marks_both_sources() -> None:
    world = World()
    world.source()
    world.source(version=2, name="second", uid="second")
    obj = world.bundle(version=3)

    def move(one: dict[str, Any]) -> None:
        one["spec"]["sourceRef"]["name"] = "second"
        one["metadata"]["generation"] = 2

    world.again(obj, move, BUNDLES)
    assert sorted(world.added.first) == sorted(["second", a.UID])


def test_a_bundle_without_a_source_is_visited_itself() -> None:
    world = World()
    world.bundle()
    assert world.added.made == [("uid-tb", COALESCE)]


def test_the_bundles_of_a_source_that_is_gone_are_visited_themselves() -> None:
    world = World()
    world.source()
    world.bundle(version=2)
    world.added.clear()
    world.dispatcher.gone(SOURCES, a.UID)
    assert world.forgotten.made == [(a.UID,)]
    assert world.changes.spec_seen(a.UID) is None
    assert world.added.made == [("uid-tb", COALESCE)]


def test_a_bundle_that_is_gone_marks_its_source() -> None:
    world = World()
    world.source()
    world.bundle(version=2)
    world.added.clear()
    world.dispatcher.gone(BUNDLES, "uid-tb")
    world.dispatcher.gone(BUNDLES, "uid-tb")
    assert world.added.made == [(a.UID, COALESCE)]


def test_when_the_gate_opens_all_are_visited_once_spread_over_a_second() -> None:
    world = World(is_open=False)
    world.source()
    world.bundle(version=2)
    world.bundle(version=3, name="orphan", spec={"sourceRef": {"name": "nowhere"}})
    assert world.added.made == [], "nothing is visited before both kinds were listed in full"
    world.open()
    world.dispatcher.visit_all()
    assert world.added.made == [(a.UID, 0.5), ("uid-orphan", 0.0)]


def test_a_forced_deletion_interrupts_once() -> None:
    world = World()
    obj = world.source(deletionTimestamp="2026-03-01T12:00:00Z")
    forced = note("skillmeat.io/force-delete")
    world.again(obj, forced)
    assert world.interrupted.made == [(a.UID,)]
    forced(obj)
    obj["metadata"]["resourceVersion"] = "7"
    world.dispatcher.seen(SOURCES, obj)
    assert world.interrupted.made == [(a.UID,)]


@pytest.mark.parametrize(
    ("changes", "interrupted"),
    [
        pytest.param({"deletionTimestamp": "2026-03-01T12:00:00Z", "force": "true"}, True, id="forced"),
        pytest.param({"deletionTimestamp": "2026-03-01T12:00:00Z", "force": "yes"}, False, id="not-true"),
        pytest.param({"deletionTimestamp": "2026-03-01T12:00:00Z"}, False, id="not-forced"),
        pytest.param({"force": "true"}, False, id="not-deleted"),
        pytest.param({}, False, id="neither"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_only_a_forced_deletion_interrupts_also_where_it_is_the_first_that_is_seen(
    changes: dict[str, Any], interrupted: bool, known: bool
) -> None:
    world = World()
    if known:
        world.source()
    force = changes.get("force")
    notes = {} if force is None else {"annotations": {"skillmeat.io/force-delete": force}}
    world.source(version=2, **{key: one for key, one in changes.items() if key != "force"}, **notes)
    assert world.interrupted.made == ([(a.UID,)] if interrupted else [])


def test_a_status_that_never_had_conditions_is_not_emptied() -> None:
    world = World()
    obj = world.source()
    obj["status"] = {}
    obj["metadata"]["resourceVersion"] = "2"
    world.dispatcher.seen(SOURCES, obj)
    world.again(obj, lambda one: one.update(status={"observedGeneration": 1}))
    assert world.added.made == []


@pytest.mark.parametrize("notes", [None, {}, {"skillmeat.io/reconcile-requested-at": "one"}])
def test_annotations_may_come_and_go(notes: dict[str, str] | None) -> None:
    world = World()
    obj = world.source(annotations={"skillmeat.io/reconcile-requested-at": "one"})
    world.again(obj, metadata(annotations=notes))
    assert world.added.made == ([] if notes else [(a.UID, 0.0)])


def test_both_annotations_that_ask_for_a_sync_are_dated() -> None:
    world = World()
    ours, of_flux = "skillmeat.io/reconcile-requested-at", "reconcile.fluxcd.io/requestedAt"
    world.source(annotations={ours: "one", of_flux: "two", "someone/else": "three"})
    dated = [world.changes.asked(a.UID, token) for token in ("one", "two", "three")]
    assert dated == [100.0, 100.0, None]


def test_a_deleted_object_that_is_seen_again_late_is_not_visited() -> None:
    world = World()
    obj = world.source()
    world.dispatcher.gone(SOURCES, a.UID, "9")
    world.added.clear()
    world.again(obj, metadata(generation=2))
    assert (world.added.made, world.changes.spec_seen(a.UID)) == ([], None)


def test_objects_of_one_generation_and_another_life_are_another() -> None:
    world = World()
    world.bundle()
    world.added.clear()
    world.bundle(version=5, uid="anew")
    assert world.added.made == [("anew", COALESCE)]
    assert world.forgotten.made == [("uid-tb",)]


def test_a_namespace_that_opens_later_is_visited_then_and_alone() -> None:
    world = World(is_open=False)
    world.source()
    world.source(version=2, uid="other", namespace="elsewhere")
    for plural in (SOURCES, BUNDLES):
        world.store.note_listed(plural, "elsewhere")
    world.dispatcher.visit_all("elsewhere")
    assert world.added.made == [("other", 0.5)]


def test_a_restored_object_is_visited_also_under_the_same_generation() -> None:
    world = World()
    world.source(version=990, generation=3)
    world.now = 200.0
    world.added.clear()
    listing = world.store.sources.begin_list(None)
    listing.answered("905")
    world.dispatcher.listed(SOURCES, a.raw_source(resourceVersion="850", generation=3), listing)
    assert world.added.made == [(a.UID, 0.0)]
    assert world.changes.spec_seen(a.UID) == 200.0


def test_a_listed_object_that_is_known_is_not_news() -> None:
    world = World()
    obj = world.source(version=5)
    world.added.clear()
    listing = world.store.sources.begin_list(None)
    listing.answered("9")
    world.dispatcher.listed(SOURCES, copy.deepcopy(obj), listing)
    assert world.added.made == []


def test_a_form_that_is_known_is_not_taken_in_again_but_is_newer_than_a_list_asked_for_before() -> None:
    world = World()
    obj = world.source(version=5)
    world.added.clear()
    kept = world.store.sources.get(a.UID)
    listing = world.store.sources.begin_list(None)
    world.dispatcher.seen(SOURCES, {**copy.deepcopy(obj), "spec": {}})
    assert world.store.sources.get(a.UID) is kept
    assert world.added.made == []
    listing.answered("9")
    world.dispatcher.listed(SOURCES, a.raw_source(resourceVersion="4", generation=9), listing)
    assert world.store.sources.get(a.UID) is kept


def test_an_object_without_a_version_is_taken_in_each_time() -> None:
    world = World()
    world.dispatcher.seen(SOURCES, a.raw_source(resourceVersion=""))
    world.added.clear()
    world.dispatcher.seen(SOURCES, a.raw_source(resourceVersion="", generation=2))
    assert world.added.made == [(a.UID, 0.0)]
