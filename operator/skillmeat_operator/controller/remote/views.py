"""What a portal shows, read once for all CatalogSources that use it with the same credential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from skillmeat_operator.domain.observation import CatalogEntity, PortalView


@dataclass(frozen=True, slots=True)
class SharedView:
    """One view of a portal, indexed: what a CatalogSource looks at does not grow with the others'."""

    view: PortalView
    _by_uid: dict[str, dict[str, CatalogEntity]] = field(init=False, repr=False, compare=False)
    _by_origin: dict[str, dict[str, CatalogEntity]] = field(init=False, repr=False, compare=False)
    _shown: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_uid: dict[str, dict[str, CatalogEntity]] = {}
        by_origin: dict[str, dict[str, CatalogEntity]] = {}
        for ref, entity in self.view.entities.items():
            by_uid.setdefault((entity.managed_by or "").rpartition("/")[2], {})[ref] = entity
            if entity.origin is not None:
                by_origin.setdefault(entity.origin, {})[ref] = entity
        object.__setattr__(self, "_by_uid", by_uid)
        object.__setattr__(self, "_by_origin", by_origin)
        shown = {uid: hash(frozenset(map(_facts, found.values()))) for uid, found in by_uid.items()}
        object.__setattr__(self, "_shown", shown)

    def entities_of(self, uid: str, target: str | None) -> Mapping[str, CatalogEntity]:
        """Entities marked as a CatalogSource's, and those that came from its target, by ref."""
        marked = self._by_uid.get(uid, {})
        brought = self._by_origin.get(f"url:{target}", {}) if target is not None else {}
        return {**brought, **marked} if brought.keys() - marked.keys() else marked

    def shows_other_than(self, other: SharedView) -> bool:
        """Whether two views differ in anything that is marked as some CatalogSource's."""
        return self._shown != other._shown

    def shown_of(self, uid: str) -> int | None:
        """Equal in two views that show the same of a CatalogSource's."""
        return self._shown.get(uid)


def _facts(entity: CatalogEntity) -> tuple[object, ...]:
    return (entity.ref, entity.content_hash, entity.orphan, entity.failing)


class Progress:
    """Whom a new view of a portal concerns, and when the portal last showed something new."""

    def __init__(self) -> None:
        self._targets: dict[str, str] = {}
        self._progressed: dict[str, float] = {}

    def expect(self, uid: str, target: str | None) -> None:
        """Note the location that a CatalogSource wants registered; None: none."""
        if target is None:
            self._targets.pop(uid, None)
        else:
            self._targets[uid] = target

    def progressed(self, uid: str) -> float:
        """When the portal of a CatalogSource last showed something new, of whatever CatalogSource."""
        return self._progressed.get(uid, 0.0)

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._targets.pop(uid, None)
        self._progressed.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._targets or uid in self._progressed

    def news(self, before: SharedView | None, now: SharedView, followers: Iterable[str]) -> list[str]:
        """Followers of whom the portal shows something else, or whose location came or went."""
        if before is not None and before.shows_other_than(now):
            for uid in followers:
                self._progressed[uid] = now.view.began_at
        if before is None or before.view.reads_entities != now.view.reads_entities:
            return list(followers)
        return [uid for uid in followers if self._changed(uid, before, now)]

    def _changed(self, uid: str, before: SharedView, now: SharedView) -> bool:
        target = self._targets.get(uid)
        if target is not None and (target in before.view.locations) != (target in now.view.locations):
            return True
        return before.shown_of(uid) != now.shown_of(uid)
