from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, NotFoundError, UnavailableError
from skillmeat_operator.adapters.kubernetes.events import EventRecorder, EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.api.keys import TEMPLATE_BUNDLE
from skillmeat_operator.api.objects import Metadata

REF = ObjectRef(names=TEMPLATE_BUNDLE, namespace="team", name="fin-serv", uid="u-1")


class Sink:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], float]] = []
        self.error: Exception | None = None

    async def create_event(self, namespace: str, event: dict[str, Any], *, within: float) -> None:
        if self.error is not None:
            raise self.error
        self.events.append((namespace, event, within))


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def recorder(sink: Sink) -> EventRecorder:
    return EventRecorder(sink, instance="pod-1", now=lambda: datetime(2030, 1, 2, 3, 4, 5, 6, tzinfo=UTC))


async def test_event_says_what_about_whom_when_and_by_whom(recorder, sink):
    assert await recorder.emit(REF, EventType.WARNING, "OutsideRange", "It is outside.")

    ((namespace, event, within),) = sink.events
    assert namespace == event["metadata"]["namespace"] == "team"
    assert event["involvedObject"] == {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "TemplateBundle",
        "namespace": "team",
        "name": "fin-serv",
        "uid": "u-1",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "OutsideRange", "It is outside.")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2030-01-02T03:04:05Z"
    assert (event["reportingComponent"], event["reportingInstance"]) == ("skillmeat-operator", "pod-1")
    assert within > 0


@pytest.mark.parametrize(
    "error", [ForbiddenError("namespace terminates"), NotFoundError("no namespace"), UnavailableError("away")]
)
async def test_event_that_is_not_taken_is_logged_and_counted(error, recorder, sink, caplog):
    sink.error = error
    with caplog.at_level(logging.WARNING):
        assert await recorder.emit(REF, EventType.NORMAL, "DeletionAbandoned", "At http://t.") is False

    assert recorder.lost == 1
    assert "DeletionAbandoned" in caplog.text
    assert "At http://t." in caplog.text


async def test_defect_of_ours_is_not_hidden(recorder, sink):
    sink.error = TypeError("defect")

    with pytest.raises(TypeError):
        await recorder.emit(REF, EventType.NORMAL, "X", "y")


async def test_long_message_is_cut(recorder, sink):
    await recorder.emit(REF, EventType.NORMAL, "X", "y" * 2000)

    assert len(sink.events[0][1]["message"]) == 1024


def test_reference_is_made_from_metadata():
    raw = {"metadata": {"namespace": "team", "name": "fin-serv", "uid": "u-1"}}

    assert ObjectRef.of(TEMPLATE_BUNDLE, Metadata.from_object(raw)) == REF
    assert str(REF) == "TemplateBundle team/fin-serv"
