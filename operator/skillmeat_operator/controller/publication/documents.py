"""Which document a request gets: only what the head of a snapshot names, asked for at every request."""

from __future__ import annotations

from collections.abc import Callable

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.snapshots import SnapshotStore
from skillmeat_operator.controller.publication.publications import Publications
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.template.document import cluster_prefix
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.serving.documents import NotFound, NotYet, Served


class DocumentLookup:
    """Finds documents for the document endpoint."""

    def __init__(
        self,
        *,
        store: Store,
        publications: Publications,
        heads: SnapshotStore,
        mark_due: Callable[[str, float], None],
        cluster_uid: str,
        timings: Timings,
    ) -> None:
        self._store = store
        self._publications = publications
        self._heads = heads
        self._mark_due = mark_due
        self._prefix = cluster_prefix(cluster_uid)
        self._timings = timings

    async def document(self, prefix: str, namespace: str, name: str) -> Served | NotFound | NotYet:
        """The document of a CatalogSource, or why there is none.

        Before the first complete read there is none to give, and an empty one would empty the portal: NotYet.
        """
        if prefix != self._prefix:
            return NotFound()
        source = self._store.sources.find(namespace, name)
        if source is None:
            known = self._store.is_open(namespace) or not self._store.watches(namespace)
            return NotFound() if known else NotYet()
        uid = source["metadata"]["uid"]
        try:
            head = await self._heads.read_head(uid, within=self._timings.head_deadline)
            if head is None:
                if self._publications.doubt(uid):
                    # Somebody deleted or changed it: whoever waits for a poll would wait for minutes.
                    self._mark_due(uid, 0.0)
                return NotYet()
            published = await self._publications.take_head(uid, head)
        except KubernetesError:
            # The API server is away: what memory has was named by the head when it was last asked.
            published = self._publications.current(uid)
        finally:
            if not self._store.source_exists(uid):
                # It went while its head was read: what was just taken in belongs to nobody.
                self._publications.forget(uid)
        return published.document if published is not None else NotYet()
