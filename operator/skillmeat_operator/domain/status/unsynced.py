"""The status of a CatalogSource of which nothing is synced: announced, suspended, or being deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, ConditionSet, find
from skillmeat_operator.domain.status.spec_version import SpecVersion

SUSPENDED_MESSAGE: Final = "suspended: nothing is read, published or verified until spec.suspend is false"
"""Message of Ready on a suspended object of either kind."""


def announce(source: CatalogSource, *, carried_out: SpecVersion, now: datetime) -> CatalogSourceStatus:
    """The status of a first visit that takes a while; unchanged where a visit has said something already.

    Raises:
        OtherGenerationError: the object is not what the visit is about.
    """
    carried_out.require(source)
    ready = find(source.status.conditions, ConditionType.READY)
    if ready is not None and ready.status is not UNKNOWN:
        return source.status
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    conditions.working(Reason.PROGRESSING, "the first sync is under way")
    conditions.set(ConditionType.READY, UNKNOWN, Reason.PROGRESSING, "the first sync is under way")
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )


def suspended(
    source: CatalogSource, *, settled: bool, carried_out: SpecVersion, now: datetime
) -> CatalogSourceStatus:
    """The status of a suspended CatalogSource.

    Args:
        source: the object with its previous status.
        settled: whether the spec without ``suspend`` is the one that was last settled: the one in the head
            of the snapshot. Without a snapshot nothing was settled here.
        carried_out: what the visit was about.
        now: the present, in UTC.

    Raises:
        OtherGenerationError: the object is not what the visit was about.
    """
    carried_out.require(source)
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    freeze(conditions, settled=settled)
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )


def freeze(conditions: ConditionSet, *, settled: bool) -> None:
    """Conditions of a suspended object of either kind; all are carried over where the spec is settled."""
    ready = conditions.previous(ConditionType.READY)
    stalled = conditions.previous(ConditionType.STALLED)
    message = SUSPENDED_MESSAGE
    if settled and ready is not None and ready.status is not UNKNOWN:
        conditions.at_rest()
        conditions.set(ConditionType.READY, ready.status, ready.reason, message)
        if stalled is not None and ready.status is FALSE:
            conditions.set(ConditionType.STALLED, TRUE, stalled.reason, stalled.message)
        conditions.keep_all()
        return
    conditions.set(ConditionType.READY, FALSE, Reason.SUSPENDED, message)
    conditions.stuck(Reason.SUSPENDED, message)


def finalizing(
    source: CatalogSource, *, message: str, carried_out: SpecVersion, now: datetime
) -> CatalogSourceStatus:
    """The status of a CatalogSource whose deletion waits for the portal.

    Raises:
        OtherGenerationError: the object is not what the visit was about.
    """
    carried_out.require(source)
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    conditions.working(Reason.FINALIZING, message)
    conditions.set(ConditionType.READY, FALSE, Reason.FINALIZING, message)
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )
