"""The operator's own memory is lost, in part or as a whole: the portal does not notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from testbed.web import call
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import DocumentWatch

EMPTY = Fault(body=b"[]")
LABEL = "skillmeat.io/catalog-source-uid"

Lose = Callable[[Tenant], None]


def _delete(tenant: Tenant, part: str | None) -> None:
    uid = tenant.get()["metadata"]["uid"]
    chosen = f"{LABEL}={uid}" + (f",skillmeat.io/part={part}" if part else "")
    doomed = tenant.cluster.api.list("ConfigMap", NAMESPACE, selector=chosen)
    assert doomed
    for one in doomed:
        tenant.cluster.api.delete("ConfigMap", one["metadata"]["name"], NAMESPACE)


def _head(tenant: Tenant) -> None:
    _delete(tenant, "head")


def _chunk(tenant: Tenant) -> None:
    _delete(tenant, "chunk")


def _both(tenant: Tenant) -> None:
    _delete(tenant, None)


def _spoilt(tenant: Tenant) -> None:
    """The head is there and says nothing that this version can read."""
    uid = tenant.get()["metadata"]["uid"]
    content = {"data": {"head.json": '{"version": 999}'}}
    tenant.cluster.api.merge("ConfigMap", f"smsrc-{uid}", content, NAMESPACE)


LOSSES = [
    pytest.param(_head, id="the head"),
    pytest.param(_chunk, id="the chunk"),
    pytest.param(_both, id="head and chunk"),
    pytest.param(_spoilt, id="the head's content"),
]


NAMES = ("t0", "t1", "t2", "t3")


def _published(tenant: Tenant) -> None:
    assert tenant.add_templates(4) == list(NAMES)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")


@pytest.fixture(scope="module")
def seeded(
    installed: Cluster, skillmeat: SkillMeat, backstage: Backstage, operator: OperatorProcess
) -> Iterator[Tenant]:
    """Four templates, visible in the portal; each test leaves it so."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    _published(tenant)
    yield tenant
    tenant.close()


def _refs(tenant: Tenant, *names: str) -> frozenset[str]:
    return frozenset(tenant.ref(name) for name in names)


def _snapshot(tenant: Tenant) -> set[str]:
    """Parts of the snapshot that exist."""
    uid = tenant.get()["metadata"]["uid"]
    found = tenant.cluster.api.list("ConfigMap", NAMESPACE, selector=f"{LABEL}={uid}")
    return {one["metadata"]["labels"]["skillmeat.io/part"] for one in found}


@pytest.mark.parametrize("lose", LOSSES)
def test_lost_while_the_operator_runs_it_is_written_anew(
    seeded: Tenant, running_operator: OperatorProcess, lose: Lose
) -> None:
    tenant = seeded
    url = tenant.document_url(running_operator.documents_url)
    before = call("GET", url).body

    with DocumentWatch(url) as watch:
        lose(tenant)
        tenant.sync()
        eventually(lambda: _snapshot(tenant) == {"head", "chunk"}, what="the snapshot is there again")
        eventually(lambda: call("GET", url).status == 200, what="the document is served again")
        tenant.wait_ready(reason="Succeeded")
        # What was written anew is whole: an operator that starts without SkillMeat serves it.
        tenant.proxy.down()
        running_operator.stop()
        running_operator.start()
        tenant.wait_ready(reason="ServingLastGood")

    assert watch.bodies() == {before}
    assert watch.answers[-1].status == 200
    assert tenant.shows(*NAMES)
    tenant.proxy.up()
    tenant.wait_ready(reason="Succeeded")


@pytest.mark.parametrize("lose", LOSSES[1:3])
def test_lost_while_the_operator_is_stopped_and_skillmeat_is_down_nothing_is_served_and_nothing_leaves(
    seeded: Tenant, running_operator: OperatorProcess, lose: Lose
) -> None:
    tenant = seeded
    url = tenant.document_url(running_operator.documents_url)
    before = call("GET", url).body
    running_operator.stop()
    lose(tenant)
    tenant.proxy.down()

    with DocumentWatch(url) as watch:
        running_operator.start()
        tenant.sync()
        assert call("GET", url).status == 503
        tenant.backstage.catalog.refresh(tenant.get()["status"]["catalog"]["entityRef"])
        assert tenant.shows(*NAMES)
        tenant.proxy.up()
        tenant.wait_ready(reason="Succeeded")
        eventually(lambda: call("GET", url).status == 200)

    assert watch.statuses() <= {None, 503, 200}
    assert watch.bodies() == {before}
    assert tenant.shows(*NAMES)


