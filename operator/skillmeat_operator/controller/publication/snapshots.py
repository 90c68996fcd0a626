"""What is published: written to the cluster first, then kept in memory as gzip bytes, then served."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from skillmeat_operator.adapters.kubernetes.errors import ConflictError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry, head_name
from skillmeat_operator.adapters.kubernetes.snapshots import LoadedSnapshot, SnapshotStore, UnreadableSnapshot
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource, CatalogSourceSpec
from skillmeat_operator.controller.off_loop import LARGE, compute
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.observation import Json
from skillmeat_operator.domain.snapshot.codec import Chunk, DigestMismatchError, Encoded, decode, encode
from skillmeat_operator.domain.snapshot.model import KEPT_REVISIONS, Content, GuardState, Head, Record
from skillmeat_operator.domain.template.entity import canonical_json
from skillmeat_operator.serving.documents import Served

logger = logging.getLogger(__name__)

LARGE_PAYLOAD = 64 * 1024
"""Bytes of gzip from which on a snapshot is decoded in a thread of its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot in memory."""

    head: Head
    chunks: tuple[Chunk, ...]
    document: Served
    """As it is served, gzip."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a snapshot says, apart from losses that aged out: equal means that nothing has to be written."""

    fingerprint: str
    tombstones: frozenset[str]


def spec_hash(spec: CatalogSourceSpec) -> str:
    """Digest of a spec without ``suspend``."""
    values = {key: value for key, value in spec.to_wire().items() if key != "suspend"}
    return hashlib.sha256(canonical_json(values)).hexdigest()


