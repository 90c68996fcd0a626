"""Why something that is served is not in the catalog, and the one repair that a portal itself does not do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.catalog.verification import Verification
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.ownership import Owner, foreign_holders
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, LastDiagnosis
from skillmeat_operator.domain.verify.diagnosis import diagnose as domain_diagnose

logger = logging.getLogger(__name__)


class Diagnostician:
    """Looks into what is missing: few dry runs, since for each the portal reads a whole document."""

    def __init__(self, *, clock: Callable[[], float], timings: Timings) -> None:
        self._clock = clock
        self._timings = timings

    async def diagnose(
        self,
        visit: Visit,
        memo: Verification,
        plan: Plan,
        state: CatalogState,
        *,
        portal: PortalObserved,
        owner: Owner,
        target: str,
        entity_ref: str,
        at_work: bool,
    ) -> Diagnosis:
        """Why something is missing; one dry run for each published revision and missing set.

        Args:
            visit: the visit.
            memo: what is remembered of the way into the catalog.
            plan: what is served.
            state: what of it is missing.
            portal: its last reading, complete, and the connection to it.
            owner: who we are towards the catalog.
            target: URL of the registered location.
            entity_ref: ref of its Location entity.
            at_work: whether the portal is taking things in, so that this one's turn may not have come yet.

        Raises:
            FailedError: a call failed, or the token gets empty answers.
        """
        if portal.connection is None or portal.view is None:
            raise RuntimeError("what is missing is told by what the catalog shows")
        client, view, now = portal.connection.client, portal.view.get().view, self._clock()
        convergence = memo.convergence or Convergence.start(now)
        last = memo.diagnosed
        known = last.still(plan.expected, state.missing) if last is not None else Diagnosis()
        elapsed = now - convergence.began
        stuck = convergence.given_up(now, self._timings)
        early = elapsed < self._timings.diagnose_after or at_work
        if not stuck and early:
            # Early on, of the document as a whole only what an earlier look found still holds.
            found_before = last.result.document if last is not None and not state.matching else None
            return replace(known, document=found_before)
        absent = not state.matching and not await client.entity_exists(entity_ref)
        if not stuck and not absent and not state.refused:
            return known
        # What is still on its way is no reason to look again; while nothing at all is shown, everything is.
        looked_at = stuck | state.refused if state.matching else frozenset(state.missing)
        key = {ref: plan.expected[ref] for ref in looked_at}
        fresh = last is not None and last.looked_at == key and now - last.at < self._timings.diagnose_every
        if fresh and last is not None and not memo.diagnose_now:
            return replace(known, document=last.result.document)
        if client.dry_run_waits:
            # A visit does not hold its worker to wait for other visits; it comes back.
            document = last.result.document if last is not None and last.looked_at == key else None
            return replace(known, document=document)
        visit.ensure_current()
        dry_run = await client.dry_run(target)
        found = await client.entities_by_refs(state.missing)
        holders = foreign_holders(found, owner=owner, exists=visit.store.source_exists)
        result = domain_diagnose(
            state, dry_run=dry_run, holders=holders, reads_entities=view.reads_entities, target=target
        )
        if result.cannot_read:
            raise FailedError(cannot_read("catalog.entity.read"))
        memo.diagnose_now = False
        hashes = {ref: plan.expected[ref] for ref in state.missing}
        memo.diagnosed = LastDiagnosis(looked_at=key, hashes=hashes, at=now, result=result)
        if dry_run.ok and absent and view.reads_entities:
            await self._repair_ghost(visit, memo, client, view, target)
        return result

    async def _repair_ghost(
        self, visit: Visit, memo: Verification, client: BackstageClient, view: PortalView, target: str
    ) -> None:
        """A location that is listed and whose entity is gone for good is read again only after it is put
        back.
        """
        now = self._clock()
        listed = view.locations.get(target)
        since = (
            memo.registered
            if memo.registered is not None
            else (memo.convergence or Convergence.start(now)).began
        )
        if listed is None or now - since < self._timings.ghost_after:
            return
        if memo.ghost_repaired is not None and now - memo.ghost_repaired < self._timings.diagnose_every:
            return
        visit.ensure_current()
        if not await client.onconflict_refresh(target):
            await client.unregister(listed.id)
            await client.register(target)
        memo.ghost_repaired = now
        logger.warning("put back the location of %s/%s", visit.source.namespace, visit.source.name)


def cannot_read(permission: str) -> Failure:
    """A token that gets empty answers where there is something to read."""
    return Failure(
        side=Side.CATALOG,
        kind=FailureKind.CREDENTIAL,
        reason=Reason.TOKEN_CANNOT_READ,
        message=f"the portal's token gets empty answers: add {permission} to its accessRestrictions in "
        "the portal's app-config; nothing is deleted meanwhile",
    )
