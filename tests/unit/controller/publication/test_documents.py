"""Which document a request gets: what the head names, never an empty one before something was decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import UnavailableError
from skillmeat_operator.api.keys import KINDS
from skillmeat_operator.controller.publication.documents import DocumentLookup
from skillmeat_operator.controller.watch.store import Store
from skillmeat_operator.domain.template.document import cluster_prefix
from skillmeat_operator.domain.timings import Timings
from skillmeat_operator.serving.documents import NotFound, NotYet
from tests.conditions import builders as a
from tests.unit.controller.virtual import Calls

CLUSTER = "c1c1c1c1-0000-4000-8000-000000000000"
PREFIX = cluster_prefix(CLUSTER)


@dataclass
class Scene:
    """One CatalogSource, its head and what memory has."""

    namespaces: tuple[str, ...] = ()
    head: Any = "head"
    head_fails: Exception | None = None
    taken: Any = field(default_factory=lambda: SimpleNamespace(document="of the head"))
    memory: Any = field(default_factory=lambda: SimpleNamespace(document="of memory"))
    doubts: bool = True
    goes: bool = False
    """The object goes while its head is read."""
    within: list[float | None] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store, self.due = Store(self.namespaces), Calls()
        self.store.sources.put(a.raw_source())
        self.lookup = DocumentLookup(
            store=self.store,
            publications=cast(Any, self),
            heads=cast(Any, self),
            mark_due=self.due,
            cluster_uid=CLUSTER,
            timings=Timings(),
        )

    async def read_head(self, uid: str, *, within: float | None = None) -> Any:
        self.within.append(within)
        if self.goes:
            self.store.sources.remove(uid)
        if self.head_fails is not None:
            raise self.head_fails
        return self.head

    async def take_head(self, uid: str, head: Any) -> Any:
        assert head == self.head
        return self.taken

    def current(self, uid: str) -> Any:
        return self.memory

    def doubt(self, uid: str) -> bool:
        return self.doubts

    def forget(self, uid: str) -> None:
        self.forgotten.append(uid)

    async def get(self, prefix: str = PREFIX, namespace: str = "team", name: str = "main") -> Any:
        return await self.lookup.document(prefix, namespace, name)


async def test_the_document_is_the_one_that_the_head_names() -> None:
    scene = Scene()
    assert await scene.get() == "of the head"
    assert scene.within == [Timings().head_deadline]
    assert scene.forgotten == []


@pytest.mark.parametrize("prefix", ["00000000", "ffffffff", ""])
async def test_another_clusters_document_is_not_here(prefix: str) -> None:
    assert await Scene().get(prefix) == NotFound()


@pytest.mark.parametrize(
    ("namespaces", "listed", "found"),
    [
        pytest.param((), True, NotFound(), id="all-are-listed"),
        pytest.param((), False, NotYet(), id="not-listed-yet"),
        pytest.param(("team",), False, NotYet(), id="watched-and-not-listed-yet"),
        pytest.param(("other",), False, NotFound(), id="not-watched"),
    ],
)
async def test_no_object_is_told_only_once_they_are_known(
    namespaces: tuple[str, ...], listed: bool, found: Any
) -> None:
    scene = Scene(namespaces)
    if listed:
        for names in KINDS:
            scene.store.note_listed(names.plural)
    assert await scene.get(name="another") == found
    assert scene.within == []


@pytest.mark.parametrize("doubts", [True, False])
async def test_without_a_head_there_is_nothing_yet_and_the_object_is_due_once(doubts: bool) -> None:
    scene = Scene(head=None, doubts=doubts)
    assert await scene.get() == NotYet()
    assert scene.due.made == ([(a.UID, 0.0)] if doubts else [])


async def test_a_head_whose_document_cannot_be_read_is_nothing_yet() -> None:
    assert await Scene(taken=None).get() == NotYet()


@pytest.mark.parametrize("known", [True, False])
async def test_while_the_api_server_is_away_memory_serves(known: bool) -> None:
    scene = Scene(head_fails=UnavailableError("timed out"))
    if not known:
        scene.memory = None
    assert await scene.get() == ("of memory" if known else NotYet())


async def test_nothing_is_kept_of_an_object_that_went_meanwhile() -> None:
    scene = Scene(goes=True)
    await scene.get()
    assert scene.forgotten == [a.UID]
