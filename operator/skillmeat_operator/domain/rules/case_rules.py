"""Keys that are equal but for case: the portal takes such an entity and never shows it.

Backstage's stitcher makes one search row for each leaf of an entity, keyed by its path, and refuses the
entity where two paths differ in case alone. Neither ``validate-entity`` nor a dry run tells
(``facts/backstage.md``, section 12). Positions in arrays are no part of a path, and a text in an array is a
path of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.violation import Violation, violation
from skillmeat_operator.domain.template.grammar import printable_key

_SEARCHED = ("metadata", "spec")


def case_violations(entity: dict[str, Json]) -> Iterator[Violation]:
    """One violation for the first pair of paths that differ in case alone."""
    seen: dict[str, str] = {}
    for root in _SEARCHED:
        for path in _leaves(root, entity.get(root)):
            other = seen.setdefault(path.lower(), path)
            if other != path:
                key = printable_key(path.rpartition(".")[2])
                yield violation(
                    root,
                    f"has keys that differ in case alone ({key}); the portal never shows such an entity",
                    "give them names of their own in SkillMeat",
                )
                return


def _leaves(path: str, value: Json) -> Iterator[str]:
    """Paths of the values that are neither objects nor arrays."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _leaves(f"{path}.{key}", child)
    elif isinstance(value, list):
        for child in value:
            yield from _leaves(path, child)
            if isinstance(child, str):
                yield f"{path}.{child}"
    else:
        yield path
