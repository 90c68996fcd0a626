"""Decide, with what a decision needs beside the readings: the snapshot, and who holds the refs that are
wanted.

A decision is remembered without the entities, as a memo of its inputs. It stands for what is stored only
while that says the same (design, section 3, law 1); otherwise it is made anew, with the entities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.api.keys import APPROVE_REMOVAL
from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.controller.off_loop import LARGE, compute
from skillmeat_operator.controller.publication.claims import Claims
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.publication.published import Published, StoredForm, spec_hash
from skillmeat_operator.controller.remote.lookups import Found, RefLookups
from skillmeat_operator.controller.remote.reading import Reading
from skillmeat_operator.controller.visit.gather import Observation, PortalObserved
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.domain.decide.bindings import bindings, records_by_key, source_names
from skillmeat_operator.domain.decide.candidates import Prepared, prepare
from skillmeat_operator.domain.decide.declarations import UnreadableDeclaration
from skillmeat_operator.domain.decide.lean_plan import without_entities
from skillmeat_operator.domain.decide.normalised import KEPT, NormalisedTemplates
from skillmeat_operator.domain.decide.ownership import Holder, Owner, foreign_holders
from skillmeat_operator.domain.decide.plan import Known, Plan, decide
from skillmeat_operator.domain.decide.reading import settle
from skillmeat_operator.domain.observation import CatalogEntity, Json, StalenessReading, TemplateList
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.template.entity import content_hash
from skillmeat_operator.domain.template.normalise import NormaliseContext
from skillmeat_operator.domain.template.published import as_published
from skillmeat_operator.domain.timings import Timings


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan, and what has to be stored for it."""

    plan: Plan
    """Without entities: what reports on it is kept for long, and memory is dear."""
    content: Content | None
    """None: the plan is what is stored, or nothing is stored for it (External)."""
    form: StoredForm | None
    """Of ``content``."""


