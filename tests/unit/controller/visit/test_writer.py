"""What the API server stored in a write of ours may hold somebody else's change too; it must not be lost."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.events import EventRecorder
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import KINDS, RECONCILE_REQUESTED_AT
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.dispatch import Dispatcher
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.status.spec_version import SpecVersion
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

    async def emit(self, *_: Any) -> bool:
        return True


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
        events=cast(EventRecorder, Silent()),
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
