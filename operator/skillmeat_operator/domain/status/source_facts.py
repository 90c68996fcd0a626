"""What a CatalogSource's status tells besides conditions: counts, problems, removal, servers, requests."""

from __future__ import annotations

from datetime import datetime

from skillmeat_operator.api.v1alpha1.catalog_source_status import (
    MAX_LISTED,
    TOKEN,
    CatalogSourceStatus,
    EntityCounts,
    HandledRequests,
    Removal,
    SourceSeen,
)
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.status.problems import problems_of
from skillmeat_operator.domain.template.grammar import printable
from skillmeat_operator.domain.template.moments import read_moment


def removal_shown(
    plan: Plan | None, previous: CatalogSourceStatus, *, now: datetime
) -> dict[str, Removal | None]:
    """The held removal; without a plan nothing is known to have changed."""
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
            since=read_moment(plan.removal.since) or now,
        )
    }


def servers_seen(outcome: Outcome, previous: CatalogSourceStatus) -> dict[str, object]:
    """What the servers say of themselves, and where the entities are published."""
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


def counted(outcome: Outcome, previous: CatalogSourceStatus, *, now: datetime) -> dict[str, object]:
    """Counts, revision and problems: written once, when the catalog has caught up or will not. What has
    passed its deadline is told also while something else is on its way.
    """
    plan, state = outcome.plan, outcome.state
    if plan is None or state is None or not outcome.published or not plan.publishable:
        return {}
    if not outcome.requests_answered and not outcome.missing:
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
            stale=_stale(outcome, plan, previous),
        ),
        "revision": plan.revision,
        "last_change_time": now.replace(microsecond=0) if changed else previous.last_change_time,
        "problems": problems_of(plan, outcome),
    }


def answered(status: CatalogSourceStatus, outcome: Outcome) -> CatalogSourceStatus:
    """The status with the echo of the requests that the visit answered."""
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
    echoed: str = TOKEN.cut(token)
    return echoed


def _stale(outcome: Outcome, plan: Plan, previous: CatalogSourceStatus) -> int:
    """How many are stale; until the staleness pages are read after a restart, what was told before."""
    if outcome.staleness_pending and previous.entities is not None and not plan.stale:
        return min(previous.entities.stale, plan.selected)
    return plan.stale
