"""Summarise: from a visit's outcome to the CatalogSource's status. Ready is derived here and nowhere else.

The table of the design (section 4) is the order of the branches in :func:`_ready`: the first one
that matches wins.
"""

from __future__ import annotations

from datetime import datetime

from skillmeat_operator.api.keys import APPROVE_REMOVAL
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import Failure, FailureKind
from skillmeat_operator.domain.status.ages import age
from skillmeat_operator.domain.status.conditions import FALSE, TRUE, UNKNOWN, ConditionSet
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.problems import errors, explanation, missing_with_reason
from skillmeat_operator.domain.status.source_facts import answered, counted, removal_shown, servers_seen
from skillmeat_operator.domain.status.spec_version import SpecVersion


def summarise(
    source: CatalogSource, outcome: Outcome, *, carried_out: SpecVersion, now: datetime
) -> CatalogSourceStatus:
    """The status after a visit.

    Args:
        source: the object with its previous status.
        outcome: what the visit came to.
        carried_out: what the visit was about.
        now: the present, in UTC.

    Raises:
        OtherGenerationError: the object is not what the visit was about.
    """
    carried_out.require(source)
    previous = source.status
    conditions = ConditionSet(previous.conditions, generation=source.generation, now=now)
    _side(conditions, ConditionType.SOURCE_REACHABLE, outcome.source, "the last read of SkillMeat succeeded")
    _side(
        conditions, ConditionType.CATALOG_REACHABLE, outcome.catalog, "the last read of Backstage succeeded"
    )
    _informational(conditions, outcome)
    held = outcome.plan.removal if outcome.plan is not None else None
    if outcome.plan is not None:
        if held is not None:
            conditions.set(
                ConditionType.REMOVAL_HELD,
                TRUE,
                Reason.REMOVAL_HELD,
                _held_message(source, len(held.refs), held.id),
            )
        else:
            conditions.remove(ConditionType.REMOVAL_HELD)
    _ready(source, outcome, conditions, now=now)
    status = previous.model_copy(
        update={
            "observed_generation": source.generation,
            "conditions": conditions.result(),
            **removal_shown(outcome.plan, previous, now=now),
            **servers_seen(outcome, previous),
            **counted(outcome, previous, now=now),
        }
    )
    return answered(status, outcome)


def _ready(source: CatalogSource, outcome: Outcome, conditions: ConditionSet, *, now: datetime) -> None:
    blocking, plan = _blocking(outcome), outcome.plan
    document = outcome.diagnosis.document
    if blocking is not None:
        failure, stalled = blocking
        conditions.fail(failure.reason, failure.message, stalled=stalled)
    elif plan is not None and plan.removal is not None:
        held = conditions.current(ConditionType.REMOVAL_HELD)
        conditions.fail(Reason.REMOVAL_HELD, held.message if held is not None else "", stalled=True)
        _synced(conditions, outcome)
    elif document is not None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, document.reason, document.message)
        conditions.fail(document.reason, document.message, stalled=True)
    elif failures := _failures(outcome):
        _transient(source, outcome, failures, conditions, now=now)
        _synced(conditions, outcome)
    elif plan is None or not plan.publishable or not outcome.published:
        _unstored(source, outcome, conditions, now=now)
    else:
        _verified(outcome, plan, conditions)


def _verified(outcome: Outcome, plan: Plan, conditions: ConditionSet) -> None:
    """Everything was done, and the catalog was read: what it shows, or does not show yet."""
    _synced(conditions, outcome)
    unexplained = [ref for ref in outcome.missing if explanation(outcome, ref) is None]
    if unexplained:
        conditions.fail(
            Reason.NOT_YET_PROCESSED,
            f"{len(unexplained)} of {len(plan.published)} templates are not in the catalog, "
            "and the portal gives no reason yet; see status.problems",
            stalled=False,
        )
    elif outcome.waiting:
        _converge(outcome, plan, conditions)
    elif not plan.published and (plan.invalid or plan.conflicting):
        conditions.fail(Reason.NOTHING_PUBLISHED, _nothing_published(plan), stalled=True)
    elif not plan.published and plan.discovered and outcome.filter_pending:
        conditions.fail(
            Reason.PROGRESSING,
            "spec.filters asks for the status of bundles, and SkillMeat's bundle pages are not read yet",
            stalled=False,
        )
    else:
        _settle(outcome, plan, conditions)


