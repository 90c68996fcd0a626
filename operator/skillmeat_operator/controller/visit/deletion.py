"""The end of a CatalogSource: its location and entities leave the portal before the object leaves the
cluster.

Order: delete the location → confirm → orphans by uid → snapshot → finalizer. The document is served until
then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from skillmeat_operator.adapters.backstage.client import BackstageClient
from skillmeat_operator.adapters.backstage.entities import location_ref
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ConflictError, NotFoundError
from skillmeat_operator.adapters.kubernetes.events import EventType
from skillmeat_operator.api.keys import CATALOG_SOURCE, FINALIZER, FORCE_DELETE
from skillmeat_operator.api.v1alpha1.conditions import Reason
from skillmeat_operator.api.v1alpha1.policies import DeletionPolicy, Ingestion
from skillmeat_operator.controller.publication.snapshots import Snapshots
from skillmeat_operator.controller.remote.connections import Connections, PortalConnection
from skillmeat_operator.controller.remote.portals import Portals
from skillmeat_operator.controller.visit.catalog import cannot_read
from skillmeat_operator.controller.visit.schedule import Scheduler
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.visit.writer import ObjectWriter
from skillmeat_operator.domain.decide.ownership import Owner
from skillmeat_operator.domain.failure import FailedError, Failure, FailureKind, Side
from skillmeat_operator.domain.observation import PortalView
from skillmeat_operator.domain.status.source import finalizing
from skillmeat_operator.domain.template.document import document_path
from skillmeat_operator.domain.timings import Timings

logger = logging.getLogger(__name__)


class Finalizers:
    """Adds and removes our finalizer, each time only from the very version that was looked at."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    async def ensure(self, visit: Visit) -> None:
        """Persist the finalizer before anything is registered, if the deletion policy needs it."""
        spec = visit.source.spec
        wanted = (
            spec.deletion_policy is DeletionPolicy.DELETE and spec.backstage.ingestion is Ingestion.LOCATION
        )
        await self._set(visit, wanted=wanted)

    async def release(self, visit: Visit) -> None:
        """Let the object go."""
        await self._set(visit, wanted=False)

    async def _set(self, visit: Visit, *, wanted: bool) -> None:
        current = visit.store.sources.get(visit.uid)
        if current is None:
            raise SupersededError("the object is gone")
        finalizers = list(current["metadata"].get("finalizers") or ())
        if (FINALIZER in finalizers) == wanted:
            return
        if wanted:
            visit.ensure_current()
            finalizers.append(FINALIZER)
        else:
            finalizers.remove(FINALIZER)
        metadata = current["metadata"]
        try:
            stored = await self._client.patch_finalizers(
                CATALOG_SOURCE.plural,
                metadata["namespace"],
                metadata["name"],
                finalizers,
                metadata["resourceVersion"],
            )
        except ConflictError as error:
            raise SupersededError(str(error)) from None
        except NotFoundError:
            return
        # Known before the watch tells: a visit in between would set out to clean up once more.
        visit.store.sources.put(stored)


