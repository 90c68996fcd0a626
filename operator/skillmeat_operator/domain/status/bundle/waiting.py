"""Rows of a TemplateBundle that something is missing for: its CatalogSource, a reading of it, its bundle."""

from __future__ import annotations

from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.status.ages import age
from skillmeat_operator.domain.status.bundle.case import BundleCase
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN


def awaited(case: BundleCase, reason: Reason, message: str, *, confirmed: bool) -> None:
    """Something is missing that GitOps may bring a moment later: Stalled only after a grace.

    Args:
        case: the TemplateBundle.
        reason: what is missing.
        message: the same for people, with the remedy.
        confirmed: whether it is known well enough to be missing.
    """
    conditions, now = case.conditions, case.context.now
    conditions.set(ConditionType.RESOLVED, FALSE, reason, message)
    resolved = conditions.current(ConditionType.RESOLVED)
    tried = conditions.previous(ConditionType.RECONCILING)
    # Counted from what the conditions keep, or the next look would count otherwise: whoever was Stalled, or
    # at rest, begins to try now; who is trying already goes on, whatever was missing and of which spec.
    since = now
    if tried is not None and tried.status is TRUE and resolved is not None:
        since = max(resolved.last_transition_time, tried.last_transition_time)
    already = conditions.told(ConditionType.STALLED, reason) is not None
    late = age(since, now=now) >= case.context.grace
    conditions.fail(reason, message, stalled=already or (late and confirmed))


def without_source(case: BundleCase) -> None:
    """Its CatalogSource does not exist."""
    for kind in (ConditionType.VERSION_ACCEPTED, ConditionType.CATALOG_SYNCED, ConditionType.STALE):
        case.unknown(kind)
    awaited(
        case,
        Reason.SOURCE_NOT_FOUND,
        f"there is no CatalogSource {case.source_name} in this namespace: "
        "create it or correct spec.sourceRef.name",
        confirmed=True,
    )


def source_not_ready(case: BundleCase) -> None:
    """The decision needs a read that has not happened: Ready keeps its value of this generation, True only
    where the operator stands behind what was published.
    """
    conditions = case.conditions
    before, ready = conditions.previous(ConditionType.READY), conditions.told(ConditionType.READY)
    if before is not None and before.reason == Reason.SOURCE_NOT_FOUND:
        ready = None
        _found_again(case)
    if ready is not None and ready.status is TRUE and case.context.stands:
        conditions.at_rest()
        return
    if ready is not None and ready.status is FALSE and ready.reason != Reason.SOURCE_NOT_READY:
        conditions.working(ready.reason, ready.message)
        return
    conditions.fail(
        Reason.SOURCE_NOT_READY,
        f"CatalogSource {case.source_name} has not been read or verified since this was changed: "
        "see its conditions",
        stalled=False,
    )


def source_suspended(case: BundleCase) -> None:
    """Nothing is decided meanwhile: what was said of this generation stays, a new one hears why."""
    ready = case.conditions.told(ConditionType.READY)
    if (
        ready is not None
        and ready.status is not UNKNOWN
        and (ready.status is FALSE or case.context.stands)
        and ready.reason != Reason.SOURCE_NOT_FOUND
    ):
        # Carried over as it is, with what stands beside it.
        return
    _found_again(case)
    message = (
        f"CatalogSource {case.source_name} is suspended: nothing is decided about this "
        "until its spec.suspend is false; what was published stays"
    )
    case.conditions.fail(Reason.SOURCE_NOT_READY, message, stalled=True)


def _found_again(case: BundleCase) -> None:
    """The CatalogSource that was missing has come meanwhile."""
    resolved = case.conditions.current(ConditionType.RESOLVED)
    if resolved is not None and resolved.reason == Reason.SOURCE_NOT_FOUND:
        case.conditions.set(ConditionType.RESOLVED, UNKNOWN, Reason.PROGRESSING, "not decided yet")
