"""A Template entity: its reference, its content hash and what its annotations say."""

from __future__ import annotations

import hashlib
import json
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


def canonical_json(value: Json) -> bytes:
    """Return the one spelling of a JSON value: sorted keys, no spaces, UTF-8.

    Equal values give equal bytes and different ones different bytes. It never fails, whatever a decoder let
    through: lone surrogates stay escaped (UTF-8 has no form for them), NaN and the infinities are spelled as
    Python does, and nesting is not bounded. Only values without those (see ``rules.violations``) are valid
    JSON again.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    except (RecursionError, ValueError):
        # Nested deeper than the C encoder goes, or an integer longer than Python prints.
        text = _deep_canonical_json(value)
    # For a lone surrogate, Python's backslash escape is JSON's.
    return text.encode("utf-8", "backslashreplace")


def _deep_canonical_json(value: Json) -> str:
    parts: list[str] = []
    # A string on the stack is text to emit; a value waits in a tuple of one.
    stack: list[str | tuple[Json]] = [(value,)]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        node = item[0]
        if isinstance(node, dict):
            stack.append("}")
            for index, key in enumerate(sorted(node, reverse=True)):
                last = index == 0
                stack.extend(("" if last else ",", (node[key],), json.dumps(key, ensure_ascii=False) + ":"))
            stack.append("{")
        elif isinstance(node, (list, tuple)):
            stack.append("]")
            for index, element in enumerate(reversed(node)):
                stack.extend(("" if index == 0 else ",", (element,)))
            stack.append("[")
        elif isinstance(node, int) and not isinstance(node, bool):
            parts.append(str(node) if node.bit_length() <= 1024 else hex(node))
        else:
            parts.append(json.dumps(node, ensure_ascii=False))
    return "".join(parts)


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
    """Return ``sha256:<hex>`` over the entity without the annotations of ``UNHASHED_ANNOTATIONS``."""
    content = without_annotations(entity, UNHASHED_ANNOTATIONS)
    return f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"


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
