"""Keys that are equal but for case: the portal takes such an entity and never shows it.

Backstage's stitcher makes one search row for each leaf of an entity, keyed by its path, and refuses the
entity where two paths differ in case alone. Neither ``validate-entity`` nor a dry run tells
(``facts/backstage.md``, section 12). Source: ``traverse`` and ``buildEntitySearch`` of
``plugin-catalog-backend`` 4.0. Positions in arrays are no part of a path; a text in an array is a path of its
own, unless another array has the same text in whatever case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from skillmeat_operator.api.keys import MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.rules.paths import Path, spelled
from skillmeat_operator.domain.rules.violation import Violation, violation

_OWN_ROWS: Final = ("metadata.name", "metadata.namespace", "metadata.uid")
"""The stitcher writes these by itself, whatever the entity says under the very same path."""
_NO_ROWS: Final = frozenset({*_OWN_ROWS, "metadata.etag", "attachments", "relations", "status"})
_ADDED: Final = tuple(
    f"metadata.annotations.{key}" for key in (MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION)
)
"""The catalog adds these annotations before it stitches (``AnnotateLocationEntityProcessor``)."""


def case_violations(entity: dict[str, Json]) -> Iterator[Violation]:
    """Yield one violation for each pair of paths that differ in case alone; it names both."""
    seen: dict[str, tuple[str, Path | None]] = {row.lower(): (row, None) for row in (*_OWN_ROWS, *_ADDED)}
    told: set[str] = set()
    for row, path in _rows(entity):
        lower = row.lower()
        first, at = seen.setdefault(lower, (row, path))
        if first != row and lower not in told:
            told.add(lower)
            other = first if at is None else spelled(at)
            yield violation(
                spelled(path),
                f"differs from {other} in case alone; the portal never shows such an entity",
                "write both alike, or give one another name, in SkillMeat",
            )


def _rows(entity: dict[str, Json]) -> Iterator[tuple[str, Path]]:
    """The keys of the stitcher's rows, each with where it comes from, in its order."""
    texts: set[str] = set()
    stack: list[tuple[str, Path, Json]] = [("", None, entity)]
    while stack:
        row, path, value = stack.pop()
        if row in _NO_ROWS:
            continue
        if isinstance(value, dict):
            stack.extend(
                (f"{row}.{key}" if row else key, (path, key), child) for key, child in reversed(value.items())
            )
        elif isinstance(value, list):
            for index, child in enumerate(value):
                if isinstance(child, str) and (text := f"{row}.{child}".lower()) not in texts:
                    texts.add(text)
                    yield f"{row}.{child}", (path, index)
            stack.extend((row, (path, index), value[index]) for index in range(len(value) - 1, -1, -1))
        else:
            yield row, path
