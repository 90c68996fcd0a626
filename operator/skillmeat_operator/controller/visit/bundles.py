"""Statuses of TemplateBundles: derived from their CatalogSource's visit, written through one bounded pool."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.objects import InvalidObject
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle
from skillmeat_operator.controller.visit.memory import SourceMemory
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import RawObject, Store, source_name
from skillmeat_operator.domain.decide.declarations import Match
from skillmeat_operator.domain.status.bundle import BundleContext, summarise_bundle
from skillmeat_operator.domain.status.outcome import Outcome
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

POOL = 16
"""Statuses written at the same time for one CatalogSource."""


class BundleReconciler:
    """Writes what a CatalogSource's visit means for its TemplateBundles."""

    def __init__(
        self,
        *,
        store: Store,
        writer: ObjectWriter,
        add: Callable[[str, float], None],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._store = store
        self._writer = writer
        self._add = add
        self._now = now
        self._timings = timings
        self._grace = timedelta(seconds=timings.secret_grace)
        self._pool = asyncio.Semaphore(POOL)

    def of(self, source: CatalogSource) -> list[TemplateBundle]:
        """The TemplateBundles of a source whose spec can be read."""
        bundles = []
        for raw in self._store.bundles_of(source.namespace, source.name):
            try:
                bundles.append(TemplateBundle.from_object(raw))
            except InvalidObject:
                continue
        return bundles

    async def write(self, visit: Visit, outcome: Outcome) -> None:
        """Write the status of every TemplateBundle of a source that differs; one that fails stops no other.

        Raises:
            ExceptionGroup: of ``KubernetesError``, after all have been tried.
        """
        self._count_missing(visit.memory, outcome)
        await self._write_all(visit, outcome)
        if visit.memory.not_found:
            self._add(visit.uid, self._timings.secret_grace + 0.5)

    async def write_suspended(self, visit: Visit) -> None:
        """Tell the TemplateBundles of a suspended source that they wait for it; errors as :meth:`write`."""
        await self._write_all(visit, None)

    async def visit_orphan(self, uid: str) -> None:
        """Visit a TemplateBundle whose CatalogSource does not exist."""
        raw = self._store.bundles.get(uid)
        if raw is None or raw["metadata"].get("deletionTimestamp") is not None:
            return
        name = source_name(raw)
        source = self._store.sources.find(raw["metadata"].get("namespace", ""), name or "")
        if source is not None:
            self._add(source["metadata"]["uid"], 0.0)
            return
        context = BundleContext(
            outcome=None, source_exists=False, read_again=True, grace=self._grace, now=self._now()
        )
        try:
            await self._derive(raw, context)
        except SupersededError:
            self._add(uid, 0.0)
            return
        except KubernetesError as error:
            logger.warning("the status of a TemplateBundle was not written: %s", error)
            self._add(uid, self._timings.backoff_first)
            return
        self._add(uid, self._timings.secret_grace + 0.5)

    async def _write_all(self, visit: Visit, outcome: Outcome | None) -> None:
        raws = self._store.bundles_of(visit.source.namespace, visit.source.name)
        results = await asyncio.gather(
            *(self._write_one(raw, visit, outcome) for raw in raws), return_exceptions=True
        )
        failed = [one for one in results if isinstance(one, Exception)]
        if failed:
            raise ExceptionGroup("statuses of TemplateBundles were not written", failed)

    async def _write_one(self, raw: RawObject, visit: Visit, outcome: Outcome | None) -> None:
        metadata = raw["metadata"]
        first = visit.memory.not_found.get((metadata["uid"], metadata.get("generation", 0)))
        context = BundleContext(
            outcome=outcome,
            source_exists=True,
            read_again=first is not None and visit.memory.reads > first,
            grace=self._grace,
            now=self._now(),
            source_suspended=outcome is None,
        )
        async with self._pool:
            try:
                await self._derive(raw, context)
            except SupersededError:
                self._add(visit.uid, 0.0)

    async def _derive(self, raw: RawObject, context: BundleContext) -> None:
        try:
            await self._writer.bundle(raw, lambda bundle: summarise_bundle(bundle, context))
        except InvalidObject as error:
            await self._writer.invalid(raw, str(error))

    def _count_missing(self, memory: SourceMemory, outcome: Outcome) -> None:
        """Remember at which complete reading a bundle was first not found."""
        if outcome.plan is None:
            return
        plan = outcome.plan
        # By generation too: another bundleRef has to be missed twice on its own account.
        missing = {
            (one.bundle.uid, one.bundle.generation)
            for one in plan.prepared.declarations.all
            if one.match is Match.NOT_FOUND
            or (one.match is Match.FOUND and one.key not in plan.prepared.observed_keys)
        }
        memory.not_found = {one: memory.not_found.get(one, memory.reads) for one in missing}
