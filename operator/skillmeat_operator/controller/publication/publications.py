"""What is published: written to the cluster first, then kept in memory as gzip bytes, then served.

Nothing counts as published before it is stored (design, section 3, law 1). Whoever wants something published
compares it with the stored form (:attr:`Published.form`), which is made from stored bytes; a write whose
outcome is not known makes the next look read the cluster again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from skillmeat_operator.adapters.kubernetes.errors import KubernetesError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry, head_name
from skillmeat_operator.adapters.kubernetes.snapshots import (
    LoadedSnapshot,
    SnapshotStore,
    StoredParts,
    UnreadableSnapshot,
)
from skillmeat_operator.api.v1alpha1.catalog_source import CatalogSource
from skillmeat_operator.controller.off_loop import LARGE, compute
from skillmeat_operator.controller.publication.published import Published, StoredForm, spec_hash
from skillmeat_operator.domain.snapshot.codec import Chunk, DigestMismatchError, Encoded, decode, encode
from skillmeat_operator.domain.snapshot.model import KEPT_REVISIONS, Content, GuardState, Head
from skillmeat_operator.serving.documents import Served

logger = logging.getLogger(__name__)

LARGE_PAYLOAD = 64 * 1024
"""Bytes of gzip from which on a snapshot is decoded in a thread of its own."""


@dataclass(slots=True)
class _State:
    """What is known of one snapshot."""

    published: Published | None = None
    version: str | None = None
    """resourceVersion of the head that is there, readable or not; None: there is none."""
    guard: GuardState | None = None
    """Of a head whose chunks cannot be read."""
    known: bool = False
    """Whether the cluster was read since the last write whose outcome is unknown."""
    untidy: bool = True
    """Chunks that no head names may be there: whoever wrote last may have ended before they were deleted."""
    seen: float = 0.0
    """When a list that was compared with it began, or when it was last written or read."""
    doubted: float = 0.0
    """When somebody found that it is not what is stored."""


class Publications:
    """What is published for all CatalogSources."""

    def __init__(self, store: SnapshotStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._states: dict[str, _State] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._parts: StoredParts | None = None
        self._listing = asyncio.Lock()

    def current(self, uid: str) -> Published | None:
        """What memory has; it was stored when it was last looked at."""
        state = self._states.get(uid)
        return state.published if state is not None else None

    def guard(self, uid: str) -> GuardState:
        """What the removal guard remembers; it outlives a snapshot of which only the head can be read."""
        state = self._states.get(uid)
        if state is None:
            return GuardState()
        if state.published is not None:
            return state.published.head.guard
        return state.guard or GuardState()

    async def stored(self, uid: str, *, not_before: float) -> Published | None:
        """What the cluster has stored; None where there is no snapshot that fits.

        What somebody deleted of it is put back; what somebody changed is read again.

        Args:
            uid: of the CatalogSource.
            not_before: monotonic seconds: a look at the cluster that began before is too old.

        Raises:
            KubernetesError: the API server cannot be read or written.
        """
        async with self._lock(uid):
            state = self._state(uid)
            if not state.known:
                await self._read(uid, state)
            elif state.seen < max(not_before, state.doubted):
                await self._compare(uid, state, max(not_before, state.doubted))
            return state.published

    def doubt(self, uid: str) -> bool:
        """The head that memory's document needs was looked for in vain: the next look compares.

        Returns:
            Whether that is news; not where memory has no document, or the next look compares already.
        """
        state = self._states.get(uid)
        if state is None or state.published is None or not state.known or state.seen < state.doubted:
            return False
        state.doubted = self._clock()
        return state.seen < state.doubted

    async def take_head(self, uid: str, head: Head) -> Published | None:
        """What is published by a head that was just read: memory follows where another writer stored it."""
        state = self._state(uid)
        if state.published is not None and state.published.head.chunks == head.chunks:
            # Without the lock: a write that is under way must not hold up who reads what is there.
            return state.published
        async with self._lock(uid):
            state = self._state(uid)
            if state.published is None or state.published.head.chunks != head.chunks:
                await self._read(uid, state)
            return state.published

    async def content(self, uid: str) -> Content | None:
        """Records and last observation, decoded anew at each call: memory holds gzip bytes only."""
        published = self.current(uid)
        if published is None:
            return None
        size = sum(len(chunk.payload) for chunk in published.chunks)
        return await compute(partial(decode, published.chunks), large=size >= LARGE_PAYLOAD)

    async def publish(
        self,
        source: CatalogSource,
        content: Content,
        form: StoredForm,
        *,
        revision: str,
        guard: GuardState,
        target: str | None,
    ) -> bool:
        """Store a content, then serve it: chunks, then the head, then memory.

        Args:
            source: whose it is, with the spec that it was decided with.
            content: everything that grows with the number of templates.
            form: of that content, guard and spec.
            revision: of the published set.
            guard: what the removal guard has to remember.
            target: URL at which the document is registered.

        Returns:
            Whether the document's bytes changed.

        Raises:
            KubernetesError: the API server refused, or it is not known what it did; what was served before
                stays, and the next look reads the cluster.
        """
        uid = source.uid
        async with self._lock(uid):
            state = self._state(uid)
            before = state.published
            encoded, document = await self._pack(uid, content, before.head.partitions if before else 1)
            entry = HeadEntry(uid=uid, namespace=source.namespace, name=source.name)
            head = Head(
                namespace=source.namespace,
                name=source.name,
                uid=uid,
                generation=source.generation,
                spec_hash=spec_hash(source.spec),
                revision=revision,
                document_etag=document.sha256,
                partitions=encoded.partitions,
                chunks=tuple(chunk.reference for chunk in encoded.chunks),
                guard=guard,
                revisions=_revisions(before, revision),
                target=target,
                resource_version=state.version,
            )
            known = {chunk.name for chunk in before.chunks} if before is not None else set[str]()
            state.untidy = True
            try:
                await self._store.write_chunks(entry, encoded.chunks, known=known)
                written = await self._store.write_head(head)
            except (KubernetesError, asyncio.CancelledError):
                # It may have been stored all the same, or somebody else wrote: the cluster is read before
                # anything is believed.
                state.known = False
                raise
            state.published = Published(head=written, chunks=encoded.chunks, document=document, form=form)
            state.version, state.known, state.seen = written.resource_version, True, self._clock()
            return before is None or before.head.document_etag != document.sha256

    async def tidy(self, uid: str) -> None:
        """Delete chunks that the head does not name any more: the last step of a publication.

        Raises:
            KubernetesError: the API server failed; it is tried again with the next visit.
        """
        state = self._states.get(uid)
        if state is None or state.published is None or not state.known or not state.untidy:
            return
        async with self._lock(uid):
            keep = {chunk.name for chunk in state.published.head.chunks}
            await self._store.delete_chunks(uid, keep=keep)
            state.untidy = False

    async def delete(self, uid: str) -> None:
        """Delete a snapshot from the cluster and from memory."""
        await self._store.delete(uid)
        self.forget(uid)

    def forget(self, uid: str) -> None:
        """Drop a snapshot from memory; the next look reads the cluster."""
        self._states.pop(uid, None)
        self._locks.pop(uid, None)

    def __contains__(self, uid: object) -> bool:
        return uid in self._states or uid in self._locks

    def _state(self, uid: str) -> _State:
        return self._states.setdefault(uid, _State())

    def _lock(self, uid: str) -> asyncio.Lock:
        return self._locks.setdefault(uid, asyncio.Lock())

    async def _read(self, uid: str, state: _State) -> None:
        """Take over what the cluster has."""
        began = self._clock()
        loaded = await self._store.load(uid)
        published: Published | None = None
        guard: GuardState | None = None
        version: str | None = None
        if isinstance(loaded, LoadedSnapshot):
            version, guard = loaded.head.resource_version, loaded.head.guard
            published = await self._unpack(loaded.head, loaded.chunks)
        elif isinstance(loaded, UnreadableSnapshot):
            version = loaded.resource_version
            guard = loaded.head.guard if loaded.head is not None else None
        state.published, state.guard, state.version = published, guard, version
        state.known, state.untidy, state.seen = True, True, began

    async def _compare(self, uid: str, state: _State, not_before: float) -> None:
        """Put back what was deleted of a snapshot, and read again one that somebody changed."""
        parts = await self._list(not_before)
        published = state.published
        state.seen = parts.began
        there = parts.of(uid)
        version = there.get(head_name(uid))
        if published is None or version != published.head.resource_version:
            if published is None and version == state.version:
                return
            if published is not None and version is None:
                await self._put_back(uid, state, published, there)
                return
            await self._read(uid, state)
            return
        if not all(chunk.name in there for chunk in published.chunks):
            await self._put_back(uid, state, published, there)

    async def _put_back(
        self, uid: str, state: _State, published: Published, there: Mapping[str, str]
    ) -> None:
        await self._store.write_chunks(HeadEntry.of(published.head), published.chunks, known=there.keys())
        if head_name(uid) not in there:
            try:
                written = await self._store.write_head(replace(published.head, resource_version=None))
            except KubernetesError:
                state.known = False
                raise
            state.version = written.resource_version
            state.published = replace(published, head=written)
        state.seen = self._clock()
        logger.warning(
            "the snapshot of %s/%s was deleted in part and was put back",
            published.head.namespace,
            published.head.name,
        )

    async def _list(self, not_before: float) -> StoredParts:
        """All parts of all snapshots, as a list shows them that began at a moment or later."""
        async with self._listing:
            if self._parts is None or self._parts.began < not_before:
                self._parts = await self._store.all_parts(began=self._clock())
            return self._parts

    async def _pack(self, uid: str, content: Content, partitions: int) -> tuple[Encoded, Served]:
        def pack() -> tuple[Encoded, Served]:
            return encode(uid, content, partitions=partitions), Served.of(content.document())

        return await compute(pack, large=len(content.records) + len(content.observed or ()) >= LARGE)

    async def _unpack(self, head: Head, chunks: tuple[Chunk, ...]) -> Published | None:
        def unpack() -> Published | None:
            try:
                content = decode(chunks)
            except DigestMismatchError:
                return None
            document = Served.of(content.document())
            if document.sha256 != head.document_etag:
                return None
            form = StoredForm.of(content, head.guard, generation=head.generation, spec=head.spec_hash)
            return Published(head=head, chunks=chunks, document=document, form=form)

        return await asyncio.to_thread(unpack)


def _revisions(before: Published | None, revision: str) -> tuple[str, ...]:
    kept: Iterable[str] = before.head.revisions if before is not None else ()
    kept = tuple(kept)
    return kept if kept[:1] == (revision,) else (revision, *kept)[:KEPT_REVISIONS]
