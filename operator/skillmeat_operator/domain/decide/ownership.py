"""Whose an entity of the catalog is.

The marker ``skillmeat.io/managed-by`` holds ``<cluster uid>/<CatalogSource uid>``. Incumbency decides:
whoever holds a ref in the catalog keeps it, and nothing that is not ours is ever overwritten or deleted
(design, section 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from skillmeat_operator.domain.observation import CatalogEntity


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asks: one CatalogSource of one cluster, publishing at one target."""

    cluster_uid: str
    uid: str
    target: str | None
    """None where nothing is published (External)."""

    @property
    def marker(self) -> str:
        """Value of ``skillmeat.io/managed-by`` on what this owner publishes."""
        return f"{self.cluster_uid}/{self.uid}"

    def owns(self, entity: CatalogEntity, *, exists: Callable[[str], bool]) -> bool:
        """Whether an entity of the catalog is ours, or was left behind at our target by a predecessor.

        Args:
            entity: as read from the catalog.
            exists: whether a CatalogSource with this UID exists in the cluster.
        """
        if entity.managed_by is None:
            return False
        cluster, _, uid = entity.managed_by.partition("/")
        if cluster != self.cluster_uid:
            return False
        if uid == self.uid:
            return True
        return self.target is not None and entity.origin == f"url:{self.target}" and not exists(uid)

    def brought(self, entity: CatalogEntity) -> bool:
        """Whether an entity came from our own target without a marker: a processor of the catalog strips it.

        It is ours, or nobody can tell whose it is; it is certainly not another provider's.
        """
        return entity.managed_by is None and self.target is not None and entity.origin == f"url:{self.target}"

    def owned(
        self, entities: Mapping[str, CatalogEntity], *, exists: Callable[[str], bool]
    ) -> dict[str, CatalogEntity]:
        """Those of the entities that are ours (:meth:`owns`), by ref."""
        return {ref: entity for ref, entity in entities.items() if self.owns(entity, exists=exists)}


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a ref that we would publish."""

    origin: str | None
    """Its origin location (``url:…``), if it may be shown."""
    source: str | None = None
    """``namespace/name`` of the CatalogSource of this cluster that holds it."""

    def described(self) -> str:
        """The holder in words for a message."""
        if self.source is not None:
            return f"CatalogSource {self.source}"
        return f"location {self.origin}" if self.origin else "another provider"


def foreign_holders(
    entities: Mapping[str, CatalogEntity | None], *, owner: Owner, exists: Callable[[str], bool]
) -> dict[str, Holder]:
    """The refs of ``entities`` that somebody else holds, with the holder."""
    return {
        ref: Holder(origin=shown_origin(entity.origin))
        for ref, entity in entities.items()
        if entity is not None and not owner.owns(entity, exists=exists) and not owner.brought(entity)
    }


def shown_origin(origin: str | None) -> str | None:
    """An origin location as status may show it: no userinfo, no query, at most 253 characters."""
    if origin is None or not origin.isprintable():
        return None
    kind, separator, target = origin.partition(":")
    if not separator or kind not in {"url", "file", "bootstrap"}:
        return None
    target = target.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = target.partition("://")
    if slashes:
        authority, slash, path = rest.partition("/")
        target = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    if "@" in target:
        # Userinfo with a slash in it, which is no URL: what is left may be the end of a password.
        return None
    return f"{kind}:{target}"[:253]
