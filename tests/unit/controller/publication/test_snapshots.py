"""What is published: in the cluster first, then in memory, then served; and what needs no write."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ConflictError, ForbiddenError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry
from skillmeat_operator.adapters.kubernetes.snapshots import LoadedSnapshot, UnreadableSnapshot
from skillmeat_operator.controller.publication.snapshots import Snapshots, nothing_new, spec_hash, stored_form
from skillmeat_operator.domain.decide.plan import Plan
from skillmeat_operator.domain.snapshot.codec import Chunk
from skillmeat_operator.domain.snapshot.model import GuardState, Head
from tests.conditions import builders as a

SOURCE = a.source()
OBSERVED = a.elements(3)
PLAN = a.plan(OBSERVED)


@dataclass
class Cluster:
    """Snapshots of one operator's namespace, in memory."""

    head: Head | None = None
    chunks: dict[str, Chunk] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    refuses: Exception | None = None
    broken: bool = False

    async def load(self, uid: str) -> Any:
        self.steps.append("load")
        if self.head is None:
            return None
        version = self.head.resource_version or ""
        if self.broken:
            return UnreadableSnapshot(resource_version=version, head=self.head)
        return LoadedSnapshot(head=self.head, chunks=tuple(self.chunks[one.name] for one in self.head.chunks))

    async def write_chunks(
        self, head_of: HeadEntry, chunks: Iterable[Chunk], *, known: Collection[str] = ()
    ) -> int:
        new = [chunk for chunk in chunks if chunk.name not in known]
        self.steps.append(f"chunks {len(new)}")
        self.chunks |= {chunk.name: chunk for chunk in new}
        return len(new)

    async def write_head(self, head: Head) -> Head:
        self.steps.append("head")
        if self.refuses is not None:
            raise self.refuses
        present = self.head.resource_version if self.head is not None else None
        if head.resource_version != present:
            raise ConflictError("somebody else wrote")
        self.head = head.stored_as(str(int(present or "0") + 1))
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


def over(cluster: Any) -> Snapshots:
    return Snapshots(cluster)


async def publish(snapshots: Snapshots, plan: Plan = PLAN, observed: list[Any] = OBSERVED) -> bool:
    return await snapshots.publish(SOURCE, plan, observed, target=a.TARGET)


async def test_chunks_come_before_the_head_and_memory_after_it() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    assert await snapshots.load(a.UID) is None
    assert await publish(snapshots)
    assert cluster.steps == ["load", "chunks 1", "head"]
    kept = snapshots.kept(a.UID)
    assert kept is not None
    assert (kept.head.revision, kept.head.target, kept.head.generation) == (PLAN.revision, a.TARGET, 1)
    content = await snapshots.content(a.UID)
    assert content is not None
    assert (content.records, content.observed) == (PLAN.records, tuple(OBSERVED))


async def test_after_a_restart_the_same_is_served_and_the_cluster_is_read_once() -> None:
    cluster = Cluster()
    await publish(over(cluster))
    restarted = over(cluster)
    cluster.steps.clear()
    first, second = await restarted.load(a.UID), await restarted.load(a.UID)
    assert (cluster.steps, first is second) == (["load"], True)
    assert first is not None
    assert cluster.head is not None
    assert first.document.sha256 == cluster.head.document_etag
    assert not await publish(restarted), "the same content gives the same bytes"


async def test_only_what_changed_is_written_and_the_former_chunks_go_last() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    await publish(snapshots)
    former = set(cluster.chunks)
    later = a.plan(a.elements(4), before=PLAN)
    assert await publish(snapshots, later, a.elements(4))
    assert former < set(cluster.chunks)
    await snapshots.tidy(a.UID)
    assert former.isdisjoint(cluster.chunks)
    cluster.steps.clear()
    await snapshots.tidy(a.UID)
    assert cluster.steps == []


async def test_the_latest_three_revisions_are_kept() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    plans = [a.plan(a.elements(count)) for count in (1, 2, 2, 3, 4)]
    for plan in plans:
        await publish(snapshots, plan)
    assert cluster.head is not None
    assert cluster.head.revisions == (plans[4].revision, plans[3].revision, plans[2].revision)


