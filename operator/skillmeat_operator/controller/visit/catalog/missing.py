"""Why something that is served is not in the catalog, and the one repair that a portal itself does not do."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeAlias

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.ownership import Owner, foreign_holders
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, LastDiagnosis
from skillmeat_operator.domain.verify.diagnosis import diagnose as domain_diagnose

logger = logging.getLogger(__name__)

MOST_VALIDATED = 20
"""Entities that the portal is asked about one by one at a look."""

Contents: TypeAlias = Callable[[str], Awaitable[Content | None]]
"""What is published for a CatalogSource, by its UID; None where nothing is."""


@dataclass(slots=True)
class _Looks:
    """What is remembered of the looks into what one CatalogSource misses; moments are monotonic seconds."""

    due: bool = True
    """A dry run is due as soon as something is missing: somebody asked, or the portal was away."""
    spec_seen: float | None = None
    """When the spec was first seen with which it was last looked into."""
    last: LastDiagnosis | None = None
    ghost_repaired: float | None = None
    """When a listed location without its entity was last put back."""


class Diagnostician:
    """Looks into what is missing: few dry runs, since for each the portal reads a whole document."""

    def __init__(self, *, clock: Callable[[], float], timings: Timings, contents: Contents) -> None:
        self._clock = clock
        self._contents = contents
        self._timings = timings
        self._looks: dict[str, _Looks] = {}

    def look_anew(self, uid: str) -> None:
        """What is missing is looked into at once, whatever was found before: somebody asked, or the portal
        was away and may be another one now.
        """
        self._of(uid).due = True

    def nothing_missing(self, uid: str) -> None:
        """Take in that all is shown: what was found stands for nothing that may be missing later."""
        if uid in self._looks:
            self._looks[uid].last = None

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._looks.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._looks

    async def diagnose(
        self,
        visit: Visit,
        plan: Plan,
        state: CatalogState,
        *,
        convergence: Convergence,
        registered: float | None,
        portal: PortalObserved,
        owner: Owner,
        target: str,
        entity_ref: str,
        at_work: bool,
    ) -> Diagnosis:
        """Why something is missing; one dry run for each published revision and missing set.

        Args:
            visit: the visit.
            plan: what is served.
            state: what of it is missing.
            convergence: of the same set.
            registered: when the location was last posted by this process, in monotonic seconds.
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
        looks = self._of(visit.uid)
        last = looks.last
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
        due = looks.due or looks.spec_seen != visit.spec_seen
        if fresh and last is not None and not due:
            return replace(known, document=last.result.document)
        if client.dry_run_waits:
            # A visit does not hold its worker to wait for other visits; it comes back.
            document = last.result.document if last is not None and last.looked_at == key else None
            return replace(known, document=document)
        visit.ensure_current()
        dry_run = await client.dry_run(target)
        found = await client.entities_by_refs(state.missing)
        holders = foreign_holders(found, owner=owner, exists=visit.store.source_exists)
        refused: frozenset[str] = frozenset()
        if not (dry_run.ok or dry_run.whole):
            named = holders.keys() | state.refused | frozenset(dry_run.refused_refs)
            refused = await self._refused_alone(visit, client, stuck - named, known=known, target=target)
        result = domain_diagnose(
            state,
            dry_run=dry_run,
            holders=holders,
            reads_entities=view.reads_entities,
            target=target,
            refused=refused,
        )
        if result.cannot_read:
            raise FailedError(cannot_read("catalog.entity.read"))
        looks.due, looks.spec_seen = False, visit.spec_seen
        hashes = {ref: plan.expected[ref] for ref in state.missing}
        looks.last = LastDiagnosis(looked_at=key, hashes=hashes, at=now, result=result)
        if dry_run.ok and absent and view.reads_entities:
            since = registered if registered is not None else convergence.began
            if now - since >= self._timings.ghost_after:
                await self._repair_ghost(visit, looks, client, view, target)
        return result

    def _of(self, uid: str) -> _Looks:
        return self._looks.setdefault(uid, _Looks())

    async def _refused_alone(
        self,
        visit: Visit,
        client: BackstageClient,
        refs: AbstractSet[str],
        *,
        known: Diagnosis,
        target: str,
    ) -> frozenset[str]:
        """Which of these the portal refuses by itself: a dry run of them all ends at the first, and where a
        processor of the portal's own throws it names none.

        What was found so before is not asked again, so that another look gets further.
        """
        found = {ref for ref in refs if ref in known.entities}
        asked = sorted(refs - found)[:MOST_VALIDATED]
        content = await self._contents(visit.uid) if asked else None
        entities = {record.ref: record.entity for record in content.records} if content is not None else {}
        visit.ensure_current()
        try:
            for ref in asked:
                entity = entities.get(ref)
                if entity is not None and await client.validate_entity(entity, target) is False:
                    found.add(ref)
        except FailedError as error:
            # A look beside the others: a token that may not validate leaves the reason untold.
            logger.info("the portal does not tell of single entities: %s", error.failure.reason)
        return frozenset(found)

    async def _repair_ghost(
        self, visit: Visit, looks: _Looks, client: BackstageClient, view: PortalView, target: str
    ) -> None:
        """A location that is listed and whose entity is gone for good is read again only after it is put
        back.
        """
        now = self._clock()
        listed = view.locations.get(target)
        if listed is None:
            return
        if looks.ghost_repaired is not None and now - looks.ghost_repaired < self._timings.diagnose_every:
            return
        visit.ensure_current()
        if not await client.onconflict_refresh(target):
            await client.unregister(listed.id)
            await client.register(target)
        looks.ghost_repaired = now
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
