"""One visit of a CatalogSource as prose: gather, decide, act, summarise.

A visit waits for no remote side (design, section 3, law 6): it decides from the last readings, which are made
in the background and mark the object due. What it cannot go on without is awaited by ending.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen
from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.publication.published import Published
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.visit.acting import Acted, Acting
from skillmeat_operator.controller.visit.bundles import BundleReconciler
from skillmeat_operator.controller.visit.catalog.external import ExternalVerifier
from skillmeat_operator.controller.visit.catalog.keeper import CatalogKeeper
from skillmeat_operator.controller.visit.catalog.missing import cannot_read
from skillmeat_operator.controller.visit.decision import Decider, Decision, HoldersPendingError
from skillmeat_operator.controller.visit.deletion.deleter import Deleter
from skillmeat_operator.controller.visit.deletion.remains import remains
from skillmeat_operator.controller.visit.gather import Gatherer, Observation, PortalObserved
from skillmeat_operator.controller.visit.planning import Planner
from skillmeat_operator.controller.visit.portal_slots import PortalBusyError
from skillmeat_operator.controller.visit.resting import RestingVisits
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.changes import Changes
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.decide.configuration import publication
from skillmeat_operator.domain.decide.filters import filter_unsupported, needs_bundle_status
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError
from skillmeat_operator.domain.status.conditions import told
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import summarise
from skillmeat_operator.domain.status.unsynced import announce
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the operator is towards the portals."""

    cluster_uid: str
    public_url: str | None
    backstage_url: str | None
    allowed_catalog_namespaces: tuple[str, ...]


