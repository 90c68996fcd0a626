"""What is published: in the cluster first, then in memory, then served; and nothing is believed before that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    ConflictError,
    ForbiddenError,
    KubernetesError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry, head_name
from skillmeat_operator.adapters.kubernetes.snapshots import (
    LoadedSnapshot,
    StoredParts,
    UnreadableSnapshot,
)
from skillmeat_operator.controller.publication import publications as module
from skillmeat_operator.controller.publication.publications import LARGE_PAYLOAD, Publications
from skillmeat_operator.controller.publication.published import StoredForm, spec_hash
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.codec import Chunk
from skillmeat_operator.domain.snapshot.model import Content, GuardState, Head
from tests.conditions import builders as a

SOURCE = a.source()
UID = SOURCE.uid


@dataclass
class Cluster:
    """Snapshots of one operator's namespace, in memory; time passes where a test says so."""

    head: Head | None = None
    chunks: dict[str, Chunk] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    before_head: Exception | None = None
    """Raised instead of writing a head."""
    after_head: Exception | None = None
    """Raised after a head was written: the answer was lost."""
    before_chunk: Exception | None = None
    broken: bool = False
    version: int = 0
    passed: float = 0.0

    def clock(self) -> float:
        return self.passed

    async def load(self, uid: str) -> Any:
        self.steps.append("load")
        await asyncio.sleep(0)
        if self.head is None:
            return None
        version = self.head.resource_version or ""
        if self.broken or any(one.name not in self.chunks for one in self.head.chunks):
            return UnreadableSnapshot(resource_version=version, head=self.head)
        return LoadedSnapshot(head=self.head, chunks=tuple(self.chunks[one.name] for one in self.head.chunks))

    async def all_parts(self, *, began: float) -> StoredParts:
        self.steps.append("list")
        heads = {head_name(UID): self.head.resource_version or ""} if self.head is not None else {}
        return StoredParts(began=began, by_uid={UID: heads | dict.fromkeys(self.chunks, "1")})

    async def write_chunks(
        self, head_of: HeadEntry, chunks: Iterable[Chunk], *, known: Collection[str] = ()
    ) -> int:
        new = {chunk.name: chunk for chunk in chunks if chunk.name not in known}
        self.steps.append(f"chunks {len(new)}")
        if self.before_chunk is not None:
            raise self.before_chunk
        self.chunks |= new
        return len(new)

    async def write_head(self, head: Head) -> Head:
        self.steps.append("head")
        if self.before_head is not None:
            raise self.before_head
        if head.resource_version != (self.head.resource_version if self.head is not None else None):
            raise ConflictError("somebody else wrote")
        self.version += 1
        self.head = head.stored_as(str(self.version))
        if self.after_head is not None:
            raise self.after_head
        return self.head

    async def delete_chunks(self, uid: str, *, keep: Collection[str]) -> int:
        self.steps.append("tidy")
        gone = [name for name in self.chunks if name not in keep]
        for name in gone:
            del self.chunks[name]
        return len(gone)

    async def delete(self, uid: str) -> None:
        self.head = None
        self.chunks.clear()


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def publications(cluster: Cluster) -> Publications:
    return over(cluster)


def over(cluster: Any) -> Publications:
    return Publications(cluster, clock=cluster.clock)


def planned(count: int = 3, before: Plan | None = None) -> tuple[Plan, Content, StoredForm]:
    observed = a.elements(count)
    plan = a.plan(observed, before=before)
    content = Content(records=plan.records, observed=tuple(observed))
    form = StoredForm.of(content, plan.guard, generation=1, spec=spec_hash(SOURCE.spec))
    return plan, content, form


async def publish(publications: Publications, count: int = 3, before: Plan | None = None) -> bool:
    plan, content, form = planned(count, before)
    return await publications.publish(
        SOURCE, content, form, revision=plan.revision, guard=plan.guard, target=a.TARGET
    )


