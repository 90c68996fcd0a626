"""Visits of CatalogSources that are not synced: suspended ones, and those whose spec cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from skillmeat_operator.api.v1alpha1.conditions import ConditionType
from skillmeat_operator.api.v1alpha1.policies import Ingestion
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.publication.published import spec_hash
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.visit.bundles import BundleReconciler
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import RawObject
from skillmeat_operator.domain.status.conditions import told
from skillmeat_operator.domain.status.unsynced import suspended


class RestingVisits:
    """What was published stays as it is, nothing is read, and status says why."""

    def __init__(
        self,
        *,
        remotes: Remotes,
        publications: Publications,
        bundles: BundleReconciler,
        writer: ObjectWriter,
        now: Callable[[], datetime],
    ) -> None:
        self._remotes = remotes
        self._publications = publications
        self._bundles = bundles
        self._writer = writer
        self._now = now

    async def unreadable(self, raw: RawObject, message: str) -> Result:
        """Visit an object whose spec this version cannot read (design, section 3, law 3)."""
        metadata = raw["metadata"]
        self._remotes.forget(metadata["uid"])
        try:
            await self._publications.stored(metadata["uid"], not_before=0.0)
            content = await self._publications.content(metadata["uid"])
            await self._bundles.write_waiting(metadata.get("namespace", ""), metadata["name"], content)
        finally:
            await self._writer.invalid(raw, message)
        return Result.done()

    async def suspended(self, visit: Visit) -> Result:
        """Visit a suspended object."""
        source = visit.source
        self._remotes.forget(visit.uid)
        published = await self._publications.stored(visit.uid, not_before=0.0)
        before = told(source.status.conditions, ConditionType.READY, source.generation) is not None
        external = source.spec.backstage.ingestion is Ingestion.EXTERNAL
        settled = external and before
        if published is not None:
            settled = published.head.spec_hash == spec_hash(source.spec)
        content = await self._publications.content(visit.uid)
        try:
            self._bundles.forget(visit.uid)
            await self._bundles.write_waiting(source.namespace, source.name, content, suspended=True)
        finally:
            await self._writer.source(
                visit.raw,
                lambda fresh: suspended(
                    fresh, settled=settled, carried_out=visit.spec_version, now=self._now()
                ),
            )
        return Result.done()
