"""From an entity as the catalog shows it back to the entity as it was published.

Where the snapshot is lost, the catalog is the only place that still has the content. What the catalog added
is taken off again, and the content hash that the entity carries proves whether the result is what was
published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from skillmeat_operator.api.keys import CONTENT_HASH, MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN
from skillmeat_operator.domain.observation import Json

_ADDED_ROOT_KEYS = frozenset({"relations", "status"})
_ADDED_METADATA_KEYS = frozenset({"uid", "etag"})
_ADDED_ANNOTATIONS = frozenset({MANAGED_BY_LOCATION, MANAGED_BY_ORIGIN_LOCATION, ORPHAN})


@dataclass(frozen=True, slots=True)
class Restored:
    """An entity without what the catalog added."""

    entity: Json
    stated_hash: str
    """The content hash it carries."""


def as_published(entity: Json) -> Restored | None:
    """Take off what the catalog added (``facts/backstage.md``, 3); None for what never came from us."""
    if not isinstance(entity, Mapping):
        return None
    metadata = entity.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(annotations, Mapping):
        return None
    stated = annotations.get(CONTENT_HASH)
    if not isinstance(stated, str):
        return None
    kept = {key: value for key, value in annotations.items() if key not in _ADDED_ANNOTATIONS}
    root = {key: value for key, value in entity.items() if key not in _ADDED_ROOT_KEYS}
    root["metadata"] = {
        **{key: value for key, value in metadata.items() if key not in _ADDED_METADATA_KEYS},
        "annotations": kept,
    }
    return Restored(entity=root, stated_hash=stated)