async def test_chunks_come_before_the_head_and_memory_after_it(
    cluster: Cluster, publications: Publications
) -> None:
    assert await publications.stored(UID, not_before=0.0) is None
    assert await publish(publications)
    assert cluster.steps == ["load", "chunks 1", "head"]
    published = publications.current(UID)
    assert published is not None
    plan, content, form = planned()
    assert (published.head.revision, published.head.target) == (plan.revision, a.TARGET)
    assert published.form == form
    assert await publications.content(UID) == content


async def test_after_a_restart_the_same_is_served_and_its_form_is_the_one_that_was_written(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications)
    restarted = over(cluster)
    cluster.steps.clear()
    first = await restarted.stored(UID, not_before=0.0)
    assert await restarted.stored(UID, not_before=0.0) is first
    assert cluster.steps == ["load"]
    assert first is not None
    assert cluster.head is not None
    assert first.document.sha256 == cluster.head.document_etag
    assert first.form == planned()[2]
    assert not await publish(restarted), "the same content gives the same bytes"


@pytest.mark.parametrize("where", ["before_chunk", "before_head", "after_head"])
@pytest.mark.parametrize(
    "error", [UnavailableError("timed out"), ForbiddenError("quota")], ids=["time-out", "quota"]
)
async def test_after_a_failed_write_the_cluster_is_read_before_anything_is_believed(
    cluster: Cluster, publications: Publications, where: str, error: Exception
) -> None:
    await publish(publications, 3)
    served = publications.current(UID)
    setattr(cluster, where, error)
    with pytest.raises(KubernetesError):
        await publish(publications, 4)
    assert publications.current(UID) is served, "what was served goes on being served"

    setattr(cluster, where, None)
    there = await publications.stored(UID, not_before=0.0)

    assert there is not None
    assert cluster.head is not None
    assert there.head == cluster.head
    _, _, wanted = planned(4)
    assert there.form.covers(wanted) == (where == "after_head")
    await publish(publications, 4)
    assert publications.current(UID).form == wanted  # type: ignore[union-attr]


async def test_a_write_that_is_cut_short_is_not_believed_either(
    cluster: Cluster, publications: Publications
) -> None:
    cluster.after_head = asyncio.CancelledError()  # type: ignore[assignment]
    with pytest.raises(asyncio.CancelledError):
        await publish(publications)
    cluster.after_head = None
    there = await publications.stored(UID, not_before=0.0)
    assert there is not None
    assert there.form == planned()[2]


async def test_another_writers_head_is_taken_over(cluster: Cluster, publications: Publications) -> None:
    await publish(publications, 3)
    other = over(cluster)
    await other.stored(UID, not_before=0.0)
    await publish(other, 5)
    with pytest.raises(ConflictError):
        await publish(publications, 4)
    there = await publications.stored(UID, not_before=0.0)
    assert there is not None
    assert there.form == planned(5)[2]


async def test_an_older_head_that_is_put_back_is_noticed_at_the_next_look(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications, 3)
    older, chunks = cluster.head, dict(cluster.chunks)
    await publish(publications, 4)
    assert older is not None
    cluster.passed = 60.0
    cluster.chunks |= chunks
    cluster.version += 1
    cluster.head = older.stored_as(str(cluster.version))

    there = await publications.stored(UID, not_before=59.0)

    assert there is not None
    assert there.form == planned(3)[2]
    assert not there.form.covers(planned(4)[2])


@pytest.mark.parametrize("part", ["head", "chunk", "both"])
async def test_what_was_deleted_is_put_back_as_it_was(
    cluster: Cluster, publications: Publications, part: str
) -> None:
    await publish(publications)
    chunks, head = dict(cluster.chunks), cluster.head
    if part in {"head", "both"}:
        cluster.head = None
    if part in {"chunk", "both"}:
        cluster.chunks.clear()
    cluster.passed = 60.0

    there = await publications.stored(UID, not_before=59.0)

    assert there is not None
    assert (cluster.head, cluster.chunks) == (head, chunks)
    await publish(publications, 4)


