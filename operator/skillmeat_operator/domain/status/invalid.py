"""The status of an object whose spec cannot be read: stored before a rule existed, or by a newer version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from skillmeat_operator.api.objects import Metadata, read_status
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.status.conditions import FALSE, ConditionSet


def invalid_status(obj: Mapping[str, Any], message: str, *, now: datetime) -> dict[str, Any]:
    """The whole status of such an object of either kind: Stalled, with a sentence that says what is wrong."""
    previous = read_status(CatalogSourceStatus, obj)
    generation = Metadata.from_object(obj).generation
    conditions = ConditionSet(previous.conditions, generation=generation, now=now)
    said = f"the spec cannot be read, correct it: {message}"
    conditions.set(ConditionType.READY, FALSE, Reason.INVALID_SPEC, said)
    conditions.stuck(Reason.INVALID_SPEC, said)
    status = dict(obj.get("status") or {})
    status["observedGeneration"] = generation
    status["conditions"] = [condition.to_wire() for condition in conditions.result()]
    return status