class SourceReconciler:
    """Visits CatalogSources."""

    def __init__(
        self,
        *,
        identity: Identity,
        store: Store,
        changes: Changes,
        remotes: Remotes,
        gatherer: Gatherer,
        decider: Decider,
        publications: Publications,
        keeper: CatalogKeeper,
        external: ExternalVerifier,
        acting: Acting,
        deleter: Deleter,
        bundles: BundleReconciler,
        resting: RestingVisits,
        writer: ObjectWriter,
        planner: Planner,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._identity = identity
        self._store = store
        self._changes = changes
        self._remotes = remotes
        self._gatherer = gatherer
        self._decider = decider
        self._publications = publications
        self._keeper = keeper
        self._external = external
        self._acting = acting
        self._deleter = deleter
        self._bundles = bundles
        self._resting = resting
        self._writer = writer
        self._planner = planner
        self._clock = clock
        self._now = now
        self._timings = timings

    async def visit(self, uid: str) -> Result:
        """Bring one CatalogSource, and the statuses of its TemplateBundles, up to date."""
        raw = self._store.sources.get(uid)
        if raw is None:
            return Result.done()
        try:
            return await self._visit(uid, raw)
        except SupersededError as error:
            logger.debug("visit of %s ended early: %s", _name(raw), error)
        except (KubernetesError, ExceptionGroup) as error:
            logger.warning("visit of %s ended early: %s", _name(raw), error)
        return Result.failure()

    async def _visit(self, uid: str, raw: RawObject) -> Result:
        try:
            source = self._store.sources.parsed(uid)
        except InvalidObject as error:
            if raw["metadata"].get("deletionTimestamp") is not None:
                # Deletion works without a spec that can be read.
                return await self._deleter.visit(self._begin(remains(raw), raw), readable=False)
            return await self._resting.unreadable(raw, str(error))
        if source is None:
            return Result.done()
        visit = self._begin(source, raw)
        if source.deleting:
            return await self._deleter.visit(visit)
        if source.spec.suspend:
            return await self._resting.suspended(visit)
        return await self._reconcile(visit)

    def _begin(self, source: CatalogSource, raw: RawObject) -> Visit:
        now, seen = self._clock(), self._changes.spec_seen(source.uid)
        return Visit(
            source=source, raw=raw, store=self._store, began=now, spec_seen=now if seen is None else seen
        )

    async def _reconcile(self, visit: Visit) -> Result:
        raws = self._bundles.of(visit)
        await self._bundles.read(raws)
        where = publication(
            visit.source,
            public_url=self._identity.public_url,
            cluster_uid=self._identity.cluster_uid,
            backstage_url=self._identity.backstage_url,
            allowed_catalog_namespaces=self._identity.allowed_catalog_namespaces,
        )
        observation: Observation | None = None
        acted: Acted | None
        if where.failure is not None:
            # A setting has to change before anything may be read.
            self._remotes.forget(visit.uid)
            outcome = Outcome(
                requests=visit.pending_requests(),
                configuration=where.failure,
                unreadable=self._bundles.unreadable(raws),
            )
            acted = Acted(outcome)
        else:
            observation = await self._gatherer.observe(visit)
            try:
                acted = await self._sync(visit, observation, raws, where.target)
            except (HoldersPendingError, PortalBusyError):
                acted = None
        if acted is None:
            return await self._wait(visit)
        if acted.next_view is not None and visit.uid in self._remotes.views:
            self._remotes.views.ask(visit.uid, at=acted.next_view)
        visit.ensure_current()
        outcome, bundles_after = acted.outcome, None
        soon = self._settles_soon(visit, observation, outcome)
        if soon is None:
            await self._writer.tell_left_behind(visit.source, visit.raw, outcome.seen)
            # Bundles first: whoever waits for the echo of a request may look at its bundle right after it.
            try:
                reading = observation.source.listing if observation is not None else None
                serial = reading.serial if reading is not None else None
                bundles_after = await self._bundles.write(visit, raws, outcome, serial=serial)
            finally:
                try:
                    carried_out = visit.spec_version
                    await self._writer.source(
                        visit.raw,
                        lambda source: summarise(source, outcome, carried_out=carried_out, now=self._now()),
                    )
                finally:
                    if not outcome.waiting:
                        await self._publications.tidy(visit.uid)
        if acted.retry:
            return Result.failure(first=self._timings.backoff_first, longest=self._timings.backoff_longest)
        return self._planner.after(visit, outcome, acted.after, bundles_after, soon)

    def _settles_soon(self, visit: Visit, observation: Observation | None, outcome: Outcome) -> float | None:
        """Seconds within which more is likely to be known, so that nothing is said yet; None: say it now."""
        if outcome.waiting and self._keeper.settles_soon(visit.uid):
            return self._timings.quiet_visit
        if not visit.source.status.conditions and observation is not None and observation.pages_pending:
            # The staleness pages come right after the list, if they come soon at all.
            left = self._timings.quiet_visit - (self._clock() - visit.spec_seen)
            return left if left > 0 else None
        return None

    async def _sync(
        self, visit: Visit, observation: Observation, raws: list[RawObject], target: str | None
    ) -> Acted | None:
        """Decide and act; what goes wrong on a remote side is part of the outcome, not an exception.

        Returns:
            None: nothing can be decided before something was read for the first time.
        """
        if observation.pending:
            return None
        source, requests = visit.source, visit.pending_requests()
        if any(requests):
            self._keeper.asked(visit.uid)
        portal, around = observation.portal, observation.source.around
        base = Outcome(
            # What was asked for is answered once both sides were read after it.
            requests=requests if observation.current else (None, None),
            source=observation.source.outcome,
            catalog=portal.outcome,
            server=around.server if around is not None else None,
            staleness_pending=around is None and observation.source.around_failure is None,
            staleness_failure=observation.source.around_failure,
            staleness_known=around is not None and around.staleness is not None,
            seen=CatalogSeen(url=portal.connection.url if portal.connection else None, target=target),
        )
        base = replace(
            self._filter_support(visit, observation, base), unreadable=self._bundles.unreadable(raws)
        )
        if portal.view is None:
            self._keeper.failed(visit.uid)
        owner = Owner(cluster_uid=self._identity.cluster_uid, uid=source.uid, target=target)
        is_external = source.spec.backstage.ingestion is Ingestion.EXTERNAL
        published = None
        if not is_external:
            visit.ensure_current()
            try:
                published = await self._publications.stored(
                    visit.uid, not_before=max(observation.asked, visit.began - self._timings.stored_look)
                )
            except KubernetesError as error:
                logger.warning("the snapshot of %s cannot be read: %s", _name(visit.raw), error)
                serving = self._publications.current(visit.uid) is not None
                return Acted(replace(base, published=False, serving=serving), retry=True)
            portal = await self._unreadable_if_blind(visit, portal, published, target)
            observation = replace(observation, portal=portal)
        serving = self._external.has_verified(visit) if is_external else published is not None
        base = replace(base, serving=serving)
        decision, portal = await self._decide(visit, observation, owner, raws, published)
        if portal.outcome is not None and portal.outcome.failure is not None:
            base = replace(base, catalog=portal.outcome)
        if decision is None:
            return Acted(base)
        acted: Acted | None
        if is_external:
            acted = self._acting.verify_external(visit, decision, portal, base)
            waits = self._external.keeps_waiting(visit.uid, observation.asked)
        else:
            acted = await self._acting.act(visit, decision, portal, base, owner=owner, target=target or "")
            waits = self._keeper.keeps_waiting(visit.uid, observation.asked)
        if acted is None:
            return None
        return replace(acted, outcome=replace(acted.outcome, requests_overdue=not waits))

    async def _unreadable_if_blind(
        self, visit: Visit, portal: PortalObserved, published: Published | None, target: str | None
    ) -> PortalObserved:
        """A token that sees nothing proves nothing (design, section 3, law 2).

        Where no snapshot tells what was published, an empty view is what a token without permission gets. A
        portal that lost its data, or is new, shows the same; there the location can be made, and one that is
        registered already cannot (409). The entity of a location tells nothing: it does not come before the
        first document that can be read (facts/backstage.md, section 4).
        """
        if portal.view is None or published is not None or portal.view.get().view.reads_entities:
            return portal
        status = visit.source.status
        had = status.revision is not None and (status.entities is None or status.entities.published > 0)
        if not had and target not in portal.view.get().view.locations:
            # Most likely it is new. If its location exists, what was stored is taken back: Acting.act.
            return portal
        try:
            registered = await self._keeper.register_unlisted(visit, portal, target)
        except FailedError as error:
            return self._acting.portal_failed(visit, portal, error.failure)
        if registered:
            return portal
        return self._acting.portal_failed(visit, portal, cannot_read("catalog.entity.read"))

    async def _decide(
        self,
        visit: Visit,
        observation: Observation,
        owner: Owner,
        raws: list[RawObject],
        published: Published | None,
    ) -> tuple[Decision | None, PortalObserved]:
        """Decide with the portal's help; if that fails in the middle, decide without it."""
        portal = observation.portal
        bundles, frozen = self._bundles.models(raws), self._bundles.frozen(raws)
        for without_view in (False, True):
            if without_view:
                portal = replace(portal, view=None)
            try:
                decision = await self._decider.decide(
                    visit,
                    observation,
                    portal=portal,
                    owner=owner,
                    bundles=bundles,
                    unreadable=frozen,
                    published=published,
                )
            except FailedError as error:
                portal = self._acting.portal_failed(visit, portal, error.failure)
            else:
                return decision, portal
        raise RuntimeError("a decision without the portal cannot fail because of it")

    async def _wait(self, visit: Visit) -> Result:
        """End the visit: a reading that is under way marks the object due.

        A first visit that takes longer than a moment says in status that it is under way.
        """
        waited = self._clock() - visit.spec_seen
        if not visit.source.status.conditions:
            if waited < self._timings.quiet_visit:
                return Result.done(after=self._timings.quiet_visit - waited)
            await self._writer.source(
                visit.raw,
                lambda source: announce(source, carried_out=visit.spec_version, now=self._now()),
            )
        return Result.done(after=visit.interval)

    def _filter_support(self, visit: Visit, observation: Observation, base: Outcome) -> Outcome:
        """A filter over bundle statuses needs a server that tells them."""
        around = observation.source.around
        if observation.source.listing is None or not needs_bundle_status(visit.source.spec.filters):
            return base
        if around is None:
            source, kind = visit.source, ConditionType.SOURCE_REACHABLE
            if told(source.status.conditions, kind, source.generation, Reason.FILTER_UNSUPPORTED) is None:
                return replace(base, filter_pending=True)
            # What was found of this spec stands until the pages were asked for again.
        elif around.staleness is not None:
            return base
        return replace(base, source=SideOutcome(failure=filter_unsupported(), stalled=True))


def _name(raw: RawObject) -> str:
    return f"{raw['metadata'].get('namespace', '')}/{raw['metadata']['name']}"
