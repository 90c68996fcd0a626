"""Statuses on their way to the API server, and Events on a change of state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from skillmeat_operator.adapters.kubernetes.errors import (
    KubernetesError,
    NotFoundError,
    ObjectSupersededError,
)
from skillmeat_operator.adapters.kubernetes.events import EventRecorder, EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import CATALOG_SOURCE, TEMPLATE_BUNDLE, KindNames
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.catalog_source_status import CatalogSourceStatus
from skillmeat_operator.api.v1alpha1.conditions import Condition, ConditionStatus, ConditionType, Reason
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.controller.visit.visit import SupersededError
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.invalid import invalid_status

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
        events: EventRecorder,
        now: Callable[[], Any],
    ) -> None:
        self._store = store
        self._seen = seen
        self._statuses = statuses
        self._events = events
        self._now = now

    async def source(self, raw: RawObject, derive: Callable[[CatalogSource], CatalogSourceStatus]) -> None:
        """Write the status of a CatalogSource.

        Raises:
            SupersededError: the object changed; the outcome is about the past.
            KubernetesError: the API server failed.
        """
        uid = raw["metadata"]["uid"]
        current = self._store.sources.get(uid)
        if current is None:
            raise SupersededError("the object is gone")
        before = CatalogSource.from_object(current).status.conditions
        stored = await self._write(
            CATALOG_SOURCE, current, lambda obj: derive(CatalogSource.from_object(obj)).to_wire()
        )
        after = CatalogSource.from_object(stored).status.conditions
        await self._tell(CATALOG_SOURCE, stored, before, after)

    async def bundle(self, raw: RawObject, derive: Callable[[TemplateBundle], TemplateBundleStatus]) -> None:
        """Write the status of a TemplateBundle; errors as :meth:`source`."""
        uid = raw["metadata"]["uid"]
        current = self._store.bundles.get(uid)
        if current is None:
            return
        before = TemplateBundle.from_object(current).status.conditions
        stored = await self._write(
            TEMPLATE_BUNDLE, current, lambda obj: derive(TemplateBundle.from_object(obj)).to_wire()
        )
        after = TemplateBundle.from_object(stored).status.conditions
        await self._tell(TEMPLATE_BUNDLE, stored, before, after)

    async def invalid(self, raw: RawObject, message: str) -> None:
        """Write the status of an object whose spec cannot be read."""
        bundle = raw.get("kind") == TEMPLATE_BUNDLE.kind
        names = TEMPLATE_BUNDLE if bundle else CATALOG_SOURCE
        await self._write(names, raw, lambda obj: invalid_status(obj, message, now=self._now()))

    async def event(self, raw: RawObject, event_type: EventType, reason: str, message: str) -> bool:
        """Send an Event about a CatalogSource; False if it was refused."""
        ref = ObjectRef.of(CATALOG_SOURCE, Metadata.from_object(raw))
        return await self._events.emit(ref, event_type, reason, message)

    async def _write(
        self, names: KindNames, current: RawObject, derive: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> RawObject:
        ref = ObjectRef.of(names, Metadata.from_object(current))
        try:
            stored = await self._statuses.write(ref, derive(current), current=current, derive=derive)
        except ObjectSupersededError as error:
            raise SupersededError(str(error)) from None
        except NotFoundError as error:
            raise SupersededError(str(error)) from None
        if stored is not current:
            self._seen(names.plural, stored)
        return stored

    async def _tell(
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
        try:
            await self._events.emit(ref, event_type, new.reason, new.message)
        except KubernetesError as error:
            logger.warning("an event was not sent: %s", error)
