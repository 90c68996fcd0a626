"""Where a value that breaks a rule was written: in SkillMeat, in the CatalogSource or in a TemplateBundle."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from skillmeat_operator.api.v1alpha1.policies import Overrides
from skillmeat_operator.domain.rules.violation import Violation

_PLACES: Final = MappingProxyType(
    {
        "metadata.name": "name",
        "metadata.title": "title",
        "metadata.description": "description",
        "metadata.tags": "tags",
        "metadata.labels": "labels",
        "metadata.annotations": "annotations",
        "metadata.links": "links",
        "spec.owner": "owner",
        "spec.type": "type",
        "spec.lifecycle": "lifecycle",
    }
)
"""Fields of an entity that a CatalogSource or a TemplateBundle may set, by what they are called there."""
_ADDED: Final = frozenset({"labels", "annotations"})
"""Of these an entity may have some of each; the others are replaced as a whole."""


def of_defaults(found: Iterable[Violation], *, without: Iterable[Violation]) -> tuple[Violation, ...]:
    """Say of what ``spec.entityDefaults`` brought that it comes from there.

    Args:
        found: of an entity with the defaults.
        without: of the same entity without them.
    """
    own = {one.fault for one in without}
    return tuple(one if one.fault in own else _of_defaults(one) for one in found)


def of_overrides(
    found: Iterable[Violation], *, before: Iterable[Violation], overrides: Overrides, bundle: str
) -> tuple[Violation, ...]:
    """Say of what a TemplateBundle's overrides brought that it comes from there.

    Args:
        found: of an entity with the overrides.
        before: of the same entity without them, each with its own place.
        overrides: of the TemplateBundle.
        bundle: its name.
    """
    known = {one.fault: one for one in before}
    replaced = overrides.model_fields_set - _ADDED
    told = []
    for one in found:
        place = _place(one)
        if one.fault in known and place not in replaced:
            told.append(known[one.fault])
        elif place is None:
            told.append(one)
        else:
            told.append(one.given_by(f"spec.overrides.{place} of TemplateBundle {bundle}"))
    return tuple(told)


def _of_defaults(one: Violation) -> Violation:
    place = _place(one)
    if place is None:
        return one
    place = "namePrefix" if place == "name" else place
    return one.given_by(f"spec.entityDefaults.{place} of the CatalogSource")


def _place(one: Violation) -> str | None:
    for path, name in _PLACES.items():
        if one.field == path or one.field.startswith((f"{path}.", f"{path}[")):
            return name
    return None
