"""One visit of one CatalogSource: the object as it was at the beginning, and whether it still is."""

from __future__ import annotations

from dataclasses import dataclass

from skillmeat_operator.api.keys import FLUX_REQUESTED_AT, RECONCILE_REQUESTED_AT
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.watch.store import RawObject, Store
from skillmeat_operator.domain.status.source_facts import printable_token
from skillmeat_operator.domain.status.spec_version import SpecVersion


class SupersededError(Exception):
    """The object changed under the visit: what was found out is about the past, and the next visit does
    better.
    """


@dataclass(frozen=True, slots=True)
class Visit:
    """A CatalogSource being reconciled."""

    source: CatalogSource
    raw: RawObject
    store: Store
    began: float
    """Monotonic seconds."""
    spec_seen: float
    """When the present spec was first seen (monotonic seconds)."""

    @property
    def uid(self) -> str:
        """UID of the CatalogSource."""
        return self.source.uid

    @property
    def spec_version(self) -> SpecVersion:
        """The spec that this visit carries out: statuses are derived for it alone."""
        return SpecVersion.of(self.source)

    def ensure_current(self) -> None:
        """To be called before each outgoing write.

        Raises:
            SupersededError: UID, generation, suspend or deletion moved since the visit began.
        """
        now = self.store.sources.find(self.source.namespace, self.source.name)
        if now is None or now["metadata"]["uid"] != self.uid:
            raise SupersededError("the object is gone")
        if now["metadata"].get("generation") != self.source.generation:
            raise SupersededError("the spec changed")
        if (now["metadata"].get("deletionTimestamp") is not None) != self.source.deleting:
            raise SupersededError("deletion was asked for")

    @property
    def interval(self) -> float:
        """``spec.interval`` in seconds."""
        return self.source.spec.interval.total_seconds()

    def pending_requests(self) -> tuple[str | None, str | None]:
        """Tokens of requested reconciles that status does not echo yet: ours and Flux's."""
        handled = self.source.status.handled_requests
        ours = self.source.annotations.get(RECONCILE_REQUESTED_AT)
        flux = self.source.annotations.get(FLUX_REQUESTED_AT)
        if ours is not None and handled is not None and printable_token(ours) == handled.skillmeat:
            ours = None
        if flux is not None and handled is not None and printable_token(flux) == handled.flux:
            flux = None
        return ours, flux