async def test_a_look_is_shared_and_not_made_for_what_was_just_written(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications)
    cluster.steps.clear()
    await publications.stored(UID, not_before=0.0)
    assert cluster.steps == []
    cluster.passed = 60.0
    for _ in range(3):
        await publications.stored(UID, not_before=30.0)
    assert cluster.steps == ["list"]


async def test_a_head_without_its_chunks_keeps_what_the_guard_remembers(
    cluster: Cluster, publications: Publications
) -> None:
    plan, content, form = planned()
    guard = GuardState(id="held", since="2026-03-01T12:00:00Z")
    await publications.publish(SOURCE, content, form, revision=plan.revision, guard=guard, target=None)
    cluster.broken = True
    restarted = over(cluster)
    assert await restarted.stored(UID, not_before=0.0) is None
    assert restarted.guard(UID) == guard
    await publish(restarted)


async def test_only_what_no_head_names_is_tidied_and_only_once(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications, 3)
    former = set(cluster.chunks)
    await publish(publications, 4)
    assert former < set(cluster.chunks)
    for _ in range(2):
        await publications.tidy(UID)
    assert former.isdisjoint(cluster.chunks)
    assert cluster.steps.count("tidy") == 1


async def test_nothing_is_tidied_while_it_is_not_known_what_is_stored(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications, 3)
    cluster.after_head = UnavailableError("timed out")
    with pytest.raises(UnavailableError):
        await publish(publications, 4)
    cluster.after_head = None
    await publications.tidy(UID)
    assert "tidy" not in cluster.steps
    there = await publications.stored(UID, not_before=0.0)
    await publications.tidy(UID)
    assert there is not None
    assert {chunk.name for chunk in there.chunks} == set(cluster.chunks)


async def test_a_head_that_was_just_read_is_followed(cluster: Cluster, publications: Publications) -> None:
    await publish(publications, 3)
    other = over(cluster)
    await other.stored(UID, not_before=0.0)
    await publish(other, 5)
    assert cluster.head is not None
    published = await publications.take_head(UID, cluster.head)
    assert published is not None
    assert published.document.sha256 == cluster.head.document_etag


async def test_a_document_is_served_while_a_publication_is_under_way(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications, 3)
    head, hold = cluster.head, asyncio.Event()
    assert head is not None
    write = cluster.write_chunks

    async def slow(*args: Any, **kwargs: Any) -> int:
        await hold.wait()
        return await write(*args, **kwargs)

    cluster.write_chunks = slow  # type: ignore[method-assign]
    under_way = asyncio.create_task(publish(publications, 4))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        served = await publications.take_head(UID, head)
    assert served is not None
    assert served.head == head
    hold.set()
    await under_way


async def test_nothing_is_left_of_what_is_forgotten(publications: Publications) -> None:
    await publish(publications)
    publications.forget(UID)
    publications.forget("never seen")
    assert UID not in publications
    assert publications.current(UID) is None


def test_the_form_changes_with_whatever_is_stored_and_forgives_tombstones_that_aged_out() -> None:
    plan, content, form = planned()
    spec = spec_hash(SOURCE.spec)

    def of(content: Content, **changes: Any) -> StoredForm:
        given = {"guard": plan.guard, "generation": 1, "spec": spec, **changes}
        return StoredForm.of(content, given.pop("guard"), **given)

    assert not form.covers(of(content, generation=2))
    assert not form.covers(of(content, spec="another"))
    assert not form.covers(of(content, guard=GuardState(id="held")))
    assert not form.covers(of(replace(content, observed=content.observed[:-1])))  # type: ignore[index]
    forms = [{"spec": {"parameters": {"properties": dict.fromkeys(order)}}} for order in ("ab", "ba")]
    one, other = (of(replace(content, observed=(form,))) for form in forms)
    assert not one.covers(other)
    tombstone = replace(content.records[0], ref="template:skillmeat/lost", entity=None)
    with_tombstone = of(replace(content, records=(*content.records, tombstone)))
    assert with_tombstone.covers(form)
    assert not form.covers(with_tombstone)


