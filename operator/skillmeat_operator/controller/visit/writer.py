"""Statuses on their way to the API server, and Events on a change of state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from skillmeat_operator.adapters.kubernetes.errors import NotFoundError, ObjectSupersededError
from skillmeat_operator.adapters.kubernetes.events import EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSeen, CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.controller.visit.announcer import Announcer
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.invalid import invalid_status
from skillmeat_operator.domain.status.spec_version import OtherGenerationError, SpecVersion

logger = logging.getLogger(__name__)


class ObjectWriter:
    """Writes the status of both kinds if it differs; the store learns of it at once, before the watch.

    What is stored may hold more than the status: where somebody else wrote in between, their annotation.
    The watch brings that later, as an older form, so it is taken in here (``seen``) like any other change.
    """

    def __init__(
        self,
        *,
        store: Store,
        seen: Callable[[str, RawObject], None],
        statuses: StatusWriter,
        announcer: Announcer,
        now: Callable[[], Any],
    ) -> None:
        self._store = store
        self._seen = seen
        self._statuses = statuses
        self._announcer = announcer
        self._now = now

    async def source(self, raw: RawObject, derive: Callable[[CatalogSource], CatalogSourceStatus]) -> None:
        """Write the status of a CatalogSource.

        Args:
            raw: the object as the visit saw it: the status belongs to its UID and generation.
            derive: the status, given the object as it is now, of that same generation.

        Raises:
            SupersededError: the object changed; the outcome is about the past.
            KubernetesError: the API server failed.
        """
        current = self._same(self._store.sources.get(raw["metadata"]["uid"]), raw)
        before = self._store.sources.parsed(raw["metadata"]["uid"])
        if before is None:
            raise SupersededError("the object is gone")
        told = [derive(before)]

        def again(obj: Mapping[str, Any]) -> Mapping[str, Any]:
            told.append(derive(CatalogSource.from_object(obj)))
            return told[-1].to_wire()

        stored = await self._write(CATALOG_SOURCE, current, told[0].to_wire(), again)
        if stored is not current:
            self._tell(CATALOG_SOURCE, stored, before.status.conditions, told[-1].conditions)

    async def bundle(self, raw: RawObject, derive: Callable[[TemplateBundle], TemplateBundleStatus]) -> None:
        """Write the status of a TemplateBundle; errors as :meth:`source`."""
        current = self._same(self._store.bundles.get(raw["metadata"]["uid"]), raw)
        before = self._store.bundles.parsed(raw["metadata"]["uid"])
        if before is None:
            raise SupersededError("the object is gone")
        told = [derive(before)]

        def again(obj: Mapping[str, Any]) -> Mapping[str, Any]:
            told.append(derive(TemplateBundle.from_object(obj)))
            return told[-1].to_wire()

        stored = await self._write(TEMPLATE_BUNDLE, current, told[0].to_wire(), again)
        if stored is not current:
            self._tell(TEMPLATE_BUNDLE, stored, before.status.conditions, told[-1].conditions)

    async def invalid(self, raw: RawObject, message: str) -> None:
        """Write the status of an object whose spec cannot be read."""
        bundle = raw.get("kind") == TEMPLATE_BUNDLE.kind
        names = TEMPLATE_BUNDLE if bundle else CATALOG_SOURCE
        told = SpecVersion.of(Metadata.from_object(raw))
        derive = partial(invalid_status, message=message, carried_out=told, now=self._now())
        await self._write(names, raw, derive(raw), derive)

    async def event(self, raw: RawObject, event_type: EventType, reason: str, message: str) -> bool:
        """Send an Event about a CatalogSource; False if it was refused."""
        ref = ObjectRef.of(CATALOG_SOURCE, Metadata.from_object(raw))
        return await self._announcer.send(ref, event_type, reason, message)

    async def tell_left_behind(self, source: CatalogSource, raw: RawObject, seen: CatalogSeen | None) -> None:
        """A changed portal URL never deletes at the former portal; an Event says what is left there."""
        before = source.status.catalog
        if before is None or seen is None or before.target is None or None in (before.url, seen.url):
            return
        if before.url != seen.url:
            said = (
                f"the location {before.target} stays in the former portal {before.url}: "
                "remove it there by hand"
            )
            await self.event(raw, EventType.WARNING, Reason.LOCATION_LEFT_BEHIND, said)

    def _same(self, current: RawObject | None, seen: RawObject) -> RawObject:
        """The object as it is now, if it still has the spec that was seen (design, section 3, law 5)."""
        if current is None:
            raise SupersededError("the object is gone")
        if current["metadata"].get("generation") != seen["metadata"].get("generation"):
            raise SupersededError("the spec changed")
        return current

    async def _write(
        self,
        names: KindNames,
        current: RawObject,
        desired: Mapping[str, Any],
        derive: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> RawObject:
        ref = ObjectRef.of(names, Metadata.from_object(current))
        try:
            stored = await self._statuses.write(ref, desired, current=current, derive=derive)
        except (ObjectSupersededError, OtherGenerationError) as error:
            raise SupersededError(str(error)) from None
        except NotFoundError as error:
            raise SupersededError(str(error)) from None
        if stored is not current:
            self._seen(names.plural, stored)
        return stored

    def _tell(
        self,
        names: KindNames,
        stored: RawObject,
        before: tuple[Condition, ...],
        after: tuple[Condition, ...],
    ) -> None:
        """One Event and one log line where Ready changed value or reason; going on as before is no news."""
        old, new = find(before, ConditionType.READY), find(after, ConditionType.READY)
        if new is None or new.status is ConditionStatus.UNKNOWN or new.reason == Reason.PROGRESSING:
            return
        if old is not None and (old.status, old.reason) == (new.status, new.reason):
            return
        good = new.status is ConditionStatus.TRUE and new.reason != Reason.SERVING_LAST_GOOD
        event_type = EventType.NORMAL if good else EventType.WARNING
        ref = ObjectRef.of(names, Metadata.from_object(stored))
        level = logging.INFO if good else logging.WARNING
        logger.log(level, "%s: Ready is %s, %s: %s", ref, new.status, new.reason, new.message)
        self._announcer.post(ref, event_type, new.reason, new.message)