@pytest.mark.parametrize("lose", LOSSES[1:3])
def test_lost_while_the_operator_is_stopped_and_skillmeat_is_empty_the_catalog_stands_in_for_it(
    tenant: Tenant, running_operator: OperatorProcess, lose: Lose
) -> None:
    _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    running_operator.stop()
    lose(tenant)
    tenant.proxy.fault = EMPTY

    with DocumentWatch(url) as watch:
        running_operator.start()
        found = tenant.wait_ready("False", "RemovalHeld")
        eventually(lambda: call("GET", url).status == 200)

    assert set(found["status"]["removal"]["refs"]) == _refs(tenant, *NAMES)
    assert watch.documents() == {_refs(tenant, *NAMES)}
    assert tenant.shows(*NAMES)
    tenant.annotate("skillmeat.io/approve-removal", found["status"]["removal"]["id"])
    tenant.wait_ready(reason="NoTemplates")


@pytest.mark.parametrize(
    ("lose", "stopped"),
    [
        pytest.param(_both, True, id="head and chunk, stopped"),
        pytest.param(_spoilt, True, id="the head's content, stopped"),
        pytest.param(_chunk, True, id="the chunk, stopped"),
        pytest.param(_both, False, id="head and chunk, running"),
        pytest.param(_spoilt, False, id="the head's content, running"),
    ],
)
def test_lost_during_a_hold_the_hold_goes_on_under_the_same_id(
    tenant: Tenant, running_operator: OperatorProcess, lose: Lose, stopped: bool
) -> None:
    _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    tenant.proxy.fault = EMPTY
    tenant.sync()
    removal = tenant.wait_ready("False", "RemovalHeld")["status"]["removal"]

    with DocumentWatch(url) as watch:
        if stopped:
            running_operator.stop()
        lose(tenant)
        if stopped:
            running_operator.start()
        tenant.sync()
        eventually(lambda: call("GET", url).status == 200)

    found = tenant.wait_ready("False", "RemovalHeld")
    assert found["status"]["removal"] == removal
    assert watch.documents() == {_refs(tenant, *NAMES)}
    assert tenant.shows(*NAMES)


def test_with_neither_snapshot_nor_catalog_nothing_is_published(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    running_operator.stop()
    _both(tenant)
    tenant.proxy.fault = EMPTY
    # The portal's port is right, and its token is refused: it cannot be read.
    token, running_operator.backstage_token = running_operator.backstage_token, "a-token-that-is-not-known"

    with DocumentWatch(url) as watch:
        running_operator.start()
        eventually(lambda: (tenant.condition("CatalogReachable") or {}).get("status") == "False")
        tenant.sync()
        assert call("GET", url).status == 503
    assert watch.statuses() <= {None, 503}
    assert tenant.shows(*NAMES)
    running_operator.stop()
    running_operator.backstage_token = token
    running_operator.start()
    tenant.wait_ready("False", "RemovalHeld")
    eventually(lambda: call("GET", url).status == 200)
    assert tenant.shows(*NAMES)


def test_with_a_lost_snapshot_too_nothing_is_published_that_was_not_declared(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    tenant.add_templates(3)
    tenant.apply(
        tenant.bundle("t0"), tenant.bundle("t1", publish=False), tenant.source(publishPolicy="Declared")
    )
    tenant.wait_ready(reason="Succeeded")
    url = tenant.document_url(running_operator.documents_url)
    running_operator.stop()
    _both(tenant)

    with DocumentWatch(url) as watch:
        running_operator.start()
        eventually(lambda: call("GET", url).status == 200)
        tenant.sync()

    assert watch.documents() == {_refs(tenant, "t0")}
    assert watch.statuses() <= {None, 503, 200}
    assert tenant.shows("t0")
