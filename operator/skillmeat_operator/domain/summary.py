"""Summarise: from the outcome of a visit to the status of the CatalogSource. Ready is derived here and nowhere else.

The table of the design (section 4) is the order of the branches in :func:`_ready`: the first that matches wins.
"""

from __future__ import annotations

from datetime import datetime

from skillmeat_operator.api.catalog_source import CatalogSource
from skillmeat_operator.api.catalog_source_status import (
    MAX_LISTED,
    CatalogSourceStatus,
    EntityCounts,
    HandledRequests,
    Removal,
    SourceSeen,
)
from skillmeat_operator.api.conditions import Condition, ConditionType, Reason
from skillmeat_operator.domain.condition_set import FALSE, TRUE, UNKNOWN, ConditionSet, find, ready_for
from skillmeat_operator.domain.failure import Failure
from skillmeat_operator.domain.grammar import printable
from skillmeat_operator.domain.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.plan import Plan
from skillmeat_operator.domain.problems import missing_with_reason, problems_of


def summarise(source: CatalogSource, outcome: Outcome, *, now: datetime) -> CatalogSourceStatus:
    """The status after a visit.

    Args:
        source: the object with its previous status.
        outcome: what the visit came to.
        now: the present, in UTC.
    """
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
            **_removal(outcome.plan, previous),
            **_seen(outcome, previous),
            **_settled(source, outcome, previous, now=now),
        }
    )
    return _answered(status, outcome)


def announce(source: CatalogSource, *, now: datetime) -> CatalogSourceStatus:
    """The status of a first visit that takes a while."""
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    conditions.working(Reason.PROGRESSING, "the first sync is under way")
    ready = find(source.status.conditions, ConditionType.READY)
    conditions.set(
        ConditionType.READY,
        UNKNOWN if ready is None else FALSE,
        Reason.PROGRESSING,
        "the first sync is under way",
    )
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )


def suspended(source: CatalogSource, *, settled: bool, now: datetime) -> CatalogSourceStatus:
    """The status of a suspended CatalogSource.

    Args:
        source: the object with its previous status.
        settled: whether the spec without ``suspend`` is the one that was last settled.
        now: the present, in UTC.
    """
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    freeze(conditions, settled=settled)
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )


def freeze(conditions: ConditionSet, *, settled: bool) -> None:
    """Conditions of a suspended object of either kind."""
    ready = conditions.previous(ConditionType.READY)
    stalled = conditions.previous(ConditionType.STALLED)
    message = "suspended: nothing is read, published or verified until spec.suspend is false"
    if settled and ready is not None and ready.status is not UNKNOWN:
        conditions.remove(ConditionType.RECONCILING)
        conditions.set(ConditionType.READY, ready.status, ready.reason, message)
        if stalled is not None and ready.status is FALSE:
            conditions.set(ConditionType.STALLED, TRUE, stalled.reason, stalled.message)
        return
    conditions.set(ConditionType.READY, FALSE, Reason.SUSPENDED, message)
    conditions.stuck(Reason.SUSPENDED, message)


def finalizing(source: CatalogSource, *, message: str, now: datetime) -> CatalogSourceStatus:
    """The status of a CatalogSource whose deletion waits for the portal."""
    conditions = ConditionSet(source.status.conditions, generation=source.generation, now=now)
    conditions.working(Reason.FINALIZING, message)
    conditions.set(ConditionType.READY, FALSE, Reason.FINALIZING, message)
    return source.status.model_copy(
        update={"observed_generation": source.generation, "conditions": conditions.result()}
    )


