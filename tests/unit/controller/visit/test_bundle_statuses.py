"""TemplateBundles: each is told what its source's visit means for it, at rest it is left alone, and one that fails stops
no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import UnavailableError
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.visit.bundles import AT_ONCE, POOL, BundleReconciler
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.decide.declarations import declaration_hash
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls
from tests.unit.controller.visit.scene import visit

TIMINGS = Timings()
GRACE = TIMINGS.secret_grace


@dataclass
class Writer:
    """Writes as the real one does; ``fails`` by name of the TemplateBundle."""

    store: Store
    fails: dict[str, Exception] = field(default_factory=dict)
    derived: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    invalids: list[str] = field(default_factory=list)
    together: int = 0
    most: int = 0

    async def bundle(self, raw: Any, derive: Callable[[TemplateBundle], Any]) -> None:
        name, uid = raw["metadata"]["name"], raw["metadata"]["uid"]
        self.together += 1
        self.most = max(self.most, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        if name in self.fails:
            raise self.fails[name]
        current, parsed = self.store.bundles.get(uid), self.store.bundles.parsed(uid)
        assert current is not None
        assert parsed is not None
        self.derived.append(name)
        status = derive(parsed).to_wire()
        if status != current["status"]:
            self.written.append(name)
            version = str(int(current["metadata"]["resourceVersion"]) + 1)
            metadata = {**current["metadata"], "resourceVersion": version}
            self.store.bundles.put({**current, "metadata": metadata, "status": status})

    async def invalid(self, raw: Any, message: str) -> None:
        self.invalids.append(f"{raw['metadata']['name']}: {message}")


@dataclass
class Scene:
    """A CatalogSource with templates t0, t1 and t2, all in the portal, and its TemplateBundles."""

    now: datetime = a.NOW
    elements: list[Any] = field(default_factory=lambda: a.elements(3))

    def __post_init__(self) -> None:
        self.store, self.due = Store(), Calls()
        self.writer = Writer(self.store)
        self.visit = visit(store=self.store)
        self.bundles = BundleReconciler(
            store=self.store,
            writer=cast(Any, self.writer),
            mark_due=self.due,
            now=lambda: self.now,
            timings=TIMINGS,
        )

    def put(self, name: str, template: str = "t0", **changes: Any) -> dict[str, Any]:
        raw = a.raw_bundle({"bundleRef": {"id": f"id-{template}"}, **changes.pop("spec", {})}, name=name)
        raw["metadata"] |= changes
        self.store.bundles.put(raw)
        return raw

    def outcome(self, **changes: Any) -> Outcome:
        plan = a.plan(self.elements, bundles=self.bundles.models(self.bundles.of(self.visit)))
        base = Outcome(
            source=SideOutcome(),
            catalog=SideOutcome(),
            plan=plan,
            state=a.state(plan),
            staleness_known=True,
            serving=True,
        )
        return replace(base, **changes)

    async def write(self, outcome: Outcome | None = None, *, serial: int | None = 1) -> float | None:
        """What a visit writes."""
        raws = self.bundles.of(self.visit)
        return await self.bundles.write(self.visit, raws, outcome or self.outcome(), serial=serial)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def condition(self, kind: str, name: str) -> tuple[str, str]:
        raw = self.store.bundles.get(f"uid-{name}")
        assert raw is not None
        for one in raw["status"].get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"]
        return "", ""

    def ready(self, name: str) -> tuple[str, str]:
        return self.condition("Ready", name)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_each_is_told_what_became_of_it(scene: Scene) -> None:
    scene.put("there")
    scene.put("missing", "none-such")
    assert await scene.write() == GRACE + 0.5
    assert scene.ready("there") == ("True", "Succeeded")
    assert scene.ready("missing") == ("False", "BundleNotFound")


async def test_where_none_is_missing_nothing_is_due(scene: Scene) -> None:
    scene.put("there")
    assert await scene.write() is None


async def test_one_at_rest_is_not_derived_again_for_the_same_outcome(scene: Scene) -> None:
    scene.put("there")
    scene.put("other", "t1")
    outcome = scene.outcome()
    await scene.write(outcome)
    scene.writer.derived.clear()
    await scene.write(outcome)
    await scene.write(outcome)
    assert scene.writer.derived == []


@pytest.mark.parametrize("change", ["outcome", "object", "forgotten"])
async def test_it_is_derived_again_when_something_changed(scene: Scene, change: str) -> None:
    scene.put("there")
    scene.put("other", "t1")
    outcome = scene.outcome()
    await scene.write(outcome)
    scene.writer.derived.clear()
    if change == "outcome":
        outcome = replace(outcome, staleness_known=False)
    elif change == "forgotten":
        assert a.UID in scene.bundles
        scene.bundles.forget(a.UID)
        scene.bundles.forget(a.UID)
        assert a.UID not in scene.bundles
    else:
        raw = scene.store.bundles.get("uid-there")
        assert raw is not None
        scene.store.bundles.put({**raw, "metadata": {**raw["metadata"], "resourceVersion": "99"}})
    await scene.write(outcome)
    assert scene.writer.derived == (["there"] if change == "object" else ["there", "other"])


async def test_one_that_waits_or_failed_is_derived_each_time(scene: Scene) -> None:
    scene.put("missing", "none-such")
    scene.put("coming")
    outcome = scene.outcome()
    assert outcome.plan is not None
    outcome = replace(
        outcome, state=a.state(outcome.plan, []), converging=frozenset(outcome.plan.expected), unread=True
    )
    await scene.write(outcome)
    scene.writer.derived.clear()
    await scene.write(outcome)
    assert scene.writer.derived == ["missing", "coming"]


# --- what is missing


async def test_a_missing_one_is_final_after_its_grace_and_a_second_reading(scene: Scene) -> None:
    scene.put("missing", "none-such")
    told = []
    for serial, seconds in ((5, 0.0), (5, GRACE + 1), (6, 1.0)):
        scene.wait(seconds)
        await scene.write(serial=serial)
        told.append(scene.condition("Stalled", "missing")[0])
    assert told == ["", "", "True"]


async def test_two_readings_within_the_grace_are_not_final(scene: Scene) -> None:
    scene.put("missing", "none-such")
    for serial in (1, 2, 3):
        await scene.write(serial=serial)
    assert scene.condition("Stalled", "missing") == ("", "")
    assert scene.condition("Reconciling", "missing")[0] == "True"


async def test_another_reference_has_to_be_missed_twice_on_its_own(scene: Scene) -> None:
    scene.put("missing", "none-such")
    await scene.write(serial=1)
    await scene.write(serial=2)
    scene.put("missing", "none-such-either", generation=2, resourceVersion="50")
    await scene.write(serial=2)
    scene.wait(GRACE + 1)
    await scene.write(serial=2)
    assert scene.condition("Stalled", "missing") == ("", "")
    await scene.write(serial=3)
    assert scene.condition("Stalled", "missing")[0] == "True"


@pytest.mark.parametrize("without", ["serial", "plan"])
async def test_a_visit_without_a_reading_counts_for_nothing(scene: Scene, without: str) -> None:
    scene.put("missing", "none-such")
    await scene.write(serial=1)
    scene.wait(GRACE + 1)
    outcome = scene.outcome(**({"plan": None} if without == "plan" else {}))
    after = await scene.write(outcome, serial=None if without == "serial" else 2)
    assert after == GRACE + 0.5
    assert scene.condition("Stalled", "missing") == ("", "")
    await scene.write(serial=2)
    assert scene.condition("Stalled", "missing")[0] == "True"


async def test_a_first_visit_without_a_reading_makes_the_next_one_no_second(scene: Scene) -> None:
    scene.put("missing", "none-such")
    await scene.write(serial=None)
    scene.wait(GRACE + 1)
    await scene.write(serial=1)
    scene.wait(GRACE + 1)
    await scene.write(serial=1)
    assert scene.condition("Stalled", "missing") == ("", "")


async def test_a_reader_that_counts_from_the_start_again_delays_it_by_one_reading(scene: Scene) -> None:
    scene.put("missing", "none-such")
    await scene.write(serial=500)
    scene.wait(GRACE + 1)
    await scene.write(serial=1)
    assert scene.condition("Stalled", "missing") == ("", "")
    await scene.write(serial=2)
    assert scene.condition("Stalled", "missing")[0] == "True"


async def test_one_that_was_there_in_between_is_missed_anew(scene: Scene) -> None:
    scene.put("missing", "t9")
    await scene.write(serial=1)
    scene.elements = [*a.elements(3), a.element("t9")]
    assert await scene.write(serial=2) is None
    assert scene.ready("missing")[0] == "True"
    scene.elements = a.elements(3)
    scene.wait(GRACE + 1)
    await scene.write(serial=3)
    scene.wait(GRACE + 1)
    await scene.write(serial=3)
    assert scene.condition("Stalled", "missing") == ("", "")


async def test_one_that_vanished_while_its_template_is_held_is_missing_too(scene: Scene) -> None:
    scene.put("tb", "t1")
    before = scene.outcome().plan
    assert before is not None
    models = scene.bundles.models(scene.bundles.of(scene.visit))
    after = a.plan([a.element("t0"), a.element("t2")], bundles=models, before=before)
    outcome = scene.outcome(plan=after, state=a.state(after))
    assert await scene.write(outcome) == GRACE + 0.5
    assert scene.ready("tb") == ("False", "BundleNotFound")


# --- failures


async def test_one_that_cannot_be_written_stops_no_other_and_is_named(scene: Scene) -> None:
    for name in ("a", "b", "c", "d"):
        scene.put(name)
    scene.writer.fails = {"a": UnavailableError("timed out"), "c": UnavailableError("timed out")}
    with pytest.raises(ExceptionGroup) as caught:
        await scene.write()
    assert len(caught.value.exceptions) == 2
    assert scene.writer.written == ["b", "d"]


async def test_many_are_all_tried_whatever_fails_first(scene: Scene) -> None:
    for number in range(AT_ONCE + 5):
        scene.put(f"b{number:03}")
    scene.writer.fails = {"b000": UnavailableError("timed out")}
    with pytest.raises(ExceptionGroup):
        await scene.write()
    assert len(scene.writer.derived) == AT_ONCE + 4
    assert scene.writer.most == POOL


async def test_one_that_changed_meanwhile_is_left_to_the_next_visit(scene: Scene) -> None:
    scene.put("a")
    scene.put("b", "t1")
    scene.writer.fails = {"a": SupersededError("the spec changed")}
    outcome = scene.outcome()
    await scene.write(outcome)
    scene.writer.fails.clear()
    scene.writer.derived.clear()
    await scene.write(outcome)
    assert scene.writer.derived == ["a"]


# --- those that cannot be read


async def test_those_that_cannot_be_read_are_told_apart(scene: Scene) -> None:
    good = scene.put("good")
    bad = scene.put("bad", spec={"stalePolicy": "Newer"})
    raws = [good, bad]
    await scene.bundles.read(raws)
    assert [one.name for one in scene.bundles.models(raws)] == ["good"]
    assert [one.object_name for one in scene.bundles.frozen(raws)] == ["bad"]
    found = scene.bundles.unreadable(raws)
    assert [one.name for one in found] == ["bad"]
    assert "stalePolicy" in found[0].problem
    await scene.write()
    assert [one.partition(":")[0] for one in scene.writer.invalids] == ["bad"]
    assert scene.writer.written == ["good"]


async def test_one_that_is_gone_by_now_is_no_model(scene: Scene) -> None:
    raw = scene.put("gone")
    scene.store.bundles.remove("uid-gone")
    assert scene.bundles.models([raw]) == []
    assert scene.bundles.unreadable([raw]) == ()


async def test_many_are_parsed_with_others_turns_in_between(scene: Scene) -> None:
    raws = [scene.put(f"b{number:03}") for number in range(3 * AT_ONCE)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await scene.bundles.read(raws[:AT_ONCE])
    assert turns == 0
    await scene.bundles.read(raws)
    task.cancel()
    assert turns == 2


# --- a source that is suspended, or cannot be read


@pytest.mark.parametrize(("suspended", "stalled"), [(True, True), (False, False)])
async def test_they_wait_for_their_source_and_hear_why(scene: Scene, suspended: bool, stalled: bool) -> None:
    scene.put("new")
    await scene.bundles.write_waiting("team", "main", None, suspended=suspended)
    assert scene.ready("new") == ("False", "SourceNotReady")
    assert (scene.condition("Stalled", "new")[0] == "True") is stalled


@pytest.mark.parametrize("served", [True, False])
async def test_one_that_was_well_stays_so_while_something_is_served(scene: Scene, served: bool) -> None:
    scene.put("tb")
    outcome = scene.outcome()
    await scene.write(outcome)
    assert outcome.plan is not None
    content = Content(records=outcome.plan.records, observed=()) if served else None
    await scene.bundles.write_waiting("team", "main", content)
    assert scene.ready("tb") == (("True", "Succeeded") if served else ("False", "SourceNotReady"))


@pytest.mark.parametrize("same", [True, False])
async def test_a_suspended_one_is_settled_where_it_was_decided_as_it_is(scene: Scene, same: bool) -> None:
    scene.put("tb", spec={"publish": True})
    outcome = scene.outcome()
    await scene.write(outcome)
    assert outcome.plan is not None
    content = Content(records=outcome.plan.records, observed=())
    assert declaration_hash(a.bundle({"publish": True})) in {one.declaration_hash for one in content.records}
    changes = {} if same else {"version": "^7"}
    scene.put(
        "tb",
        spec={"publish": True, "suspend": True, **changes},
        generation=2,
        resourceVersion="50",
    )
    raw = scene.store.bundles.get("uid-tb")
    assert raw is not None
    told = [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "m",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-03-01T11:00:00Z",
        }
    ]
    status = {"observedGeneration": 1, "conditions": told}
    metadata = {**raw["metadata"], "resourceVersion": "51"}
    scene.store.bundles.put({**raw, "metadata": metadata, "status": status})
    await scene.bundles.write_waiting("team", "main", content)
    assert scene.ready("tb") == (("True", "Succeeded") if same else ("False", "Suspended"))


# --- without a source


async def test_one_without_a_source_is_final_after_its_grace(scene: Scene) -> None:
    scene.put("orphan")
    scene.store.sources.remove(a.UID)
    expected = Result.done(after=GRACE + 0.5)
    assert await scene.bundles.visit_orphan("uid-orphan") == expected
    assert scene.ready("orphan") == ("False", "SourceNotFound")
    assert scene.condition("Stalled", "orphan") == ("", "")
    scene.wait(GRACE + 1)
    assert await scene.bundles.visit_orphan("uid-orphan") == expected
    assert scene.condition("Stalled", "orphan")[0] == "True"


async def test_one_whose_source_is_there_by_now_is_left_to_its_visit(scene: Scene) -> None:
    scene.put("orphan")
    assert await scene.bundles.visit_orphan("uid-orphan") == Result.done()
    assert scene.due.made == [(a.UID, 0.0)]
    assert scene.writer.derived == []


@pytest.mark.parametrize("how", ["gone", "going"])
async def test_one_that_goes_is_left_alone(scene: Scene, how: str) -> None:
    if how == "going":
        scene.put("orphan", deletionTimestamp="2026-03-01T12:00:00Z")
    assert await scene.bundles.visit_orphan("uid-orphan") == Result.done()
    assert scene.due.made == []


@pytest.mark.parametrize("error", [SupersededError("the spec changed"), UnavailableError("timed out")])
async def test_one_that_could_not_be_written_is_tried_again(scene: Scene, error: Exception) -> None:
    scene.put("orphan")
    scene.store.sources.remove(a.UID)
    scene.writer.fails = {"orphan": error}
    assert await scene.bundles.visit_orphan("uid-orphan") == Result.failure()
