"""The end of a CatalogSource: its location and entities leave the portal before the object leaves the
cluster.

Order: delete the location → confirm → orphans by uid → snapshot → finalizer. The document is served until
then. Each step is a visit: what it has to see is read in the background. Nothing here needs a spec that can
be read: where a newer version wrote it, what is known of the portal comes from what is left of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.events import EventType
from skillmeat_operator.api.keys import FINALIZER, FORCE_DELETE
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import DeletionPolicy
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.queue import Result
from skillmeat_operator.controller.remote.connections import Connections, PortalConnection
from skillmeat_operator.controller.remote.remotes import Remotes
from skillmeat_operator.controller.remote.views import SharedView
from skillmeat_operator.controller.visit.catalog.missing import cannot_read
from skillmeat_operator.controller.visit.deletion.finalizers import Finalizers
from skillmeat_operator.controller.visit.portal_slots import PortalBusyError, PortalSlots
from skillmeat_operator.controller.visit.visit import Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView
from skillmeat_operator.domain.status.unsynced import finalizing
from skillmeat_operator.domain.template.document import document_path
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)

GONE = frozenset({Reason.SECRET_NOT_FOUND, Reason.SECRET_KEY_NOT_FOUND})
"""Reasons for which a credential will not come back: the namespace goes, and its Secrets went first."""


@dataclass(slots=True)
class _Deletion:
    """What is remembered of one deletion."""

    not_before: float
    """The view that the next step needs began at this moment or later (monotonic seconds)."""
    unregistered: bool = False
    """The location was deleted; the next view has to confirm it."""
    failed: bool = False
    """The portal failed before: it is not asked again before its backoff ends."""


class _WaitError(Exception):
    """The next step needs a newer view; the object is marked due when it is there."""


class Deleter:
    """Visits CatalogSources that are being deleted."""

    def __init__(
        self,
        *,
        cluster_uid: str,
        target_of: Callable[[Visit], str | None],
        connections: Connections,
        remotes: Remotes,
        publications: Publications,
        finalizers: Finalizers,
        slots: PortalSlots,
        writer: ObjectWriter,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._cluster_uid = cluster_uid
        self._target_of = target_of
        self._connections = connections
        self._remotes = remotes
        self._publications = publications
        self._finalizers = finalizers
        self._slots = slots
        self._writer = writer
        self._clock = clock
        self._now = now
        self._timings = timings
        self._last_connection: dict[str, PortalConnection] = {}
        self._deletions: dict[str, _Deletion] = {}

    def remember(self, uid: str, connection: PortalConnection) -> None:
        """Keep the last working connection: in a deleted namespace the Secret goes first."""
        self._last_connection[uid] = connection

    def forget(self, uid: str) -> None:
        """See :class:`~skillmeat_operator.controller.scope.KeyedByUid`."""
        self._last_connection.pop(uid, None)
        self._deletions.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._last_connection or uid in self._deletions

    async def visit(self, visit: Visit, *, readable: bool = True) -> Result:
        """One step of a deletion; failures of the portal are retried with backoff.

        Args:
            visit: of an object that is being deleted.
            readable: whether its spec can be read; if not, ``visit.source`` is what is left of it.
        """
        if FINALIZER not in visit.source.finalizers:
            # Others hold the object, or nobody: there is nothing of ours to wait for.
            return Result.done()
        if visit.source.spec.deletion_policy is DeletionPolicy.RETAIN:
            # The policy changed a moment before the deletion; the finalizer is from before.
            return await self._release(visit)
        # Nothing of the source is needed any more.
        self._remotes.lists.leave(visit.uid)
        self._remotes.pages.leave(visit.uid)
        forced = visit.source.annotations.get(FORCE_DELETE) == "true"
        try:
            target = await self._registered_target(visit)
        except KubernetesError as error:
            if not forced:
                return await self._wait(visit, _not_readable(error), readable=readable)
            target = self._told_target(visit)
        if forced:
            return await self._forced(visit, target)
        try:
            return await self._clean(visit, target, readable=readable)
        except KubernetesError as error:
            return await self._wait(visit, _not_readable(error), readable=readable)

    async def _clean(self, visit: Visit, target: str | None, *, readable: bool) -> Result:
        try:
            connection = await self._connections.portal(visit.source)
        except FailedError as error:
            if error.failure.reason not in GONE or error.failure.returns:
                # It may not be read at the moment, say: that is no reason to leave anything behind.
                return await self._wait(visit, error.failure, readable=readable)
            return await self._without_secret(visit, target, error.failure)
        try:
            with self._slots.held(connection.url, visit.uid):
                await self._step(visit, target, connection)
        except (_WaitError, PortalBusyError):
            return self._later(visit)
        except FailedError as error:
            self._deletions[visit.uid] = _Deletion(not_before=self._clock(), failed=True)
            return await self._wait(visit, error.failure, readable=readable)
        return await self._release(visit)

    async def _registered_target(self, visit: Visit) -> str | None:
        """The target that was published, as the snapshot and status say; else the one that would be."""
        published = await self._publications.stored(visit.uid, not_before=0.0)
        if published is not None and published.head.target is not None:
            return published.head.target
        return self._told_target(visit)

    def _told_target(self, visit: Visit) -> str | None:
        seen = visit.source.status.catalog
        return seen.target if seen is not None and seen.target is not None else self._target_of(visit)

    async def _forced(self, visit: Visit, target: str | None) -> Result:
        """One try, over the last working connection where there is one, with a view of its own."""
        try:
            async with asyncio.timeout(self._timings.force_delete_timeout):
                connection = await self._connections.portal(visit.source)
                await self._at_once(visit, target, connection)
        except (FailedError, TimeoutError):
            await self._abandon(
                visit, target, "skillmeat.io/force-delete was set and the portal did not answer in time"
            )
        return await self._release(visit)

    def _later(self, visit: Visit) -> Result:
        """A newer view is awaited, which marks the object due; what failed before goes on counting."""
        deletion = self._deletions.get(visit.uid)
        failed = deletion is not None and deletion.failed
        return Result.done(after=self._timings.dry_run_timeout, settles=not failed)

    async def _without_secret(self, visit: Visit, target: str | None, failure: Failure) -> Result:
        connection = self._last_connection.get(visit.uid)
        if connection is None:
            await self._abandon(visit, target, failure.message)
            return await self._release(visit)
        try:
            with self._slots.held(connection.url, visit.uid):
                await self._step(visit, target, connection)
        except (_WaitError, PortalBusyError):
            return self._later(visit)
        except FailedError as error:
            await self._abandon(visit, target, error.failure.message)
        return await self._release(visit)

    async def _step(self, visit: Visit, target: str | None, connection: PortalConnection) -> None:
        """Go on with what the last view of the portal allows.

        Raises:
            _WaitError: the next step needs a newer view.
            FailedError: the portal failed, or does not let us see whether everything is gone.
        """
        if target is None:
            return
        deletion = self._deletions.setdefault(visit.uid, _Deletion(not_before=self._clock()))
        view = self._view(visit, connection, deletion)
        if not deletion.unregistered and await self._unregister(visit, target, connection, view):
            deletion.unregistered, deletion.not_before = True, self._clock()
            view = self._view(visit, connection, deletion)
        if deletion.unregistered and self._listed(visit, target, view):
            raise FailedError(_still_there())
        await self._sweep(visit, target, connection, view)

    async def _at_once(self, visit: Visit, target: str | None, connection: PortalConnection) -> None:
        """All steps, with views that are read here: for one that has a few seconds in all.

        Raises:
            FailedError: as in :meth:`_step`.
        """
        if target is None:
            return
        view = await connection.client.view()
        if await self._unregister(visit, target, connection, view):
            view = await connection.client.view()
            if self._listed(visit, target, view):
                raise FailedError(_still_there())
        await self._sweep(visit, target, connection, view)

    def _view(self, visit: Visit, connection: PortalConnection, deletion: _Deletion) -> PortalView:
        """The last view; shared, or a namespace full of deletions would read everything for each."""
        views, uid = self._remotes.views, visit.uid

        async def read(_: float) -> SharedView:
            return SharedView(await connection.client.view())

        views.follow(uid, connection.key, host=connection.host, interval=None, read=read)
        latest = views.latest(uid)
        if latest is None or latest.began < deletion.not_before:
            views.ask(uid, at=deletion.not_before, urgent=not deletion.failed)
            if latest is None or latest.failure is None or not views.refused(uid):
                raise _WaitError
        return latest.get().view

    def _listed(self, visit: Visit, target: str, view: PortalView) -> dict[str, str]:
        """Ids of our locations that the portal lists, by target.

        A changed --public-url may have left the location under its former target.
        """
        path = document_path(self._cluster_uid, visit.source.namespace, visit.source.name)
        return {
            one: listed.id for one, listed in view.locations.items() if one == target or one.endswith(path)
        }

    async def _unregister(
        self, visit: Visit, target: str, connection: PortalConnection, view: PortalView
    ) -> bool:
        """Delete the location; returns whether that has to be confirmed by a newer view."""
        client = connection.client
        listed = self._listed(visit, target, view)
        for identifier in listed.values():
            await client.unregister(identifier)
        if listed:
            logger.info("removed the location of %s/%s", visit.source.namespace, visit.source.name)
            return True
        if not view.reads_entities or await client.entity_exists(location_ref(target)):
            # What is not listed and has its entity all the same is hidden from a token that reads no
            # locations.
            await self._prove_absence(client, target)
        return False

    async def _sweep(self, visit: Visit, target: str, connection: PortalConnection, view: PortalView) -> None:
        owner = Owner(cluster_uid=self._cluster_uid, uid=visit.uid, target=target)
        for entity in view.entities.values():
            if entity.orphan and owner.owns(entity, exists=visit.store.source_exists):
                await connection.client.delete_entity(entity.uid)

    async def _prove_absence(self, client: BackstageClient, target: str) -> None:
        """A token that cannot read sees nothing: only a location that can be made and is then listed proves
        anything.
        """
        made = await client.register(target)
        if made is None:
            raise FailedError(cannot_read("catalog.location.read"))
        listed = (await client.locations()).get(target)
        await client.unregister(made.id)
        if listed is None:
            raise FailedError(cannot_read("catalog.location.read"))
        if await client.entity_exists(location_ref(target)) and target in await client.locations():
            raise FailedError(_still_there())

    async def _wait(self, visit: Visit, failure: Failure, *, readable: bool) -> Result:
        what = "the API server" if failure.reason is Reason.SNAPSHOT_UNAVAILABLE else "the portal"
        message = f"deletion waits for {what}: {failure.message}"
        if readable:
            await self._writer.source(
                visit.raw,
                lambda source: finalizing(
                    source, message=message, carried_out=visit.spec_version, now=self._now()
                ),
            )
        else:
            await self._writer.invalid(visit.raw, message)
        return Result.failure(first=self._timings.backoff_first, longest=self._timings.backoff_longest)

    async def _abandon(self, visit: Visit, target: str | None, why: str) -> None:
        said = f"the location {target or '(unknown)'} was left in the portal, remove it there by hand: {why}"
        logger.warning("%s/%s: %s", visit.source.namespace, visit.source.name, said)
        await self._writer.event(visit.raw, EventType.WARNING, Reason.DELETION_ABANDONED, said)

    async def _release(self, visit: Visit) -> Result:
        try:
            await self._publications.delete(visit.uid)
        except KubernetesError as error:
            if visit.source.annotations.get(FORCE_DELETE) != "true":
                raise
            # The sweep of snapshots deletes it once it may.
            logger.warning("the snapshot of %s is left to the sweep: %s", visit.uid, error)
        await self._finalizers.release(visit.store, visit.uid)
        return Result.done()


def _not_readable(error: KubernetesError) -> Failure:
    logger.warning("a deletion waits for the API server: %s", error)
    return Failure(
        side=Side.CATALOG,
        kind=FailureKind.TRANSIENT,
        reason=Reason.SNAPSHOT_UNAVAILABLE,
        message="the operator can neither read nor delete what it stored in its own namespace; see its log, "
        "and its Role there",
    )


def _still_there() -> Failure:
    return Failure(
        side=Side.CATALOG,
        kind=FailureKind.TRANSIENT,
        reason=Reason.CATALOG_UNREACHABLE,
        message="the portal still lists the location after it was deleted; it is tried again",
    )
