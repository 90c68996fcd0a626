"""Our finalizer on CatalogSources."""

from __future__ import annotations

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ConflictError, NotFoundError
from skillmeat_operator.api.keys import CATALOG_SOURCE, FINALIZER
from skillmeat_operator.api.v1alpha1.policies import DeletionPolicy, Ingestion
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from skillmeat_operator.controller.watch.needed import needed
from skillmeat_operator.controller.watch.store import Store


class Finalizers:
    """Adds and removes our finalizer, each time only from the very version that was looked at."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client

    async def ensure(self, visit: Visit, listed: bool) -> None:
        """Persist the finalizer before anything is registered, if the deletion policy needs it.

        Args:
            visit: the visit.
            listed: whether the portal lists a location that was registered by us. Then the finalizer stays,
                also where the ingestion is another by now: nobody else would delete it.
        """
        spec = visit.source.spec
        registers = spec.backstage.ingestion is Ingestion.LOCATION
        left = listed and FINALIZER in visit.source.finalizers
        wanted = spec.deletion_policy is DeletionPolicy.DELETE and (registers or left)
        if wanted and FINALIZER not in visit.source.finalizers:
            visit.ensure_current()
        await self._set(visit.store, visit.uid, wanted=wanted)

    async def release(self, store: Store, uid: str) -> None:
        """Let the object go."""
        await self._set(store, uid, wanted=False)

    async def _set(self, store: Store, uid: str, *, wanted: bool) -> None:
        current = store.sources.get(uid)
        if current is None:
            raise SupersededError("the object is gone")
        finalizers = list(current["metadata"].get("finalizers") or ())
        if (FINALIZER in finalizers) == wanted:
            return
        if wanted:
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
        store.sources.put(needed(stored))