class Deleter:
    """Visits CatalogSources that are being deleted."""

    def __init__(
        self,
        *,
        cluster_uid: str,
        target_of: Callable[[Visit], str | None],
        connections: Connections,
        portals: Portals,
        snapshots: Snapshots,
        finalizers: Finalizers,
        writer: ObjectWriter,
        scheduler: Scheduler,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        timings: Timings,
    ) -> None:
        self._cluster_uid = cluster_uid
        self._target_of = target_of
        self._connections = connections
        self._portals = portals
        self._snapshots = snapshots
        self._finalizers = finalizers
        self._writer = writer
        self._scheduler = scheduler
        self._clock = clock
        self._now = now
        self._timings = timings
        self._last_connection: dict[str, PortalConnection] = {}

    def remember(self, uid: str, connection: PortalConnection) -> None:
        """Keep the last working connection: in a deleted namespace the Secret goes first."""
        self._last_connection[uid] = connection

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._last_connection.pop(uid, None)

    async def visit(self, visit: Visit) -> None:
        """One step of a deletion; failures of the portal are retried with backoff."""
        if FINALIZER not in visit.source.finalizers:
            # Others hold the object, or nobody: there is nothing of ours to wait for.
            return
        if visit.source.spec.deletion_policy is DeletionPolicy.RETAIN:
            # The policy changed a moment before the deletion; the finalizer is from before.
            await self._release(visit)
            return
        target = await self._registered_target(visit)
        if visit.source.annotations.get(FORCE_DELETE) == "true":
            await self._forced(visit, target)
            return
        try:
            await self._clean(visit, target, await self._connections.portal(visit.source))
        except FailedError as error:
            if error.failure.kind is FailureKind.SECRET:
                await self._without_secret(visit, target, error.failure)
                return
            await self._wait(visit, error.failure)
            return
        await self._release(visit)

    async def _registered_target(self, visit: Visit) -> str | None:
        """The target that was published, as the snapshot and status say; else the one that would be."""
        kept = await self._snapshots.load(visit.uid)
        if kept is not None and kept.head.target is not None:
            return kept.head.target
        seen = visit.source.status.catalog
        return seen.target if seen is not None and seen.target is not None else self._target_of(visit)

    async def _forced(self, visit: Visit, target: str | None) -> None:
        try:
            async with asyncio.timeout(self._timings.force_delete_timeout):
                await self._clean(visit, target, await self._connections.portal(visit.source))
        except (FailedError, TimeoutError):
            await self._abandon(
                visit, target, "skillmeat.io/force-delete was set and the portal did not answer in time"
            )
        await self._release(visit)

    async def _without_secret(self, visit: Visit, target: str | None, failure: Failure) -> None:
        connection = self._last_connection.get(visit.uid)
        if connection is None:
            await self._abandon(visit, target, failure.message)
        else:
            try:
                await self._clean(visit, target, connection)
            except FailedError as error:
                await self._abandon(visit, target, error.failure.message)
        await self._release(visit)

    async def _clean(self, visit: Visit, target: str | None, connection: PortalConnection) -> None:
        """Remove location and entities from the portal, and make sure that they are gone.

        Raises:
            FailedError: the portal failed, or does not let us see whether they are gone.
        """
        if target is None:
            return
        client = connection.client
        view = await self._view(visit, connection)
        # A changed --public-url may have left the location under its former target.
        path = document_path(self._cluster_uid, visit.source.namespace, visit.source.name)
        ours = {one: listed for one, listed in view.locations.items() if one == target or one.endswith(path)}
        if ours:
            for listed in ours.values():
                await client.unregister(listed.id)
            view = await self._view(visit, connection)
            if not ours.keys().isdisjoint(view.locations):
                raise FailedError(_still_there())
        elif not view.reads_entities or await client.entity_exists(location_ref(target)):
            # What is not listed and has its entity all the same is hidden from a token that reads no
            # locations.
            await self._prove_absence(client, target)
        owner = Owner(cluster_uid=self._cluster_uid, uid=visit.uid, target=target)
        for entity in view.entities.values():
            if entity.orphan and owner.owns(entity, exists=visit.store.source_exists):
                await client.delete_entity(entity.uid)
        logger.info("removed the location of %s/%s", visit.source.namespace, visit.source.name)

    async def _view(self, visit: Visit, connection: PortalConnection) -> PortalView:
        """What the portal shows from now on; shared, or a namespace full of deletions would read everything
        for each.
        """
        reading = await self._portals.view(visit.uid, connection, not_before=self._clock())
        return reading.get()

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

    async def _wait(self, visit: Visit, failure: Failure) -> None:
        message = f"deletion waits for the portal: {failure.message}"
        await self._writer.source(
            visit.raw, lambda source: finalizing(source, message=message, now=self._now())
        )
        self._scheduler.deletion(visit.uid)

    async def _abandon(self, visit: Visit, target: str | None, why: str) -> None:
        said = f"the location {target or '(unknown)'} was left in the portal, remove it there by hand: {why}"
        logger.warning("%s/%s: %s", visit.source.namespace, visit.source.name, said)
        await self._writer.event(visit.raw, EventType.WARNING, Reason.DELETION_ABANDONED, said)

    async def _release(self, visit: Visit) -> None:
        await self._snapshots.delete(visit.uid)
        await self._finalizers.release(visit)


def _still_there() -> Failure:
    return Failure(
        side=Side.CATALOG,
        kind=FailureKind.TRANSIENT,
        reason=Reason.CATALOG_UNREACHABLE,
        message="the portal still lists the location after it was deleted; it is tried again",
    )
