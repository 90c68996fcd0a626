"""The objects of both kinds as last seen: what kopf's watches bring, and what a full list says is gone.

kopf reports no deletion for what vanished while a watch was interrupted, so a full list drops it (design,
section 3, Gate). Nothing is decided before both kinds were listed once in full.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE

RawObject = Mapping[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

_REMEMBERED = 4096
"""Removed objects whose last version is remembered, so that no late event brings one back."""


class ObjectStore:
    """The watched objects of one kind, raw, by UID and by namespace and name."""

    def __init__(self, plural: str) -> None:
        self.plural = plural
        self._by_uid: dict[str, RawObject] = {}
        self._uid_by_key: dict[Key, str] = {}
        self._removed: OrderedDict[str, int] = OrderedDict()

    def __iter__(self) -> Iterator[RawObject]:
        return iter(tuple(self._by_uid.values()))

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, uid: str) -> RawObject | None:
        """The object with this UID, if it exists."""
        return self._by_uid.get(uid)

    def find(self, namespace: str, name: str) -> RawObject | None:
        """The object of this name, if it exists."""
        uid = self._uid_by_key.get((namespace, name))
        return self._by_uid.get(uid) if uid is not None else None

    def put(self, obj: RawObject) -> RawObject | None:
        """Take in an object unless a newer form of it is known; returns the form before, or None if it is
        new.
        """
        metadata = obj["metadata"]
        uid = metadata["uid"]
        before = self._by_uid.get(uid)
        if before is not None and _version(before) > _version(obj):
            return before
        if self._removed.get(uid, -1) >= _version(obj):
            # A list that began before the deletion still has it.
            return None
        key = (metadata.get("namespace", ""), metadata["name"])
        former = self._uid_by_key.get(key)
        if former is not None and former != uid:
            if _version(self._by_uid[former]) > _version(obj):
                return before
            del self._by_uid[former]
        self._by_uid[uid] = obj
        self._uid_by_key[key] = uid
        return before

    def remove(self, uid: str) -> RawObject | None:
        """Forget an object; returns its last form."""
        obj = self._by_uid.pop(uid, None)
        if obj is not None:
            key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            if self._uid_by_key.get(key) == uid:
                del self._uid_by_key[key]
            self._removed[uid] = _version(obj)
            if len(self._removed) > _REMEMBERED:
                self._removed.popitem(last=False)
        return obj

    def vanished(self, listed: set[str], list_version: str) -> list[RawObject]:
        """Objects that a full list lacks and that are no newer than it."""
        bound = _number(list_version)
        return [obj for uid, obj in self._by_uid.items() if uid not in listed and _version(obj) <= bound]


class Store:
    """Objects of both kinds, and the gate that opens when both were listed in full."""

    def __init__(self) -> None:
        self.sources = ObjectStore(CATALOG_SOURCE.plural)
        self.bundles = ObjectStore(TEMPLATE_BUNDLE.plural)
        self.gate = asyncio.Event()
        self._listed: set[str] = set()

    def of(self, plural: str) -> ObjectStore:
        """The store of a kind."""
        return self.sources if plural == CATALOG_SOURCE.plural else self.bundles

    def note_listed(self, plural: str) -> None:
        """Take in that a kind was listed in full; opens the gate after the second."""
        self._listed.add(plural)
        if len(self._listed) == 2:
            self.gate.set()

    def source_exists(self, uid: str) -> bool:
        """Whether a CatalogSource with this UID exists."""
        return self.sources.get(uid) is not None

    def bundles_of(self, namespace: str, source: str) -> list[RawObject]:
        """TemplateBundles that name a CatalogSource, those being deleted left out."""
        return [
            obj
            for obj in self.bundles
            if obj["metadata"].get("namespace", "") == namespace
            and source_name(obj) == source
            and obj["metadata"].get("deletionTimestamp") is None
        ]


def source_name(bundle: RawObject) -> str | None:
    """``spec.sourceRef.name`` of a raw TemplateBundle."""
    spec = bundle.get("spec") or {}
    reference = spec.get("sourceRef") or {}
    name = reference.get("name")
    return name if isinstance(name, str) else None


def _version(obj: RawObject) -> int:
    return _number(obj["metadata"].get("resourceVersion", ""))


def _number(version: str) -> int:
    """Resource versions of one resource compare as numbers (Kubernetes KEP-5504; all known servers did
    before).
    """
    return int(version) if version.isdigit() else 0
