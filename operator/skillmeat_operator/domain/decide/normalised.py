"""Normalised templates, shared by CatalogSources that see the same element of the same reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from skillmeat_operator.api.keys import MANAGED_BY
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.entity_rules import violations
from skillmeat_operator.domain.rules.origins import of_defaults
from skillmeat_operator.domain.rules.violation import Violation
from skillmeat_operator.domain.template.entity import entity_ref
from skillmeat_operator.domain.template.normalise import NormaliseContext, normalise

KEPT: Final = 512
"""Templates kept; where there are more they are normalised at each decision."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A template in the catalog's terms, and what the catalog would say of it."""

    entity: Json
    """Not sealed. Nested values are shared: nobody changes them."""
    ref: str
    violations: tuple[Violation, ...]


class NormalisedTemplates:
    """Keeps what was normalised last: CatalogSources of one server often differ in their marker alone."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], tuple[Mapping[str, Json], Normalised]] = {}

    def of(self, element: Mapping[str, Json], *, context: NormaliseContext) -> Normalised:
        """An element that ``rules.is_template`` accepts, normalised with a context.

        Args:
            element: of a reading; recognised by its identity, and kept alive for as long as its form is.
            context: whose marker it gets.
        """
        key = (id(element), context.shared_key)
        kept = self._kept.get(key)
        if kept is None:
            entity = normalise(element, context=context)
            kept = element, Normalised(entity, entity_ref(entity), _violations(element, entity, context))
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = kept
        return _marked(kept[1], context.managed_by)


def _violations(
    element: Mapping[str, Json], entity: Json, context: NormaliseContext
) -> tuple[Violation, ...]:
    found = violations(entity)
    if not found or context.defaults is None:
        return found
    without = violations(normalise(element, context=replace(context, defaults=None)))
    return of_defaults(found, without=without)


def _marked(one: Normalised, marker: str) -> Normalised:
    """The same with another marker, which no rule judges: ours are always legal."""
    metadata = one.entity["metadata"]
    annotations = metadata["annotations"]
    if not isinstance(annotations, dict) or annotations.get(MANAGED_BY) == marker:
        return one
    marked = {**one.entity, "metadata": {**metadata, "annotations": {**annotations, MANAGED_BY: marker}}}
    return Normalised(marked, one.ref, one.violations)
