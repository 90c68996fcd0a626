"""SkillMeat answers with what is not its list: it counts as no answer, and nothing leaves the portal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant
from tests.real.harness.watching import DocumentWatch

LIST = "/api/v1/integrations/idp/templates"
ONE = {"apiVersion": "scaffolder.backstage.io/v1beta3", "kind": "Template", "metadata": {"name": "a"}}
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in</body></html>\n"


def _json(value: object) -> Fault:
    return Fault(body=json.dumps(value).encode(), path=LIST)


BROKEN = {
    "null": _json(None),
    "an object without members": _json({}),
    "a list inside an object": _json({"items": [ONE]}),
    "an error with status 200": _json({"detail": "Internal Server Error"}),
    "nothing": Fault(body=b"", path=LIST),
    "HTML": Fault(body=HTML, headers={"Content-Type": "text/html; charset=utf-8"}, path=LIST),
    "half a list": Fault(body=json.dumps([ONE, ONE]).encode()[:-20], path=LIST),
}


@pytest.fixture(scope="module")
def seeded(
    installed: Cluster, skillmeat: SkillMeat, backstage: Backstage, operator: OperatorProcess
) -> Iterator[Tenant]:
    """A CatalogSource with two templates, Ready; each test leaves it so."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    tenant.add_templates(2)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    yield tenant
    tenant.close()


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_answer_is_no_answer(seeded: Tenant, operator: OperatorProcess, fault: Fault) -> None:
    tenant = seeded
    with DocumentWatch(tenant.document_url(operator.documents_url)) as watch:
        tenant.proxy.fault = fault
        found = tenant.sync()

        assert tenant.ready() == ("True", "ServingLastGood")
        reachable = tenant.condition("SourceReachable")
        assert reachable is not None
        assert (reachable["status"], reachable["reason"]) == ("False", "InvalidResponse")
        assert found["status"]["entities"]["published"] == 2
        assert "removal" not in found["status"]
        tenant.backstage.catalog.refresh(found["status"]["catalog"]["entityRef"])
        tenant.proxy.fault = None
        tenant.wait_ready(reason="Succeeded")

    assert len(watch.bodies()) == 1
    assert watch.statuses() == {200}
    assert tenant.shows("t0", "t1")


def test_a_body_that_breaks_off_removes_nothing(seeded: Tenant, operator: OperatorProcess) -> None:
    tenant = seeded
    whole = json.dumps(tenant.skillmeat.templates()).encode()

    with DocumentWatch(tenant.document_url(operator.documents_url)) as watch:
        tenant.proxy.fault = Fault(body=whole, cut=True, path=LIST)
        tenant.sync()

        assert tenant.ready() == ("True", "ServingLastGood")
        reachable = tenant.condition("SourceReachable")
        assert reachable is not None
        assert (reachable["status"], reachable["reason"]) == ("False", "InvalidResponse")
        tenant.proxy.fault = None
        tenant.wait_ready(reason="Succeeded")

    assert len(watch.bodies()) == 1
    assert tenant.shows("t0", "t1")


def test_a_first_answer_that_is_broken_publishes_nothing(tenant: Tenant, operator: OperatorProcess) -> None:
    tenant.add_templates(1)
    tenant.proxy.fault = BROKEN["an object without members"]
    tenant.apply(tenant.source())

    found = tenant.wait_ready("False", "InvalidResponse")

    assert any(one["type"] == "Reconciling" for one in found["status"]["conditions"])
    status, _ = tenant.document(operator.documents_url)
    assert status == 503
    target = found["status"]["catalog"]["target"]
    assert target not in {one["target"] for one in tenant.backstage.catalog.locations()}
    tenant.proxy.fault = None
    tenant.wait_ready(reason="Succeeded")
    assert tenant.shows("t0")
