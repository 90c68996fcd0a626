"""An Event for each change of Ready, of both kinds alike; and no status of a visit whose object is another by now."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import NotFoundError, UnavailableError
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.controller.visit.announcer import Announcer
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import Store
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls


class Statuses:
    """Stores what it is given, or fails."""

    def __init__(self) -> None:
        self.fails: Exception | None = None

    async def write(
        self, ref: Any, desired: Mapping[str, Any], *, current: Mapping[str, Any], derive: Any
    ) -> Mapping[str, Any]:
        if self.fails is not None:
            raise self.fails
        if current.get("status") == desired:
            return current
        stored = copy.deepcopy(dict(current))
        stored["status"] = dict(desired)
        return stored


class Events:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str, str]] = []

    def post(self, ref: Any, event_type: str, reason: str, message: str) -> None:
        self.sent.append((ref.names.kind, event_type, reason, message))

    async def send(self, ref: Any, event_type: str, reason: str, message: str) -> bool:
        self.post(ref, event_type, reason, message)
        return True


class Desk:
    """A writer and what is around it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.raw = a.raw_source() if kind == "CatalogSource" else a.raw_bundle()
        self.store, self.statuses, self.events, self.seen = Store(), Statuses(), Events(), Calls()
        self.writer = ObjectWriter(
            store=self.store,
            seen=self.seen,
            statuses=cast(StatusWriter, self.statuses),
            announcer=cast(Announcer, self.events),
            now=lambda: a.NOW,
        )
        self.objects.put(self.raw)

    @property
    def objects(self) -> Any:
        return self.store.sources if self.kind == "CatalogSource" else self.store.bundles

    def is_ready(self, status: str, reason: str) -> None:
        """The object says so already."""
        self.raw = copy.deepcopy(self.raw)
        self.raw["metadata"]["resourceVersion"] = "2"
        self.raw["status"] = {"observedGeneration": 1, "conditions": [condition(status, reason)]}
        self.objects.put(self.raw)

    async def write(self, status: str, reason: str) -> None:
        def derive(obj: Any) -> Any:
            told = type(obj.status).model_validate({"conditions": [condition(status, reason)]})
            return told.model_copy(update={"observed_generation": 1})

        write = self.writer.source if self.kind == "CatalogSource" else self.writer.bundle
        await write(self.raw, derive)


def condition(status: str, reason: str) -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": status,
        "reason": reason,
        "message": "m",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }


KINDS = pytest.mark.parametrize("kind", ["CatalogSource", "TemplateBundle"])


@KINDS
@pytest.mark.parametrize(
    ("before", "after", "sent"),
    [
        (None, ("True", "Succeeded"), "Normal"),
        (None, ("False", "InvalidSpec"), "Warning"),
        (None, ("Unknown", "Progressing"), None),
        (None, ("False", "Progressing"), None),
        (("True", "Succeeded"), ("False", "RemovalHeld"), "Warning"),
        (("True", "Succeeded"), ("True", "ServingLastGood"), "Warning"),
        (("True", "ServingLastGood"), ("True", "Succeeded"), "Normal"),
        (("False", "RemovalHeld"), ("False", "InvalidSpec"), "Warning"),
    ],
)
async def test_an_event_tells_of_another_state(
    kind: str, before: tuple[str, str] | None, after: tuple[str, str], sent: str | None
) -> None:
    desk = Desk(kind)
    if before is not None:
        desk.is_ready(*before)
    await desk.write(*after)
    assert desk.events.sent == ([(kind, sent, after[1], "m")] if sent else [])
    assert len(desk.seen.made) == 1


@KINDS
async def test_the_same_state_is_no_news(kind: str) -> None:
    desk = Desk(kind)
    desk.is_ready("True", "Succeeded")
    desk.raw["status"]["lost"] = "so that something is written"
    await desk.write("True", "Succeeded")
    assert len(desk.seen.made) == 1
    assert desk.events.sent == []


@KINDS
async def test_an_object_that_is_gone_or_has_another_spec_gets_no_status(kind: str) -> None:
    gone = Desk(kind)
    gone.objects.remove(gone.raw["metadata"]["uid"])
    with pytest.raises(SupersededError):
        await gone.write("True", "Succeeded")

    changed = Desk(kind)
    other = copy.deepcopy(changed.raw)
    other["metadata"].update(generation=2, resourceVersion="2")
    changed.objects.put(other)
    with pytest.raises(SupersededError):
        await changed.write("True", "Succeeded")

    late = Desk(kind)
    late.statuses.fails = NotFoundError("it went meanwhile")
    with pytest.raises(SupersededError):
        await late.write("True", "Succeeded")
    assert gone.seen.made == changed.seen.made == late.seen.made == []


@KINDS
async def test_the_api_server_s_failure_is_told(kind: str) -> None:
    desk = Desk(kind)
    desk.statuses.fails = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await desk.write("True", "Succeeded")


@pytest.mark.parametrize(
    ("before", "seen", "told"),
    [
        (
            {"url": "http://former", "target": "http://t"},
            CatalogSeen(url="http://new", target="http://t"),
            True,
        ),
        (
            {"url": "http://same", "target": "http://t"},
            CatalogSeen(url="http://same", target="http://u"),
            False,
        ),
        ({"url": "http://former"}, CatalogSeen(url="http://new"), False),
        ({"target": "http://t"}, CatalogSeen(url="http://new"), False),
        ({"url": "http://former", "target": "http://t"}, CatalogSeen(), False),
        ({"url": "http://former", "target": "http://t"}, None, False),
        (None, CatalogSeen(url="http://new"), False),
    ],
)
async def test_what_stays_in_a_former_portal_is_told(
    before: dict[str, str] | None, seen: CatalogSeen | None, told: bool
) -> None:
    desk = Desk("CatalogSource")
    desk.raw["status"]["catalog"] = before
    source = CatalogSource.from_object(desk.raw)
    await desk.writer.tell_left_behind(source, desk.raw, seen)
    assert [one[2] for one in desk.events.sent] == (["LocationLeftBehind"] if told else [])
    if told:
        assert "http://t" in desk.events.sent[0][3]
        assert "http://former" in desk.events.sent[0][3]