@pytest.mark.parametrize("known", [True, False])
async def test_a_doubt_is_news_once_and_makes_the_next_look_compare(
    cluster: Cluster, publications: Publications, known: bool
) -> None:
    assert not publications.doubt(UID), "memory has nothing"
    await publish(publications)
    if not known:
        cluster.after_head = UnavailableError("timed out")
        with pytest.raises(UnavailableError):
            await publish(publications, 4)
    cluster.passed = 10.0
    assert publications.doubt(UID) is known
    assert not publications.doubt(UID), "the next look compares already"
    cluster.after_head = None
    cluster.head = None if known else cluster.head
    cluster.steps.clear()
    await publications.stored(UID, not_before=0.0)
    assert cluster.steps[0] == ("list" if known else "load")
    cluster.passed = 20.0
    assert publications.doubt(UID)


async def test_a_doubt_at_the_moment_of_a_look_is_no_news(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications)
    assert not publications.doubt(UID)


async def test_without_a_snapshot_there_is_nothing_to_doubt(
    cluster: Cluster, publications: Publications
) -> None:
    assert await publications.stored(UID, not_before=0.0) is None
    cluster.passed = 10.0
    assert not publications.doubt(UID)


async def test_where_there_is_none_and_none_comes_it_is_not_read_again(
    cluster: Cluster, publications: Publications
) -> None:
    assert await publications.stored(UID, not_before=0.0) is None
    cluster.steps.clear()
    cluster.passed = 60.0
    assert await publications.stored(UID, not_before=59.0) is None
    assert cluster.steps == ["list"]


@pytest.mark.parametrize("broken", [True, False])
async def test_one_that_cannot_be_read_is_read_again_once_it_changed(
    cluster: Cluster, publications: Publications, broken: bool
) -> None:
    await publish(publications)
    cluster.broken = True
    restarted = over(cluster)
    assert await restarted.stored(UID, not_before=0.0) is None
    cluster.steps.clear()
    cluster.passed = 60.0
    assert await restarted.stored(UID, not_before=59.0) is None
    assert cluster.steps == ["list"]
    cluster.broken = broken
    cluster.version += 1
    assert cluster.head is not None
    cluster.head = cluster.head.stored_as(str(cluster.version))
    cluster.passed = 120.0
    assert (await restarted.stored(UID, not_before=119.0) is None) is broken
    assert cluster.steps == ["list", "list", "load"]


async def test_one_that_another_writer_stored_meanwhile_is_read(
    cluster: Cluster, publications: Publications
) -> None:
    assert await publications.stored(UID, not_before=0.0) is None
    other = over(cluster)
    await publish(other)
    cluster.passed = 60.0
    there = await publications.stored(UID, not_before=59.0)
    assert there is not None
    assert there.head == cluster.head


async def test_one_that_cannot_be_put_back_is_read_before_anything_is_believed(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications)
    cluster.head = None
    cluster.before_head = UnavailableError("timed out")
    cluster.passed = 60.0
    with pytest.raises(UnavailableError):
        await publications.stored(UID, not_before=59.0)
    cluster.before_head = None
    cluster.steps.clear()
    assert await publications.stored(UID, not_before=0.0) is None
    assert cluster.steps == ["load"]


async def test_what_was_put_back_needs_no_look_until_the_next_one(
    cluster: Cluster, publications: Publications
) -> None:
    await publish(publications)
    cluster.chunks.clear()
    cluster.passed = 60.0
    await publications.stored(UID, not_before=59.0)
    assert cluster.chunks
    cluster.steps.clear()
    await publications.stored(UID, not_before=60.0)
    assert cluster.steps == []


