"""Decide, with what a decision needs beside the readings: the snapshot, and who holds the refs that are
wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.api.keys import APPROVE_REMOVAL
from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.controller.off_loop import LARGE, compute
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.controller.publication.snapshots import Snapshots
from skillmeat_operator.controller.remote.shared_read import Reading
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.candidates import Prepared, prepare
from skillmeat_operator.domain.decide.ownership import Holder, Owner, foreign_holders
from skillmeat_operator.domain.decide.plan import Known, Plan, decide, records_by_key
from skillmeat_operator.domain.decide.reading import settle
from skillmeat_operator.domain.observation import CatalogEntity, Json, PortalView, TemplateList
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.template.entity import content_hash
from skillmeat_operator.domain.template.normalise import NormaliseContext
from skillmeat_operator.domain.template.published import as_published
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan and the observation that it was made from."""

    plan: Plan
    observed: tuple[Json, ...]
    stored: Content | None
    """What the snapshot held before."""
    fresh: bool
    """False: nothing it depends on changed since the last decision."""


class Decider:
    """Makes decisions; remembers the last one of each CatalogSource while nothing it depends on changes."""

    def __init__(
        self, *, snapshots: Snapshots, claims: Claims, now: Callable[[], datetime], timings: Timings
    ) -> None:
        self._snapshots = snapshots
        self._claims = claims
        self._now = now
        self._timings = timings

    async def decide(
        self,
        visit: Visit,
        *,
        reading: Reading[TemplateList] | None,
        view: PortalView | None,
        client: BackstageClient | None,
        portal_url: str,
        owner: Owner,
        bundles: Sequence[TemplateBundle],
    ) -> Decision | None:
        """Decide on the newest complete observation; None where there has never been one.

        Raises:
            FailedError: the portal failed while holders were looked up.
            KubernetesError: the snapshot cannot be read.
        """
        uid, memory, source = visit.uid, visit.memory, visit.source
        if memory.convergence is None:
            visit.ensure_current()
            await self._snapshots.check(uid)
        kept = await self._snapshots.load(uid)
        if reading is not None and reading.value is not None and memory.settled_serial != reading.serial:
            # Counted also where nothing changed: a bundle that two readings lack is really missing.
            memory.settled_serial = reading.serial
            memory.reads += 1
        holders = dict(memory.holders)
        if view is not None and owner.target is not None:
            wanted = memory.plan.prepared.wanted_refs if memory.plan is not None else frozenset()
            marked = {ref: view.entities[ref] for ref in wanted if ref in view.entities}
            holders = {ref: one for ref, one in holders.items() if ref not in view.entities}
            holders |= foreign_holders(marked, owner=owner, exists=visit.store.source_exists)
        key = self._key(visit, reading=reading, view=view, bundles=bundles, holders=holders, owner=owner)
        unseen = memory.plan_is_blind and view is not None
        if memory.plan is not None and memory.plan_key == key and not memory.plan.conflicting and not unseen:
            return Decision(plan=memory.plan, observed=(), stored=None, fresh=False)

        stored = await self._snapshots.content(uid) if kept is not None else None
        observed = self._observe(visit, reading, stored)
        if observed is None:
            return None
        records = stored.records if stored is not None else None
        preparing = partial(
            prepare,
            observed,
            spec=source.spec,
            context=normalise_context(source, owner),
            bundles=bundles,
            records=records_by_key(records),
            staleness=memory.staleness,
            generated=memory.generated,
        )
        prepared = await compute(preparing, large=len(observed) >= LARGE)
        ours: Mapping[str, CatalogEntity] | None = None
        if view is not None and client is not None:
            ours = owner.owned(view.entities, exists=visit.store.source_exists)
            if owner.target is not None:
                holders = await self._holders(
                    visit, prepared, view=view, client=client, owner=owner, ours=ours
                )
        if owner.target is not None:
            # Under External somebody else brings the entities in, so that holding them is no conflict.
            free = prepared.wanted_refs - set(holders) - set(ours or {})
            holders |= self._claims.rivals(uid, portal_url, free, created=source.created)
        known = Known(
            records=records,
            ours=ours,
            holders=holders,
            guard=self._snapshots.guard(uid),
            since=_since(source),
            approval=source.annotations.get(APPROVE_REMOVAL),
        )
        plan = await self._decide(prepared, known, source)
        if plan.unrecovered and plan.removal is not None and client is not None:
            recovered = await self._recover(plan.unrecovered, client)
            plan = await self._decide(prepared, replace(known, recovered=recovered), source)
        memory.holders = {ref: one for ref, one in holders.items() if one.source is None}
        memory.plan = plan
        memory.plan_key = self._key(
            visit, reading=reading, view=view, bundles=bundles, holders=memory.holders, owner=owner
        )
        memory.plan_is_blind = view is None
        claimed = frozenset(plan.expected) if owner.target is not None else frozenset()
        self._claims.claim(uid, portal_url, claimed, source=source)
        return Decision(plan=plan, observed=observed, stored=stored, fresh=True)

    def published(self, visit: Visit) -> None:
        """Take in that the snapshot says what the last plan does: from it the same would be decided."""
        visit.memory.plan_key = (*visit.memory.plan_key[:-1], None)

    async def _decide(self, prepared: Prepared, known: Known, source: CatalogSource) -> Plan:
        window = timedelta(seconds=self._timings.loss_window)
        deciding = partial(decide, prepared, known, spec=source.spec, now=self._now(), window=window)
        return await compute(deciding, large=len(prepared.candidates) >= LARGE)

    def _observe(
        self, visit: Visit, reading: Reading[TemplateList] | None, stored: Content | None
    ) -> tuple[Json, ...] | None:
        """The newest reading settled against the stored one; during an outage the stored one."""
        memory = visit.memory
        previous = stored.observed if stored is not None else None
        if reading is None or reading.value is None:
            return previous
        settled = settle(reading.value.elements, previous=previous, newest=memory.newest)
        memory.newest, memory.generated = settled.newest, settled.generated
        return settled.elements

    async def _holders(
        self,
        visit: Visit,
        prepared: Prepared,
        *,
        view: PortalView,
        client: BackstageClient,
        owner: Owner,
        ours: Mapping[str, CatalogEntity],
    ) -> dict[str, Holder]:
        wanted = prepared.wanted_refs - set(ours)
        marked = {ref: view.entities[ref] for ref in wanted if ref in view.entities}
        unseen = sorted(wanted - set(marked))
        found = await client.entities_by_refs(unseen) if unseen else {}
        return foreign_holders({**marked, **found}, owner=owner, exists=visit.store.source_exists)

    async def _recover(self, refs: Sequence[str], client: BackstageClient) -> dict[str, Json]:
        """Read entities of ours back from the catalog; only what proves itself by its content hash counts."""
        proven: dict[str, Json] = {}
        for ref, entity in (await client.full_entities(refs)).items():
            restored = as_published(entity)
            if restored is not None and content_hash(restored.entity) == restored.stated_hash:
                proven[ref] = restored.entity
        return proven

    def _key(
        self,
        visit: Visit,
        *,
        reading: Reading[TemplateList] | None,
        view: PortalView | None,
        bundles: Sequence[TemplateBundle],
        holders: Mapping[str, Holder],
        owner: Owner,
    ) -> tuple[object, ...]:
        """Everything a decision depends on; equal keys give equal plans. The last element is what stands in
        for a snapshot where there is none.
        """
        kept = self._snapshots.kept(visit.uid)
        # With a snapshot the catalog's own entities decide nothing; without one they stand in for it.
        shown = None
        if kept is None and view is not None:
            shown = frozenset(owner.owned(view.entities, exists=visit.store.source_exists))
        return (
            visit.source.generation,
            reading.value.digest if reading is not None and reading.value is not None else None,
            tuple(sorted((bundle.uid, bundle.generation) for bundle in bundles)),
            visit.source.annotations.get(APPROVE_REMOVAL),
            id(visit.memory.staleness),
            # While something is stale, each reading may be the one that is not: ``generated-at`` is in no
            # digest.
            reading.serial
            if reading is not None and visit.memory.plan is not None and visit.memory.plan.stale
            else None,
            tuple(
                sorted((ref, one.origin, one.source) for ref, one in holders.items() if one.source is None)
            ),
            (shown, view is None) if kept is None else None,
        )


def normalise_context(source: CatalogSource, owner: Owner) -> NormaliseContext:
    """What normalisation needs of a CatalogSource."""
    skillmeat = source.spec.source.skillmeat
    return NormaliseContext(
        catalog_namespace=source.spec.backstage.catalog_namespace,
        managed_by=owner.marker,
        defaults=source.spec.entity_defaults,
        view_base=skillmeat.url.rstrip("/") if skillmeat is not None else "",
        web_url=skillmeat.web_url if skillmeat is not None else None,
    )


def _since(source: CatalogSource) -> str | None:
    removal = source.status.removal
    return format_timestamp(removal.since) if removal is not None else None
