"""What is kept in memory of an object that a watch, a list or an answer brought."""

from __future__ import annotations

import sys
from typing import Any

from skillmeat_operator.controller.watch.object_store import RawObject

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Annotation in which kubectl keeps the whole object that it applied."""


def needed(obj: RawObject) -> RawObject:
    """An object without what nobody here reads, which is more than half of it; keys are shared."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if LAST_APPLIED in (metadata.get("annotations") or {}):
        annotations = metadata["annotations"]
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    kept: RawObject = _with_shared_keys({**obj, "metadata": metadata})
    return kept


def _with_shared_keys(value: Any) -> Any:
    """The same value: each body that is decoded brings strings of its own for the same hundred keys."""
    if isinstance(value, dict):
        return {sys.intern(key): _with_shared_keys(one) for key, one in value.items()}
    return [_with_shared_keys(one) for one in value] if isinstance(value, list) else value
