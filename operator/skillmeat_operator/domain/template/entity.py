"""A Template entity: its reference, its content hash and what its annotations say."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from skillmeat_operator.api.keys import (
    BUNDLE_ID,
    BUNDLE_VERSION,
    CONTENT_HASH,
    GENERATED_AT,
    TEMPLATE_STALE,
)
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.template.canonical import canonical_json, canonical_template
from skillmeat_operator.domain.template.grammar import is_bundle_id, is_entity_ref, is_version, printable
from skillmeat_operator.domain.template.moments import read_moment

__all__ = [
    "ROOT_KEYS",
    "UNHASHED_ANNOTATIONS",
    "Json",
    "annotation",
    "bundle_id",
    "bundle_version",
    "canonical_json",
    "canonical_template",
    "content_hash",
    "entity_ref",
    "generated_at",
    "is_bundle_id",
    "is_entity_ref",
    "is_version",
    "printable",
    "without_annotations",
]

ROOT_KEYS: Final = ("apiVersion", "kind", "metadata", "spec")
"""Keys at the root of an entity document (``NoForeignRootFieldsEntityPolicy``)."""

UNHASHED_ANNOTATIONS: Final = frozenset({CONTENT_HASH, GENERATED_AT, TEMPLATE_STALE})
"""Annotations that the content hash leaves out: itself, and two that move while the content stays."""

_DEFAULT_NAMESPACE: Final = "default"


def entity_ref(entity: Mapping[str, Json]) -> str:
    """Return the entity's reference as the catalog compares it: lower case, ``template:namespace/name``.

    Raises:
        ValueError: the entity has no name (``rules.is_template`` tells beforehand).
    """
    metadata = entity.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(metadata, Mapping) or not isinstance(name, str) or not name:
        raise ValueError("the entity has no metadata.name, so it has no reference")
    kind, namespace = entity.get("kind"), metadata.get("namespace")
    kind = kind if isinstance(kind, str) and kind else "Template"
    namespace = namespace if isinstance(namespace, str) and namespace else _DEFAULT_NAMESPACE
    return f"{kind}:{namespace}/{name}".lower()


def content_hash(entity: Mapping[str, Json]) -> str:
    """Return ``sha256:<hex>`` over the entity without the annotations of ``UNHASHED_ANNOTATIONS``.

    The order of a form's fields counts (:func:`canonical_template`).
    """
    content = without_annotations(entity, UNHASHED_ANNOTATIONS)
    return f"sha256:{hashlib.sha256(canonical_template(content)).hexdigest()}"


def without_annotations(entity: Mapping[str, Json], keys: frozenset[str]) -> Mapping[str, Json]:
    """Return the entity without some annotations; the rest is shared with it, and it is not changed."""
    metadata = entity.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if (
        not isinstance(metadata, Mapping)
        or not isinstance(annotations, Mapping)
        or keys.isdisjoint(annotations)
    ):
        return entity
    rest = {key: value for key, value in annotations.items() if key not in keys}
    return {**entity, "metadata": {**metadata, "annotations": rest}}


def annotation(entity: Mapping[str, Json], key: str) -> str | None:
    """Return an annotation's value, or None where there is none or it is not a string."""
    metadata = entity.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = annotations.get(key) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else None


def bundle_id(entity: Mapping[str, Json]) -> str | None:
    """Return the id of the entity's bundle, without the ``bundle:`` that some servers put before it."""
    value = annotation(entity, BUNDLE_ID)
    return (value.removeprefix("bundle:") or None) if value is not None else None


def bundle_version(entity: Mapping[str, Json]) -> str | None:
    """Return the version of the entity's bundle as the source writes it (``unknown`` where it has none)."""
    return annotation(entity, BUNDLE_VERSION) or None


def generated_at(entity: Mapping[str, Json]) -> datetime | None:
    """Return when the source generated the entity, in UTC; one without offset is UTC, None is unreadable."""
    return read_moment(annotation(entity, GENERATED_AT))
