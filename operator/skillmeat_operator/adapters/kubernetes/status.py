"""The one writer of status: the difference only, never over somebody else's change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ConflictError, ObjectSupersededError
from skillmeat_operator.adapters.kubernetes.merge_patch import merge_patch, without_nulls
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.status.spec_version import OtherGenerationError, SpecVersion

logger = logging.getLogger(__name__)

TRIES: Final = 5
"""How often a write is tried before the conflict is given to the caller."""


class StatusWriter:
    """Writes status, at most ``limit`` objects at a time.

    Every write has the resourceVersion it was computed from as its precondition, so that of two writers none
    loses an update: the later one reads again and decides again.
    """

    def __init__(self, client: KubernetesClient, *, limit: int = 20) -> None:
        self._client = client
        self._slots = asyncio.Semaphore(limit)

    async def write(
        self,
        ref: ObjectRef,
        desired: Mapping[str, Json],
        *,
        current: Mapping[str, Json],
        derive: Callable[[Mapping[str, Json]], Mapping[str, Json]],
    ) -> Mapping[str, Json]:
        """Bring the status of an object to what is desired; nothing is written if it is so already.

        Args:
            ref: the object.
            desired: the whole status; a field that is missing or None in it is removed.
            current: the raw object that ``desired`` was computed from; its ``metadata`` (uid, generation,
                resourceVersion) and ``status`` are used.
            derive: the desired status for a fresh copy of the object, called where somebody else wrote first.

        Returns:
            The raw object as the API server has it now.

        Raises:
            ObjectSupersededError: another object has the name now, or the spec changed: the outcome is about
            the past. NotFoundError: the object is gone.
            ConflictError: others wrote first :data:`TRIES` times in a row.
            KubernetesError: any other failure of the calls.
        """
        async with self._slots:
            for _ in range(TRIES):
                patch = merge_patch(_status(current), desired)
                if not patch:
                    return current
                try:
                    return await self._patch(
                        ref, patch, desired, version=_metadata(current)["resourceVersion"]
                    )
                except ConflictError:
                    fresh = await self._client.get(ref.names.plural, ref.namespace, ref.name)
                    _check_same(ref, current, fresh)
                    current, desired = fresh, derive(fresh)
        raise ConflictError(f"{ref}: status was changed by others {TRIES} times in a row")

    async def _patch(
        self, ref: ObjectRef, patch: Mapping[str, Json], desired: Mapping[str, Json], *, version: str
    ) -> Mapping[str, Json]:
        stored = await self._client.patch_status(ref.names.plural, ref.namespace, ref.name, patch, version)
        changed = sorted(merge_patch(_status(stored), desired))
        if changed:
            # Only a CRD that is not ours drops or defaults what we write; each visit would write it again.
            logger.warning(
                "The API server keeps other values than were written to status: apply the operator's CRDs",
                extra={"object": str(ref), "fields": changed},
            )
        return stored


def _check_same(ref: ObjectRef, before: Mapping[str, Json], now: Mapping[str, Json]) -> None:
    try:
        SpecVersion.of(Metadata.from_object(before)).require(Metadata.from_object(now))
    except OtherGenerationError as error:
        raise ObjectSupersededError(f"{ref}: {error}") from None


def _metadata(obj: Mapping[str, Json]) -> Mapping[str, Json]:
    metadata: Mapping[str, Json] = obj["metadata"]
    return metadata


def _status(obj: Mapping[str, Json]) -> Mapping[str, Json]:
    status: Mapping[str, Json] = without_nulls(obj.get("status") or {})
    return status
