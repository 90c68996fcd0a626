"""A SkillMeat server that answers and cannot serve: the wrong path, the wrong edition, a token that may not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Object, Tenant, eventually

pytestmark = pytest.mark.usefixtures("operator")

RECORDED = Path(__file__).resolve().parents[1] / "data" / "recorded" / "skillmeat"
LIST = "/api/v1/integrations/idp/templates"
FIELD = "spec.source.skillmeat.url"


def recorded(name: str) -> Fault:
    """An answer of the real server, for the list alone."""
    head, _, body = (RECORDED / f"{name}.http").read_text().partition("\n\n")[2].partition("\n\n")
    status = int(head.split()[1])
    return Fault(status=status, body=body.strip().encode(), path=LIST)


@pytest.fixture(scope="module")
def neighbour(
    operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> Iterator[Tenant]:
    """Somebody on the same server and portal, who is well."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    yield tenant
    tenant.close()


def assert_stalled(tenant: Tenant, reason: str, *said: str, name: str = "main") -> Object:
    """Stalled by the source, with the remedy in the message."""
    eventually(lambda: tenant.condition("Stalled", name), what="Stalled")
    found = tenant.wait_ready("False", reason, name=name)
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    for kind, status in (("Ready", "False"), ("Stalled", "True"), ("SourceReachable", "False")):
        assert (conditions[kind]["status"], conditions[kind]["reason"]) == (status, reason)
        assert [part for part in said if part not in conditions[kind]["message"]] == []
    assert conditions["CatalogReachable"]["status"] == "True"
    assert "Reconciling" not in conditions
    return found


def test_a_url_that_is_not_the_base_url_and_its_correction(tenant: Tenant, neighbour: Tenant) -> None:
    before = neighbour.get()["metadata"]["resourceVersion"]
    tenant.add_templates(1)
    tenant.apply(tenant.source(skillmeat={"url": f"{tenant.proxy.url}/api/v1"}))

    # The answer is the real server's own 404.
    assert_stalled(tenant, "EndpointNotFound", FIELD, "base URL, without /api/v1")
    assert {one.status for one in tenant.proxy.requests(LIST)} == {404}
    assert neighbour.get()["metadata"]["resourceVersion"] == before

    tenant.patch("main", {"source": {"skillmeat": {"url": tenant.proxy.url}}})
    tenant.wait_ready(reason="Succeeded", within=5)
    assert tenant.shows("t0")


def test_a_server_that_is_replaced_by_the_enterprise_edition(tenant: Tenant, neighbour: Tenant) -> None:
    before = neighbour.get()["metadata"]["resourceVersion"]
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")

    tenant.proxy.fault = recorded("enterprise-templates-501")
    tenant.annotate("skillmeat.io/reconcile-requested-at", "now")

    assert_stalled(tenant, "EditionUnsupported", "edition", FIELD)
    assert tenant.shows("t0")
    assert neighbour.get()["metadata"]["resourceVersion"] == before

    tenant.proxy.fault = None
    tenant.sync()
    assert tenant.ready() == ("True", "Succeeded")


def test_a_token_that_may_not_read_the_list(tenant: Tenant, neighbour: Tenant) -> None:
    before = neighbour.get()["metadata"]["resourceVersion"]
    tenant.add_templates(1)
    tenant.secret("source", "any-token-will-do")
    tenant.proxy.fault = Fault(status=403, body=recorded("auth-smk-register-403").body, path=LIST)
    reference = {"auth": {"bearerTokenSecretRef": {"name": "source"}}}
    tenant.apply(tenant.source(skillmeat=reference, interval="1h"))

    assert_stalled(
        tenant, "AccessDenied", "spec.source.skillmeat.auth.bearerTokenSecretRef", "allow it there"
    )
    # Refused twice, and then left in peace.
    assert len(tenant.proxy.requests(LIST)) == 2
    assert tenant.portal() == set()
    assert neighbour.get()["metadata"]["resourceVersion"] == before
