"""A CatalogSource on three templates: visible, counted, Ready."""

from __future__ import annotations

import pytest

from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant

pytestmark = pytest.mark.usefixtures("operator")


def test_three_templates_are_visible_and_counted(tenant: Tenant) -> None:
    names = tenant.add_templates(3)
    tenant.apply(tenant.source())

    found = tenant.wait_ready(reason="Succeeded")

    entities = found["status"]["entities"]
    counted = {"discovered": 3, "selected": 3, "published": 3, "inCatalog": 3}
    assert entities == {**dict.fromkeys(entities, 0), **counted}
    assert found["status"]["revision"].startswith("sha256:")
    generation = found["metadata"]["generation"]
    assert {one["observedGeneration"] for one in found["status"]["conditions"]} == {generation}
    tenant.kubectl("wait", "--for=condition=Ready", "smsrc/main", "--timeout=5s")
    assert tenant.shows(*names)


def test_a_new_bundle_is_visible_after_a_requested_sync(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready()

    tenant.add_template("late")
    found = tenant.sync(within=5)

    assert found["status"]["entities"]["inCatalog"] == 2
    assert tenant.shows("t0", "late")


def test_the_operator_stops_within_five_seconds(operator: OperatorProcess) -> None:
    code, seconds = operator.stop()
    operator.start()
    assert code == 0
    assert seconds < 5
