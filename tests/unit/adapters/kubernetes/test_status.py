from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest

from skillmeat_operator.adapters.kubernetes.errors import (
    ConflictError,
    NotFoundError,
    ObjectSupersededError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.adapters.kubernetes.status import TRIES, StatusWriter
from skillmeat_operator.api.keys import CATALOG_SOURCE

REF = ObjectRef(names=CATALOG_SOURCE, namespace="team", name="main", uid="u-1")


def apply(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = apply(result.get(name), value)
    return result


class Store:
    """One object behind an API server that knows resourceVersions."""

    def __init__(self) -> None:
        metadata = {"name": "main", "uid": "u-1", "generation": 3, "resourceVersion": "1"}
        self.object: dict[str, Any] = {"metadata": metadata, "status": {"observedGeneration": -1}}
        self.patches: list[dict[str, Any]] = []
        self.reads = 0
        self.before_patch: Callable[[], None] = lambda: None
        self.drop: tuple[str, ...] = ()
        self.delay = 0.0
        self.under_way = self.most = 0

    def touch(self, **status: Any) -> None:
        """Somebody else writes status."""
        self.object = copy.deepcopy(self.object)
        self.object["status"] = apply(self.object["status"], status)
        self.object["metadata"]["resourceVersion"] = str(int(self.version) + 1)

    @property
    def version(self) -> str:
        return self.object["metadata"]["resourceVersion"]

    async def get(self, plural: str, namespace: str, name: str) -> dict[str, Any]:
        assert (plural, namespace, name) == ("catalogsources", "team", "main")
        self.reads += 1
        return copy.deepcopy(self.object)

    async def patch_status(self, plural, namespace, name, patch, resource_version):
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(self.delay)
        self.under_way -= 1
        self.before_patch()
        if resource_version != self.version:
            raise ConflictError("409")
        self.patches.append(patch)
        self.touch(**{key: value for key, value in patch.items() if key not in self.drop})
        return copy.deepcopy(self.object)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def writer(store: Store) -> StatusWriter:
    return StatusWriter(store)


def never(_: Any) -> Any:
    raise AssertionError("nobody else wrote")


async def test_difference_is_written_over_the_version_it_was_made_from(store, writer):
    desired = {"observedGeneration": 3, "revision": "r"}
    stored = await writer.write(REF, desired, current=store.object, derive=never)

    assert store.patches == [{"observedGeneration": 3, "revision": "r"}]
    assert stored["status"] == desired
    assert stored["metadata"]["resourceVersion"] == "2"
    assert store.reads == 0


async def test_equal_status_is_not_written(store, writer):
    current = store.object
    desired = {"observedGeneration": -1, "revision": None}

    assert await writer.write(REF, desired, current=current, derive=never) is current
    assert (store.patches, store.reads) == ([], 0)


async def test_what_is_no_longer_desired_is_removed(store, writer):
    store.touch(removal={"id": "x"})
    await writer.write(REF, {"observedGeneration": -1}, current=store.object, derive=never)

    assert store.patches == [{"removal": None}]
    assert store.object["status"] == {"observedGeneration": -1}


async def test_object_without_status_gets_one(store, writer):
    del store.object["status"]
    store.object["status"] = {}
    await writer.write(REF, {"revision": "r"}, current={**store.object, "status": None}, derive=never)

    assert store.object["status"] == {"revision": "r"}


async def test_lagging_copy_leads_to_one_read_and_a_new_decision(store, writer):
    lagging = copy.deepcopy(store.object)
    store.touch(source={"version": "0.74.0"})
    derived_from = []

    def derive(fresh):
        derived_from.append(fresh["metadata"]["resourceVersion"])
        return {**fresh["status"], "revision": "r"}

    stored = await writer.write(REF, {"revision": "r"}, current=lagging, derive=derive)

    assert derived_from == ["2"]
    assert store.reads == 1
    assert stored["status"] == {"observedGeneration": -1, "source": {"version": "0.74.0"}, "revision": "r"}


async def test_nothing_is_written_when_somebody_else_wrote_the_same(store, writer):
    lagging = copy.deepcopy(store.object)
    store.touch(revision="r")

    stored = await writer.write(REF, {"revision": "r"}, current=lagging, derive=lambda fresh: fresh["status"])

    assert store.patches == []
    assert stored["metadata"]["resourceVersion"] == "2"


async def test_busy_object_is_tried_five_times(store, writer):
    store.before_patch = lambda: store.touch(count=int(store.version))

    with pytest.raises(ConflictError, match="5 times"):
        await writer.write(
            REF,
            {"revision": "r"},
            current=store.object,
            derive=lambda fresh: {**fresh["status"], "revision": "r"},
        )
    assert store.reads == TRIES == 5


@pytest.mark.parametrize(
    ("outcome", "change", "says"),
    [
        ("another object has the name", {"uid": "u-2"}, "another object"),
        ("spec changed", {"generation": 4}, "the object has 4 now"),
    ],
)
async def test_outcome_about_the_past_is_not_written(outcome, change, says, store, writer):
    lagging = copy.deepcopy(store.object)
    store.touch(other=1)
    store.object["metadata"] |= change

    with pytest.raises(ObjectSupersededError, match=says):
        await writer.write(REF, {"revision": "r"}, current=lagging, derive=never)
    assert store.patches == []


@pytest.mark.parametrize("error", [NotFoundError("gone"), UnavailableError("away")])
async def test_other_failures_reach_the_caller(error, store, writer, monkeypatch):
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(store, "patch_status", fail)

    with pytest.raises(type(error)):
        await writer.write(REF, {"revision": "r"}, current=store.object, derive=never)


async def test_field_that_the_server_drops_is_told(store, writer, caplog):
    store.drop = ("unknown",)
    desired = {"observedGeneration": 3, "unknown": 1, "revision": "r"}
    with caplog.at_level(logging.WARNING):
        await writer.write(REF, desired, current=store.object, derive=never)

    (record,) = caplog.records
    assert record.fields == ["unknown"]
    assert record.object == "CatalogSource team/main"


async def test_what_the_server_keeps_is_not_told(store, writer, caplog):
    with caplog.at_level(logging.WARNING):
        await writer.write(REF, {"observedGeneration": 3}, current=store.object, derive=never)

    assert caplog.records == []


async def test_writes_at_a_time_are_bounded(store):
    store.delay = 0.01
    writer = StatusWriter(store, limit=3)
    current = store.object
    results = await asyncio.gather(
        *(
            writer.write(REF, {"a": index}, current=current, derive=lambda fresh: {**fresh["status"], "b": 1})
            for index in range(9)
        )
    )

    assert store.most == 3
    assert len(results) == 9


async def test_two_writers_never_lose_an_update(store, writer):
    async def count(field: str) -> None:
        for _ in range(10):
            current = copy.deepcopy(store.object)
            wanted = current["status"].get(field, 0) + 1
            for attempt in range(20):
                try:
                    await writer.write(
                        REF,
                        {**current["status"], field: wanted},
                        current=current,
                        derive=lambda fresh: {**fresh["status"], field: wanted},  # noqa: B023
                    )
                    break
                except ConflictError:
                    assert attempt < 19

    await asyncio.gather(count("left"), count("right"))

    assert store.reads > 0  # they did meet
    assert store.object["status"] == {"observedGeneration": -1, "left": 10, "right": 10}
