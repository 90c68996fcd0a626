"""Who publishes which refs in this cluster: age decides while nobody holds a ref in the catalog."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.domain.decide.ownership import Holder


@dataclass(frozen=True, slots=True)
class _Claim:
    created: datetime
    uid: str
    name: str


class Claims:
    """Who publishes which ref in which portal: of two newcomers the older one has the say (age, then UID)."""

    def __init__(self) -> None:
        self._by_ref: dict[tuple[str, str], dict[str, _Claim]] = {}
        self._by_uid: dict[str, frozenset[tuple[str, str]]] = {}

    def claim(self, uid: str, portal_url: str, refs: AbstractSet[str], *, source: CatalogSource) -> None:
        """Note what a CatalogSource publishes; replaces what it claimed before."""
        keys = frozenset((portal_url, ref) for ref in refs)
        if self._by_uid.get(uid) == keys:
            return
        self.release(uid)
        entry = _Claim(created=source.created, uid=uid, name=f"{source.namespace}/{source.name}")
        for key in keys:
            self._by_ref.setdefault(key, {})[uid] = entry
        self._by_uid[uid] = keys

    def release(self, uid: str) -> None:
        """Forget a CatalogSource."""
        for key in self._by_uid.pop(uid, frozenset()):
            claims = self._by_ref.get(key, {})
            claims.pop(uid, None)
            if not claims:
                self._by_ref.pop(key, None)

    def rivals(
        self, uid: str, portal_url: str, refs: AbstractSet[str], *, created: datetime
    ) -> dict[str, Holder]:
        """Refs that an older CatalogSource publishes, with that one as holder."""
        found: dict[str, Holder] = {}
        for ref in refs:
            claims = self._by_ref.get((portal_url, ref), {})
            older = [
                one for one in claims.values() if one.uid != uid and (one.created, one.uid) < (created, uid)
            ]
            if older:
                first = min(older, key=lambda one: (one.created, one.uid))
                found[ref] = Holder(origin=None, source=first.name)
        return found
