"""Who gets which ref: what is published of the candidates, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from skillmeat_operator.api.keys import GENERATED_AT, TEMPLATE_STALE
from skillmeat_operator.domain.decide.candidates import Candidate, Fate
from skillmeat_operator.domain.decide.declarations import binding_of, declaration_hash
from skillmeat_operator.domain.decide.ownership import Holder
from skillmeat_operator.domain.snapshot.model import HeldReason, Record
from skillmeat_operator.domain.template.entity import annotation, content_hash
from skillmeat_operator.domain.template.normalise import seal


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that is not published as observed, and why."""

    candidate: Candidate
    holder: Holder | None = None
    """Set for a conflict with somebody else."""
    twin: str | None = None
    """Ref that another bundle of the same source has already."""
    repeated: bool = False
    """Whether another element of the list is of the same bundle and was first."""
    held: bool = False
    """Whether an older version of it stays published."""


@dataclass(slots=True)
class Placement:
    """Refs that are given out in one decision; records are by key of their bundle."""

    before: Mapping[str, Record]
    """What is published until now."""
    holders: Mapping[str, Holder]
    """Wanted refs that somebody else holds."""
    reserved: AbstractSet[str] = frozenset()
    """Refs of bundles that are lost: no other published bundle moves there while the guard may keep them."""
    accepted: dict[str, Record] = field(default_factory=dict)
    """Published as observed."""
    carried: dict[str, Record] = field(default_factory=dict)
    """Published as they were before."""
    refs: set[str] = field(default_factory=set)
    """Refs of both."""
    withheld: int = 0
    """Candidates whose observed form a TemplateBundle keeps out."""
    invalid: list[Refusal] = field(default_factory=list)
    conflicting: list[Refusal] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        candidates: Iterable[Candidate],
        before: Mapping[str, Record],
        holders: Mapping[str, Holder],
        *,
        frozen: Iterable[str] = (),
        reserved: AbstractSet[str] = frozenset(),
    ) -> Placement:
        """Give out refs: frozen ones and incumbents first, then in list order (the server lists the oldest
        first).
        """
        chosen = cls(before=before, holders=holders, reserved=reserved)
        for key in frozen:
            chosen.carry(key, HeldReason.SUSPENDED)
        for candidate in sorted(candidates, key=lambda one: _turn(one, before.get(one.key))):
            chosen._place(candidate)
        return chosen

    def carry(self, key: str, reason: HeldReason) -> bool:
        """Keep what is published of a bundle, if there is something and its ref is free; tell whether."""
        record = self.before.get(key)
        if record is None or record.ref in self.refs or record.ref in self.holders:
            return False
        self.carried[key] = replace(record, held=reason, lost_since=None)
        self.refs.add(record.ref)
        return True

    @property
    def newcomers(self) -> frozenset[str]:
        """Refs of bundles that were not published before."""
        return frozenset(record.ref for key, record in self.accepted.items() if key not in self.before)

    def _has(self, key: str) -> bool:
        return key in self.accepted or key in self.carried

    def _place(self, candidate: Candidate) -> None:
        match candidate.fate:
            case Fate.UNSELECTED:
                pass
            case Fate.UNPUBLISHED:
                self.withheld += 1
            case Fate.OUTSIDE_RANGE:
                self.withheld += 1
                if self._accepted_before(candidate):
                    self.carry(candidate.key, HeldReason.OUTSIDE_RANGE)
            case Fate.SUSPENDED:
                self._freeze(candidate)
            case Fate.INVALID:
                held = self.carry(candidate.key, HeldReason.INVALID)
                self.invalid.append(Refusal(candidate=candidate, held=held))
            case Fate.READY:
                self._accept(candidate)

    def _accepted_before(self, candidate: Candidate) -> bool:
        """Whether what is published has a version that the TemplateBundle accepts."""
        record, declaration = self.before.get(candidate.key), candidate.declaration
        if record is None or declaration is None:
            return False
        return declaration.range is None or declaration.range.accepts(record.bundle_version)

    def _freeze(self, candidate: Candidate) -> None:
        """A suspended bundle stays as published; it counts as held where the source has another form."""
        record = self.before.get(candidate.key)
        same = record is not None and candidate.ref == record.ref and not self._has(candidate.key)
        if record is not None and same and candidate.entity is not None and record.ref not in self.refs:
            same = content_hash(candidate.entity) == record.content_hash
            if same:
                self.accepted[candidate.key] = replace(record, held=None, lost_since=None)
                self.refs.add(record.ref)
                return
        self.withheld += 1
        self.carry(candidate.key, HeldReason.SUSPENDED)

    def _accept(self, candidate: Candidate) -> None:
        ref = candidate.ref
        if ref is None:
            raise ValueError("a ready candidate has a ref")
        if self._has(candidate.key):
            self.invalid.append(Refusal(candidate=candidate, repeated=True))
        elif ref in self.refs or (ref in self.reserved and candidate.key in self.before):
            held = self.carry(candidate.key, HeldReason.INVALID)
            self.invalid.append(Refusal(candidate=candidate, twin=ref, held=held))
        elif ref in self.holders:
            # Renamed to what somebody else holds: its former ref is still its own.
            held = self.carry(candidate.key, HeldReason.INVALID)
            self.conflicting.append(Refusal(candidate=candidate, holder=self.holders[ref], held=held))
        else:
            self.accepted[candidate.key] = record_of(candidate, self.before.get(candidate.key))
            self.refs.add(ref)


def record_of(candidate: Candidate, previous: Record | None) -> Record:
    """What is published of a ready candidate.

    ``generated-at`` stays as it was while the content does: it moves with every restart, eviction and worker
    process of the server (``facts/skillmeat.md``, 1.1).

    Raises:
        ValueError: the candidate is not ready.
    """
    if candidate.entity is None or candidate.ref is None:
        raise ValueError("a record needs an entity and a ref")
    digest = content_hash(candidate.entity)
    built = annotation(candidate.entity, GENERATED_AT)
    if previous is not None and previous.content_hash == digest and previous.generated_at is not None:
        built = previous.generated_at
    stale = candidate.stale
    if stale is None and previous is not None and previous.content_hash == digest:
        # It cannot be told now (after a restart during an outage, say): the document keeps what was known.
        stale = {"true": True, "false": False}.get(annotation(previous.entity or {}, TEMPLATE_STALE) or "")
    declaration = candidate.declaration
    return Record(
        ref=candidate.ref,
        facts=candidate.facts,
        bundle_id=candidate.bundle_id,
        bundle_version=candidate.version,
        generated_at=built,
        content_hash=digest,
        entity=seal(candidate.entity, digest=digest, generated_at=built, stale=stale),
        held=None,
        lost_since=None,
        bundle_status=candidate.bundle_status,
        declaration_hash=declaration_hash(declaration.bundle) if declaration is not None else None,
        declared_by=binding_of(declaration.bundle) if declaration is not None else None,
    )


def _turn(candidate: Candidate, record: Record | None) -> int:
    """When a candidate is asked for its ref: first who keeps it, then who has a published form to keep."""
    if record is None:
        return 2
    if candidate.fate is Fate.READY:
        return 0 if candidate.ref == record.ref else 2
    return 1