def _failures(outcome: Outcome) -> list[Failure]:
    """What failed on either side, the source's first."""
    sides = (outcome.source, outcome.catalog)
    return [side.failure for side in sides if side is not None and side.failure is not None]


def _blocking(outcome: Outcome) -> tuple[Failure, bool] | None:
    """The first failure that waiting does not help against, or a Secret that is awaited; True: Stalled."""
    if outcome.configuration is not None:
        return outcome.configuration, True
    sides = [side for side in (outcome.source, outcome.catalog) if side is not None]
    found = [(side.failure, side.stalled) for side in sides if side.failure is not None]
    blocking = [one for one in found if one[1] or one[0].kind is FailureKind.SECRET]
    # Configuration first, then what is refused or missing for good, then what is awaited.
    return min(
        blocking, key=lambda one: (one[0].kind is not FailureKind.CONFIGURATION, not one[1]), default=None
    )


def _unstored(source: CatalogSource, outcome: Outcome, conditions: ConditionSet, *, now: datetime) -> None:
    """What is decided is not what is served: an outage of our own store, with the grace of any outage."""
    message = _unavailable(outcome)
    if not outcome.published:
        conditions.set(ConditionType.CATALOG_SYNCED, UNKNOWN, Reason.SNAPSHOT_UNAVAILABLE, message)
        synced = conditions.current(ConditionType.CATALOG_SYNCED)
        since = synced.last_transition_time if synced is not None else now
        if _keeps_ready(source, outcome, conditions, since, now=now):
            _last_good(conditions, message)
            return
    conditions.fail(Reason.SNAPSHOT_UNAVAILABLE, message, stalled=False)


def _unavailable(outcome: Outcome) -> str:
    if not outcome.published:
        return (
            "what is to be published could not be stored in the operator's namespace, or not be compared "
            "with what is there; what was published before stays: see the operator's log, and its Role there"
        )
    return "neither the stored state nor the catalog could be read; nothing is published until one can be"


def _converge(outcome: Outcome, plan: Plan, conditions: ConditionSet) -> None:
    """Hashes still differ, within the deadline: Ready stays True if it is, for this generation."""
    if not conditions.was_ready:
        message = "published; the catalog is catching up"
        if not outcome.missing:
            conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
        conditions.fail(Reason.PROGRESSING, message, stalled=False)
        return
    conditions.at_rest()
    ready = conditions.previous(ConditionType.READY)
    if outcome.missing:
        _with_problems(conditions, outcome, plan)
    elif ready is not None and ready.reason == Reason.SERVING_LAST_GOOD:
        conditions.ready(Reason.SUCCEEDED, "all servers answer again")


def _settle(outcome: Outcome, plan: Plan, conditions: ConditionSet) -> None:
    """What is missing now is missing for a reason."""
    if errors(plan, outcome):
        _with_problems(conditions, outcome, plan)
    elif outcome.moved is not None:
        conditions.ready(Reason.SUCCEEDED_WITH_PROBLEMS, f"{_published(plan)}; {outcome.moved.message}")
    elif not plan.published:
        conditions.ready(Reason.NO_TEMPLATES, "the source has no template to publish")
    else:
        conditions.ready(Reason.SUCCEEDED, f"{_published(plan)} and verified in the catalog")


def _with_problems(conditions: ConditionSet, outcome: Outcome, plan: Plan) -> None:
    message = f"{_published(plan)}; {errors(plan, outcome)} with problems, see status.problems"
    conditions.ready(Reason.SUCCEEDED_WITH_PROBLEMS, message)


def _nothing_published(plan: Plan) -> str:
    causes = []
    if plan.invalid:
        causes.append(f"{len(plan.invalid)} would be refused by Backstage")
    if plan.conflicting:
        causes.append(f"{len(plan.conflicting)} have a ref that somebody else holds in the catalog")
    count = len(plan.invalid) + len(plan.conflicting)
    return (
        f"there is something to publish, and nothing of it can be: of {count} template"
        f"{'' if count == 1 else 's'} {' and '.join(causes)}; see status.problems"
    )


def _published(plan: Plan) -> str:
    count = len(plan.published)
    return f"{count} template{'' if count == 1 else 's'} published"


