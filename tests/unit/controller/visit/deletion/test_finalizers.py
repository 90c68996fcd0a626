"""The finalizer is there before anything is registered, and goes only from the version that was looked at."""

from __future__ import annotations

from typing import Any, cast

import pytest

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.errors import ConflictError, NotFoundError
from skillmeat_operator.api.keys import FINALIZER
from skillmeat_operator.controller.visit.deletion.finalizers import Finalizers
from skillmeat_operator.controller.visit.visit import SupersededError, Visit
from tests.conditions import builders as a
from tests.unit.controller.visit.scene import external, static, superseded, visit


class Cluster:
    """Patches finalizers as the API server does."""

    def __init__(self, of: Visit, fails: Exception | None = None) -> None:
        self.visit, self.fails = of, fails
        self.patches: list[tuple[Any, ...]] = []

    async def patch_finalizers(
        self, plural: str, namespace: str, name: str, finalizers: list[str], version: str
    ) -> dict[str, Any]:
        self.patches.append((plural, namespace, name, finalizers, version))
        if self.fails is not None:
            raise self.fails
        metadata = {**self.visit.raw["metadata"], "finalizers": finalizers, "resourceVersion": "7"}
        return {**self.visit.raw, "metadata": {**metadata, "managedFields": [{}]}}


def made(of: Visit, fails: Exception | None = None) -> tuple[Finalizers, Cluster]:
    cluster = Cluster(of, fails)
    return Finalizers(cast(KubernetesClient, cluster)), cluster


RETAIN = {"deletionPolicy": "Retain"}


@pytest.mark.parametrize(
    ("spec", "has", "listed", "after"),
    [
        pytest.param({}, False, False, True, id="registers"),
        pytest.param({}, True, False, True, id="registers-and-has-it"),
        pytest.param(RETAIN, True, True, False, id="retained"),
        pytest.param(RETAIN, False, False, False, id="retained-without"),
        pytest.param(static(), True, True, True, id="static-with-a-location-of-before"),
        pytest.param(static(), True, False, False, id="static-and-no-location-is-left"),
        pytest.param(static(), False, True, False, id="static-whose-location-is-not-ours"),
        pytest.param(external(), True, True, True, id="external-with-a-location-of-before"),
        pytest.param(external(), False, False, False, id="external"),
        pytest.param(external(**RETAIN), True, True, False, id="external-retained"),
    ],
)
async def test_it_is_there_where_something_would_be_left_in_the_portal(
    spec: dict[str, Any], has: bool, listed: bool, after: bool
) -> None:
    of = visit(spec, finalizers=["other", FINALIZER] if has else ["other"])
    finalizers, cluster = made(of)
    await finalizers.ensure(of, listed)
    current = of.store.sources.get(a.UID)
    assert current is not None
    assert (FINALIZER in current["metadata"]["finalizers"]) is after
    assert len(cluster.patches) == (has != after)
    assert "other" in current["metadata"]["finalizers"]
    assert "managedFields" not in current["metadata"]


async def test_it_is_put_on_the_very_version_that_was_looked_at() -> None:
    of = visit()
    finalizers, cluster = made(of)
    await finalizers.ensure(of, False)
    assert cluster.patches == [("catalogsources", "team", "main", [FINALIZER], "1")]


async def test_a_spec_that_has_changed_gets_none() -> None:
    of = superseded(visit())
    finalizers, cluster = made(of)
    with pytest.raises(SupersededError):
        await finalizers.ensure(of, False)
    assert cluster.patches == []


async def test_one_that_is_there_or_not_wanted_asks_for_nothing_current() -> None:
    for of in (superseded(visit(finalizers=[FINALIZER])), superseded(visit(RETAIN))):
        finalizers, cluster = made(of)
        await finalizers.ensure(of, False)
        assert cluster.patches == []


async def test_an_object_is_let_go_and_the_others_finalizers_stay() -> None:
    of = visit(finalizers=[FINALIZER, "other"], deletionTimestamp="2026-03-01T12:00:00Z")
    finalizers, cluster = made(of)
    await finalizers.release(of.store, a.UID)
    assert cluster.patches[0][3] == ["other"]


async def test_a_conflict_ends_the_visit() -> None:
    of = visit()
    finalizers, _ = made(of, ConflictError("somebody wrote"))
    with pytest.raises(SupersededError):
        await finalizers.ensure(of, False)


async def test_an_object_that_is_gone_needs_none() -> None:
    of = visit(finalizers=[FINALIZER])
    finalizers, _ = made(of, NotFoundError("gone"))
    await finalizers.release(of.store, a.UID)
    of.store.sources.remove(a.UID)
    with pytest.raises(SupersededError):
        await finalizers.release(of.store, a.UID)
