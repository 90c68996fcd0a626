"""The JSON of a snapshot: what a remote side sent, in a form that can always be stored and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from skillmeat_operator.api.keys import BUNDLE_ID, BUNDLE_VERSION, GENERATED_AT
from skillmeat_operator.domain.observation import Json

MAX_ELEMENT: Final = 512 * 1024
"""Bytes of one observed element as JSON: twice what an entity may have, as elements are kept as they came."""
MAX_DEPTH: Final = 500
"""Nesting that Python's decoder surely reads again; an entity may have 64 levels."""

_SHORT: Final = 253
_KEPT_ANNOTATIONS: Final = (BUNDLE_ID, BUNDLE_VERSION, GENERATED_AT)


def dump(value: Json) -> bytes:
    """One line of JSON.

    Keys stay in their order, since a portal shows a template's parameters in the order of their keys. Numbers
    that JSON lacks and lone surrogates, both of which Python's decoder lets through, survive.
    """
    # For a lone surrogate, Python's backslash escape is JSON's.
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def load(data: bytes) -> Json:
    """The value of one line written by :func:`dump`.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(data)


def storable(element: Json) -> tuple[Json, bytes]:
    """An observed element and its JSON; of one that is too large or too deep only what identifies it.

    Without its spec it is as invalid as before, and one monstrous template cannot keep the others from being
    stored.
    """
    try:
        data = dump(element)
    except (RecursionError, ValueError):
        # Deeper than the encoder goes, or an integer longer than Python prints.
        data = None
    if data is not None and len(data) <= MAX_ELEMENT and not _too_deep(element, data):
        return element, data
    stub = _stub(element) if isinstance(element, Mapping) else None
    return stub, dump(stub)


def _too_deep(element: Json, data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= MAX_DEPTH:
        return False
    level = [element]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: Json) -> Iterable[Json]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _stub(element: Mapping[str, Json]) -> dict[str, Json]:
    stub = _short(element, ("apiVersion", "kind"))
    metadata = element.get("metadata")
    if isinstance(metadata, Mapping):
        annotations = metadata.get("annotations")
        stub["metadata"] = _short(metadata, ("name", "namespace", "title"))
        if isinstance(annotations, Mapping):
            stub["metadata"]["annotations"] = _short(annotations, _KEPT_ANNOTATIONS)
    return stub


def _short(mapping: Mapping[str, Json], names: Iterable[str]) -> dict[str, Json]:
    values = {name: mapping.get(name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, str) and len(value) <= _SHORT}