def _synced(conditions: ConditionSet, outcome: Outcome) -> None:
    state, plan = outcome.state, outcome.plan
    if state is None or plan is None or (outcome.waiting and not outcome.missing):
        # Carried over: what was told of this spec stands until the catalog has caught up.
        return
    if outcome.moved is not None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, outcome.moved.reason, outcome.moved.message)
    elif outcome.missing:
        reasons = missing_with_reason(outcome)
        first = next(
            (reasons[ref].reason for ref in outcome.missing if ref in reasons), Reason.NOT_YET_PROCESSED
        )
        conditions.set(
            ConditionType.CATALOG_SYNCED,
            FALSE,
            first,
            f"{len(outcome.missing)} of {len(plan.published)} published templates are not shown as "
            "published; see status.problems",
        )
    else:
        conditions.set(
            ConditionType.CATALOG_SYNCED, TRUE, Reason.SUCCEEDED, "the catalog shows what is published"
        )


def _transient(
    source: CatalogSource,
    outcome: Outcome,
    failures: list[Failure],
    conditions: ConditionSet,
    *,
    now: datetime,
) -> None:
    """An outage: Ready stays True for the grace, counted from when the first of the sides failed, and only
    for what this operator serves.
    """
    failing = [
        condition
        for kind in (ConditionType.SOURCE_REACHABLE, ConditionType.CATALOG_REACHABLE)
        if (condition := conditions.current(kind)) is not None and condition.status is FALSE
    ]
    since = min((condition.last_transition_time for condition in failing), default=now)
    first = failures[0]
    if _keeps_ready(source, outcome, conditions, since, now=now):
        _last_good(conditions, first.message)
        return
    conditions.fail(first.reason, first.message, stalled=False)


def _keeps_ready(
    source: CatalogSource, outcome: Outcome, conditions: ConditionSet, since: datetime, *, now: datetime
) -> bool:
    return outcome.serving and conditions.was_ready and age(since, now=now) < source.spec.outage_grace_period


def _last_good(conditions: ConditionSet, message: str) -> None:
    conditions.ready(Reason.SERVING_LAST_GOOD, f"the last good state stays published: {message}")


def _side(conditions: ConditionSet, kind: ConditionType, side: SideOutcome | None, well: str) -> None:
    if side is None:
        if conditions.current(kind) is None:
            conditions.set(kind, UNKNOWN, Reason.PROGRESSING, "not tried yet")
    elif side.failure is None:
        conditions.set(kind, TRUE, Reason.SUCCEEDED, well)
    else:
        conditions.set(kind, FALSE, side.failure.reason, side.failure.message)


def _informational(conditions: ConditionSet, outcome: Outcome) -> None:
    plan = outcome.plan
    if conditions.current(ConditionType.CATALOG_SYNCED) is None:
        conditions.set(ConditionType.CATALOG_SYNCED, UNKNOWN, Reason.PROGRESSING, "not verified yet")
    if plan is None:
        return
    if outcome.staleness_pending and not plan.stale and conditions.told(ConditionType.STALE) is not None:
        # Carried over: after a restart the pages come after the list, and nothing has changed meanwhile.
        pass
    elif plan.stale:
        message = (
            f"SkillMeat has something newer than what it serves for {plan.stale} of {plan.selected} templates"
        )
        conditions.set(ConditionType.STALE, TRUE, Reason.UPSTREAM_NEWER, message)
    elif plan.stale_known and (outcome.staleness_known or plan.selected):
        conditions.set(
            ConditionType.STALE, FALSE, Reason.UP_TO_DATE, "what SkillMeat serves is as new as its bundles"
        )
    else:
        conditions.set(
            ConditionType.STALE,
            UNKNOWN,
            Reason.STALENESS_UNKNOWN,
            "SkillMeat does not tell how new its bundles are",
        )
    if plan.invalid:
        message = (
            f"{len(plan.invalid)} of {plan.selected} templates would be refused by Backstage; "
            "see status.problems"
        )
        conditions.set(ConditionType.ENTITIES_INVALID, TRUE, Reason.ENTITY_INVALID, message)
    else:
        conditions.set(ConditionType.ENTITIES_INVALID, FALSE, Reason.SUCCEEDED, "all templates are valid")


def _held_message(source: CatalogSource, count: int, identifier: str) -> str:
    return (
        f"{count} template{'' if count == 1 else 's'} vanished from SkillMeat, more than spec.removalPolicy "
        "lets go, and stay published; bring them back, or approve the removal with: "
        f"kubectl annotate --overwrite smsrc/{source.name} -n {source.namespace} "
        f"{APPROVE_REMOVAL}={identifier}"
    )
