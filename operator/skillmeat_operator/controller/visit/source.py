"""One sync of one CatalogSource: gather → decide → act → summarise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from skillmeat_operator.adapters.kubernetes.errors import ConflictError, ForbiddenError, KubernetesError
from skillmeat_operator.adapters.kubernetes.events import EventType
from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen, CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import ConditionType, Reason
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.controller.publication.snapshots import Snapshots, nothing_new, spec_hash, stored_form
from skillmeat_operator.controller.visit.bundles import BundleReconciler
from skillmeat_operator.controller.visit.catalog import CatalogKeeper
from skillmeat_operator.controller.visit.decision import Decider, Decision
from skillmeat_operator.controller.visit.deletion import Deleter
from skillmeat_operator.controller.visit.external import verify_external
from skillmeat_operator.controller.visit.gather import Gatherer, PortalGathered, SourceGathered
from skillmeat_operator.controller.visit.memory import SourceMemory
from skillmeat_operator.controller.visit.schedule import Scheduler
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.decide.configuration import publication
from skillmeat_operator.domain.decide.filters import needs_bundle_status
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.outcome import Outcome, SideOutcome
from skillmeat_operator.domain.status.source import announce, summarise, suspended
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
        memories: dict[str, SourceMemory],
        gatherer: Gatherer,
        decider: Decider,
        snapshots: Snapshots,
        keeper: CatalogKeeper,
        deleter: Deleter,
        bundles: BundleReconciler,
        writer: ObjectWriter,
        scheduler: Scheduler,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._identity = identity
        self._store = store
        self._memories = memories
        self._gatherer = gatherer
        self._decider = decider
        self._snapshots = snapshots
        self._keeper = keeper
        self._deleter = deleter
        self._bundles = bundles
        self._writer = writer
        self._scheduler = scheduler
        self._clock = clock
        self._now = now
        self._timings = timings

    async def visit(self, uid: str) -> None:
        """Bring one CatalogSource, and the statuses of its TemplateBundles, up to date."""
        raw = self._store.sources.get(uid)
        if raw is None:
            return
        memory = self._memory(uid, raw)
        try:
            source = CatalogSource.from_object(raw)
        except InvalidObject as error:
            await self._writer.invalid(raw, str(error))
            return
        visit = Visit(source=source, raw=raw, memory=memory, store=self._store, began=self._clock())
        try:
            if source.deleting:
                await self._deleter.visit(visit)
            elif source.spec.suspend:
                await self._suspended(visit)
            else:
                await self._reconcile(visit)
        except SupersededError:
            self._scheduler.again(uid)
        except (KubernetesError, ExceptionGroup) as error:
            self._scheduler.after_trouble(uid)
            logger.warning("visit of %s/%s ended early: %s", source.namespace, source.name, error)

    async def _reconcile(self, visit: Visit) -> None:
        async with self._announced(visit):
            outcome = await self.sync(visit)
        visit.ensure_current()
        visit.memory.outcome = outcome
        if not self._too_early(visit, outcome):
            await self._tell_left_behind(visit, outcome)
            # Bundles first: whoever waits for the echo of a request may look at its bundle right after it.
            try:
                await self._bundles.write(visit, outcome)
            finally:
                await self._write(visit, lambda source: summarise(source, outcome, now=self._now()))
        if not outcome.converging:
            await self._snapshots.tidy(visit.uid)
        self._scheduler.after(visit, outcome)

    async def sync(self, visit: Visit) -> Outcome:
        """One sync; what goes wrong on a remote side is part of the outcome, not an exception."""
        source, memory = visit.source, visit.memory
        requests = visit.pending_requests()
        if any(requests):
            memory.diagnose_now = True
        where = publication(
            source,
            public_url=self._identity.public_url,
            cluster_uid=self._identity.cluster_uid,
            backstage_url=self._identity.backstage_url,
            allowed_catalog_namespaces=self._identity.allowed_catalog_namespaces,
        )
        base = Outcome(requests=requests)
        if where.failure is not None:
            return replace(base, configuration=where.failure)
        owner = Owner(cluster_uid=self._identity.cluster_uid, uid=source.uid, target=where.target)

        gathered = await self._gatherer.source(visit)
        portal = await self._gatherer.portal(visit, not_before=self._view_not_before(visit))
        base = replace(
            base,
            source=gathered.outcome,
            catalog=portal.outcome,
            server=memory.server,
            staleness_known=memory.staleness is not None,
            seen=CatalogSeen(url=portal.connection.url if portal.connection else None, target=where.target),
        )
        base = self._filter_support(visit, gathered, base)

        decision, portal = await self._decide(visit, gathered, portal, owner)
        if portal.outcome.failure is not None:
            base = replace(base, catalog=portal.outcome)
        if decision is None:
            return base
        if source.spec.backstage.ingestion is Ingestion.EXTERNAL:
            return await verify_external(
                visit, decision.plan, portal, base, judge=self._gatherer.judge, clock=self._clock
            )
        return await self._act(visit, decision, portal, base, owner=owner, target=where.target or "")

    async def _decide(
        self, visit: Visit, gathered: SourceGathered, portal: PortalGathered, owner: Owner
    ) -> tuple[Decision | None, PortalGathered]:
        """Decide with the portal's help; if that fails in the middle, decide without it."""
        connection = portal.connection
        bundles = self._bundles.of(visit.source)
        for view in (portal.view, None):
            try:
                decision = await self._decider.decide(
                    visit,
                    reading=gathered.reading,
                    view=view,
                    client=connection.client if connection is not None else None,
                    portal_url=connection.url if connection is not None else "",
                    owner=owner,
                    bundles=bundles,
                )
            except FailedError as error:
                judged = self._gatherer.judge(
                    visit, error.failure, secrets=connection.secrets if connection else ""
                )
                portal = replace(portal, outcome=judged, view=None)
            else:
                return decision, portal
        raise RuntimeError("a decision without the portal cannot fail because of it")

    async def _act(
        self,
        visit: Visit,
        decision: Decision,
        portal: PortalGathered,
        base: Outcome,
        *,
        owner: Owner,
        target: str,
    ) -> Outcome:
        """Publish, then bring the catalog in step and look whether it is."""
        plan = decision.plan
        base = replace(base, plan=plan)
        if not plan.publishable:
            return base
        republished = False
        try:
            if decision.fresh:
                republished = await self._publish(visit, decision, target)
        except (ForbiddenError, ConflictError) as error:
            logger.warning(
                "the snapshot of %s/%s was not stored: %s", visit.source.namespace, visit.source.name, error
            )
            visit.memory.plan_key = ()
            return replace(base, published=False)
        if portal.view is None or portal.connection is None:
            return base
        try:
            verified = await self._keeper.keep(
                visit,
                plan,
                client=portal.connection.client,
                view=portal.view,
                owner=owner,
                target=target,
                republished=republished,
            )
        except FailedError as error:
            judged = self._gatherer.judge(visit, error.failure, secrets=portal.connection.secrets)
            return replace(base, catalog=judged)
        visit.memory.refusals.pop(Side.CATALOG, None)
        seen = CatalogSeen(url=portal.connection.url, target=verified.target, entity_ref=verified.entity_ref)
        return replace(
            base,
            state=verified.state,
            converging=verified.converging,
            diagnosis=verified.diagnosis,
            moved=verified.moved,
            seen=seen,
        )

    async def _publish(self, visit: Visit, decision: Decision, target: str) -> bool:
        """Store and serve the plan if it says anything that the snapshot does not; True if the document
        changed.
        """
        source, memory, plan = visit.source, visit.memory, decision.plan
        spec = spec_hash(source.spec)
        wanted = stored_form(
            plan.records, decision.observed, plan.guard, generation=source.generation, spec=spec
        )
        kept = self._snapshots.kept(visit.uid)
        if kept is None:
            memory.stored = None
        elif memory.stored is None and decision.stored is not None:
            memory.stored = stored_form(
                decision.stored.records,
                decision.stored.observed,
                kept.head.guard,
                generation=kept.head.generation,
                spec=kept.head.spec_hash,
            )
        if nothing_new(memory.stored, wanted):
            return False
        visit.ensure_current()
        changed = await self._snapshots.publish(source, plan, decision.observed, target=target)
        memory.stored = wanted
        self._decider.published(visit)
        return changed

    async def _tell_left_behind(self, visit: Visit, outcome: Outcome) -> None:
        """A changed portal URL never deletes at the former portal; it says what is left there."""
        before, seen = visit.source.status.catalog, outcome.seen
        if before is None or seen is None or before.target is None or None in (before.url, seen.url):
            return
        if before.url != seen.url:
            said = (
                f"the location {before.target} stays in the former portal {before.url}: "
                "remove it there by hand"
            )
            await self._writer.event(visit.raw, EventType.WARNING, Reason.LOCATION_LEFT_BEHIND, said)

    def _filter_support(self, visit: Visit, gathered: SourceGathered, base: Outcome) -> Outcome:
        """A filter over bundle statuses needs a server that tells them."""
        if gathered.reading is None or visit.memory.staleness is not None:
            return base
        if not needs_bundle_status(visit.source.spec.filters):
            return base
        failure = Failure(
            side=Side.SOURCE,
            kind=FailureKind.CONFIGURATION,
            reason=Reason.FILTER_UNSUPPORTED,
            message="spec.filters uses bundleStatuses, and the server does not tell the status of its "
            "bundles: remove bundleStatuses, or let the token read SkillMeat's bundles",
        )
        return replace(base, source=SideOutcome(failure=failure, stalled=True))

    async def _suspended(self, visit: Visit) -> None:
        source = visit.source
        kept = await self._snapshots.load(visit.uid)
        ready = find(source.status.conditions, ConditionType.READY)
        before = ready is not None and ready.observed_generation == source.generation
        settled = kept.head.spec_hash == spec_hash(source.spec) if kept is not None else before
        try:
            await self._bundles.write_suspended(visit)
        finally:
            await self._write(visit, lambda fresh: suspended(fresh, settled=settled, now=self._now()))
        self._scheduler.rest(visit.uid)

    async def _write(self, visit: Visit, derive: Callable[[CatalogSource], CatalogSourceStatus]) -> None:
        await self._writer.source(visit.raw, derive)

    @contextlib.asynccontextmanager
    async def _announced(self, visit: Visit) -> AsyncIterator[None]:
        """A first visit that takes longer than a moment says in status that it is under way."""
        if visit.source.status.conditions:
            yield
            return

        async def say() -> None:
            await asyncio.sleep(self._timings.quiet_visit)
            with contextlib.suppress(KubernetesError):
                await self._writer.source(visit.raw, lambda source: announce(source, now=self._now()))

        task = asyncio.create_task(say())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _view_not_before(self, visit: Visit) -> float:
        """The moment (monotonic seconds) at which the portal's view used by this visit must have begun."""
        memory = visit.memory
        if any(visit.pending_requests()):
            return visit.began
        if memory.convergence is None and memory.leftovers_since is None:
            return visit.began - self._timings.verify_every
        # Newer than what was done and than what was compared last, but not necessarily made for this visit:
        # where many wait for the catalog, each takes what another one has just read.
        began = memory.convergence.began if memory.convergence is not None else 0.0
        newer = math.nextafter(memory.viewed, math.inf)
        return max(began, memory.registered or 0.0, newer, visit.began - self._timings.view_shared)

    def _too_early(self, visit: Visit, outcome: Outcome) -> bool:
        """Whether the catalog is likely to have caught up before anybody reads that it has not."""
        convergence = visit.memory.convergence
        return (
            outcome.converging
            and convergence is not None
            and self._clock() - convergence.began < self._timings.quiet_visit
        )

    def _memory(self, uid: str, raw: RawObject) -> SourceMemory:
        generation = raw["metadata"].get("generation", 0)
        memory = self._memories.get(uid)
        if memory is None:
            memory = SourceMemory(spec_seen=self._clock(), generation=generation)
            self._memories[uid] = memory
        if memory.generation != generation:
            memory.generation = generation
            memory.spec_seen = self._clock()
            memory.diagnose_now = True
            memory.outcome = None
        return memory
