"""Ingestion External: another provider brings the entities in; what it should have brought is verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from skillmeat_operator.controller.visit.gather import PortalGathered
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence


async def verify_external(
    visit: Visit,
    plan: Plan,
    portal: PortalGathered,
    base: Outcome,
    *,
    judge: Callable[..., SideOutcome],
    clock: Callable[[], float],
) -> Outcome:
    """Look every accepted template up by its ref: present is that it exists, up to date the same bundle
    version. What is missing is looked up again with backoff, since nobody tells when the provider is done.
    """
    plan = replace(plan, publishable=True)
    base = replace(base, plan=plan)
    if portal.connection is None or portal.view is None:
        return base
    versions = {record.ref: record.bundle_version for record in plan.published}
    try:
        found = await portal.connection.client.entities_by_refs(versions)
    except FailedError as error:
        return replace(base, catalog=judge(visit, error.failure, secrets=portal.connection.secrets))
    present = {ref: entity for ref, entity in found.items() if entity is not None}
    matching = frozenset(ref for ref, entity in present.items() if entity.bundle_version == versions[ref])
    missing = tuple(sorted(set(versions) - matching))
    memory, now = visit.memory, clock()
    memory.convergence = (memory.convergence or Convergence.start(now)) if missing else None
    if memory.convergence is not None:
        memory.convergence.note(len(matching), now)
    state = CatalogState(
        matching=matching,
        missing=missing,
        outdated=frozenset(ref for ref in missing if ref in present),
        refused=frozenset(),
        leftovers=(),
        orphans={},
        uids={ref: entity.uid for ref, entity in present.items()},
    )
    return replace(base, state=state)
