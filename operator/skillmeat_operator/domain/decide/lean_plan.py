"""A plan for those who only report on it: what is served lies in the snapshot, and memory is dear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from skillmeat_operator.domain.decide.candidates import Candidate
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.observation import Json

PUBLISHED: Final[Mapping[str, Json]] = MappingProxyType({})
"""Stands for an entity that lies in the snapshot."""


def without_entities(plan: Plan) -> Plan:
    """The plan without what is published; that something is stays told by an empty entity."""
    records = tuple(replace(one, entity=PUBLISHED) if one.is_published else one for one in plan.records)
    by_ref = {record.ref: record for record in records if record.is_published}
    candidates = tuple(
        replace(one, entity=PUBLISHED) if one.entity is not None else one for one in plan.prepared.candidates
    )
    return replace(
        plan,
        records=records,
        by_key={key: by_ref.get(record.ref, record) for key, record in plan.by_key.items()},
        prepared=replace(plan.prepared, candidates=candidates),
        invalid=tuple(replace(one, candidate=_bare(one.candidate)) for one in plan.invalid),
        conflicting=tuple(replace(one, candidate=_bare(one.candidate)) for one in plan.conflicting),
    )


def _bare(candidate: Candidate) -> Candidate:
    return replace(candidate, entity=PUBLISHED) if candidate.entity is not None else candidate
