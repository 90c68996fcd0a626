"""JSON merge patches (RFC 7396): the smallest one that turns one object into another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skillmeat_operator.domain.observation import Json


def merge_patch(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    """The merge patch from ``old`` to ``new``; empty if they are equal.

    A removed key is None in it; lists are replaced as a whole, since a merge patch cannot look inside. A key
    whose value is None counts as absent on both sides: a merge patch cannot say otherwise.
    """
    patch: dict[str, Json] = {}
    for key in sorted({*old, *new}):
        before, after = _value(old, key), _value(new, key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            inner = merge_patch(before, after)
            if inner:
                patch[key] = inner
        elif before != after:
            patch[key] = after
    return patch


def without_nulls(value: Any) -> Json:
    """A copy in which no key of an object, at whatever depth, has the value None."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [without_nulls(item) for item in value]
    return value


def _value(holder: Mapping[str, Json], key: str) -> Json:
    return without_nulls(holder.get(key))
