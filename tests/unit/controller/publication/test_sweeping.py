"""Snapshots that no CatalogSource owns are deleted; one whose owner is not known to be gone stays."""

from __future__ import annotations

from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.errors import ForbiddenError, NotFoundError, UnavailableError
from skillmeat_operator.adapters.kubernetes.snapshot_objects import HeadEntry
from skillmeat_operator.controller.publication.sweeping import SnapshotSweeper
from skillmeat_operator.controller.watch.store import Store
from tests.conditions import builders as a


class Cluster:
    """Heads, and the objects that the API server has."""

    def __init__(self, heads: list[str], objects: dict[str, Any]) -> None:
        self._heads, self._objects = heads, objects
        self.deleted: list[str] = []
        self.asked: list[tuple[str, str, str]] = []
        self.refuses: Exception | None = None

    async def heads(self) -> tuple[HeadEntry, ...]:
        return tuple(HeadEntry(uid=one, namespace="team", name=f"n-{one}") for one in self._heads)

    async def get(self, plural: str, namespace: str, name: str) -> Any:
        self.asked.append((plural, namespace, name))
        found = self._objects.get(name, NotFoundError("gone"))
        if isinstance(found, Exception):
            raise found
        return {"metadata": {"uid": found}}

    async def delete(self, uid: str) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.deleted.append(uid)


def sweeper(cluster: Cluster) -> SnapshotSweeper:
    store = Store()
    store.sources.put(a.raw_source())
    return SnapshotSweeper(
        client=cast(Any, cluster), store=store, snapshots=cast(Any, cluster), publications=cast(Any, cluster)
    )


async def test_what_has_no_owner_goes_and_all_others_stay() -> None:
    cluster = Cluster(
        [a.UID, "gone", "watched-elsewhere", "made-anew", "refused", "gone-too", "gone-three"],
        {
            "n-watched-elsewhere": "watched-elsewhere",
            "n-made-anew": "another",
            "n-refused": ForbiddenError("no"),
        },
    )
    await sweeper(cluster).sweep()
    assert cluster.deleted == ["gone", "made-anew", "gone-too", "gone-three"]
    assert ("catalogsources", "team", f"n-{a.UID}") not in cluster.asked


@pytest.mark.parametrize("anew", [True, False])
async def test_one_that_cannot_be_deleted_is_told(anew: bool) -> None:
    cluster = Cluster(["x"], {"n-x": "another"} if anew else {})
    cluster.refuses = UnavailableError("timed out")
    with pytest.raises(UnavailableError):
        await sweeper(cluster).sweep()
