"""Decide: from what was observed to what is published, and a verdict for every entity and every TemplateBundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from skillmeat_operator.api.catalog_source import CatalogSourceSpec
from skillmeat_operator.api.model import format_timestamp
from skillmeat_operator.api.names import BUNDLE_ID, BUNDLE_VERSION, GENERATED_AT
from skillmeat_operator.domain.candidates import Candidate, Fate, Prepared, source_facts, still_wanted
from skillmeat_operator.domain.declarations import declaration_hash
from skillmeat_operator.domain.document import revision
from skillmeat_operator.domain.entity import annotation, content_hash, generated_at
from skillmeat_operator.domain.normalise import seal
from skillmeat_operator.domain.observation import CatalogEntity, Json
from skillmeat_operator.domain.ownership import Holder
from skillmeat_operator.domain.removal import GuardVerdict, Held, Losses, judge
from skillmeat_operator.domain.snapshot import GuardState, HeldReason, Record


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
    recovered: Mapping[str, Json] = field(default_factory=dict)
    """Entities read back from the catalog in full, by ref, each proven by its content hash."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that is not published as observed, and why."""

    candidate: Candidate
    holder: Holder | None = None
    """Set for a conflict with somebody else."""
    twin: str | None = None
    """Ref that another bundle of the same source has already."""
    held: bool = False
    """Whether an older version of it stays published."""


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

    @property
    def published(self) -> tuple[Record, ...]:
        """Records that are in the document."""
        return tuple(record for record in self.records if record.entity is not None)

    @property
    def expected(self) -> dict[str, str]:
        """Content hash by ref: what the catalog has to show."""
        return {record.ref: record.content_hash for record in self.records if record.entity is not None}

    @property
    def held(self) -> int:
        """Published entities that were not taken from this observation."""
        return sum(record.held is not None for record in self.published)


def record_key(record: Record) -> str:
    """Key of the bundle that a record belongs to."""
    return record.bundle_id or f"name:{record.facts.name}"


def records_by_key(records: tuple[Record, ...] | None) -> dict[str, Record]:
    """Published records (no tombstones) by key of their bundle."""
    return {record_key(record): record for record in records or () if record.entity is not None}


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
    selection = _select(prepared, before, known.holders)
    accepted, carried = selection.accepted, selection.carried

    unknown = [
        entity.ref
        for entity in (known.ours or {}).values()
        if known.records is None
        and entity.ref not in selection.refs
        and (entity.bundle_id or "") not in prepared.observed_keys
        and entity.ref not in known.recovered
    ]
    lost = _lost(prepared, before, selection.refs, spec=spec)
    recent = _recent_losses(known.records, prepared, selection.refs, now=now, window=window)
    published_before = len(before) + len(unknown)
    verdict = judge(
        Losses(
            current=frozenset(record.ref for record in lost.values()) | frozenset(unknown),
            recent=len(recent),
            published=published_before,
            remaining=len(accepted) + len(carried),
        ),
        policy=spec.removal_policy,
        state=known.guard,
        since=known.since,
        approval=known.approval,
        now=now,
    )
    tombstones = () if verdict.approved else recent
    if verdict.held is not None:
        for key, record in lost.items():
            since = record.lost_since or format_timestamp(now)
            carried[key] = replace(record, held=HeldReason.LOST, lost_since=since)
    elif not verdict.approved:
        tombstones += tuple(_tombstone(record, now) for record in lost.values())
    # With neither snapshot nor catalog nobody knows what would leave: nothing is published anew.
    unreadable = known.records is None and known.ours is None
    by_key = {**accepted, **carried}
    records = tuple(sorted(by_key.values(), key=lambda record: record.ref))
    selected = [one for one in prepared.candidates if one.fate is not Fate.UNSELECTED]
    return Plan(
        records=records + tuple(sorted(tombstones, key=lambda record: record.ref)),
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
        publishable=not unreadable and not (unknown and _needed(verdict)),
        unrecovered=tuple(sorted(unknown)),
        prepared=prepared,
        by_key=by_key,
    )


@dataclass(slots=True)
class _Selection:
    accepted: dict[str, Record] = field(default_factory=dict)
    carried: dict[str, Record] = field(default_factory=dict)
    refs: set[str] = field(default_factory=set)
    withheld: int = 0
    invalid: list[Refusal] = field(default_factory=list)
    conflicting: list[Refusal] = field(default_factory=list)