def _ready(source: CatalogSource, outcome: Outcome, conditions: ConditionSet, *, now: datetime) -> None:
    sides = (outcome.source, outcome.catalog)
    failures = [side.failure for side in sides if side is not None and side.failure is not None]
    lasting = next(
        (side.failure for side in sides if side is not None and side.failure is not None and side.stalled),
        None,
    )
    awaited = next((failure for failure in failures if failure.kind.name == "SECRET"), None)
    document = outcome.diagnosis.document
    if outcome.configuration is not None:
        _fail(conditions, outcome.configuration.reason, outcome.configuration.message, stalled=True)
    elif lasting is not None:
        _fail(conditions, lasting.reason, lasting.message, stalled=True)
    elif awaited is not None:
        _fail(conditions, awaited.reason, awaited.message, stalled=False)
    elif outcome.plan is not None and outcome.plan.removal is not None:
        held = conditions.current(ConditionType.REMOVAL_HELD)
        _fail(conditions, Reason.REMOVAL_HELD, held.message if held is not None else "", stalled=True)
        _synced(conditions, outcome)
    elif document is not None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, document.reason, document.message)
        _fail(conditions, document.reason, document.message, stalled=True)
    elif failures:
        _transient(source, failures, conditions, now=now)
        if outcome.state is not None and not outcome.converging:
            _synced(conditions, outcome)
    elif outcome.plan is None or not outcome.plan.publishable or not outcome.published:
        message = (
            "neither the stored state nor the catalog could be read; nothing is published until one can be"
        )
        _fail(conditions, Reason.SNAPSHOT_UNAVAILABLE, message, stalled=False)
    elif outcome.converging:
        if ready_for(source.status.conditions, source.generation):
            conditions.at_rest()
            ready = conditions.previous(ConditionType.READY)
            if ready is not None and ready.reason == Reason.SERVING_LAST_GOOD:
                conditions.set(ConditionType.READY, TRUE, Reason.SUCCEEDED, "all servers answer again")
        else:
            message = "published; the catalog is catching up"
            conditions.set(ConditionType.CATALOG_SYNCED, FALSE, Reason.PROGRESSING, message)
            _fail(conditions, Reason.PROGRESSING, message, stalled=False)
    else:
        _settle(outcome, outcome.plan, conditions)


def _settle(outcome: Outcome, plan: Plan, conditions: ConditionSet) -> None:
    """Everything was done; what is missing now is missing for a reason or without one."""
    _synced(conditions, outcome)
    missing = outcome.state.missing if outcome.state is not None else ()
    unexplained = [ref for ref in missing if ref not in missing_with_reason(outcome)]
    if unexplained:
        _fail(
            conditions,
            Reason.NOT_YET_PROCESSED,
            f"{len(unexplained)} of {len(plan.published)} templates are not in the catalog, "
            "and the portal gives no reason yet; see status.problems",
            stalled=False,
        )
        return
    conditions.at_rest()
    troubled = len(plan.invalid) + len(plan.conflicting) + len(missing)
    if troubled or outcome.moved is not None:
        conditions.set(
            ConditionType.READY,
            TRUE,
            Reason.SUCCEEDED_WITH_PROBLEMS,
            f"{_published(plan)}; {troubled} with problems, see status.problems"
            if troubled
            else f"{_published(plan)}; {outcome.moved.message if outcome.moved is not None else ''}",
        )
    elif not plan.published:
        conditions.set(
            ConditionType.READY, TRUE, Reason.NO_TEMPLATES, "the source has no template to publish"
        )
    else:
        conditions.set(
            ConditionType.READY, TRUE, Reason.SUCCEEDED, f"{_published(plan)} and verified in the catalog"
        )


def _published(plan: Plan) -> str:
    count = len(plan.published)
    return f"{count} template{'' if count == 1 else 's'} published"


def _synced(conditions: ConditionSet, outcome: Outcome) -> None:
    state, plan = outcome.state, outcome.plan
    if state is None or plan is None or outcome.converging:
        return
    if outcome.moved is not None:
        conditions.set(ConditionType.CATALOG_SYNCED, FALSE, outcome.moved.reason, outcome.moved.message)
    elif state.missing:
        reasons = missing_with_reason(outcome)
        first = next(
            (reasons[ref].reason for ref in state.missing if ref in reasons), Reason.NOT_YET_PROCESSED
        )
        conditions.set(
            ConditionType.CATALOG_SYNCED,
            FALSE,
            first,
            f"{len(state.missing)} of {len(plan.published)} published templates are not shown as published; "
            "see status.problems",
        )
    else:
        conditions.set(
            ConditionType.CATALOG_SYNCED, TRUE, Reason.SUCCEEDED, "the catalog shows what is published"
        )


def _transient(
    source: CatalogSource, failures: list[Failure], conditions: ConditionSet, *, now: datetime
) -> None:
    """An outage: Ready stays True for the grace, counted from the transition of the side that failed first."""
    failing = [
        condition
        for kind in (ConditionType.SOURCE_REACHABLE, ConditionType.CATALOG_REACHABLE)
        if (condition := conditions.current(kind)) is not None and condition.status is FALSE
    ]
    since = min((condition.last_transition_time for condition in failing), default=now)
    first = failures[0]
    if (
        ready_for(source.status.conditions, source.generation)
        and now - since < source.spec.outage_grace_period
    ):
        conditions.at_rest()
        conditions.set(
            ConditionType.READY,
            TRUE,
            Reason.SERVING_LAST_GOOD,
            f"the last good state stays published: {first.message}",
        )
        return
    _fail(conditions, first.reason, first.message, stalled=False)


