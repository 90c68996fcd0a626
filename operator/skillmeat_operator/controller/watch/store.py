"""The objects of both kinds as last seen: what kopf's watches bring, and what full lists say.

kopf reports no deletion for what vanished while a watch was interrupted, so a full list drops it (design,
section 3, Gate). Nothing of a namespace is decided before both kinds were listed there once in full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from skillmeat_operator.api.keys import CATALOG_SOURCE, KINDS, TEMPLATE_BUNDLE
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.controller.watch.object_store import Key, ObjectStore, RawObject

__all__ = ["Key", "ObjectStore", "RawObject", "Store", "source_name"]


class Store:
    """Objects of both kinds, and a gate for each namespace, open once both were listed in full."""

    def __init__(self, namespaces: Sequence[str] = ()) -> None:
        """Prepare an empty store.

        Args:
            namespaces: which are watched; none: all, by one list of the whole cluster.
        """
        self.scopes: tuple[str | None, ...] = tuple(namespaces) or (None,)
        """What is listed and watched: namespaces, or None for the whole cluster."""
        self.sources: ObjectStore[CatalogSource] = ObjectStore(
            CATALOG_SOURCE.plural, parse=CatalogSource.from_object
        )
        self.bundles: ObjectStore[TemplateBundle] = ObjectStore(
            TEMPLATE_BUNDLE.plural, parse=TemplateBundle.from_object, index=_by_source
        )
        self.gate = asyncio.Event()
        """Set once each scope was listed in full or refuses to be, which it may do for long."""
        self._listed: set[tuple[str | None, str]] = set()
        self._refused: set[tuple[str | None, str]] = set()

    def of(self, plural: str) -> ObjectStore[CatalogSource] | ObjectStore[TemplateBundle]:
        """The store of a kind."""
        return self.sources if plural == CATALOG_SOURCE.plural else self.bundles

    def note_listed(self, plural: str, scope: str | None = None) -> bool:
        """Take in that a kind was listed in full in a scope; True if that opened its gate."""
        before = self._is_listed(scope)
        self._listed.add((scope, plural))
        self._consider()
        return self._is_listed(scope) and not before

    def note_refused(self, plural: str, scope: str | None = None) -> None:
        """Take in that a kind cannot be listed in a scope for now: rights or the kind itself are missing."""
        self._refused.add((scope, plural))
        self._consider()

    def is_open(self, namespace: str) -> bool:
        """Whether both kinds were listed once in full where this namespace is.

        It stays open when the rights there are taken away later: what is known is kept then, as it was.
        """
        return self._is_listed(None) or self._is_listed(namespace)

    def watches(self, namespace: str) -> bool:
        """Whether this namespace is among those that are listed and watched."""
        return None in self.scopes or namespace in self.scopes

    def source_exists(self, uid: str) -> bool:
        """Whether a CatalogSource with this UID exists."""
        return self.sources.get(uid) is not None

    def bundles_of(self, namespace: str, source: str) -> list[RawObject]:
        """TemplateBundles that name a CatalogSource, those being deleted left out."""
        return [
            obj
            for obj in self.bundles.indexed((namespace, source))
            if obj["metadata"].get("deletionTimestamp") is None
        ]

    def _is_listed(self, scope: str | None) -> bool:
        return all((scope, names.plural) in self._listed for names in KINDS)

    def _consider(self) -> None:
        known = self._listed | self._refused
        if all((scope, names.plural) in known for scope in self.scopes for names in KINDS):
            self.gate.set()


def source_name(bundle: RawObject) -> str | None:
    """``spec.sourceRef.name`` of a raw TemplateBundle; None also where it has another shape."""
    spec = bundle.get("spec")
    reference = spec.get("sourceRef") if isinstance(spec, Mapping) else None
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else None


def _by_source(bundle: RawObject) -> Key | None:
    name = source_name(bundle)
    return (bundle["metadata"].get("namespace", ""), name) if name is not None else None