@dataclass(slots=True)
class _Memo:
    """What is remembered of the decisions about one CatalogSource."""

    newest: Mapping[str, datetime] = field(default_factory=dict)
    """The newest ``generated-at`` ever seen, by bundle id."""
    generated: Mapping[str, datetime] = field(default_factory=dict)
    lagging: Mapping[str, datetime] = field(default_factory=dict)
    """Since when elements of a bundle have been ignored, by bundle id."""
    key: tuple[object, ...] = ()
    """Everything that the last decision depended on, what is stored aside."""
    plan: Plan | None = None
    """The last decision, without entities."""
    form: StoredForm | None = None
    """What is stored once it is published."""
    unpublished_key: object = None
    """What it depended on besides where nothing is stored."""
    blind: bool = False
    """It was made without a view of the portal."""
    holders: Mapping[str, Holder] = field(default_factory=dict)
    """Who holds wanted refs in the portal."""
    wanted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What one decision is made from, beside what is stored."""

    visit: Visit
    reading: Reading[TemplateList] | None
    staleness: StalenessReading | None
    portal: PortalObserved
    owner: Owner
    bundles: Sequence[TemplateBundle]
    unreadable: Sequence[UnreadableDeclaration]
    ours: Mapping[str, CatalogEntity] | None
    """Entities of the catalog that are ours; None: the catalog cannot be read."""


class HoldersPendingError(Exception):
    """Who holds the wanted refs is being looked up; the object is marked due when it is known."""


class Decider:
    """Makes decisions."""

    def __init__(
        self,
        *,
        publications: Publications,
        claims: Claims,
        lookups: RefLookups,
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._publications = publications
        self._claims = claims
        self._lookups = lookups
        self._now = now
        self._timings = timings
        self._memos: dict[str, _Memo] = {}
        self._templates = NormalisedTemplates()

    async def decide(
        self,
        visit: Visit,
        observation: Observation,
        *,
        portal: PortalObserved,
        owner: Owner,
        bundles: Sequence[TemplateBundle],
        unreadable: Sequence[UnreadableDeclaration],
        published: Published | None,
    ) -> Decision | None:
        """Decide on the newest complete observation; None where there has never been one.

        Args:
            visit: the visit.
            observation: the last readings.
            portal: what is known of the portal; without a view where it failed in the middle.
            owner: who we are towards the catalog.
            bundles: the TemplateBundles of this source.
            unreadable: those whose spec cannot be read.
            published: what is stored.

        Raises:
            FailedError: the portal failed while holders were looked up.
            HoldersPendingError: they are being looked up.
        """
        memo = self._memos.setdefault(visit.uid, _Memo())
        around = observation.source.around
        given = _Inputs(
            visit=visit,
            reading=observation.source.listing,
            staleness=around.staleness if around is not None else None,
            portal=portal,
            owner=owner,
            bundles=bundles,
            unreadable=unreadable,
            ours=self._ours(visit, portal, owner),
        )
        ours = given.ours
        holders = self._known_holders(given, memo)
        kept = frozenset(memo.plan.expected) if memo.plan is not None else frozenset[str]()
        key = _key(given, memo, holders | self._rivals(given, memo.wanted, holders, kept))
        unpublished = (frozenset(ours) if ours is not None else None) if published is None else None
        same = memo.key == key and memo.unpublished_key == unpublished
        seeing = not memo.blind or portal.view is None
        if memo.plan is not None and same and seeing and self._stands(memo, published, owner):
            return Decision(plan=memo.plan, content=None, form=None)

        stored = await self._publications.content(visit.uid) if published is not None else None
        observed = await self._observe(memo, given.reading, stored)
        if observed is None:
            return None
        records = stored.records if stored is not None else None
        preparing = partial(
            prepare,
            observed,
            spec=visit.source.spec,
            context=normalise_context(visit.source, owner),
            # A list that is not kept whole would only push others out.
            templates=self._templates if len(observed) < KEPT else NormalisedTemplates(),
            bundles=bundles,
            records=records_by_key(records),
            staleness=given.staleness,
            generated=memo.generated,
            bound=bindings(records),
            names=source_names(records),
            unreadable=unreadable,
        )
        prepared = await compute(preparing, large=len(observed) >= LARGE)
        if ours is not None and owner.target is not None:
            holders = self._holders(given, prepared, ours)
        kept = frozenset(record.ref for record in records or () if record.is_published)
        rivals = self._rivals(given, prepared.wanted_refs, holders, kept)
        known = Known(
            records=records,
            ours=ours,
            holders=holders | rivals,
            guard=self._publications.guard(visit.uid),
            since=_since(visit.source),
            approval=visit.source.annotations.get(APPROVE_REMOVAL),
            spec_changed=published is not None and published.head.spec_hash != spec_hash(visit.source.spec),
        )
        plan = await self._decide(prepared, known, visit.source)
        held = plan.removal is not None or not plan.publishable
        if plan.unrecovered and held and portal.connection is not None:
            recovered = await self._recover(plan.unrecovered, portal.connection.client)
            unproven = frozenset(plan.unrecovered) - recovered.keys()
            known = replace(known, recovered=recovered, unproven=unproven)
            plan = await self._decide(prepared, known, visit.source)
        content = form = None
        if owner.target is not None:
            content = Content(records=plan.records, observed=tuple(observed))
            form = await self._form(visit, content, plan)
        memo.plan, memo.form, memo.holders = without_entities(plan), form, holders
        memo.wanted, memo.blind = prepared.wanted_refs, portal.view is None
        memo.key = _key(given, memo, holders | rivals)
        # Once it is stored, the snapshot takes the place of what the catalog shows.
        memo.unpublished_key = unpublished if not plan.publishable or owner.target is None else None
        if portal.connection is not None:
            claimed = frozenset(plan.expected) if owner.target is not None else frozenset[str]()
            self._claims.claim(visit.uid, portal.connection.url, claimed, source=visit.source)
        return Decision(plan=memo.plan, content=content, form=form)

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._memos.pop(uid, None)
        self._claims.release(uid)

    def __contains__(self, uid: object) -> bool:
        return uid in self._memos

    def _stands(self, memo: _Memo, published: Published | None, owner: Owner) -> bool:
        """Whether the remembered decision is what is stored; nothing is stored under External."""
        if owner.target is None:
            return True
        if memo.plan is not None and not memo.plan.publishable:
            return published is None
        return published is not None and memo.form is not None and published.form.covers(memo.form)

    async def _form(self, visit: Visit, content: Content, plan: Plan) -> StoredForm:
        forming = partial(
            StoredForm.of,
            content,
            plan.guard,
            generation=visit.source.generation,
            spec=spec_hash(visit.source.spec),
        )
        return await compute(forming, large=len(content.records) >= LARGE)

    async def _decide(self, prepared: Prepared, known: Known, source: CatalogSource) -> Plan:
        window = timedelta(seconds=self._timings.loss_window)
        deciding = partial(decide, prepared, known, spec=source.spec, now=self._now(), window=window)
        return await compute(deciding, large=len(prepared.candidates) >= LARGE)

    async def _observe(
        self, memo: _Memo, reading: Reading[TemplateList] | None, stored: Content | None
    ) -> tuple[Json, ...] | None:
        """The newest reading settled against the stored one; during an outage the stored one."""
        previous = stored.observed if stored is not None else None
        if reading is None or reading.value is None:
            return previous
        settling = partial(
            settle,
            reading.value.elements,
            previous=previous,
            newest=memo.newest,
            lagging=memo.lagging,
            now=self._now(),
        )
        settled = await compute(settling, large=len(reading.value.elements) >= LARGE)
        memo.newest, memo.generated, memo.lagging = settled.newest, settled.generated, settled.lagging
        return settled.elements

    def _ours(self, visit: Visit, portal: PortalObserved, owner: Owner) -> dict[str, CatalogEntity] | None:
        """Entities of the catalog that are ours; None: the catalog cannot be read."""
        if portal.view is None:
            return None
        shown = portal.view.get().entities_of(visit.uid, owner.target)
        return owner.owned(shown, exists=visit.store.source_exists)

    def _known_holders(self, given: _Inputs, memo: _Memo) -> dict[str, Holder]:
        """Who holds the refs that the last decision wanted, as far as it is known without waiting."""
        visit, portal, owner = given.visit, given.portal, given.owner
        holders = dict(memo.holders)
        if portal.view is None or owner.target is None:
            return holders
        shown = portal.view.get().view.entities
        marked = {ref: shown[ref] for ref in memo.wanted if ref in shown}
        holders = {ref: one for ref, one in holders.items() if ref not in shown}
        if holders and portal.connection is not None:
            # A holder may have gone; a look-up that is on its way, or failed, leaves what was known.
            age = max(visit.interval, self._timings.lookup_kept)
            not_before = portal.view.began if any(visit.pending_requests()) else visit.began - age
            found = self._lookups.peek(
                visit.uid, portal.connection, holders, purpose="conflicts", not_before=not_before
            )
            if found is not None:
                holders = foreign_holders(found, owner=owner, exists=visit.store.source_exists)
        return holders | foreign_holders(marked, owner=owner, exists=visit.store.source_exists)

    def _holders(
        self, given: _Inputs, prepared: Prepared, ours: Mapping[str, CatalogEntity]
    ) -> dict[str, Holder]:
        """Who holds the refs that are wanted now."""
        visit, portal, owner = given.visit, given.portal, given.owner
        if portal.view is None or portal.connection is None:
            return {}
        shown = portal.view.get().view.entities
        wanted = prepared.wanted_refs - set(ours)
        marked = {ref: shown[ref] for ref in wanted if ref in shown}
        found: Found | None = self._lookups.look(
            visit.uid,
            portal.connection,
            wanted - set(marked),
            purpose="wanted",
            not_before=visit.began - self._timings.lookup_kept,
        )
        if found is None:
            raise HoldersPendingError
        return foreign_holders({**marked, **found}, owner=owner, exists=visit.store.source_exists)

    def _rivals(
        self,
        given: _Inputs,
        wanted: frozenset[str],
        holders: Mapping[str, Holder],
        kept: frozenset[str],
    ) -> dict[str, Holder]:
        """Older CatalogSources that publish what is wanted and nobody holds yet.

        While the catalog cannot be read nobody knows who holds what: what is published (``kept``) stays ours,
        and without a connection it is not even known of which portal.

        Under External somebody else brings the entities in, so that holding them is no conflict.
        """
        connection = given.portal.connection
        if given.owner.target is None or connection is None:
            return {}
        source = given.visit.source
        held = kept if given.ours is None else frozenset(given.ours)
        free = wanted - set(holders) - held
        return self._claims.rivals(source.uid, connection.url, free, created=source.created)

    async def _recover(self, refs: Sequence[str], client: BackstageClient) -> dict[str, Json]:
        """Read entities of ours back from the catalog; only what proves itself by its content hash counts."""
        proven: dict[str, Json] = {}
        for ref, entity in (await client.full_entities(refs)).items():
            restored = as_published(entity)
            if restored is not None and content_hash(restored.entity) == restored.stated_hash:
                proven[ref] = restored.entity
        return proven


def _key(given: _Inputs, memo: _Memo, holders: Mapping[str, Holder]) -> tuple[object, ...]:
    """Everything a decision depends on beside what is stored; equal keys give equal plans."""
    reading = given.reading
    stale = memo.plan is not None and memo.plan.stale > 0
    return (
        given.visit.source.generation,
        given.owner,
        reading.value.digest if reading is not None and reading.value is not None else None,
        tuple(sorted((bundle.uid, bundle.generation) for bundle in given.bundles)),
        tuple(sorted((one.uid, one.generation) for one in given.unreadable)),
        given.visit.source.annotations.get(APPROVE_REMOVAL),
        given.staleness,
        # While something is stale or ignored, each reading may be the one that is not: ``generated-at`` is
        # in no digest.
        reading.serial if reading is not None and (stale or memo.lagging) else None,
        tuple(sorted((ref, one.origin or "", one.source or "") for ref, one in holders.items())),
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
