"""What the controller keeps of a snapshot is put back where somebody deletes it, and tidied once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ConflictError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry, head_name
from skillmeat_operator.adapters.kubernetes.snapshots import LoadedSnapshot, SnapshotStore
from skillmeat_operator.controller.publication.snapshots import Snapshots
from skillmeat_operator.domain.snapshot.codec import Chunk
from skillmeat_operator.domain.snapshot.model import Head
from tests.conditions import builders as a


class Cluster:
    """The ConfigMaps of one CatalogSource; ``store`` of the controller."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self.chunks: dict[str, Chunk] = {}
        self.version = 0
        self.tidied: list[set[str]] = []

    async def load(self, uid: str) -> LoadedSnapshot | None:
        return LoadedSnapshot(self.head, tuple(self.chunks.values())) if self.head is not None else None

    async def parts(self, uid: str) -> dict[str, str]:
        heads = {head_name(uid): self.head.resource_version or ""} if self.head is not None else {}
        return heads | dict.fromkeys(self.chunks, "1")

    async def write_chunks(
        self, head_of: HeadEntry, chunks: Iterable[Chunk], *, known: Collection[str] = ()
    ) -> int:
        missing = {chunk.name: chunk for chunk in chunks if chunk.name not in known}
        self.chunks |= missing
        return len(missing)

    async def write_head(self, head: Head) -> Head:
        if head.resource_version != (self.head.resource_version if self.head is not None else None):
            raise ConflictError("another head")
        self.version += 1
        self.head = head.stored_as(str(self.version))
        return self.head

    async def delete_chunks(self, uid: str, *, keep: Collection[str]) -> int:
        self.tidied.append(set(keep))
        return 0


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
async def snapshots(cluster: Cluster) -> Snapshots:
    """With one published snapshot, in memory and in the cluster."""
    made = Snapshots(cast(SnapshotStore, cluster))
    await made.publish(a.source(), a.plan(a.elements(2)), a.elements(2), target="http://o/x.yaml")
    return made


async def test_what_is_whole_is_left_alone(cluster: Cluster, snapshots: Snapshots) -> None:
    before = (cluster.head, dict(cluster.chunks))
    await snapshots.check(a.source().uid)
    assert (cluster.head, cluster.chunks) == before


@pytest.mark.parametrize("part", ["head", "chunk", "both"])
async def test_what_was_deleted_is_put_back_as_it_was(
    cluster: Cluster, snapshots: Snapshots, part: str
) -> None:
    uid, chunks, head = a.source().uid, dict(cluster.chunks), cluster.head
    if part in {"head", "both"}:
        cluster.head = None
    if part in {"chunk", "both"}:
        cluster.chunks.clear()

    await snapshots.check(uid)

    assert (cluster.head, cluster.chunks) == (head, chunks)
    # The next publication is written over the head that was put back.
    await snapshots.publish(a.source(), a.plan(a.elements(3)), a.elements(3), target="http://o/x.yaml")


async def test_a_head_that_somebody_changed_is_read_anew(cluster: Cluster, snapshots: Snapshots) -> None:
    assert cluster.head is not None
    cluster.head = cluster.head.stored_as("77")

    await snapshots.check(a.source().uid)

    assert snapshots.kept(a.source().uid) is None
    kept = await snapshots.load(a.source().uid)
    assert kept is not None
    assert kept.head.resource_version == "77"


async def test_old_chunks_are_deleted_once_after_a_publication(
    cluster: Cluster, snapshots: Snapshots
) -> None:
    for _ in range(2):
        await snapshots.tidy(a.source().uid)
    assert cluster.tidied == [set(cluster.chunks)]


async def test_old_chunks_are_deleted_once_after_a_start(cluster: Cluster, snapshots: Snapshots) -> None:
    started = Snapshots(cast(SnapshotStore, cluster))
    await started.load(a.source().uid)
    for _ in range(2):
        await started.tidy(a.source().uid)
    assert cluster.tidied == [set(cluster.chunks)]
