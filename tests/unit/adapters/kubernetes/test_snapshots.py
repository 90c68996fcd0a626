from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    ConflictError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry, chunk_object, head_object
from skillmeat_operator.adapters.kubernetes.snapshots import LoadedSnapshot, SnapshotStore, UnreadableSnapshot
from skillmeat_operator.domain.snapshot import codec as snapshot_codec
from skillmeat_operator.domain.snapshot.codec import Encoded, encode
from skillmeat_operator.domain.snapshot.model import Content, Head

UID = "5f0e6f0c-1111-4222-8333-444455556666"
ENTRY = HeadEntry(uid=UID, namespace="team", name="main")


@pytest.fixture
def store(maps) -> SnapshotStore:
    return SnapshotStore(maps, "operators")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_codec, "MAX_PAYLOAD", 600)


def content(text: str = "x", count: int = 30) -> Content:
    spread = [hashlib.sha256(f"{index}{text}".encode()).hexdigest() for index in range(count)]
    return Content(
        records=(),
        observed=tuple({"metadata": {"name": f"t{index}"}, "s": spread[index]} for index in range(count)),
    )


def head_of(encoded: Encoded, **changes: Any) -> Head:
    values = {
        "namespace": "team",
        "name": "main",
        "uid": UID,
        "generation": 1,
        "spec_hash": "s",
        "revision": "sha256:r",
        "document_etag": "e",
        "partitions": encoded.partitions,
        "chunks": tuple(chunk.reference for chunk in encoded.chunks),
    }
    return Head(**{**values, **changes})


async def saved(store: SnapshotStore, what: Content, previous: Head | None = None) -> Head:
    """All steps of the order of writing."""
    encoded = encode(UID, what, partitions=previous.partitions if previous else 1)
    version = previous.resource_version if previous else None
    await store.write_chunks(ENTRY, encoded.chunks)
    head = await store.write_head(head_of(encoded, resource_version=version))
    await store.delete_chunks(UID, keep={chunk.name for chunk in head.chunks})
    return head


async def test_what_was_written_is_read_again(store):
    head = await saved(store, content())
    loaded = await store.load(UID)

    assert isinstance(loaded, LoadedSnapshot)
    assert loaded.head == head
    assert loaded.head.resource_version == head.resource_version
    assert loaded.content() == content()
    assert len(loaded.chunks) > 2


async def test_nothing_stored_is_none(store):
    assert await store.load(UID) is None
    assert await store.read_head(UID) is None


async def test_head_is_small_and_says_what_it_is(store, maps):
    await saved(store, content())
    stored = maps.objects[f"smsrc-{UID}"]

    assert stored["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "skillmeat-operator",
        "skillmeat.io/catalog-source-uid": UID,
        "skillmeat.io/part": "head",
    }
    assert "CatalogSource team/main" in stored["metadata"]["annotations"]["skillmeat.io/description"]
    assert "resource_version" not in stored["data"]["head.json"]
    assert "immutable" not in stored


async def test_chunks_are_immutable_and_binary(store, maps):
    await saved(store, content())
    chunks = [
        each for each in maps.objects.values() if each["metadata"]["labels"]["skillmeat.io/part"] == "chunk"
    ]

    for chunk in chunks:
        assert chunk["immutable"] is True
        assert base64.b64decode(chunk["binaryData"]["content.gz"])[:2] == b"\x1f\x8b"
        assert "data" not in chunk


async def test_unchanged_content_writes_no_chunk(store, maps):
    head = await saved(store, content())
    encoded = encode(UID, content(), partitions=head.partitions)

    assert await store.write_chunks(ENTRY, encoded.chunks) == 0
    maps.calls.clear()
    assert await store.write_chunks(ENTRY, encoded.chunks, known={chunk.name for chunk in head.chunks}) == 0
    assert maps.calls == []


async def test_one_changed_element_writes_one_chunk_and_deletes_one(store, maps):
    head = await saved(store, content())
    changed = list(content().observed)
    changed[7] = {**changed[7], "s": "0" * 64}
    maps.calls.clear()

    after = await saved(store, Content(records=(), observed=tuple(changed)), head)

    succeeded = set(head.chunks) ^ set(after.chunks)
    assert len(succeeded) == 2
    assert [verb for verb, _ in maps.writes].count("delete") == 1
    assert len(maps.objects) == len(after.chunks) + 1


async def test_order_is_chunks_then_head_then_old_chunks(store, maps):
    head = await saved(store, content("a"))
    maps.calls.clear()
    await saved(store, content("b"), head)
    verbs = [verb for verb, _ in maps.writes]

    assert verbs == sorted(verbs, key=["create", "replace", "delete"].index)
    assert {"create", "replace", "delete"} == set(verbs)


async def test_killed_after_any_step_leaves_one_whole_snapshot(maps):
    steps = 0
    while True:
        maps = type(maps)()
        store = SnapshotStore(maps, "operators")
        head = await saved(store, content("a"))
        maps.fail_after = len(maps.calls) + steps
        try:
            await saved(store, content("b"), head)
        except UnavailableError:
            finished = False
        else:
            finished = True
        maps.fail_after = None

        loaded = await store.load(UID)
        assert isinstance(loaded, LoadedSnapshot)
        assert loaded.content() in (content("a"), content("b"))
        if finished:
            assert loaded.content() == content("b")
            break
        steps += 1
    assert steps > 10


async def test_two_writers_of_one_head_conflict(store):
    head = await saved(store, content("a"))
    encoded = encode(UID, content("a"), partitions=head.partitions)
    await store.write_head(head_of(encoded, generation=2, resource_version=head.resource_version))

    with pytest.raises(ConflictError):
        await store.write_head(head_of(encoded, generation=3, resource_version=head.resource_version))
    assert (await store.read_head(UID)).generation == 2


