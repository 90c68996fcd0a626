"""Snapshots in ConfigMaps of a genuine API server."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.adapters.kubernetes.errors import ConflictError, RejectedError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry
from skillmeat_operator.adapters.kubernetes.snapshots import LoadedSnapshot, SnapshotStore
from skillmeat_operator.domain.snapshot.codec import MAX_PAYLOAD, encode
from skillmeat_operator.domain.snapshot.model import Content, Head


class Cluster(Protocol):
    """A cluster as the testbed offers it."""

    kubeconfig: Path

    def kubectl(self, *args: str) -> Any: ...


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    access = await find_access(kubeconfig=str(cluster.kubeconfig), environ={})
    async with KubernetesClient(access) as made:
        yield made


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    name = f"snapshots-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    return name


def content(seed: str, *, count: int = 40, size: int = 100) -> Content:
    spread = random.Random(seed)
    elements = [
        {"metadata": {"name": f"t{index:04}"}, "text": base64.b64encode(spread.randbytes(size)).decode()}
        for index in range(count)
    ]
    return Content(records=(), observed=tuple(elements))


async def save(store: SnapshotStore, uid: str, what: Content, previous: Head | None = None) -> Head:
    encoded = encode(uid, what, partitions=previous.partitions if previous else 1)
    await store.write_chunks(HeadEntry(uid=uid, namespace="team", name="main"), encoded.chunks)
    head = Head(
        namespace="team",
        name="main",
        uid=uid,
        generation=1,
        spec_hash="s",
        revision="sha256:r",
        document_etag="e",
        partitions=encoded.partitions,
        chunks=tuple(chunk.reference for chunk in encoded.chunks),
        resource_version=previous.resource_version if previous else None,
    )
    written = await store.write_head(head)
    await store.delete_chunks(uid, keep={chunk.name for chunk in head.chunks})
    return written


async def names_of(client: KubernetesClient, namespace: str) -> list[str]:
    selector = "app.kubernetes.io/managed-by=skillmeat-operator"
    found = await client.list_all("configmaps", namespace, label_selector=selector, metadata_only=True)
    return [item["metadata"]["name"] for item in found.items]


async def test_snapshot_of_several_full_chunks_comes_back(client, namespace):
    store, uid = SnapshotStore(client, namespace), str(uuid.uuid4())
    what = content("large", count=40, size=100_000)
    head = await save(store, uid, what)
    loaded = await store.load(uid)

    assert isinstance(loaded, LoadedSnapshot)
    assert loaded.content() == what
    assert max(len(chunk.payload) for chunk in loaded.chunks) > MAX_PAYLOAD / 3
    assert len(head.chunks) > 4
    assert await store.read_head(uid) == head


async def test_chunk_of_the_largest_size_is_accepted(client, namespace):
    payload = random.Random(1).randbytes(MAX_PAYLOAD)
    binary = {"content.gz": base64.b64encode(payload).decode()}

    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "largest"}, "binaryData": binary}
    stored = await client.create("configmaps", namespace, body)

    assert base64.b64decode(stored["binaryData"]["content.gz"]) == payload


async def test_snapshot_is_replaced_and_leaves_nothing_behind(client, namespace):
    store, uid = SnapshotStore(client, namespace), str(uuid.uuid4())
    first = await save(store, uid, content("a"))
    second = await save(store, uid, content("b"), first)

    assert (await store.load(uid)).content() == content("b")
    assert len(await names_of(client, namespace)) == len(second.chunks) + 1
    with pytest.raises(ConflictError):
        await store.write_head(first)
    (entry,) = await store.heads()
    assert (entry.uid, entry.namespace, entry.name) == (uid, "team", "main")
    assert entry.resource_version == second.resource_version
    await store.delete(uid)
    assert await names_of(client, namespace) == []


async def test_chunk_cannot_be_edited_in_place(client, namespace):
    store, uid = SnapshotStore(client, namespace), str(uuid.uuid4())
    head = await save(store, uid, content("a"))
    edit = {"binaryData": {"content.gz": base64.b64encode(b"other").decode()}}

    with pytest.raises(RejectedError):
        await client.patch("configmaps", namespace, head.chunks[0].name, edit, resource_version=None)