def _select(prepared: Prepared, before: Mapping[str, Record], holders: Mapping[str, Holder]) -> _Selection:
    """Give out refs: incumbents first, then in list order (the server lists the oldest template first)."""
    chosen = _Selection()

    def incumbent(candidate: Candidate) -> bool:
        record = before.get(candidate.key)
        return record is not None and record.ref == (candidate.ref or record.ref)

    def carry(candidate: Candidate, reason: HeldReason) -> bool:
        record = before.get(candidate.key)
        if (
            record is None
            or record.ref in chosen.refs
            or record.ref in holders
            or candidate.key in chosen.carried
        ):
            return False
        chosen.carried[candidate.key] = replace(record, held=reason, lost_since=None)
        chosen.refs.add(record.ref)
        return True

    for candidate in sorted(prepared.candidates, key=lambda one: not incumbent(one)):
        match candidate.fate:
            case Fate.UNSELECTED:
                continue
            case Fate.UNPUBLISHED:
                chosen.withheld += 1
            case Fate.OUTSIDE_RANGE:
                chosen.withheld += 1
                record = before.get(candidate.key)
                declaration = candidate.declaration
                if record is not None and declaration is not None:
                    parsed = declaration.range
                    if parsed is None or parsed.accepts(record.bundle_version):
                        carry(candidate, HeldReason.OUTSIDE_RANGE)
            case Fate.SUSPENDED:
                record = before.get(candidate.key)
                if record is not None and _frozen(candidate, record) and record.ref not in chosen.refs:
                    chosen.accepted[candidate.key] = replace(record, held=None, lost_since=None)
                    chosen.refs.add(record.ref)
                else:
                    chosen.withheld += 1
                    carry(candidate, HeldReason.SUSPENDED)
            case Fate.INVALID:
                held = carry(candidate, HeldReason.INVALID)
                chosen.invalid.append(Refusal(candidate=candidate, held=held))
            case Fate.READY:
                _accept(candidate, before, chosen, holders)
    return chosen


def _accept(
    candidate: Candidate, before: Mapping[str, Record], chosen: _Selection, holders: Mapping[str, Holder]
) -> None:
    ref = candidate.ref
    if ref is None or candidate.entity is None:
        raise ValueError("a ready candidate has an entity and a ref")
    if ref in chosen.refs:
        chosen.invalid.append(Refusal(candidate=candidate, twin=ref))
    elif ref in holders:
        chosen.conflicting.append(Refusal(candidate=candidate, holder=holders[ref]))
    else:
        chosen.accepted[candidate.key] = _record(candidate, before.get(candidate.key))
        chosen.refs.add(ref)


def _frozen(candidate: Candidate, record: Record | None) -> bool:
    """Whether a suspended candidate is what is published already."""
    if record is None or candidate.entity is None:
        return False
    same = _record(candidate, record)
    return same.content_hash == record.content_hash and same.ref == record.ref


def _record(candidate: Candidate, previous: Record | None) -> Record:
    if candidate.entity is None or candidate.ref is None:
        raise ValueError("a record needs an entity and a ref")
    digest = content_hash(candidate.entity)
    built = annotation(candidate.entity, GENERATED_AT)
    if previous is not None and previous.content_hash == digest and previous.generated_at is not None:
        built = previous.generated_at
    declaration = candidate.declaration
    return Record(
        ref=candidate.ref,
        facts=candidate.facts,
        bundle_id=candidate.bundle_id,
        bundle_version=candidate.version,
        generated_at=built,
        content_hash=digest,
        entity=seal(candidate.entity, generated_at=built, stale=candidate.stale),
        held=None,
        lost_since=None,
        bundle_status=candidate.bundle_status,
        declaration_hash=declaration_hash(declaration.bundle) if declaration is not None else None,
    )


def _lost(
    prepared: Prepared, before: Mapping[str, Record], taken: set[str], *, spec: CatalogSourceSpec
) -> dict[str, Record]:
    """Records whose bundle the observation lacks and that would still be published, by key."""
    return {
        key: record
        for key, record in before.items()
        if key not in prepared.observed_keys
        and record.ref not in taken
        and still_wanted(record, prepared.declarations.by_key.get(key), spec=spec, bundle_status=None)
    }


def _recent_losses(
    records: tuple[Record, ...] | None,
    prepared: Prepared,
    taken: set[str],
    *,
    now: datetime,
    window: timedelta,
) -> tuple[Record, ...]:
    return tuple(
        record
        for record in records or ()
        if record.entity is None
        and record_key(record) not in prepared.observed_keys
        and record.ref not in taken
        and record.lost_since is not None
        and datetime.fromisoformat(record.lost_since) > now - window
    )


def _tombstone(record: Record, now: datetime) -> Record:
    return replace(record, entity=None, held=None, lost_since=format_timestamp(now))


def _recovered_records(known: Known, before: Mapping[str, Record]) -> dict[str, Record]:
    """Records made anew from entities that were read back from the catalog, where there is no snapshot."""
    made: dict[str, Record] = {}
    for ref, entity in known.recovered.items():
        built = generated_at(entity)
        record = Record(
            ref=ref,
            facts=source_facts(entity),
            bundle_id=annotation(entity, BUNDLE_ID),
            bundle_version=annotation(entity, BUNDLE_VERSION),
            generated_at=annotation(entity, GENERATED_AT) if built is not None else None,
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


def _needed(verdict: GuardVerdict) -> bool:
    """Whether entities whose content is unknown have to stay: they are held, and cannot be carried over."""
    return verdict.held is not None
