"""Who holds a ref in the catalog keeps it; what is left behind on purpose is adopted under the same name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.catalog import content_hash
from testbed.web import call
from tests.real.harness.document_server import DocumentServer, template
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, title, verdicts

pytestmark = pytest.mark.usefixtures("operator")

FINALIZER = "skillmeat.io/catalog-cleanup"


@pytest.fixture
def others(document_ports: range) -> Iterator[DocumentServer]:
    """Another team's documents."""
    with DocumentServer(document_ports[-2]) as server:
        yield server


# --- a location that is not ours


def test_a_ref_that_another_location_holds_is_left_to_it_until_it_goes(
    tenant: Tenant, others: DocumentServer, operator: OperatorProcess
) -> None:
    tenant.add_templates(2)
    target = others.put("/theirs.yaml", [template(tenant.ref("t0"), title="Theirs")])
    location = tenant.backstage.catalog.register(target)
    eventually(lambda: title(tenant) == "Theirs", what="the other team's template in the portal")
    theirs = tenant.entity("t0")

    tenant.apply(tenant.source(), tenant.bundle("t0"))

    found = tenant.wait_ready(reason="SucceededWithProblems")
    assert counts(tenant, "selected", "conflicting", "published", "inCatalog", "missing") == (2, 1, 1, 1, 0)
    (problem,) = found["status"]["problems"]
    assert (problem["reason"], problem["entityRef"]) == ("Conflict", tenant.ref("t0"))
    assert f"url:{target}" in problem["message"]
    assert tenant.ref("t0").partition("/")[2].encode() not in tenant.document(operator.documents_url)[1]
    assert tenant.entity("t0") == theirs
    declared = bundle_ready(tenant, "False", "Conflict", stalled=True)
    assert verdicts(declared)["CatalogSynced"] == "False"

    tenant.backstage.catalog.unregister(location["id"])
    tenant.sync()
    tenant.wait_ready(reason="Succeeded")
    assert title(tenant) == f"{tenant.namespace}-t0"
    assert counts(tenant, "conflicting", "published", "inCatalog") == (0, 2, 2)
    bundle_ready(tenant, "True", "Succeeded")


def test_a_ref_of_ours_is_not_lost_to_a_location_that_comes_later(
    tenant: Tenant, others: DocumentServer
) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    ours = tenant.entity("t0")
    location = tenant.backstage.catalog.register(others.put("/late.yaml", [template(tenant.ref("t0"))]))
    kind, _, rest = location["entityRef"].partition(":")
    eventually(
        lambda: tenant.backstage.catalog.entity(kind, *rest.split("/")),
        what="the portal has read the location",
    )

    tenant.sync()

    assert tenant.ready() == ("True", "Succeeded")
    assert tenant.entity("t0") == ours
    tenant.backstage.catalog.unregister(location["id"])


def test_a_conflict_ends_when_the_entity_gets_another_name(tenant: Tenant, others: DocumentServer) -> None:
    tenant.add_templates(1)
    location = tenant.backstage.catalog.register(others.put("/theirs.yaml", [template(tenant.ref("t0"))]))
    eventually(lambda: tenant.entity("t0"), what="the other team's template in the portal")
    tenant.apply(tenant.source())
    tenant.wait_ready("False", "NothingPublished")

    tenant.patch("main", {"entityDefaults": {"namePrefix": "ours-"}})

    tenant.wait_ready(reason="Succeeded")
    assert [one["metadata"]["name"] for one in tenant.marked()] == [
        f"ours-skillmeat-bundle-{tenant.namespace}-t0"
    ]
    tenant.backstage.catalog.unregister(location["id"])


# --- two of ours


