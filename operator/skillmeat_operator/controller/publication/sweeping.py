"""Snapshots whose CatalogSource is gone are deleted."""

from __future__ import annotations

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import KubernetesError, NotFoundError
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.watch.store import Store


class SnapshotSweeper:
    """Deletes what no CatalogSource owns any more."""

    def __init__(
        self, *, client: KubernetesClient, store: Store, snapshots: SnapshotStore, publications: Publications
    ) -> None:
        self._client = client
        self._store = store
        self._snapshots = snapshots
        self._publications = publications

    async def sweep(self) -> None:
        """Delete snapshots whose CatalogSource is gone, or was made anew; one that cannot be read is left.

        Raises:
            KubernetesError: the snapshots cannot be listed or deleted.
        """
        for head in await self._snapshots.heads():
            if self._store.sources.get(head.uid) is not None:
                continue
            try:
                found = await self._client.get(CATALOG_SOURCE.plural, head.namespace, head.name)
            except NotFoundError:
                await self._publications.delete(head.uid)
                continue
            except KubernetesError:
                continue
            if found["metadata"]["uid"] != head.uid:
                await self._publications.delete(head.uid)
