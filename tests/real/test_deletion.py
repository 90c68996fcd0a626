"""The end of a CatalogSource: what is left in the portal, in the cluster and of the object itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import Fault, FaultProxy
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")

FINALIZER = "skillmeat.io/catalog-cleanup"
FORCE = "skillmeat.io/force-delete"
MARKER = "skillmeat.io/managed-by"


@pytest.fixture
def gate(backstage: Backstage) -> Iterator[FaultProxy]:
    """A way to the portal that can be closed while the portal keeps what it has."""
    with FaultProxy(backstage.url) as proxy:
        yield proxy


def behind(gate: FaultProxy, tenant: Tenant, secret: str = "portal") -> dict[str, Any]:
    """``spec.backstage`` for the portal behind the gate, with a Secret of the tenant's own."""
    tenant.secret(secret, tenant.backstage.token)
    return {"url": gate.url, "auth": {"bearerTokenSecretRef": {"name": secret}}}


def delete(tenant: Tenant, name: str = "main") -> None:
    tenant.cluster.api.delete("CatalogSource", name, tenant.namespace)


def exists(tenant: Tenant, name: str = "main") -> bool:
    return tenant.cluster.api.exists("CatalogSource", name, tenant.namespace)


def wait_gone(tenant: Tenant, name: str = "main", *, within: float = 10.0) -> float:
    """Wait until the object is gone; seconds it took."""
    began = time.monotonic()
    eventually(lambda: not exists(tenant, name), within=within, what=f"{name} is gone")
    return time.monotonic() - began


def targets(tenant: Tenant) -> set[str]:
    """The locations of this tenant's CatalogSources that the portal lists."""
    listed = {one["target"] for one in tenant.backstage.catalog.locations()}
    return {one for one in listed if f"/{tenant.namespace}/" in one}


def snapshots(tenant: Tenant, uid: str) -> list[str]:
    """Names of the snapshot's ConfigMaps."""
    names = [one["metadata"]["name"] for one in tenant.cluster.api.list("ConfigMap", NAMESPACE)]
    return [name for name in names if uid in name]


def unregister(tenant: Tenant) -> None:
    """What a person does with a location that was left behind."""
    for one in tenant.backstage.catalog.locations():
        if f"/{tenant.namespace}/" in one["target"]:
            tenant.backstage.catalog.unregister(one["id"])


