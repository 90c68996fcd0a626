"""What the API server stored in a write of ours may hold somebody else's change too; it must not be lost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    NotFoundError,
    ObjectSupersededError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import KINDS, RECONCILE_REQUESTED_AT
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.api.v1alpha1.conditions import Condition
from skillmeat_operator.controller.visit.announcer import Announcer
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.status.spec_version import OtherGenerationError, SpecVersion
from skillmeat_operator.domain.status.unsynced import announce
from skillmeat_operator.domain.timings import Timings
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls, middle

SOURCES = "catalogsources"


class Statuses:
    """Writes as the API server does; somebody else may write a moment before."""

    def __init__(self, meanwhile: Callable[[dict[str, Any]], None] | None) -> None:
        self._meanwhile = meanwhile

    async def write(
        self, ref: Any, desired: Mapping[str, Any], *, current: Mapping[str, Any], derive: Any
    ) -> Mapping[str, Any]:
        stored = copy.deepcopy(dict(current))
        if self._meanwhile is not None:
            self._meanwhile(stored)
        stored["metadata"]["resourceVersion"] = str(int(current["metadata"]["resourceVersion"]) + 2)
        stored["status"] = dict(derive(stored))
        return stored


class Silent:
    """Takes Events."""

    def post(self, *_: Any) -> None:
        pass


def annotated(obj: dict[str, Any]) -> None:
    obj["metadata"]["annotations"] = {RECONCILE_REQUESTED_AT: "now"}


@pytest.mark.parametrize(
    ("meanwhile", "visited"),
    [pytest.param(annotated, True, id="a-request"), pytest.param(None, False, id="nobody")],
)
async def test_a_request_that_came_between_reading_and_writing_is_acted_on(
    meanwhile: Callable[[dict[str, Any]], None] | None, visited: bool
) -> None:
    store, added = Store(), Calls()
    dispatcher = Dispatcher(
        store=store,
        changes=Changes(clock=lambda: 1.0),
        add=added,
        forget=Calls(),
        interrupt=Calls(),
        uniform=middle,
        timings=Timings(),
    )
    for names in KINDS:
        store.note_listed(names.plural)
    raw = a.raw_source(resourceVersion="5")
    dispatcher.seen(SOURCES, raw)
    added.clear()
    writer = ObjectWriter(
        store=store,
        seen=dispatcher.seen,
        statuses=cast(StatusWriter, Statuses(meanwhile)),
        announcer=cast(Announcer, Silent()),
        now=lambda: a.NOW,
    )

    await writer.source(raw, lambda source: announce(source, carried_out=SpecVersion.of(source), now=a.NOW))

    assert bool(added.made) is visited
    assert store.sources.get(a.UID) is not raw
    # The watch comes later with the older form, and then with what was written: neither is news.
    added.clear()
    late = copy.deepcopy(raw)
    late["metadata"]["resourceVersion"] = "6"
    annotated(late)
    dispatcher.seen(SOURCES, late)
    dispatcher.seen(SOURCES, dict(store.sources.get(a.UID) or {}))
    assert added.made == []


# --- what was written, and the Events of it


@dataclass
class Scene:
    """One object of either kind, its status, and what happens when a status is written."""

    kind: str = "source"
    meanwhile: Callable[[dict[str, Any]], None] | None = None
    fails: Exception | None = None
    tries: int = 1
    writes: int = 0
    seen: list[str] = field(default_factory=list)
    events: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store()
        self.raw = (
            a.raw_source(resourceVersion="5") if self.kind == "source" else a.raw_bundle(resourceVersion="5")
        )
        self.objects: Any = self.store.sources if self.kind == "source" else self.store.bundles
        self.objects.put(self.raw)
        self.writer = ObjectWriter(
            store=self.store,
            seen=self._see,
            statuses=cast(StatusWriter, self),
            announcer=cast(Announcer, self),
            now=lambda: a.NOW,
        )

    def _see(self, plural: str, obj: Any) -> None:
        self.seen.append(plural)
        self.objects.put(obj)

    async def write(self, ref: Any, desired: Any, *, current: Any, derive: Any) -> Any:
        if self.fails is not None:
            raise self.fails
        if desired == current["status"]:
            return current
        self.writes += 1
        stored = copy.deepcopy(dict(current))
        for _ in range(self.tries if self.meanwhile is not None else 0):
            cast(Any, self.meanwhile)(stored)
            desired = derive(stored)
        stored["metadata"]["resourceVersion"] = str(int(current["metadata"]["resourceVersion"]) + 2)
        stored["status"] = dict(desired)
        return stored

    async def send(self, ref: Any, event_type: str, reason: str, message: str) -> bool:
        self.post(ref, event_type, reason, message)
        return True

    def post(self, ref: Any, event_type: str, reason: str, message: str) -> None:
        self.events.append((str(event_type), str(reason), message))

    async def tell(self, *conditions: tuple[str, str, str], raw: Any = None) -> None:
        """Write a status with these conditions (type, status, reason)."""

        def derive(obj: Any) -> Any:
            told = [
                Condition.model_validate(
                    {
                        "type": kind,
                        "status": status,
                        "reason": reason,
                        "message": f"said of {obj.annotations.get('seen', 'nobody')}",
                        "observedGeneration": obj.generation,
                        "lastTransitionTime": "2026-03-01T12:00:00Z",
                    }
                )
                for kind, status, reason in conditions
            ]
            return obj.status.model_copy(
                update={"conditions": tuple(told), "observed_generation": obj.generation}
            )

        write: Any = self.writer.source if self.kind == "source" else self.writer.bundle
        await write(self.raw if raw is None else raw, derive)


KINDS_OF = pytest.mark.parametrize("kind", ["source", "bundle"])


@KINDS_OF
@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        pytest.param(None, ("True", "Succeeded"), "Normal", id="well"),
        pytest.param(None, ("False", "RemovalHeld"), "Warning", id="not-well"),
        pytest.param(None, ("True", "ServingLastGood"), "Warning", id="as-it-was"),
        pytest.param(("True", "Succeeded"), ("True", "Succeeded"), None, id="the-same"),
        pytest.param(("True", "Succeeded"), ("True", "ServingLastGood"), "Warning", id="another-reason"),
        pytest.param(("True", "Conflict"), ("False", "Conflict"), "Warning", id="another-status"),
        pytest.param(None, ("Unknown", "Succeeded"), None, id="unknown"),
        pytest.param(None, ("False", "Progressing"), None, id="under-way"),
        pytest.param(("True", "Succeeded"), None, None, id="none"),
    ],
)
async def test_an_event_tells_where_ready_changed(
    kind: str, before: tuple[str, str] | None, after: tuple[str, str] | None, event: str | None
) -> None:
    scene = Scene(kind)
    if before is not None:
        await scene.tell(("Ready", *before))
        scene.events.clear()
    await scene.tell(("Stalled", "True", "Other"), *((("Ready", *after),) if after is not None else ()))
    assert [one[:2] for one in scene.events] == ([(event, after[1])] if event and after else [])
    assert scene.writes == 1 + (before is not None)
    assert scene.seen == [f"{'catalogsource' if kind == 'source' else 'templatebundle'}s"] * scene.writes


@KINDS_OF
async def test_a_status_that_is_there_already_is_no_news(kind: str) -> None:
    scene = Scene(kind)
    for _ in range(2):
        await scene.tell(("Ready", "True", "Succeeded"))
    assert (scene.writes, len(scene.seen), len(scene.events)) == (1, 1, 1)


@KINDS_OF
async def test_what_somebody_wrote_in_between_is_what_the_status_and_its_event_are_of(kind: str) -> None:
    def annotate(obj: dict[str, Any]) -> None:
        obj["metadata"]["annotations"] = {"seen": "somebody"}

    scene = Scene(kind, meanwhile=annotate)
    await scene.tell(("Ready", "True", "Succeeded"))
    uid = scene.raw["metadata"]["uid"]
    stored = scene.objects.get(uid)
    assert stored["status"]["conditions"][0]["message"] == "said of somebody"
    assert scene.events == [("Normal", "Succeeded", "said of somebody")]


@KINDS_OF
async def test_of_several_who_wrote_in_between_the_last_counts(kind: str) -> None:
    found: list[str] = []

    def annotate(obj: dict[str, Any]) -> None:
        found.append(f"writer {len(found)}")
        obj["metadata"]["annotations"] = {"seen": found[-1]}

    scene = Scene(kind, meanwhile=annotate, tries=3)
    await scene.tell(("Ready", "True", "Succeeded"))
    stored = scene.objects.get(scene.raw["metadata"]["uid"])
    assert stored["status"]["conditions"][0]["message"] == "said of writer 2"
    assert scene.events == [("Normal", "Succeeded", "said of writer 2")]


@KINDS_OF
@pytest.mark.parametrize("how", ["gone", "spec", "of the write", "not found", "generation"])
async def test_an_outcome_about_the_past_is_not_written(kind: str, how: str) -> None:
    scene = Scene(kind)
    seen = scene.raw
    if how == "gone":
        scene.objects.remove(scene.raw["metadata"]["uid"])
    elif how == "spec":
        seen = {**scene.raw, "metadata": {**scene.raw["metadata"], "generation": 2}}
    elif how == "of the write":
        scene.fails = ObjectSupersededError("made anew")
    elif how == "generation":
        scene.fails = OtherGenerationError("another")
    else:
        scene.fails = NotFoundError("gone")
    with pytest.raises(SupersededError):
        await scene.tell(("Ready", "True", "Succeeded"), raw=seen)
    assert (scene.writes, scene.seen, scene.events) == (0, [], [])


@pytest.mark.parametrize("generation", [0, 2])
async def test_a_spec_that_is_older_or_newer_is_another(generation: int) -> None:
    scene = Scene()
    seen = {**scene.raw, "metadata": {**scene.raw["metadata"], "generation": generation}}
    with pytest.raises(SupersededError):
        await scene.tell(("Ready", "True", "Succeeded"), raw=seen)


async def test_other_failures_are_the_callers() -> None:
    scene = Scene(fails=UnavailableError("timed out"))
    with pytest.raises(UnavailableError):
        await scene.tell(("Ready", "True", "Succeeded"))


@KINDS_OF
async def test_a_spec_that_cannot_be_read_is_told_without_parsing_it(kind: str) -> None:
    scene = Scene(kind)
    raw = {**scene.raw, "spec": {"newer": True}}
    await scene.writer.invalid(raw, "spec: newer")
    stored = scene.objects.get(scene.raw["metadata"]["uid"])
    ready = next(one for one in stored["status"]["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")
    assert ("its bundle" in ready["message"]) is (kind == "bundle")


@pytest.mark.parametrize(
    ("before", "seen", "told"),
    [
        pytest.param({"url": "http://old", "target": "t"}, "http://new", True, id="another-portal"),
        pytest.param({"url": "http://old", "target": "t"}, "http://old", False, id="the-same-portal"),
        pytest.param({"url": "http://old"}, "http://new", False, id="nothing-was-registered"),
        pytest.param({"target": "t"}, "http://new", False, id="no-portal-before"),
        pytest.param({"url": "http://old", "target": "t"}, None, False, id="no-portal-now"),
        pytest.param(None, "http://new", False, id="no-catalog-before"),
        pytest.param({"url": "http://old", "target": "t"}, "nothing", False, id="nothing-seen"),
    ],
)
async def test_an_event_says_what_stays_in_a_former_portal(
    before: dict[str, str] | None, seen: str | None, told: bool
) -> None:
    scene = Scene()
    raw = copy.deepcopy(scene.raw)
    if before is not None:
        raw["status"]["catalog"] = before
    now = None if seen == "nothing" else CatalogSeen(url=seen)
    await scene.writer.tell_left_behind(CatalogSource.from_object(raw), raw, now)
    assert [one[:2] for one in scene.events] == ([("Warning", "LocationLeftBehind")] if told else [])
    if told:
        assert "the location t stays in the former portal http://old" in scene.events[0][2]
