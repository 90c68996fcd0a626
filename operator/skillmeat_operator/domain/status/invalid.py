"""The status of an object whose spec cannot be read: stored before a rule existed, or by a newer version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from skillmeat_operator.api.keys import TEMPLATE_BUNDLE
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Condition, ConditionType, Reason
from skillmeat_operator.domain.status.conditions import FALSE, MOST_CONDITIONS, ConditionSet
from skillmeat_operator.domain.status.spec_version import SpecVersion


def invalid_status(
    obj: Mapping[str, Any], message: str, *, carried_out: SpecVersion, now: datetime
) -> dict[str, Any]:
    """The whole status of such an object of either kind: Stalled, with a sentence that says what is wrong,
    and that what it governs is frozen.

    Args:
        obj: the object as stored.
        message: what is wrong with its spec, without a value of it.
        carried_out: the object and spec that this was found out about.
        now: the present, in UTC.

    Raises:
        OtherGenerationError: the object is not that one.
    """
    metadata = Metadata.from_object(obj)
    carried_out.require(metadata)
    status = dict(obj.get("status") or {})
    read, unread = _read(status.get("conditions"))
    conditions = ConditionSet(read, generation=metadata.generation, now=now)
    stays = "its bundle" if obj.get("kind") == TEMPLATE_BUNDLE.kind else "it"
    said = (
        f"the spec cannot be read, correct it or upgrade the operator: {message}; what was published of "
        f"{stays} stays as it is"
    )
    conditions.set(ConditionType.READY, FALSE, Reason.INVALID_SPEC, said)
    conditions.stuck(Reason.INVALID_SPEC, said)
    status["observedGeneration"] = metadata.generation
    told = [condition.to_wire() for condition in conditions.result()]
    status["conditions"] = (told + unread)[:MOST_CONDITIONS]
    return status


def _read(stored: Any) -> tuple[list[Condition], list[Any]]:
    """The conditions that can be read, and the others as they are, but for ours: those are told anew."""
    read: list[Condition] = []
    unread: list[Any] = []
    for one in stored if isinstance(stored, list) else ():
        try:
            read.append(Condition.model_validate(one))
        except ValidationError:
            if not isinstance(one, Mapping) or one.get("type") not in set(CONDITIONS):
                unread.append(one)
    return read, unread