def test_of_two_sources_the_incumbent_keeps_its_refs_and_the_other_appears_when_it_goes(
    tenant: Tenant,
) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source("first"))
    tenant.wait_ready(reason="Succeeded", name="first")
    before = {one["metadata"]["name"]: content_hash(one) for one in tenant.marked("first")}

    tenant.apply(tenant.source("second"))

    found = tenant.wait_ready("False", "NothingPublished", name="second")
    assert counts(tenant, "selected", "conflicting", "published", source="second") == (2, 2, 0)
    assert {one["reason"] for one in found["status"]["problems"]} == {"Conflict"}
    assert {one["metadata"]["name"]: content_hash(one) for one in tenant.marked("first")} == before
    assert tenant.ready("first") == ("True", "Succeeded")

    tenant.kubectl("delete", "smsrc/first", "--timeout=20s")
    tenant.sync("second")
    tenant.wait_ready(reason="Succeeded", name="second")
    assert counts(tenant, "conflicting", "published", "inCatalog", source="second") == (0, 2, 2)
    assert {one["metadata"]["name"] for one in tenant.marked("second")} == set(before)


def test_of_two_sources_that_come_together_one_gets_each_ref(tenant: Tenant) -> None:
    tenant.add_templates(3)
    tenant.apply(tenant.source("first"), tenant.source("second"))

    def settled() -> bool:
        ready = [tenant.ready(name) or ("", "") for name in ("first", "second")]
        return sorted(ready) == [("False", "NothingPublished"), ("True", "Succeeded")]

    eventually(settled, what="one source Ready, the other without anything of its own")
    tenant.sync("first")
    tenant.sync("second")

    published = [
        counts(tenant, "published", "inCatalog", "conflicting", source=name) for name in ("first", "second")
    ]
    assert sorted(published) == [(0, 0, 3), (3, 3, 0)]
    assert tenant.shows("t0", "t1", "t2")


# --- what is left behind


def test_retained_entities_outlive_their_source_and_are_adopted_by_the_next_of_its_name(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    names = tenant.add_templates(2)
    tenant.apply(tenant.source(deletionPolicy="Retain"))
    found = tenant.wait_ready(reason="Succeeded")
    assert FINALIZER not in found["metadata"].get("finalizers", [])
    target = found["status"]["catalog"]["target"]
    uids = {one["metadata"]["name"]: one["metadata"]["uid"] for one in tenant.marked()}

    tenant.kubectl("delete", "smsrc/main", "--timeout=5s")

    path = "/catalogs/" + target.split("/catalogs/", 1)[1]
    eventually(
        lambda: call("GET", operator.documents_url + path, timeout=5).status == 404,
        what="404 for the document",
    )
    tenant.backstage.catalog.refresh(found["status"]["catalog"]["entityRef"])
    assert target in {one["target"] for one in tenant.backstage.catalog.locations()}
    assert tenant.shows(*names)

    tenant.apply(tenant.source(deletionPolicy="Retain"))
    adopted = tenant.wait_ready(reason="Succeeded")
    assert adopted["metadata"]["uid"] != found["metadata"]["uid"]
    assert counts(tenant, "conflicting", "published", "inCatalog") == (0, 2, 2)
    assert {one["metadata"]["name"]: one["metadata"]["uid"] for one in tenant.marked()} == uids
    assert [one["target"] for one in tenant.backstage.catalog.locations()].count(target) == 1


def test_a_source_that_comes_to_retain_loses_its_finalizer_and_gets_it_back_with_delete(
    tenant: Tenant,
) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    assert FINALIZER in tenant.wait_ready(reason="Succeeded")["metadata"]["finalizers"]

    def finalizers() -> list[str]:
        found: list[str] = tenant.get()["metadata"].get("finalizers", [])
        return found

    tenant.patch("main", {"deletionPolicy": "Retain"})
    eventually(lambda: FINALIZER not in finalizers(), what="no finalizer under Retain")
    tenant.patch("main", {"deletionPolicy": "Delete"})
    eventually(lambda: FINALIZER in finalizers(), what="the finalizer under Delete")


def test_a_deleted_source_takes_its_entities_its_location_and_its_snapshot_along(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source())
    found = tenant.wait_ready(reason="Succeeded")
    uid, target = found["metadata"]["uid"], found["status"]["catalog"]["target"]

    tenant.kubectl("delete", "smsrc/main", "--timeout=20s")

    assert target not in {one["target"] for one in tenant.backstage.catalog.locations()}
    assert tenant.portal() == set()
    kept = tenant.cluster.run("get", "configmaps", "-n", NAMESPACE, "-o", "name")
    assert f"smsrc-{uid}" not in kept
