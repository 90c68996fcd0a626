"""A portal whose app-config does not let the templates in: told with the lines to add, and healed by adding them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.servers import find_backstage
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Object, Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")

RULES = ("Location", "Template")


@pytest.fixture(scope="module")
def neighbour(
    operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> Iterator[Tenant]:
    """Somebody on another portal, who is well."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    yield tenant
    tenant.close()


@pytest.fixture(scope="module")
def portal(workshop: Workshop, run_folder: Path) -> Iterator[Backstage]:
    """A portal that each test starts with its own app-config."""
    made = Backstage(run_folder / "portal-to-configure", files=find_backstage(workshop))
    yield made
    made.stop()


def on(portal: Backstage, tenant: Tenant) -> Object:
    """A CatalogSource on a portal of its own."""
    tenant.secret("portal", portal.token)
    backstage: dict[str, Any] = {"url": portal.url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}}
    return tenant.source(backstage=backstage)


def assert_refused(tenant: Tenant, reason: str, *said: str) -> None:
    """Stalled by the document as a whole, with the remedy in the message."""
    found = tenant.wait_ready("False", reason)
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    for kind, status in (("Ready", "False"), ("Stalled", "True"), ("CatalogSynced", "False")):
        assert (conditions[kind]["status"], conditions[kind]["reason"]) == (status, reason)
        assert [part for part in said if part not in conditions[kind]["message"]] == []
    # Both servers answer; it is what one of them is told that is wrong.
    assert conditions["SourceReachable"]["status"] == conditions["CatalogReachable"]["status"] == "True"
    assert "Reconciling" not in conditions
    counts = found["status"]["entities"]
    assert (counts["published"], counts["inCatalog"], counts["missing"]) == (1, 0, 1)
    assert {(one["reason"], one["severity"]) for one in found["status"]["problems"]} == {(reason, "Error")}


def test_templates_that_the_portals_rules_do_not_allow(
    tenant: Tenant, portal: Backstage, neighbour: Tenant, operator: OperatorProcess
) -> None:
    before = neighbour.get()["metadata"]["resourceVersion"]
    portal.rules, portal.document_hosts = None, [operator.documents_url.removeprefix("http://")]
    portal.restart()
    tenant.add_templates(1)

    tenant.apply(on(portal, tenant))

    assert_refused(tenant, "KindNotAllowed", "catalog.rules", "`- allow: [Template]`", "app-config")
    assert neighbour.get()["metadata"]["resourceVersion"] == before


def test_a_document_host_that_the_portal_may_not_read_and_the_line_that_heals_it(
    tenant: Tenant, portal: Backstage, neighbour: Tenant, operator: OperatorProcess
) -> None:
    before = neighbour.get()["metadata"]["resourceVersion"]
    host = operator.documents_url.removeprefix("http://")
    portal.rules, portal.document_hosts = RULES, []
    portal.restart()
    tenant.add_templates(1)

    tenant.apply(on(portal, tenant))

    assert_refused(tenant, "HostNotAllowed", "backend.reading.allow", f"`- host: {host}`", "app-config")

    portal.document_hosts = [host]
    portal.restart()
    tenant.wait_ready(reason="Succeeded", within=30)
    assert portal.catalog.names(tenant.namespace) == [tenant.ref("t0").partition("/")[2]]
    assert neighbour.get()["metadata"]["resourceVersion"] == before
    tenant.cluster.api.delete("CatalogSource", "main", tenant.namespace)
    eventually(lambda: not tenant.cluster.api.exists("CatalogSource", "main", tenant.namespace))