def _fail(conditions: ConditionSet, reason: Reason, message: str, *, stalled: bool) -> None:
    conditions.set(ConditionType.READY, FALSE, reason, message)
    if stalled:
        conditions.stuck(reason, message)
    else:
        conditions.working(reason, message)


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
    if plan.stale:
        message = (
            f"SkillMeat has something newer than what it serves for {plan.stale} of {plan.selected} templates"
        )
        conditions.set(ConditionType.STALE, TRUE, Reason.UPSTREAM_NEWER, message)
    elif plan.stale_known and outcome.staleness_known:
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
        message = f"{len(plan.invalid)} of {plan.selected} templates would be refused by Backstage; see status.problems"
        conditions.set(ConditionType.ENTITIES_INVALID, TRUE, Reason.ENTITY_INVALID, message)
    else:
        conditions.set(ConditionType.ENTITIES_INVALID, FALSE, Reason.SUCCEEDED, "all templates are valid")


def _held_message(source: CatalogSource, count: int, identifier: str) -> str:
    return (
        f"{count} template{'' if count == 1 else 's'} vanished from SkillMeat, more than spec.removalPolicy lets go, "
        "and stay published; bring them back, or approve the removal with: "
        f"kubectl annotate --overwrite smsrc/{source.name} -n {source.namespace} "
        f"skillmeat.io/approve-removal={identifier}"
    )


def _removal(plan: Plan | None, previous: CatalogSourceStatus) -> dict[str, Removal | None]:
    if plan is None:
        return {"removal": previous.removal}
    if plan.removal is None:
        return {"removal": None}
    refs = tuple(printable(ref) for ref in plan.removal.refs)
    return {
        "removal": Removal(
            id=plan.removal.id,
            count=len(refs),
            refs=refs[:MAX_LISTED],
            since=datetime.fromisoformat(plan.removal.since),
        )
    }


def _seen(outcome: Outcome, previous: CatalogSourceStatus) -> dict[str, object]:
    seen: dict[str, object] = {}
    if outcome.server is not None:
        seen["source"] = SourceSeen(version=outcome.server.version, edition=outcome.server.edition)
    if outcome.seen is not None:
        entity_ref = outcome.seen.entity_ref
        if (
            entity_ref is None
            and previous.catalog is not None
            and previous.catalog.target == outcome.seen.target
        ):
            entity_ref = previous.catalog.entity_ref
        seen["catalog"] = outcome.seen.model_copy(update={"entity_ref": entity_ref})
    return seen


def _settled(
    source: CatalogSource, outcome: Outcome, previous: CatalogSourceStatus, *, now: datetime
) -> dict[str, object]:
    """Counts, revision and problems: written once, when the catalog has caught up or will not."""
    plan, state = outcome.plan, outcome.state
    if plan is None or state is None or outcome.converging or not outcome.published or not plan.publishable:
        return {}
    changed = plan.revision != previous.revision
    return {
        "entities": EntityCounts(
            discovered=plan.discovered,
            selected=plan.selected,
            withheld=plan.withheld,
            invalid=len(plan.invalid),
            conflicting=len(plan.conflicting),
            published=len(plan.published),
            held=plan.held,
            in_catalog=len(state.matching),
            missing=len(state.missing),
            repaired=0,
            stale=plan.stale,
            orphaned=len(state.orphans),
            not_runnable=0,
        ),
        "revision": plan.revision,
        "last_change_time": now.replace(microsecond=0) if changed else previous.last_change_time,
        "problems": problems_of(plan, outcome),
    }


def _answered(status: CatalogSourceStatus, outcome: Outcome) -> CatalogSourceStatus:
    if not outcome.requests_answered or outcome.requests == (None, None):
        return status
    before = status.handled_requests or HandledRequests()
    ours, flux = outcome.requests
    ours = printable_token(ours) if ours is not None else before.skillmeat
    flux = printable_token(flux) if flux is not None else before.flux
    return status.model_copy(
        update={
            "handled_requests": HandledRequests(skillmeat=ours, flux=flux),
            "last_handled_reconcile_at": flux if flux is not None else status.last_handled_reconcile_at,
        }
    )


def printable_token(token: str) -> str:
    """A request's token as it is echoed: what the field can hold of it."""
    return token[:253]


def last_ready(conditions: tuple[Condition, ...]) -> bool:
    """Whether Ready is True, for whatever generation."""
    ready = find(conditions, ConditionType.READY)
    return ready is not None and ready.status is TRUE