@pytest.mark.parametrize("what", ["chunks", "etag"])
async def test_a_snapshot_that_is_not_what_its_head_says_is_none(
    cluster: Cluster, publications: Publications, what: str
) -> None:
    await publish(publications)
    assert cluster.head is not None
    if what == "etag":
        cluster.head = replace(cluster.head, document_etag="0" * 64)
    else:
        cluster.chunks = {name: replace(one, payload=b"spoilt") for name, one in cluster.chunks.items()}
    restarted = over(cluster)
    assert await restarted.stored(UID, not_before=0.0) is None
    assert restarted.current(UID) is None
    assert await publish(restarted)


async def test_a_head_that_was_never_seen_is_read(cluster: Cluster, publications: Publications) -> None:
    await publish(publications)
    restarted = over(cluster)
    assert cluster.head is not None
    for _ in range(2):
        published = await restarted.take_head(UID, cluster.head)
        assert published is not None
        assert published.head == cluster.head
    assert cluster.steps.count("load") == 1


async def test_the_head_keeps_the_latest_revisions_newest_first(
    cluster: Cluster, publications: Publications
) -> None:
    revisions = []
    for count in (1, 2, 2, 3, 4):
        await publish(publications, count)
        assert cluster.head is not None
        revisions.append(cluster.head.revision)
        assert len(set(cluster.head.revisions)) == len(cluster.head.revisions)
    assert cluster.head is not None
    assert cluster.head.revisions == tuple(reversed(revisions[2:]))
    assert len(set(cluster.head.revisions)) == 3


async def test_the_same_bytes_for_another_spec_are_no_news_to_the_portal(
    cluster: Cluster, publications: Publications
) -> None:
    assert await publish(publications)
    assert not await publish(publications)
    assert await publish(publications, 4)


async def test_what_is_deleted_is_gone_from_memory_too(cluster: Cluster, publications: Publications) -> None:
    await publish(publications)
    await publications.delete(UID)
    assert cluster.head is None
    assert UID not in publications
    assert publications.guard(UID) == GuardState()
    assert await publications.content(UID) is None


async def test_the_guards_memory_is_the_stored_one(cluster: Cluster, publications: Publications) -> None:
    assert publications.guard(UID) == GuardState()
    plan, content, form = planned()
    guard = GuardState(id="held", since="2026-03-01T12:00:00Z")
    await publications.publish(SOURCE, content, form, revision=plan.revision, guard=guard, target=None)
    assert publications.guard(UID) == guard


@pytest.mark.parametrize(("size", "large"), [(LARGE_PAYLOAD - 1, False), (LARGE_PAYLOAD, True)])
async def test_a_large_snapshot_is_decoded_beside_the_loop(
    publications: Publications, size: int, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    async def compute(call: Any, *, large: bool) -> Any:
        found.append(large)
        return None

    await publish(publications)
    published = publications.current(UID)
    assert published is not None
    sized = replace(published.chunks[0], payload=b"x" * size)
    monkeypatch.setattr(publications, "current", lambda _: replace(published, chunks=(sized,)))
    monkeypatch.setattr(module, "compute", compute)
    await publications.content(UID)
    assert found == [large]
    assert LARGE_PAYLOAD == 65536


def test_the_form_is_of_every_entity() -> None:
    plan, content, form = planned()
    for position, record in enumerate(content.records):
        changed = list(content.records)
        changed[position] = replace(record, content_hash="sha256:0")
        other = StoredForm.of(
            replace(content, records=tuple(changed)), plan.guard, generation=1, spec=spec_hash(SOURCE.spec)
        )
        assert not other.covers(form)


def test_a_spec_is_the_same_suspended_or_not() -> None:
    assert spec_hash(a.source({"suspend": True}).spec) == spec_hash(SOURCE.spec)
    assert spec_hash(a.source({"interval": "7m"}).spec) != spec_hash(SOURCE.spec)
