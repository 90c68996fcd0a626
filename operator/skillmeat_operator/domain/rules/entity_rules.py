"""What keeps an entity out of the catalog: Backstage's rules and our own limits.

Nothing here repairs anything; the same value always gives the same violations in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.case_rules import case_violations
from skillmeat_operator.domain.rules.content_rules import content_violations, limit_violations
from skillmeat_operator.domain.rules.metadata_rules import metadata_violations
from skillmeat_operator.domain.rules.spec_rules import spec_violations
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.entity import ROOT_KEYS
from skillmeat_operator.domain.template.grammar import printable_key

__all__ = ["API_VERSION", "KIND", "MAX_VIOLATIONS", "Violation", "is_template", "violations"]

API_VERSION: Final = "scaffolder.backstage.io/v1beta3"
KIND: Final = "Template"
MAX_VIOLATIONS: Final = 20
"""Violations of one entity that are told; a hostile one could have thousands."""

_UPDATE: Final = "correct the template in SkillMeat"


def is_template(raw: Json) -> bool:
    """Whether a list element is a Template of the one version we work with, and has a name to be known by."""
    if not isinstance(raw, dict) or raw.get("kind") != KIND or raw.get("apiVersion") != API_VERSION:
        return False
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return False
    name = metadata.get("name")
    return isinstance(name, str) and name != ""


def violations(entity: Json) -> tuple[Violation, ...]:
    """Return what keeps an entity out of the catalog, at most ``MAX_VIOLATIONS``; empty when nothing does.

    Any JSON value may be given, a list element that is no Template too. An entity over the limits of size or
    depth has that one violation only.
    """
    if not isinstance(entity, dict):
        return (violation("entity", "must be an object", "look at what SkillMeat's template list returns"),)
    return limit_violations(entity) or tuple(
        islice(
            chain(
                _envelope_violations(entity),
                metadata_violations(entity.get("metadata")),
                spec_violations(entity.get("spec")),
                content_violations(entity),
                case_violations(entity),
            ),
            MAX_VIOLATIONS,
        )
    )


def _envelope_violations(entity: dict[str, Json]) -> Iterator[Violation]:
    if entity.get("apiVersion") != API_VERSION:
        yield violation("apiVersion", f"must be {API_VERSION}", _UPDATE)
    if entity.get("kind") != KIND:
        yield violation("kind", f"must be {KIND}", _UPDATE)
    for key in entity:
        if key not in ROOT_KEYS:
            yield violation(
                printable_key(key), "is not a key that an entity may have", _UPDATE, repairable=True
            )
