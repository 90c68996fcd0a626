"""Objects as the command line sees them: status typed, spec as stored, also where that is not valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.api.objects import Metadata, read_status
from skillmeat_operator.api.v1alpha1.catalog_source_status import MAX_LISTED, CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import CONDITIONS, Condition, ConditionStatus, ConditionType
from skillmeat_operator.api.v1alpha1.reasons import REASONS, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundleStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_NOT_SEEN_REMEDY = "Check that the operator runs and that it reconciles this namespace."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an object is as its spec wants it, for people."""

    is_ready: bool
    word: str
    """True, False or Unknown."""
    reason: str
    """Reason of the condition; `-` where the operator has not said anything."""
    message: str
    remedy: str | None
    """What to do, one sentence; None where there is nothing to do."""
    since: datetime | None


@dataclass(frozen=True, slots=True)
class SeenSource:
    """A CatalogSource."""

    metadata: Metadata
    spec: Mapping[str, Any]
    status: CatalogSourceStatus
    kind: KindNames = CATALOG_SOURCE

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> Self:
        """Read a raw object; a spec or status that is not valid reads as far as it goes."""
        return cls(
            metadata=Metadata.from_object(obj),
            spec=obj.get("spec") or {},
            status=read_status(CatalogSourceStatus, obj),
        )


@dataclass(frozen=True, slots=True)
class SeenBundle:
    """A TemplateBundle."""

    metadata: Metadata
    spec: Mapping[str, Any]
    status: TemplateBundleStatus
    kind: KindNames = TEMPLATE_BUNDLE

    @classmethod
    def from_object(cls, obj: Mapping[str, Any]) -> Self:
        """Read a raw object; a spec or status that is not valid reads as far as it goes."""
        return cls(
            metadata=Metadata.from_object(obj),
            spec=obj.get("spec") or {},
            status=read_status(TemplateBundleStatus, obj),
        )

    @property
    def source_name(self) -> str:
        """Name of the CatalogSource it refers to, in its own namespace."""
        return plain((self.spec.get("sourceRef") or {}).get("name") or "-")


Seen = SeenSource | SeenBundle


def is_suspended(seen: Seen) -> bool:
    """Whether spec.suspend is set."""
    return bool(seen.spec.get("suspend"))


def condition_of(seen: Seen, condition_type: ConditionType) -> Condition | None:
    """Return the condition of this type, if the object has it."""
    return next((condition for condition in seen.status.conditions if condition.type == condition_type), None)


def readiness_of(seen: Seen) -> Readiness:
    """Return what Ready says of the object's *current* spec.

    A condition about an older generation says nothing of it, and one being deleted is never ready; kstatus
    reads both the same way.
    """
    ready = condition_of(seen, ConditionType.READY)
    if ready is None:
        return Readiness(
            is_ready=False,
            word=ConditionStatus.UNKNOWN.value,
            reason="-",
            message="The operator has not said anything about it yet.",
            remedy=_NOT_SEEN_REMEDY,
            since=None,
        )
    if ready.observed_generation < seen.metadata.generation:
        return Readiness(
            is_ready=False,
            word=ConditionStatus.UNKNOWN.value,
            reason="-",
            message=f"The operator has not looked at generation {seen.metadata.generation} yet; of "
            f"generation {ready.observed_generation} it said Ready {ready.status}, {plain(ready.reason)}.",
            remedy=_NOT_SEEN_REMEDY,
            since=ready.last_transition_time,
        )
    is_ready = ready.status is ConditionStatus.TRUE and not seen.metadata.deleting
    return Readiness(
        is_ready=is_ready,
        word=ready.status.value,
        reason=plain(ready.reason),
        message=plain(ready.message),
        remedy=None if is_ready else remedy_of(ready.reason),
        since=ready.last_transition_time,
    )


def troubles_of(seen: Seen) -> tuple[Condition, ...]:
    """Return the conditions besides Ready that speak against the object, by their declared priority."""
    found = [
        (declaration.priority, condition)
        for condition in seen.status.conditions
        if (declaration := _declared(condition.type)) is not None
        and condition.type != ConditionType.READY
        and declaration.is_bad(condition.status)
    ]
    return tuple(condition for _, condition in sorted(found, key=lambda pair: pair[0]))


def problem_count(source: SeenSource) -> str:
    """Return how many problems there are; status lists a few of them, its counts know all that are errors.

    `20+` where the list is full and the counts know of no more: there may be warnings beyond.
    """
    listed, counts = len(source.status.problems), source.status.entities
    if listed < MAX_LISTED or counts is None:
        return str(listed)
    errors = counts.invalid + counts.conflicting + counts.missing
    return str(errors) if errors > listed else f"{listed}+"


def _declared(condition_type: str) -> Any:
    # A stored condition may come from another version, hence plain text there.
    return next((declared for declared in CONDITIONS.values() if declared.type == condition_type), None)


def remedy_of(reason: str) -> str | None:
    """Return what helps against a reason, None for one that is not declared (of another version)."""
    return REASONS[Reason(reason)].remedy if reason in set(Reason) else None


def plain(text: object) -> str:
    """Return text of an object without control characters, which could play tricks on a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in str(text))