@pytest.fixture(scope="module")
def doomed(
    installed: Cluster, skillmeat: SkillMeat, backstage: Backstage, operator: OperatorProcess
) -> Iterator[Tenant]:
    """A tenant whose Secret, and right after it the namespace, was deleted; that takes the cluster a while."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    with FaultProxy(backstage.url) as proxy:
        tenant.add_templates(1)
        tenant.apply(tenant.source(backstage=behind(proxy, tenant)))
        tenant.wait_ready()
        installed.api.delete("Secret", "portal", tenant.namespace)
        installed.api.delete("Namespace", tenant.namespace)
        yield tenant
        tenant.close()


def test_in_a_deleted_namespace_the_last_credential_still_cleans_the_portal(doomed: Tenant) -> None:
    wait_gone(doomed)

    assert targets(doomed) == set()
    assert doomed.portal() == set()


def test_location_entities_and_snapshot_go_and_those_of_others_stay(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(), tenant.source("other", entityDefaults={"namePrefix": "other-"}))
    uid = tenant.wait_ready()["metadata"]["uid"]
    other = tenant.wait_ready(name="other")
    assert tenant.get()["metadata"]["finalizers"] == [FINALIZER]
    assert snapshots(tenant, uid)

    delete(tenant)
    print(f"deleted in {wait_gone(tenant):.1f} s")

    assert targets(tenant) == {other["status"]["catalog"]["target"]}
    assert snapshots(tenant, uid) == []
    left = tenant.backstage.catalog.templates(tenant.namespace)
    assert [one["metadata"]["name"].startswith("other-") for one in left] == [True, True]


def test_a_portal_that_is_down_is_waited_for(tenant: Tenant, gate: FaultProxy) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source(backstage=behind(gate, tenant)))
    tenant.wait_ready()

    gate.down()
    delete(tenant)
    refused = "deletion waits for the portal: Backstage at {} refused the connection"
    eventually(
        lambda: (
            refused.format(gate.url.removeprefix("http://"))
            in (tenant.condition("Ready") or {}).get("message", "")
        ),
        what="the reason why the deletion waits",
    )
    waiting = tenant.wait_ready("False", "Finalizing")
    conditions = {one["type"]: one for one in waiting["status"]["conditions"]}
    assert conditions["Reconciling"]["status"] == "True"
    assert "Stalled" not in conditions
    assert waiting["metadata"]["finalizers"] == [FINALIZER]
    assert tenant.shows("t0")

    gate.up()
    wait_gone(tenant)
    assert targets(tenant) == set()
    assert tenant.portal() == set()


def test_a_location_that_somebody_took_out_before_is_no_obstacle(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source(interval="1h"))
    tenant.wait_ready()

    unregister(tenant)
    delete(tenant)
    wait_gone(tenant)

    assert targets(tenant) == set()
    assert tenant.portal() == set()


def test_neither_skillmeat_nor_suspend_stands_in_the_way(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source(), tenant.source("resting", entityDefaults={"namePrefix": "r-"}))
    tenant.wait_ready()
    tenant.wait_ready(name="resting")
    tenant.patch("resting", {"suspend": True})
    eventually(lambda: "suspended" in (tenant.condition("Ready", "resting") or {}).get("message", ""))

    tenant.proxy.down()
    tenant.cluster.api.delete("CatalogSource", None, tenant.namespace)
    wait_gone(tenant)
    wait_gone(tenant, "resting")

    assert targets(tenant) == set()
    assert tenant.portal() == set()


def test_what_was_never_registered_goes_at_once(tenant: Tenant, gate: FaultProxy) -> None:
    gate.down()
    tenant.apply(tenant.source(backstage=behind(gate, tenant)))
    tenant.wait_ready("False", "CatalogUnreachable")

    delete(tenant)

    wait_gone(tenant, within=3)


def test_force_delete_gives_up_on_a_silent_portal_within_its_five_seconds(
    tenant: Tenant, gate: FaultProxy
) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source(backstage=behind(gate, tenant)))
    target = tenant.wait_ready()["status"]["catalog"]["target"]

    gate.fault = Fault(status=503, delay=60)
    delete(tenant)
    time.sleep(1.0)
    assert exists(tenant)
    tenant.annotate(FORCE, "true")
    seconds = wait_gone(tenant, within=20)
    print(f"gave up after {seconds:.1f} s")

    assert seconds < 8
    events = tenant.cluster.get("events", "-n", tenant.namespace)["items"]
    told = [one for one in events if one["reason"] == "DeletionAbandoned"]
    assert [target in one["message"] for one in told] == [True]
    # It did give up: what it names is really there.
    assert targets(tenant) == {target}
    unregister(tenant)


def test_force_delete_still_cleans_a_portal_that_answers(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready()

    tenant.annotate(FORCE, "true")
    delete(tenant)
    wait_gone(tenant)

    assert targets(tenant) == set()
    events = tenant.cluster.get("events", "-n", tenant.namespace)["items"]
    assert [one for one in events if one["reason"] == "DeletionAbandoned"] == []


def test_a_restarted_operator_without_the_secret_lets_go_and_says_what_it_leaves(
    tenant: Tenant, gate: FaultProxy, operator: OperatorProcess
) -> None:
    tenant.add_templates(1)
    tenant.apply(
        tenant.source(backstage=behind(gate, tenant)),
        tenant.source("clean", entityDefaults={"namePrefix": "c-"}),
    )
    target = tenant.wait_ready()["status"]["catalog"]["target"]
    uid = tenant.wait_ready(name="clean")["metadata"]["uid"]

    operator.stop()
    tenant.cluster.api.delete("Secret", "portal", tenant.namespace)
    tenant.cluster.api.delete("CatalogSource", None, tenant.namespace)
    assert exists(tenant)
    operator.start()
    wait_gone(tenant)
    wait_gone(tenant, "clean")

    events = tenant.cluster.get("events", "-n", tenant.namespace)["items"]
    told = [one["message"] for one in events if one["reason"] == "DeletionAbandoned"]
    assert [target in one and "portal" in one for one in told] == [True]
    # The one whose credential was there was deleted in order, though that was asked for while nobody listened.
    assert targets(tenant) == {target}
    assert snapshots(tenant, uid) == []
    unregister(tenant)


def test_retain_has_no_finalizer_and_a_new_object_adopts(tenant: Tenant) -> None:
    names = tenant.add_templates(2)
    tenant.apply(tenant.source(deletionPolicy="Retain"))
    first = tenant.wait_ready()
    assert first["metadata"].get("finalizers", []) == []
    before = {
        one["metadata"]["name"]: one["metadata"]
        for one in tenant.backstage.catalog.templates(tenant.namespace)
    }
    location = [
        one for one in tenant.backstage.catalog.locations() if f"/{tenant.namespace}/" in one["target"]
    ]

    delete(tenant)
    wait_gone(tenant, within=3)
    time.sleep(1.0)
    assert tenant.shows(*names)

    tenant.apply(tenant.source())
    second = tenant.wait_ready(reason="Succeeded")

    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    assert second["status"]["entities"]["inCatalog"] == 2
    assert second["status"]["entities"]["conflicting"] == 0
    after = {
        one["metadata"]["name"]: one["metadata"]
        for one in tenant.backstage.catalog.templates(tenant.namespace)
    }
    assert {name: one["uid"] for name, one in after.items()} == {
        name: one["uid"] for name, one in before.items()
    }
    assert {one["annotations"][MARKER].split("/")[1] for one in after.values()} == {second["metadata"]["uid"]}
    again = [one for one in tenant.backstage.catalog.locations() if f"/{tenant.namespace}/" in one["target"]]
    assert again == location


def test_a_policy_that_turns_to_retain_drops_the_finalizer_and_keeps_the_entities(tenant: Tenant) -> None:
    names = tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready()

    tenant.patch("main", {"deletionPolicy": "Retain"})
    eventually(lambda: not tenant.get()["metadata"].get("finalizers"), within=5)
    tenant.patch("main", {"deletionPolicy": "Delete"})
    eventually(lambda: tenant.get()["metadata"].get("finalizers") == [FINALIZER], within=5)

    # In one go: nobody has had the time to drop the finalizer when the deletion comes.
    tenant.patch("main", {"deletionPolicy": "Retain", "suspend": True})
    delete(tenant)
    wait_gone(tenant, within=5)
    assert len(targets(tenant)) == 1
    assert tenant.shows(*names)
    unregister(tenant)


def test_a_deleted_namespace_whose_secret_went_first_does_not_hang(doomed: Tenant) -> None:
    eventually(
        lambda: not doomed.cluster.api.exists("Namespace", doomed.namespace),
        within=40,
        what="the namespace is gone",
    )
