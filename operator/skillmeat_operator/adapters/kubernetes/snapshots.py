"""Snapshots as ConfigMaps in the operator's own namespace: one head and its chunks for each CatalogSource.

Order of writing: chunks, then the head that names them, later the chunks that no head names any more. Whoever
stops between two steps leaves the previous snapshot whole.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import AlreadyExistsError, ConflictError, NotFoundError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import (
    CHUNK_KEY,
    HEAD_KEY,
    UID_LABEL,
    HeadEntry,
    chunk_object,
    head_entry,
    head_name,
    head_object,
    selector,
)
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.snapshot.codec import Chunk, decode
from skillmeat_operator.domain.snapshot.model import Content, Head

_LOAD_TRIES: Final = 3
_PLURAL: Final = "configmaps"


@dataclass(frozen=True, slots=True)
class LoadedSnapshot:
    """A snapshot whose chunks are all there and have the digests that the head says."""

    head: Head
    chunks: tuple[Chunk, ...]

    def content(self) -> Content:
        """Decode the chunks; blocks, see :func:`skillmeat_operator.domain.snapshot.codec.decode`.

        Raises:
            DigestMismatchError: the chunks are of another version.
        """
        return decode(self.chunks)


@dataclass(frozen=True, slots=True)
class UnreadableSnapshot:
    """There is a head, but not what it stands for: counts as no snapshot and is there to be replaced."""

    resource_version: str
    """Of the head: what the next head has to be written over."""
    head: Head | None
    """The head, where only a chunk is missing or was changed; it proves that something was published."""


@dataclass(frozen=True, slots=True)
class StoredParts:
    """The ConfigMaps of all snapshots, as one list shows them."""

    began: float
    """When the list was asked for (monotonic seconds)."""
    by_uid: Mapping[str, Mapping[str, str]]
    """resourceVersion by name of each ConfigMap, by UID of its CatalogSource."""

    def of(self, uid: str) -> Mapping[str, str]:
        """Those of one CatalogSource."""
        return self.by_uid.get(uid, {})


class SnapshotStore:
    """Reads and writes snapshots; each method raises ``KubernetesError`` where the API server fails."""

    def __init__(self, client: KubernetesClient, operator_namespace: str) -> None:
        self._client = client
        self._namespace = operator_namespace

    async def read_head(self, uid: str, *, within: float | None = None) -> Head | None:
        """The head of a CatalogSource, or None where there is none of this version.

        Args:
            uid: of the CatalogSource.
            within: seconds.
        """
        found = await self._client.get_config_map(self._namespace, head_name(uid), within=within)
        return _head(uid, found) if found is not None else None

    async def load(self, uid: str) -> LoadedSnapshot | UnreadableSnapshot | None:
        """The snapshot of a CatalogSource, with its chunks verified; None: there is none.

        Args:
            uid: of the CatalogSource.
        """
        seen: UnreadableSnapshot | None = None
        for _ in range(_LOAD_TRIES):
            found = await self._client.get_config_map(self._namespace, head_name(uid))
            if found is None:
                return None
            head = _head(uid, found)
            unreadable = UnreadableSnapshot(resource_version=found["metadata"]["resourceVersion"], head=head)
            if head is None or unreadable == seen:
                return unreadable
            chunks = await self._chunks(head)
            if chunks is not None:
                return LoadedSnapshot(head=head, chunks=chunks)
            # A writer may have moved on between the head and its chunks; then the head is another one by now.
            seen = unreadable
        return seen

    async def write_chunks(
        self, head_of: HeadEntry, chunks: Iterable[Chunk], *, known: Collection[str] = ()
    ) -> int:
        """Store what is not there yet and return how many chunks were written.

        Args:
            head_of: whose chunks they are.
            chunks: all chunks of a content.
            known: names of chunks that were seen whole in this process; they are skipped without a call.
        """
        written = 0
        for chunk in chunks:
            if chunk.name not in known:
                written += await self._write_chunk(head_of, chunk)
        return written

    async def write_head(self, head: Head) -> Head:
        """Store the head over the one it was made from and return it with its new resourceVersion.

        Raises:
            ConflictError: there is another head by now, or none where there was one.
        """
        body = head_object(head, self._namespace)
        try:
            if head.resource_version is None:
                stored = await self._client.create(_PLURAL, self._namespace, body)
            else:
                stored = await self._client.replace(_PLURAL, self._namespace, head_name(head.uid), body)
        except NotFoundError as error:
            raise ConflictError(f"the head is gone: {error}") from None
        version: str = stored["metadata"]["resourceVersion"]
        return head.stored_as(version)

    async def delete_chunks(self, uid: str, *, keep: Collection[str]) -> int:
        """Delete the chunks of a CatalogSource that are not to be kept and return how many there were.

        Args:
            uid: of the CatalogSource.
            keep: names of chunks; those that the current head names.
        """
        found = await self._client.list_all(
            _PLURAL, self._namespace, label_selector=selector(uid=uid, part="chunk"), metadata_only=True
        )
        names = {entry["metadata"]["name"] for entry in found.items} - set(keep)
        for name in sorted(names):
            await self._client.delete(_PLURAL, self._namespace, name)
        return len(names)

    async def delete(self, uid: str) -> None:
        """Delete the whole snapshot, the head first: nobody serves half of one."""
        await self._client.delete(_PLURAL, self._namespace, head_name(uid))
        await self.delete_chunks(uid, keep=())

    async def all_parts(self, *, began: float) -> StoredParts:
        """Which heads and chunks there are, of all snapshots, in one call.

        Args:
            began: the moment of this call, for whoever shares the answer.
        """
        found = await self._client.list_all(
            _PLURAL, self._namespace, label_selector=selector(), metadata_only=True
        )
        by_uid: dict[str, dict[str, str]] = {}
        for item in found.items:
            metadata = item["metadata"]
            uid = (metadata.get("labels") or {}).get(UID_LABEL)
            if uid:
                by_uid.setdefault(uid, {})[metadata["name"]] = metadata["resourceVersion"]
        return StoredParts(began=began, by_uid=by_uid)

    async def heads(self) -> tuple[HeadEntry, ...]:
        """All heads of the namespace, sorted by UID, the unreadable ones included."""
        found = await self._client.list_all(
            _PLURAL, self._namespace, label_selector=selector(part="head"), metadata_only=True
        )
        entries = (head_entry(item["metadata"]) for item in found.items)
        return tuple(sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.uid))

    async def _write_chunk(self, head_of: HeadEntry, chunk: Chunk) -> bool:
        body = chunk_object(head_of, chunk, self._namespace)
        try:
            await self._client.create(_PLURAL, self._namespace, body)
        except AlreadyExistsError:
            if await self._payload(chunk.name) == chunk.payload:
                return False
            # Somebody made another object under this name. Chunks are immutable, so it has to go first.
            await self._client.delete(_PLURAL, self._namespace, chunk.name)
            await self._client.create(_PLURAL, self._namespace, body)
        return True

    async def _chunks(self, head: Head) -> tuple[Chunk, ...] | None:
        chunks = []
        for reference in head.chunks:
            payload = await self._payload(reference.name)
            chunk = Chunk(name=reference.name, sha256=reference.sha256, payload=payload or b"")
            if not chunk.is_whole:
                return None
            chunks.append(chunk)
        return tuple(chunks)

    async def _payload(self, name: str) -> bytes | None:
        found = await self._client.get_config_map(self._namespace, name)
        encoded = ((found or {}).get("binaryData") or {}).get(CHUNK_KEY)
        try:
            return base64.b64decode(encoded, validate=True) if encoded is not None else None
        except (binascii.Error, ValueError, TypeError):
            return None


def _head(uid: str, found: dict[str, Json]) -> Head | None:
    """The head in a ConfigMap; one of another UID was copied there by somebody."""
    text: Any = (found.get("data") or {}).get(HEAD_KEY)
    try:
        stored = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    head = Head.from_json(stored, resource_version=found["metadata"]["resourceVersion"])
    return head if head is not None and head.uid == uid else None