class Snapshots:
    """Snapshots of all CatalogSources."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._kept: dict[str, Kept] = {}
        self._versions: dict[str, str | None] = {}
        self._guards: dict[str, GuardState] = {}
        self._looked: set[str] = set()
        self._untidy: set[str] = set()

    def kept(self, uid: str) -> Kept | None:
        """The snapshot in memory, if there is one."""
        return self._kept.get(uid)

    async def load(self, uid: str) -> Kept | None:
        """The snapshot from memory or, once after a start, from the cluster; None where there is none that
        fits.

        Raises:
            KubernetesError: the API server cannot be read.
        """
        if uid in self._looked:
            return self._kept.get(uid)
        loaded = await self._store.load(uid)
        if isinstance(loaded, LoadedSnapshot):
            self._versions[uid] = loaded.head.resource_version
            kept = await self._unpack(loaded.head, loaded.chunks)
            if kept is not None:
                self._kept[uid] = kept
            self._guards[uid] = loaded.head.guard
            # Who wrote it may have ended before the former chunks were deleted.
            self._untidy.add(uid)
        elif isinstance(loaded, UnreadableSnapshot):
            self._versions[uid] = loaded.resource_version
            if loaded.head is not None:
                self._guards[uid] = loaded.head.guard
        self._looked.add(uid)
        return self._kept.get(uid)

    async def check(self, uid: str) -> None:
        """Put back what somebody else deleted of a snapshot; if its head was changed, the next :meth:`load`
        reads the cluster again.

        Raises:
            KubernetesError: the API server cannot be read or written.
        """
        kept = self._kept.get(uid)
        if kept is None:
            return
        there = await self._store.parts(uid)
        version = there.get(head_name(uid))
        if version is not None and version != kept.head.resource_version:
            self.forget(uid)
            return
        if version is not None and all(chunk.name in there for chunk in kept.chunks):
            return
        await self._store.write_chunks(HeadEntry.of(kept.head), kept.chunks, known=there.keys())
        if version is None:
            stored = await self._store.write_head(replace(kept.head, resource_version=None))
            self._versions[uid] = stored.resource_version
            self._kept[uid] = replace(kept, head=stored)
        logger.warning(
            "the snapshot of %s/%s was deleted in part and was put back", kept.head.namespace, kept.head.name
        )

    def guard(self, uid: str) -> GuardState:
        """What the removal guard remembers; it outlives a snapshot of which only the head can be read."""
        kept = self._kept.get(uid)
        return kept.head.guard if kept is not None else self._guards.get(uid, GuardState())

    async def refetch(self, uid: str, head: Head) -> Kept | None:
        """Bring memory up to a head that another writer stored."""
        kept = self._kept.get(uid)
        if kept is not None and kept.head.chunks == head.chunks:
            return kept
        self._looked.discard(uid)
        self._kept.pop(uid, None)
        return await self.load(uid)

    async def content(self, uid: str) -> Content | None:
        """Records and last observation, decoded anew at each call: memory holds gzip bytes only."""
        kept = self._kept.get(uid)
        if kept is None:
            return None
        size = sum(len(chunk.payload) for chunk in kept.chunks)
        return await compute(partial(decode, kept.chunks), large=size >= LARGE_PAYLOAD)

    async def publish(
        self, source: CatalogSource, plan: Plan, observed: Sequence[Json], *, target: str | None
    ) -> bool:
        """Store what a plan publishes, then serve it: chunks, then the head, then memory.

        Returns:
            Whether the document's bytes changed.

        Raises:
            KubernetesError: the API server refused or cannot be reached; what was served before stays.
        """
        uid = source.uid
        before = self._kept.get(uid)
        content = Content(records=plan.records, observed=tuple(observed))
        partitions = before.head.partitions if before is not None else 1
        encoded, document = await self._pack(uid, content, partitions)
        known = {chunk.name for chunk in before.chunks} if before is not None else set()
        entry = HeadEntry(uid=uid, namespace=source.namespace, name=source.name)
        await self._store.write_chunks(entry, encoded.chunks, known=known)
        revisions = before.head.revisions if before is not None else ()
        if not revisions or revisions[0] != plan.revision:
            revisions = (plan.revision, *revisions)[:KEPT_REVISIONS]
        head = Head(
            namespace=source.namespace,
            name=source.name,
            uid=uid,
            generation=source.generation,
            spec_hash=spec_hash(source.spec),
            revision=plan.revision,
            document_etag=document.sha256,
            partitions=encoded.partitions,
            chunks=tuple(chunk.reference for chunk in encoded.chunks),
            guard=plan.guard,
            revisions=revisions,
            target=target,
            resource_version=self._versions.get(uid),
        )
        try:
            stored = await self._store.write_head(head)
        except ConflictError:
            # Somebody else wrote: what memory has is not what the cluster has, so the next visit reads it
            # anew.
            self.forget(uid)
            raise
        self._versions[uid] = stored.resource_version
        self._kept[uid] = Kept(head=stored, chunks=encoded.chunks, document=document)
        self._looked.add(uid)
        self._untidy.add(uid)
        return before is None or before.head.document_etag != document.sha256

    async def tidy(self, uid: str) -> None:
        """Delete chunks that the head does not name any more: the last step of a publication."""
        kept = self._kept.get(uid)
        if kept is not None and uid in self._untidy:
            await self._store.delete_chunks(uid, keep={chunk.name for chunk in kept.head.chunks})
            self._untidy.discard(uid)

    async def delete(self, uid: str) -> None:
        """Delete a snapshot from the cluster and from memory."""
        await self._store.delete(uid)
        self.forget(uid)

    def forget(self, uid: str) -> None:
        """Drop a snapshot from memory; the next look reads the cluster."""
        self._kept.pop(uid, None)
        self._versions.pop(uid, None)
        self._guards.pop(uid, None)
        self._looked.discard(uid)
        self._untidy.discard(uid)

    async def _pack(self, uid: str, content: Content, partitions: int) -> tuple[Encoded, Served]:
        def pack() -> tuple[Encoded, Served]:
            return encode(uid, content, partitions=partitions), Served.of(content.document())

        return await compute(pack, large=len(content.records) + len(content.observed or ()) >= LARGE)

    async def _unpack(self, head: Head, chunks: tuple[Chunk, ...]) -> Kept | None:
        def unpack() -> Served | None:
            try:
                document = Served.of(decode(chunks).document())
            except DigestMismatchError:
                return None
            return document if document.sha256 == head.document_etag else None

        served = await asyncio.to_thread(unpack)
        return Kept(head=head, chunks=chunks, document=served) if served is not None else None


def stored_form(
    records: Sequence[Record],
    observed: Sequence[Json] | None,
    guard: GuardState,
    *,
    generation: int,
    spec: str,
) -> Stored:
    """What a snapshot with this content says."""
    digest = hashlib.sha256()
    for record in records:
        if record.entity is not None:
            digest.update(canonical_json(_fields(record)) + b"\n")
    for element in observed or ():
        digest.update(canonical_json(element) + b"\n")
    state = [guard.id, guard.since, guard.approved_id, generation, spec]
    digest.update(canonical_json(state))
    return Stored(
        fingerprint=digest.hexdigest(),
        tombstones=frozenset(record.ref for record in records if record.entity is None),
    )


def nothing_new(stored: object, wanted: Stored) -> bool:
    """Whether a snapshot says what is wanted; tombstones that aged out may stay until the next write."""
    return (
        isinstance(stored, Stored)
        and stored.fingerprint == wanted.fingerprint
        and wanted.tombstones <= stored.tombstones
    )


def _fields(record: Record) -> list[Json]:
    return [
        record.ref,
        record.bundle_id,
        record.bundle_version,
        record.generated_at,
        record.content_hash,
        record.entity,
        record.held,
        record.lost_since,
        record.bundle_status,
        record.declaration_hash,
        list(record.facts.tags),
        record.facts.name,
        record.facts.title,
        record.facts.type,
    ]