async def test_a_conflict_leads_to_reading_anew() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    await publish(snapshots)
    other = over(cluster)
    await other.load(a.UID)
    await publish(other, a.plan(a.elements(5)), a.elements(5))
    with pytest.raises(ConflictError):
        await publish(snapshots, a.plan(a.elements(1)), a.elements(1))
    assert snapshots.kept(a.UID) is None
    again = await snapshots.load(a.UID)
    assert again is not None
    assert again.head == cluster.head
    assert await publish(snapshots, a.plan(a.elements(1)), a.elements(1))


async def test_what_cannot_be_stored_is_not_served() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    await publish(snapshots)
    served = snapshots.kept(a.UID)
    cluster.refuses = ForbiddenError("no")
    with pytest.raises(ForbiddenError):
        await publish(snapshots, a.plan(a.elements(1)), a.elements(1))
    assert snapshots.kept(a.UID) is served


async def test_a_broken_snapshot_reads_as_none_and_is_replaced_and_keeps_the_guard() -> None:
    cluster = Cluster()
    held = a.plan([], before=a.plan(a.elements(6)))
    await publish(over(cluster), held, [])
    cluster.broken = True
    snapshots = over(cluster)
    assert await snapshots.load(a.UID) is None
    assert await snapshots.content(a.UID) is None
    assert snapshots.guard(a.UID) == held.guard
    cluster.broken = False
    assert await publish(snapshots)


async def test_a_head_that_names_other_bytes_reads_as_none() -> None:
    cluster = Cluster()
    await publish(over(cluster))
    assert cluster.head is not None
    cluster.head = replace(cluster.head, document_etag="0" * 64)
    assert await over(cluster).load(a.UID) is None


async def test_another_writers_head_is_taken_over() -> None:
    cluster = Cluster()
    follower = over(cluster)
    await publish(leader := over(cluster))
    await follower.load(a.UID)
    await publish(leader, a.plan(a.elements(5)), a.elements(5))
    assert cluster.head is not None
    kept = await follower.refetch(a.UID, cluster.head)
    assert kept is not None
    assert kept.head == cluster.head
    assert await follower.refetch(a.UID, cluster.head) is kept


async def test_deletion_forgets() -> None:
    cluster = Cluster()
    snapshots = over(cluster)
    await publish(snapshots)
    await snapshots.delete(a.UID)
    assert (cluster.head, snapshots.kept(a.UID), await snapshots.load(a.UID)) == (None, None, None)
    assert snapshots.guard(a.UID) == GuardState()


def form(plan: Plan = PLAN, observed: list[Any] = OBSERVED, **changes: Any) -> Any:
    values = {"guard": plan.guard, "generation": 1, "spec": "s", **changes}
    return stored_form(plan.records, observed, **values)


LOST = a.plan(a.elements(3), before=a.plan(a.elements(5)))


@pytest.mark.parametrize(
    ("stored", "wanted", "nothing"),
    [
        pytest.param(form(), form(), True, id="the-same"),
        pytest.param(None, form(), False, id="nothing-known"),
        pytest.param(form(), form(generation=2), False, id="another-generation"),
        pytest.param(form(), form(spec="t"), False, id="another-spec"),
        pytest.param(form(), form(guard=GuardState(id="x")), False, id="a-hold"),
        pytest.param(form(), form(guard=GuardState(approved_id="x")), False, id="an-approval"),
        pytest.param(form(), form(observed=a.elements(2)), False, id="another-observation"),
        pytest.param(form(), form(a.plan(a.elements(2)), OBSERVED), False, id="another-set"),
        pytest.param(form(), form(LOST), False, id="a-new-trace-of-a-loss"),
        pytest.param(form(LOST), form(), True, id="a-trace-that-aged-out-stays-until-the-next-write"),
    ],
)
def test_nothing_new(stored: Any, wanted: Any, nothing: bool) -> None:
    assert nothing_new(stored, wanted) is nothing


def test_the_hash_of_a_spec_leaves_suspend_out() -> None:
    assert spec_hash(a.source({"suspend": True}).spec) == spec_hash(SOURCE.spec)
    assert spec_hash(a.source({"interval": "1m"}).spec) != spec_hash(SOURCE.spec)