async def test_head_is_created_only_where_there_is_none(store):
    await saved(store, content())

    with pytest.raises(ConflictError):
        await store.write_head(head_of(encode(UID, content())))


async def test_head_that_was_deleted_meanwhile_is_a_conflict(store):
    head = await saved(store, content())
    await store.delete(UID)

    with pytest.raises(ConflictError, match="gone"):
        await store.write_head(head)


async def test_missing_chunk_reads_as_no_snapshot_but_can_be_replaced(store, maps):
    head = await saved(store, content())
    del maps.objects[head.chunks[0].name]

    loaded = await store.load(UID)

    assert isinstance(loaded, UnreadableSnapshot)
    assert loaded.head == head
    replaced = await store.write_head(
        head_of(encode(UID, content("b")), resource_version=loaded.resource_version)
    )
    assert replaced.resource_version != head.resource_version


@pytest.mark.parametrize(
    ("outcome", "binary"),
    [
        ("other bytes", {"content.gz": base64.b64encode(b"other").decode()}),
        ("not base64", {"content.gz": "%%%"}),
        ("not text", {"content.gz": 7}),
        ("no key", {}),
        ("no data", None),
    ],
)
async def test_tampered_chunk_reads_as_no_snapshot_and_is_written_again(outcome, binary, store, maps):
    head = await saved(store, content())
    maps.objects[head.chunks[1].name]["binaryData"] = binary

    assert isinstance(await store.load(UID), UnreadableSnapshot)
    written = await store.write_chunks(ENTRY, encode(UID, content(), partitions=head.partitions).chunks)
    assert written == 1
    assert (await store.load(UID)).content() == content()


@pytest.mark.parametrize(
    ("outcome", "data"),
    [
        ("no data", None),
        ("no key", {}),
        ("no JSON", {"head.json": "{"}),
        ("no text", {"head.json": 7}),
        ("null", {"head.json": "null"}),
        ("another version", {"head.json": '{"version":99}'}),
        ("deeply nested", {"head.json": "[" * 100_000}),
    ],
)
async def test_garbage_head_reads_as_no_snapshot_but_can_be_replaced(outcome, data, store, maps):
    await saved(store, content())
    maps.objects[f"smsrc-{UID}"]["data"] = data

    loaded = await store.load(UID)

    assert isinstance(loaded, UnreadableSnapshot)
    assert loaded.head is None
    assert await store.read_head(UID) is None
    encoded = encode(UID, content("b"))
    await store.write_chunks(ENTRY, encoded.chunks)
    await store.write_head(head_of(encoded, resource_version=loaded.resource_version))
    assert (await store.load(UID)).content() == content("b")


async def test_head_of_another_source_reads_as_no_snapshot(store, maps):
    await saved(store, content())
    stored = json.loads(maps.objects[f"smsrc-{UID}"]["data"]["head.json"])
    maps.objects[f"smsrc-{UID}"]["data"]["head.json"] = json.dumps({**stored, "uid": "another"})

    assert await store.read_head(UID) is None


async def test_reader_that_meets_a_writer_reads_the_new_snapshot(store, maps):
    head = await saved(store, content("a"))
    new = encode(UID, content("b"), partitions=head.partitions)
    pending = [head_of(new, resource_version=head.resource_version)]

    def meanwhile(name: str) -> None:
        """Between the head and the first chunk, a writer goes through all its steps."""
        if name == head.chunks[0].name and pending:
            later = pending.pop()
            for chunk in new.chunks:
                maps._store(chunk_object(ENTRY, chunk, "operators"))
            maps._store(head_object(later, "operators"))
            for old in set(head.chunks) - set(later.chunks):
                del maps.objects[old.name]

    maps.on_get = meanwhile
    loaded = await store.load(UID)

    assert isinstance(loaded, LoadedSnapshot)
    assert loaded.content() == content("b")


async def test_api_server_that_is_away_is_no_missing_snapshot(store, maps):
    await saved(store, content())
    maps.fail_after = 0

    with pytest.raises(UnavailableError):
        await store.load(UID)
    with pytest.raises(UnavailableError):
        await store.read_head(UID)


async def test_deleting_takes_the_head_first_and_leaves_others_alone(store, maps):
    await saved(store, content())
    other = dataclasses.replace(ENTRY, uid="other")
    encoded = encode("other", content())
    await store.write_chunks(other, encoded.chunks)
    await store.write_head(head_of(encoded, uid="other"))
    maps.calls.clear()

    await store.delete(UID)

    assert maps.writes[0] == ("delete", f"smsrc-{UID}")
    assert await store.load(UID) is None
    assert not [name for name in maps.objects if UID in name]
    assert (await store.load("other")).content() == content()


async def test_deleting_twice_is_no_error(store):
    await saved(store, content())
    await store.delete(UID)
    await store.delete(UID)


async def test_heads_are_listed_with_whose_they_are_even_when_unreadable(store, maps):
    head = await saved(store, content())
    maps.objects[f"smsrc-{UID}"]["data"] = None

    assert await store.heads() == (dataclasses.replace(ENTRY, resource_version=head.resource_version),)


@pytest.mark.parametrize(
    ("outcome", "change"),
    [
        ("no source named", {"annotations": {}}),
        ("half a name", {"annotations": {"skillmeat.io/catalog-source": "team"}}),
        ("another name than its UID's", {"name": "copied"}),
    ],
)
async def test_config_map_that_only_looks_like_a_head_is_left_out(outcome, change, store, maps):
    await saved(store, content())
    maps.objects[f"smsrc-{UID}"]["metadata"] |= change

    assert await store.heads() == ()
