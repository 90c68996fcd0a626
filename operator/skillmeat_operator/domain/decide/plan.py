"""Decide: from what was observed to what is published, with a verdict for every entity and bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from skillmeat_operator.api.keys import GENERATED_AT
from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSourceSpec
from skillmeat_operator.domain.decide.bindings import binding_records, record_key, records_by_key
from skillmeat_operator.domain.decide.candidates import Fate, Prepared, is_frozen, source_facts, takes_out
from skillmeat_operator.domain.decide.guard import Held, Losses, judge
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.decide.placement import Placement, Refusal
from skillmeat_operator.domain.observation import CatalogEntity, Json
from skillmeat_operator.domain.snapshot.model import GuardState, HeldReason, Record
from skillmeat_operator.domain.template.document import revision
from skillmeat_operator.domain.template.entity import annotation, bundle_id, bundle_version, content_hash
from skillmeat_operator.domain.template.moments import read_moment


@dataclass(frozen=True, slots=True)
class Known:
    """What was known before this decision."""

    records: tuple[Record, ...] | None
    """What the snapshot holds; None: there is no snapshot."""
    ours: Mapping[str, CatalogEntity] | None
    """Entities of the catalog that are ours, by ref; None: the catalog cannot be read."""
    holders: Mapping[str, Holder]
    """Wanted refs that somebody else holds."""
    guard: GuardState
    since: str | None
    """``status.removal.since``, for the case that the snapshot was lost."""
    approval: str | None
    """Annotation ``skillmeat.io/approve-removal``."""
    spec_changed: bool = False
    """Whether what is stored was decided with another spec of the CatalogSource."""
    recovered: Mapping[str, Json] = field(default_factory=dict)
    """Entities read back from the catalog in full, by ref, each proven by its content hash."""
    unproven: frozenset[str] = frozenset()
    """Refs that were read back and did not prove themselves: nothing can be carried over of them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be published, and everything there is to say about it."""

    records: tuple[Record, ...]
    """Published entities sorted by ref, then the tombstones of recent losses."""
    discovered: int
    selected: int
    withheld: int
    invalid: tuple[Refusal, ...]
    conflicting: tuple[Refusal, ...]
    stale: int
    stale_known: bool
    """Whether staleness could be told for every selected template."""
    removal: Held | None
    guard: GuardState
    approved: bool
    """Whether this decision used an approval."""
    revision: str
    publishable: bool
    """False: too little is known to publish anything; what is served stays as it is (or 503)."""
    unrecovered: tuple[str, ...]
    """Refs of ours in the catalog whose content has to be read back before anything may be published."""
    prepared: Prepared
    by_key: Mapping[str, Record]
    """Published records by key of their bundle."""
    refusals: Mapping[str, Refusal] = field(init=False, repr=False, compare=False)
    """Why a bundle is not published as observed, by its key; repetitions of a bundle aside."""

    def __post_init__(self) -> None:
        found = (*self.invalid, *self.conflicting)
        object.__setattr__(
            self, "refusals", {one.candidate.key: one for one in reversed(found) if not one.repeated}
        )

    @property
    def published(self) -> tuple[Record, ...]:
        """Records that are in the document."""
        return tuple(record for record in self.records if record.is_published)

    @property
    def expected(self) -> dict[str, str]:
        """Content hash by ref: what the catalog has to show."""
        return {record.ref: record.content_hash for record in self.records if record.is_published}

    @property
    def held(self) -> int:
        """Published entities that were not taken from this observation."""
        return sum(record.held is not None for record in self.published)


def decide(
    prepared: Prepared, known: Known, *, spec: CatalogSourceSpec, now: datetime, window: timedelta
) -> Plan:
    """Decide what is published.

    Args:
        prepared: candidates of the last complete observation.
        known: what was known before.
        spec: of the CatalogSource.
        now: the present, in UTC.
        window: time within which losses count together.
    """
    before = records_by_key(known.records)
    before.update(_recovered_records(known, before))
    frozen = _frozen(prepared, before)
    declared_out = {
        key
        for key, record in before.items()
        if takes_out(record, prepared.declarations, key, spec=spec, spec_changed=known.spec_changed)
    }
    reserved = {
        record.ref for key, record in before.items() if key not in declared_out and _is_gone(prepared, key)
    }
    placing = partial(Placement.of, prepared.candidates, before, known.holders, frozen=frozen)
    selection = placing(reserved=reserved)

    needed, unknown = _unknown(prepared, known, selection)
    lost = {
        key: record
        for key, record in _leaving(prepared, before, selection).items()
        if key not in declared_out
    }
    began = (read_moment(known.guard.since) if known.guard.id else None) or now
    recent = _recent_losses(known.records, before, lost, selection, since=began - window)
    verdict = judge(
        Losses(
            current=frozenset(record.ref for record in lost.values()) | unknown,
            recent=len(recent),
            published=_published_before(known, before, selection),
            remaining=len(selection.accepted) + len(selection.carried),
        ),
        policy=spec.removal_policy,
        state=known.guard,
        since=known.since,
        approval=known.approval,
        now=now,
    )
    if verdict.held is None and reserved:
        # What is lost leaves: its refs are free for those that were renamed to them.
        selection = placing()
    by_key = {**selection.accepted, **selection.carried}
    tombstones = () if verdict.approved else recent
    if verdict.held is not None:
        by_key |= {key: _held(record, now) for key, record in lost.items()}
    elif not verdict.approved:
        tombstones += tuple(_tombstone(record, now) for record in lost.values())
    # With neither snapshot nor catalog nobody knows what would leave: nothing is published anew.
    unreadable = known.records is None and known.ours is None
    records = tuple(sorted(by_key.values(), key=lambda record: record.ref))
    selected = [one for one in prepared.candidates if one.fate is not Fate.UNSELECTED]
    traces = tombstones + binding_records(prepared, by_key, known.records)
    return Plan(
        records=records + tuple(sorted(traces, key=lambda record: (record.ref, record.bundle_id or ""))),
        discovered=len(prepared.candidates),
        selected=len(selected),
        withheld=selection.withheld,
        invalid=tuple(selection.invalid),
        conflicting=tuple(selection.conflicting),
        stale=sum(one.stale is True for one in selected),
        stale_known=all(one.stale is not None for one in selected if one.fate is not Fate.INVALID),
        removal=verdict.held,
        guard=verdict.state,
        approved=verdict.approved,
        revision=revision((record.ref, record.content_hash) for record in records),
        # What is held of unknown content cannot be carried over.
        publishable=not unreadable and not needed and not (unknown and verdict.held is not None),
        unrecovered=tuple(sorted(needed | unknown)),
        prepared=prepared,
        by_key=by_key,
    )


def _unknown(prepared: Prepared, known: Known, selection: Placement) -> tuple[frozenset[str], frozenset[str]]:
    """Refs of ours in the catalog that nobody has a record of, where there is no snapshot.

    Returns:
        Those that have to stay, because their bundle is frozen, invalid or outside its range, and those that
        are lost unless the guard keeps them.
    """
    needed, unknown = set[str](), set[str]()
    for entity in (known.ours or {}).values() if known.records is None else ():
        if entity.ref in selection.refs or entity.ref in known.recovered:
            continue
        candidate = prepared.by_key.get(entity.bundle_id or "")
        fate = candidate.fate if candidate is not None else None
        if fate in {Fate.SUSPENDED, Fate.INVALID, Fate.OUTSIDE_RANGE} and entity.ref not in known.unproven:
            needed.add(entity.ref)
        elif fate not in {Fate.READY, Fate.UNPUBLISHED}:
            unknown.add(entity.ref)
    return frozenset(needed), frozenset(unknown)


def _leaving(prepared: Prepared, before: Mapping[str, Record], selection: Placement) -> dict[str, Record]:
    """Records of which nothing stays in the document as it is now decided, by key.

    What somebody else holds is a conflict, what a TemplateBundle takes out was decided with its candidate,
    and where a bundle that is new has the ref the template was made anew.
    """
    leaving: dict[str, Record] = {}
    for key, record in before.items():
        if key in selection.accepted or key in selection.carried or record.ref in selection.newcomers:
            continue
        if _is_gone(prepared, key):
            leaving[key] = record
    return leaving


def _is_gone(prepared: Prepared, key: str) -> bool:
    """Whether a bundle is not in the source any more, or is there and not taken."""
    candidate = prepared.by_key.get(key)
    return candidate is None or candidate.fate is Fate.UNSELECTED


def _frozen(prepared: Prepared, before: Mapping[str, Record]) -> list[str]:
    """Keys of bundles that are gone from the source while their TemplateBundle is suspended, or says nothing
    that could be read: they stay.
    """
    matched = prepared.declarations
    return [
        key
        for key in before
        if key not in prepared.observed_keys
        and (
            key in prepared.succeeded
            or is_frozen(key, matched, published=True)
            or ((declaration := matched.by_key.get(key)) is not None and declaration.bundle.spec.suspend)
        )
    ]


def _recent_losses(
    records: tuple[Record, ...] | None,
    before: Mapping[str, Record],
    lost: Mapping[str, Record],
    selection: Placement,
    *,
    since: datetime,
) -> tuple[Record, ...]:
    """Losses after ``since`` that have not come back, nor were made anew: those that were acted on, and those
    that were held and that a spec or a TemplateBundle takes out now, which must not release the others.
    """
    placed = selection.accepted.keys() | selection.carried.keys()
    gone = tuple(
        record
        for record in records or ()
        if record.is_tombstone
        and record_key(record) not in placed
        and record.ref not in selection.newcomers
        and (moment := read_moment(record.lost_since)) is not None
        and moment > since
    )
    released = tuple(
        replace(record, entity=None, held=None)
        for key, record in before.items()
        if record.held is HeldReason.LOST
        and key not in lost
        and key not in placed
        and record.ref not in selection.newcomers
    )
    return gone + released


def _published_before(known: Known, before: Mapping[str, Record], selection: Placement) -> int:
    """How many were published before this decision."""
    if known.records is not None:
        return len(before)
    # Without a snapshot: the union of what the catalog shows as ours and what is observed.
    shown = {entity.ref for entity in (known.ours or {}).values()}
    return len(shown | selection.refs | {record.ref for record in before.values()})


def _held(record: Record, now: datetime) -> Record:
    return replace(record, held=HeldReason.LOST, lost_since=record.lost_since or format_timestamp(now))


def _tombstone(record: Record, now: datetime) -> Record:
    return replace(record, entity=None, held=None, lost_since=format_timestamp(now))


def _recovered_records(known: Known, before: Mapping[str, Record]) -> dict[str, Record]:
    """Records made anew from entities that were read back from the catalog, where there is no snapshot."""
    made: dict[str, Record] = {}
    for ref, entity in known.recovered.items():
        record = Record(
            ref=ref,
            facts=replace(source_facts(entity), known=False),
            bundle_id=bundle_id(entity),
            bundle_version=bundle_version(entity),
            generated_at=annotation(entity, GENERATED_AT),
            content_hash=content_hash(entity),
            entity=entity,
            held=None,
            lost_since=None,
            bundle_status=None,
            declaration_hash=None,
        )
        if record_key(record) not in before:
            made[record_key(record)] = record
    return made
