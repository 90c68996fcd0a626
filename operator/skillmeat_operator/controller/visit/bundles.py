"""Statuses of TemplateBundles: derived from their CatalogSource's visit, written through a pool that
namespaces share.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.api.objects import InvalidObject, Metadata
from skillmeat_operator.api.v1alpha1.conditions import ConditionStatus, ConditionType
from skillmeat_operator.api.v1alpha1.template_bundle import TemplateBundle, TemplateBundleStatus
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.shares import FairPool
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.controller.watch.store import RawObject, Store, source_name
from skillmeat_operator.domain.decide.declarations import Match, UnreadableDeclaration
from skillmeat_operator.domain.snapshot.model import Content
from skillmeat_operator.domain.status.bundle import BundleContext, summarise_bundle
from skillmeat_operator.domain.status.conditions import find
from skillmeat_operator.domain.status.outcome import Outcome, UnreadableBundle
from skillmeat_operator.domain.status.spec_version import SpecVersion
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

POOL: Final = 32
"""Statuses of TemplateBundles written at the same time."""

AT_ONCE: Final = 50
"""Statuses derived before other work of the loop gets its turn."""


@dataclass(slots=True)
class _Memo:
    """What is remembered of the TemplateBundles of one CatalogSource."""

    not_found: dict[tuple[str, int], int] = field(default_factory=dict)
    """Serial of the reading in which a TemplateBundle (UID, generation) was first not found."""
    outcome: Outcome | None = None
    """Of the last visit, and ..."""
    written: dict[str, RawObject] = field(default_factory=dict)
    """... the objects, by UID, whose status said then all that it has to say of it, and at rest."""


class BundleReconciler:
    """Writes what a CatalogSource's visit means for its TemplateBundles."""

    def __init__(
        self,
        *,
        store: Store,
        writer: ObjectWriter,
        mark_due: Callable[[str, float], None],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._store = store
        self._writer = writer
        self._mark_due = mark_due
        self._now = now
        self._timings = timings
        self._grace = timedelta(seconds=timings.secret_grace)
        self._pool = FairPool(POOL)
        self._memos: dict[str, _Memo] = {}

    def of(self, visit: Visit) -> list[RawObject]:
        """The TemplateBundles of a source as they are now."""
        return self._store.bundles_of(visit.source.namespace, visit.source.name)

    async def read(self, raws: Sequence[RawObject]) -> None:
        """Parse them, some at a time: thousands that are new would hold the loop for half a second."""
        for start in range(0, len(raws), AT_ONCE):
            for raw in raws[start : start + AT_ONCE]:
                with contextlib.suppress(InvalidObject):
                    self._store.bundles.parsed(raw["metadata"]["uid"])
            if start:
                await asyncio.sleep(0)

    def models(self, raws: Sequence[RawObject]) -> list[TemplateBundle]:
        """Those whose spec can be read."""
        found = []
        for raw in raws:
            with contextlib.suppress(InvalidObject):
                bundle = self._store.bundles.parsed(raw["metadata"]["uid"])
                if bundle is not None:
                    found.append(bundle)
        return found

    async def write(
        self, visit: Visit, raws: Sequence[RawObject], outcome: Outcome, *, serial: int | None
    ) -> float | None:
        """Write the status of every TemplateBundle of a source that differs; one that fails stops no other.

        Args:
            visit: the visit.
            raws: the TemplateBundles that were decided on.
            outcome: of the visit.
            serial: of the reading that was decided on, if there was one.

        Returns:
            Seconds after which a missing bundle is looked at again, if one is missing.

        Raises:
            ExceptionGroup: of ``KubernetesError``, after all have been tried.
        """
        memo = self._memos.setdefault(visit.uid, _Memo())
        reads = self._count_missing(memo, outcome, serial)
        if memo.outcome != outcome:
            memo.outcome, memo.written = outcome, {}
        known, memo.written = memo.written, {}
        left = []
        for raw in raws:
            uid = raw["metadata"]["uid"]
            if known.get(uid) is raw:
                memo.written[uid] = raw
            else:
                left.append(raw)

        def context(raw: RawObject) -> BundleContext:
            metadata = raw["metadata"]
            first = memo.not_found.get((metadata["uid"], metadata.get("generation", 0)))
            return BundleContext(
                outcome=outcome,
                source_exists=True,
                read_again=first is not None and reads > first,
                grace=self._grace,
                now=self._now(),
            )

        await self._write_all(visit.source.namespace, left, context, memo)
        return self._timings.secret_grace + 0.5 if memo.not_found else None

    def frozen(self, raws: Sequence[RawObject]) -> list[UnreadableDeclaration]:
        """What can be read of those whose spec cannot be read: what they govern stays as it was decided."""
        names = {one.name for one in self.unreadable(raws)}
        return [UnreadableDeclaration.of(raw) for raw in raws if raw["metadata"]["name"] in names]

    def unreadable(self, raws: Sequence[RawObject]) -> tuple[UnreadableBundle, ...]:
        """Those whose spec cannot be read."""
        found = []
        for raw in raws:
            try:
                self._store.bundles.parsed(raw["metadata"]["uid"])
            except InvalidObject as error:
                found.append(UnreadableBundle(name=raw["metadata"]["name"], problem=str(error)))
        return tuple(found)

    async def write_waiting(
        self, namespace: str, source: str, content: Content | None, *, suspended: bool = False
    ) -> None:
        """Tell the TemplateBundles of a source that is suspended, or cannot be read, that they wait for it.

        Args:
            namespace: of the source.
            source: its name.
            content: of its snapshot, if there is one.
            suspended: whether it is suspended.

        Raises:
            ExceptionGroup: as :meth:`write`.
        """
        hashes = {one.declaration_hash for one in content.records} if content is not None else set()
        context = BundleContext(
            outcome=None,
            source_exists=True,
            read_again=False,
            grace=self._grace,
            now=self._now(),
            source_suspended=suspended,
            serving=content is not None,
            settled=frozenset(one for one in hashes if one is not None),
        )
        raws = self._store.bundles_of(namespace, source)
        await self._write_all(namespace, raws, lambda _: context, _Memo())

    async def visit_orphan(self, uid: str) -> Result:
        """Visit a TemplateBundle whose CatalogSource does not exist."""
        raw = self._store.bundles.get(uid)
        if raw is None or raw["metadata"].get("deletionTimestamp") is not None:
            return Result.done()
        source = self._store.sources.find(raw["metadata"].get("namespace", ""), source_name(raw) or "")
        if source is not None:
            self._mark_due(source["metadata"]["uid"], 0.0)
            return Result.done()
        context = BundleContext(
            outcome=None, source_exists=False, read_again=True, grace=self._grace, now=self._now()
        )
        try:
            await self._derive(raw, context)
        except (SupersededError, KubernetesError) as error:
            logger.warning("the status of a TemplateBundle was not written: %s", error)
            return Result.failure()
        return Result.done(after=self._timings.secret_grace + 0.5)

    def forget(self, uid: str) -> None:
        """A CatalogSource is gone."""
        self._memos.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._memos

    async def _write_all(
        self,
        namespace: str,
        raws: Sequence[RawObject],
        context: Callable[[RawObject], BundleContext],
        memo: _Memo,
    ) -> None:
        failed: list[Exception] = []
        left = enumerate(raws, start=1)

        async def write() -> None:
            for number, raw in left:
                try:
                    await self._write_one(namespace, raw, context(raw), memo)
                except Exception as error:  # noqa: BLE001  all are tried, then all that failed are told
                    failed.append(error)
                if number % AT_ONCE == 0:
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(POOL, len(raws))):
                group.create_task(write())
        if failed:
            raise ExceptionGroup("statuses of TemplateBundles were not written", failed)

    async def _write_one(self, namespace: str, raw: RawObject, context: BundleContext, memo: _Memo) -> None:
        async with self._pool.place(namespace):
            try:
                await self._derive(raw, context)
            except SupersededError:
                # It changed: whoever changed it has marked its source due.
                return
            except KubernetesError as error:
                logger.warning(
                    "the status of TemplateBundle %s/%s was not written: %s",
                    raw["metadata"].get("namespace", ""),
                    raw["metadata"]["name"],
                    error,
                )
                raise
        self._note_rest(raw["metadata"]["uid"], memo)

    def _note_rest(self, uid: str, memo: _Memo) -> None:
        """Remember an object at rest: nothing of its status depends on the time."""
        try:
            bundle = self._store.bundles.parsed(uid)
        except InvalidObject:
            return
        if bundle is None:
            return
        conditions = bundle.status.conditions
        ready = find(conditions, ConditionType.READY)
        moving = find(conditions, ConditionType.RECONCILING)
        if ready is not None and ready.status is ConditionStatus.TRUE and moving is None:
            raw = self._store.bundles.get(uid)
            if raw is not None:
                memo.written[uid] = raw

    async def _derive(self, raw: RawObject, context: BundleContext) -> None:
        told = SpecVersion.of(Metadata.from_object(raw))

        def derive(bundle: TemplateBundle) -> TemplateBundleStatus:
            return summarise_bundle(bundle, replace(context, now=self._now()), carried_out=told)

        try:
            await self._writer.bundle(raw, derive)
        except InvalidObject as error:
            await self._writer.invalid(raw, str(error))

    def _count_missing(self, memo: _Memo, outcome: Outcome, serial: int | None) -> int:
        """Remember at which complete reading a bundle was first not found; returns the present one."""
        reads = serial if serial is not None else 0
        if outcome.plan is None or serial is None:
            return reads
        plan = outcome.plan
        # By generation too: another bundleRef has to be missed twice on its own account.
        missing = {
            (one.bundle.uid, one.bundle.generation)
            for one in plan.prepared.declarations.all
            if one.match is Match.NOT_FOUND
            or (one.match is Match.FOUND and one.key not in plan.prepared.observed_keys)
        }
        # Another reader counts from the start again.
        memo.not_found = {one: min(memo.not_found.get(one, reads), reads) for one in missing}
        return reads
