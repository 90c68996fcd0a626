"""Act on the catalog: register the location, let it refresh, look what arrived, and find out why something
did not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.api.keys import MOVE_LOCATION
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.controller.visit.memory import LastDiagnosis
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.ownership import Owner, foreign_holders
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView, RegisteredLocation
from skillmeat_operator.domain.template.document import document_path
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence, compare
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding, diagnose

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the catalog makes of a plan."""

    state: CatalogState
    converging: bool
    diagnosis: Diagnosis
    moved: Finding | None
    entity_ref: str | None
    target: str


class CatalogKeeper:
    """Brings the catalog in step with what is served, one visit at a time. Waiting is a further visit."""

    def __init__(
        self,
        *,
        cluster_uid: str,
        clock: Callable[[], float],
        timings: Timings,
        ensure_finalizer: Callable[[Visit], Awaitable[None]],
    ) -> None:
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._timings = timings
        self._ensure_finalizer = ensure_finalizer

    async def keep(
        self,
        visit: Visit,
        plan: Plan,
        *,
        client: BackstageClient,
        view: PortalView,
        owner: Owner,
        target: str,
        republished: bool,
    ) -> Verified:
        """Register, refresh, verify and diagnose.

        Args:
            visit: the visit.
            plan: what is served now.
            client: of the portal.
            view: the portal's reading of this visit.
            owner: who we are towards the catalog.
            target: URL of the document.
            republished: whether the document changed in this visit, after ``view`` was read.

        Raises:
            FailedError: a call failed; nothing was decided from its answer.
        """
        memory = visit.memory
        # Before the first POST, and taken off again where the policy changed and it is not needed any more.
        await self._ensure_finalizer(visit)
        moved = self._moved(visit, view, target)
        if moved is not None and visit.source.annotations.get(MOVE_LOCATION) == target:
            refused = await self._move(visit, client, view, moved.location, target)
            if refused is None:
                return self._moved_now(plan, view, owner, visit, target)
            moved = replace(moved, finding=refused)
        registered = moved.location.target if moved is not None else target
        entity_ref = location_ref(registered)
        listed = view.locations.get(registered)
        if listed is not None:
            entity_ref = listed.entity_ref
        elif visit.source.spec.backstage.ingestion is Ingestion.LOCATION:
            entity_ref = await self._register(visit, client, target) or entity_ref
        state = compare(plan.expected, view.entities, owner=owner, exists=visit.store.source_exists)
        now = self._clock()
        drifted = bool(state.missing) and memory.convergence is None
        if republished or drifted:
            memory.convergence = Convergence.start(now)
        is_static = visit.source.spec.backstage.ingestion is Ingestion.STATIC_LOCATION
        readable = listed is not None or is_static
        # Who published this may have ended before the refresh, or the portal may have lost it since.
        unread = drifted or (bool(state.leftovers) and memory.leftovers_since is None)
        if readable and unread and not republished:
            await self._refresh(visit, client, entity_ref)
        if state.converged and not republished:
            memory.convergence = None
            memory.diagnosis = None
            memory.registered = None
            await self._sweep(visit, client, state)
            return Verified(
                state=state,
                converging=False,
                diagnosis=Diagnosis(),
                moved=moved.finding if moved is not None else None,
                entity_ref=entity_ref,
                target=registered,
            )
        convergence = memory.convergence or Convergence.start(now)
        memory.convergence = convergence
        convergence.note(len(state.matching), now)
        due = convergence.refresh_due(now, self._timings) and not self._at_work(visit, convergence)
        if readable and (republished or due):
            await self._refresh(visit, client, entity_ref)
        diagnosis = await self._diagnose(
            visit,
            plan,
            state,
            client=client,
            view=view,
            owner=owner,
            target=registered,
            entity_ref=entity_ref,
        )
        converging = diagnosis.document is None and not convergence.given_up(now, self._timings)
        explained = set(diagnosis.entities)
        if converging and not republished and explained and explained >= set(state.missing):
            converging = False
        return Verified(
            state=state,
            converging=converging,
            diagnosis=diagnosis,
            moved=moved.finding if moved is not None else None,
            entity_ref=entity_ref,
            target=registered,
        )

    def _at_work(self, visit: Visit, convergence: Convergence) -> bool:
        """Whether the portal is taking things in, and this CatalogSource's turn may simply not have come yet.

        With hundreds of new locations that takes it half a minute; repeated refreshes and dry runs would
        make it longer.
        """
        now = self._clock()
        patience = self._timings.refresh_at[-1]
        return (
            now - convergence.began < patience
            and now - visit.memory.portal_progressed < self._timings.verify_every
        )

    async def _refresh(self, visit: Visit, client: BackstageClient, entity_ref: str) -> None:
        visit.ensure_current()
        if visit.memory.convergence is not None:
            visit.memory.convergence.note_refresh(self._clock())
        await client.refresh(entity_ref)

    async def _register(self, visit: Visit, client: BackstageClient, target: str) -> str | None:
        memory = visit.memory
        visit.ensure_current()
        location = await client.register(target)
        memory.registered = self._clock()
        # A catalog that lost the location was restarted, perhaps with other settings: look at it anew.
        memory.diagnose_now = True
        if location is None:
            # The catalog says that it exists and does not list it: the token may not read locations.
            raise FailedError(cannot_read("catalog.location.read"))
        logger.info("registered the location of %s/%s", visit.source.namespace, visit.source.name)
        return location.entity_ref

    async def _move(
        self,
        visit: Visit,
        client: BackstageClient,
        view: PortalView,
        former: RegisteredLocation,
        target: str,
    ) -> Finding | None:
        """Let the portal read the document under its new target.

        Returns:
            Why it was not moved: a dry run of the new target has to succeed first.
        """
        dry_run = await client.dry_run(target)
        if not dry_run.ok:
            return Finding(
                Reason.LOCATION_MOVED,
                f"the location was not moved: a dry run of {target} fails in the portal; check that it can "
                "be read there, or go back to the former --public-url; "
                f"{former.target[:253]} stays registered",
            )
        visit.ensure_current()
        if not await client.move(former.id, target):
            if not view.reads_entities:
                raise FailedError(cannot_read("catalog.entity.read"))
            # The templates are away for a moment, about 2 s per 100.
            await client.unregister(former.id)
            await client.register(target)
        logger.info("moved the location of %s/%s", visit.source.namespace, visit.source.name)
        return None

    def _moved_now(self, plan: Plan, view: PortalView, owner: Owner, visit: Visit, target: str) -> Verified:
        """What is known right after a move: the reading that shows it comes with the next visit."""
        visit.memory.convergence = Convergence.start(self._clock())
        return Verified(
            state=compare(plan.expected, view.entities, owner=owner, exists=visit.store.source_exists),
            converging=True,
            diagnosis=Diagnosis(),
            moved=None,
            entity_ref=None,
            target=target,
        )

    async def _diagnose(
        self,
        visit: Visit,
        plan: Plan,
        state: CatalogState,
        *,
        client: BackstageClient,
        view: PortalView,
        owner: Owner,
        target: str,
        entity_ref: str,
    ) -> Diagnosis:
        """Why something is missing; one dry run for each published revision and missing set."""
        memory, now = visit.memory, self._clock()
        convergence = memory.convergence or Convergence.start(now)
        last = memory.diagnosis
        key = (plan.revision, state.missing)
        elapsed = now - convergence.began
        stuck = convergence.given_up(now, self._timings)
        early = elapsed < self._timings.diagnose_after or self._at_work(visit, convergence)
        if not stuck and early:
            # Early on, only what an earlier look found about the document as a whole still holds.
            return (
                Diagnosis(document=last.result.document)
                if last is not None and not state.matching
                else Diagnosis()
            )
        absent = not state.matching and not await client.entity_exists(entity_ref)
        if not stuck and not absent and not state.refused:
            return Diagnosis()
        fresh = last is not None and last.key == key and now - last.at < self._timings.diagnose_every
        if fresh and last is not None and not memory.diagnose_now:
            return last.result
        if client.dry_run_waits:
            # A visit does not hold its worker to wait for other visits; it comes back.
            return last.result if last is not None and last.key == key else Diagnosis()
        memory.diagnose_now = False
        visit.ensure_current()
        dry_run = await client.dry_run(target)
        found = await client.entities_by_refs(state.missing)
        holders = foreign_holders(found, owner=owner, exists=visit.store.source_exists)
        result = diagnose(
            state, dry_run=dry_run, holders=holders, reads_entities=view.reads_entities, target=target
        )
        if result.cannot_read:
            raise FailedError(cannot_read("catalog.entity.read"))
        memory.diagnosis = LastDiagnosis(key=key, at=now, result=result)
        if dry_run.ok and absent and view.reads_entities:
            await self._repair_ghost(visit, client, view, target)
        return result

    async def _repair_ghost(
        self, visit: Visit, client: BackstageClient, view: PortalView, target: str
    ) -> None:
        """A location that is listed and whose entity is gone for good is read again only after it is put
        back.
        """
        memory, now = visit.memory, self._clock()
        listed = view.locations.get(target)
        since = (
            memory.registered
            if memory.registered is not None
            else (memory.convergence or Convergence.start(now)).began
        )
        if listed is None or now - since < self._timings.ghost_after:
            return
        if memory.ghost_repaired is not None and now - memory.ghost_repaired < self._timings.diagnose_every:
            return
        memory.ghost_repaired = now
        visit.ensure_current()
        if not await client.onconflict_refresh(target):
            await client.unregister(listed.id)
            await client.register(target)
        logger.warning("put back the location of %s/%s", visit.source.namespace, visit.source.name)

    async def _sweep(self, visit: Visit, client: BackstageClient, state: CatalogState) -> None:
        """Delete what the catalog has marked as orphan: ours by its marker, and not published."""
        for uid in state.orphans.values():
            visit.ensure_current()
            await client.delete_entity(uid)

    def _moved(self, visit: Visit, view: PortalView, target: str) -> _Moved | None:
        """The location that an earlier public URL left registered, if the present one is not."""
        if target in view.locations:
            return None
        path = document_path(self._cluster_uid, visit.source.namespace, visit.source.name)
        former = sorted(one for one in view.locations if one.endswith(path))
        if not former:
            return None
        return _Moved(
            location=view.locations[former[0]],
            finding=Finding(
                Reason.LOCATION_MOVED,
                f"the portal reads {former[0][:253]}, and --public-url now makes it {target}: go back to "
                "the former --public-url, or move it with: kubectl annotate --overwrite "
                f"smsrc/{visit.source.name} -n {visit.source.namespace} {MOVE_LOCATION}={target}",
            ),
        )


@dataclass(frozen=True, slots=True)
class _Moved:
    location: RegisteredLocation
    finding: Finding


def cannot_read(permission: str) -> Failure:
    """A token that gets empty answers where there is something to read."""
    return Failure(
        side=Side.CATALOG,
        kind=FailureKind.CREDENTIAL,
        reason=Reason.TOKEN_CANNOT_READ,
        message=f"the portal's token gets empty answers: add {permission} to its accessRestrictions in "
        "the portal's app-config; nothing is deleted meanwhile",
    )
