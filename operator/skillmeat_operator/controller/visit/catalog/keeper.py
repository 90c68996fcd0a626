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
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.remote.views import Progress, SharedView
from skillmeat_operator.controller.visit.catalog.missing import Contents, Diagnostician, cannot_read
from skillmeat_operator.controller.visit.catalog.moving import move, moved
from skillmeat_operator.controller.visit.catalog.verification import Verification
from skillmeat_operator.controller.visit.gather import PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.domain.verify.convergence import CatalogState, Convergence, compare
from skillmeat_operator.domain.verify.diagnosis import Diagnosis, Finding, still_converging

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the catalog makes of a plan."""

    state: CatalogState
    converging: frozenset[str]
    """As in an outcome."""
    unread: bool
    """Whether the catalog was changed after it was read."""
    diagnosis: Diagnosis
    moved: Finding | None
    entity_ref: str | None
    target: str
    next_view: float | None = None
    """When the catalog has to be looked at again (monotonic seconds); None: at its cadence."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the document stands in the portal."""

    target: str
    """URL of the location, registered now or before."""
    entity_ref: str
    """Ref of its Location entity."""
    readable: bool
    """Whether the portal knows it by its last reading, so that it can be told to read it again."""


class CatalogKeeper:
    """Brings the catalog in step with what is served, one visit at a time. Waiting is a further visit."""

    def __init__(
        self,
        *,
        cluster_uid: str,
        clock: Callable[[], float],
        timings: Timings,
        expected: Progress,
        contents: Contents,
        ensure_finalizer: Callable[[Visit, bool], Awaitable[None]],
    ) -> None:
        self._expected = expected
        self._diagnostician = Diagnostician(clock=clock, timings=timings, contents=contents)
        self._verifications: dict[str, Verification] = {}
        self._cluster_uid = cluster_uid
        self._clock = clock
        self._timings = timings
        self._ensure_finalizer = ensure_finalizer

    async def keep(
        self,
        visit: Visit,
        plan: Plan,
        *,
        portal: PortalObserved,
        owner: Owner,
        target: str,
        republished: bool,
    ) -> Verified:
        """Register, refresh, verify and diagnose.

        Args:
            visit: the visit.
            plan: what is served now.
            portal: its last reading, complete, and the connection to it.
            owner: who we are towards the catalog.
            target: URL of the document.
            republished: whether the document changed in this visit.

        Raises:
            FailedError: a call failed; nothing was decided from its answer.
        """
        if portal.connection is None or portal.view is None:
            raise RuntimeError("the catalog is kept by what it shows")
        client, reading = portal.connection.client, portal.view
        view, now = reading.get().view, self._clock()
        memo = self._memo(visit)
        # Before the first POST, and taken off again where the policy changed and it is not needed any more.
        await self._ensure_finalizer(visit, target in view.locations)
        found = moved(visit, view, target, cluster_uid=self._cluster_uid)
        if found is not None and visit.source.annotations.get(MOVE_LOCATION) == target:
            refused = await move(visit, client, view, found.location, target)
            if refused is None:
                return self._moved_now(plan, portal, owner, visit, target)
            found = replace(found, finding=refused)
        finding = found.finding if found is not None else None
        place = await self._place(
            visit, memo, client, reading, found.location.target if found is not None else target
        )
        state = self._compare(visit, plan, portal, owner)
        drifted = bool(state.missing) and memo.convergence is None
        if memo.convergence is None:
            memo.convergence = Convergence.start(now) if republished or drifted else None
        elif republished:
            memo.convergence.published(plan.expected, now)
        # Who published this may have ended before the refresh, or the portal may have lost it since.
        unread = drifted or (bool(state.leftovers) and memo.leftovers_since is None)
        if place.readable and unread and not republished:
            await self._refresh(visit, memo, client, place.entity_ref)
        before_publish = memo.convergence is not None and reading.began < memo.convergence.began
        if state.converged and not republished and not before_publish:
            memo.convergence = memo.registered = None
            self._diagnostician.nothing_missing(visit.uid)
            await self._sweep(visit, client, state)
            return Verified(
                state=state,
                converging=frozenset(),
                unread=False,
                diagnosis=Diagnosis(),
                moved=finding,
                entity_ref=place.entity_ref,
                target=place.target,
                next_view=self._leftovers(memo, state),
            )
        convergence = memo.convergence or Convergence.start(now)
        memo.convergence = convergence
        unread = republished or before_publish
        if not unread:
            convergence.note(plan.expected, state.missing, now)
        due = convergence.refresh_due(now, self._timings) and not self._at_work(visit, convergence)
        if place.readable and (republished or due):
            await self._refresh(visit, memo, client, place.entity_ref)
        diagnosis = Diagnosis()
        if not unread:
            diagnosis = await self._diagnostician.diagnose(
                visit,
                plan,
                state,
                convergence=convergence,
                registered=memo.registered,
                portal=portal,
                owner=owner,
                target=place.target,
                entity_ref=place.entity_ref,
                at_work=self._at_work(visit, convergence),
            )
        converging = still_converging(state, convergence, diagnosis, now=now, timings=self._timings)
        return Verified(
            state=state,
            converging=converging,
            unread=unread,
            diagnosis=diagnosis,
            moved=finding,
            entity_ref=place.entity_ref,
            target=place.target,
            next_view=self._next_view(memo, convergence, state, diagnosis, waits=unread or bool(converging)),
        )

    async def register_unlisted(self, visit: Visit, portal: PortalObserved, target: str | None) -> bool:
        """Register the location where it is not listed, whatever is served for it: 503 changes nothing.

        Returns:
            Whether this process made it. Then the portal had no location of ours, and so nothing of ours,
            whatever the token may read.

        Raises:
            FailedError: the portal failed.
        """
        if portal.connection is None or portal.view is None or target is None:
            return False
        if visit.source.spec.backstage.ingestion is not Ingestion.LOCATION:
            return False
        memo = self._memo(visit)
        posted = memo.registered is not None and portal.view.began < memo.registered
        if target not in portal.view.get().view.locations and not posted:
            await self._ensure_finalizer(visit, False)
            await self._register(visit, memo, portal.connection.client, target)
        return memo.registered is not None

    def asked(self, uid: str) -> None:
        """Take in that somebody asked for a sync: what is missing is looked into at once."""
        self._diagnostician.look_anew(uid)

    def failed(self, uid: str) -> None:
        """Take in that the portal could not be read: it may be another one when it is back."""
        self._diagnostician.look_anew(uid)

    def keeps_waiting(self, uid: str, asked: float) -> bool:
        """Whether somebody who asked for a sync at a moment has reason to wait for the catalog."""
        memo = self._verifications.get(uid)
        if memo is None or memo.convergence is None:
            return True
        return memo.convergence.keeps_waiting(asked, self._clock(), self._timings)

    def settles_soon(self, uid: str) -> bool:
        """Whether the catalog is likely to have caught up before anybody reads that it has not."""
        memo = self._verifications.get(uid)
        convergence = memo.convergence if memo is not None else None
        return convergence is not None and self._clock() - convergence.began < self._timings.quiet_visit

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._verifications.pop(uid, None)
        self._diagnostician.forget(uid)

    def __contains__(self, uid: object) -> bool:
        return uid in self._verifications or uid in self._diagnostician

    def _memo(self, visit: Visit) -> Verification:
        return self._verifications.setdefault(visit.uid, Verification())

    async def _place(
        self,
        visit: Visit,
        memo: Verification,
        client: BackstageClient,
        reading: Reading[SharedView],
        target: str,
    ) -> _Place:
        """Where the document stands in the portal; registered where it is not, if that is ours to do."""
        self._expected.expect(visit.uid, target)
        ingestion = visit.source.spec.backstage.ingestion
        listed = reading.get().view.locations.get(target)
        if listed is not None:
            return _Place(target=target, entity_ref=listed.entity_ref, readable=True)
        entity_ref = location_ref(target)
        posted = memo.registered is not None and reading.began < memo.registered
        if ingestion is Ingestion.LOCATION and not posted:
            entity_ref = await self._register(visit, memo, client, target) or entity_ref
        return _Place(target=target, entity_ref=entity_ref, readable=ingestion is Ingestion.STATIC_LOCATION)

    def _compare(self, visit: Visit, plan: Plan, portal: PortalObserved, owner: Owner) -> CatalogState:
        shown = portal.view.get().entities_of(visit.uid, owner.target) if portal.view is not None else {}
        return compare(plan.expected, shown, owner=owner, exists=visit.store.source_exists)

    def _next_view(
        self,
        memo: Verification,
        convergence: Convergence,
        state: CatalogState,
        diagnosis: Diagnosis,
        *,
        waits: bool,
    ) -> float | None:
        now = self._clock()
        if waits:
            return convergence.next_read(now, self._timings)
        moments = [self._leftovers(memo, state)]
        if diagnosis.document is None and state.missing:
            # The longer it has been missing, the more rarely somebody looks.
            late = now - convergence.progressed
            wait = min(max(late / 2, self._timings.verify_every), self._timings.backoff_longest)
            moments.append(now + wait)
        return min((one for one in moments if one is not None), default=None)

    def _leftovers(self, memo: Verification, state: CatalogState) -> float | None:
        """Removed entities stay visible until the catalog sweeps them; somebody may wait to hear that they
        are gone.
        """
        now = self._clock()
        if not state.leftovers:
            memo.leftovers_since = None
            return None
        if memo.leftovers_since is None:
            memo.leftovers_since = now
        awaited = now - memo.leftovers_since < self._timings.removal_wait
        return now + self._timings.verify_every if awaited else None

    def _at_work(self, visit: Visit, convergence: Convergence) -> bool:
        """Whether the portal is taking things in, and this CatalogSource's turn may simply not have come yet.

        With hundreds of new locations that takes it half a minute; repeated refreshes and dry runs would
        make it longer.
        """
        now = self._clock()
        patience = self._timings.refresh_at[-1]
        return (
            now - convergence.began < patience
            and now - self._expected.progressed(visit.uid) < self._timings.verify_every
        )

    async def _refresh(
        self, visit: Visit, memo: Verification, client: BackstageClient, entity_ref: str
    ) -> None:
        visit.ensure_current()
        if memo.convergence is not None:
            memo.convergence.note_refresh(self._clock())
        await client.refresh(entity_ref)

    async def _register(
        self, visit: Visit, memo: Verification, client: BackstageClient, target: str
    ) -> str | None:
        visit.ensure_current()
        location = await client.register(target)
        # A catalog that lost the location was restarted, perhaps with other settings: look at it anew.
        self._diagnostician.look_anew(visit.uid)
        if location is None:
            # The catalog says that it exists and does not list it: the token may not read locations.
            raise FailedError(cannot_read("catalog.location.read"))
        memo.registered = self._clock()
        logger.info("registered the location of %s/%s", visit.source.namespace, visit.source.name)
        return location.entity_ref

    def _moved_now(
        self, plan: Plan, portal: PortalObserved, owner: Owner, visit: Visit, target: str
    ) -> Verified:
        """What is known right after a move: the reading that shows it comes with the next visit."""
        memo, now = self._memo(visit), self._clock()
        memo.convergence, memo.registered = Convergence.start(now), now
        self._expected.expect(visit.uid, target)
        return Verified(
            state=self._compare(visit, plan, portal, owner),
            converging=frozenset(),
            unread=True,
            diagnosis=Diagnosis(),
            moved=None,
            entity_ref=None,
            target=target,
            next_view=memo.convergence.next_read(now, self._timings),
        )

    async def _sweep(self, visit: Visit, client: BackstageClient, state: CatalogState) -> None:
        """Delete what the catalog has marked as orphan: ours by its marker, and not published."""
        for uid in state.orphans.values():
            visit.ensure_current()
            await client.delete_entity(uid)
