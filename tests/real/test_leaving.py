"""Templates that are to leave do: out of the document at once, out of the portal with its next sweep.

The portal sweeps every 30 s, so everything leaves at the same time, before the tests look at one thing each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, verdicts, wait_counts

SWEEP = 45.0
"""Seconds within which the portal removes what left the document."""


@dataclass
class Leaving:
    """A tenant after its templates were told to leave."""

    tenant: Tenant
    document: dict[str, bytes]
    """The documents right after each step, by step."""
    seconds: dict[str, float]
    waiting: dict[str, tuple[str, str] | None]
    """Ready of the withdrawn bundle right after the step."""
    approved: Tenant
    """Another one, whose templates were all lost and their removal approved."""


@pytest.fixture(scope="module")
def leaving(
    operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> Iterator[Leaving]:
    """A source whose templates leave in four ways, and one under ``Declared`` that loses a declaration."""
    tenant = Tenant.make(installed, skillmeat, backstage)
    for name in ("kept", "disabled", "deleted", "withdrawn", "filtered"):
        tenant.add_template(name)
    tenant.apply(tenant.source(), tenant.bundle("withdrawn"))
    declared = {"catalogNamespace": f"{tenant.namespace}-declared"}
    tenant.apply(
        tenant.source("declared", backstage=declared, publishPolicy="Declared"),
        {
            **tenant.bundle("kept", "declared"),
            "metadata": {"name": "declared-kept", "namespace": tenant.namespace},
        },
        {
            **tenant.bundle("filtered", "declared"),
            "metadata": {"name": "undeclared", "namespace": tenant.namespace},
        },
    )
    tenant.wait_ready(reason="Succeeded")
    tenant.wait_ready(reason="Succeeded", name="declared")
    bundle_ready(tenant, "True", "Succeeded", name="undeclared")
    approved = Tenant.make(installed, skillmeat, backstage)
    made = Leaving(tenant, {}, {}, {}, approved)

    def step(what: str, gone: str, source: str = "main") -> None:
        began = time.monotonic()
        mark = f"-{gone}".encode()

        def out() -> bool:
            made.document[what] = tenant.document(operator.documents_url, source)[1]
            return mark not in made.document[what]

        eventually(out, within=10, what=f"{gone} is out of the document")
        made.seconds[what] = time.monotonic() - began

    tenant.patch("withdrawn", {"publish": False}, kind="smtb")
    step("withdrawn", "withdrawn")
    made.waiting["withdrawn"] = tenant.ready("withdrawn", "smtb")
    tenant.patch("main", {"filters": {"exclude": [{"names": ["*-filtered"]}]}})
    step("filtered", "filtered")
    tenant.kubectl("delete", "smtb/undeclared")
    step("undeclared", "filtered", "declared")
    tenant.skillmeat.disable(tenant.templates["disabled"])
    tenant.annotate("skillmeat.io/reconcile-requested-at", "disabled")
    step("disabled", "disabled")
    tenant.remove("deleted")
    tenant.annotate("skillmeat.io/reconcile-requested-at", "deleted")
    step("deleted", "deleted")
    _approve_removal(approved)
    yield made
    tenant.close()
    approved.close()


def _approve_removal(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    tenant.proxy.fault = Fault(body=b"[]")
    tenant.sync()
    removal = tenant.wait_ready("False", "RemovalHeld")["status"]["removal"]
    assert set(removal["refs"]) == {tenant.ref("t0"), tenant.ref("t1")}
    assert tenant.shows("t0", "t1")
    tenant.annotate("skillmeat.io/approve-removal", removal["id"])


def gone(tenant: Tenant, name: str) -> None:
    eventually(lambda: tenant.entity(name) is None, within=SWEEP, what=f"{name} has left the portal")


@pytest.mark.parametrize("name", ["disabled", "deleted", "withdrawn", "filtered"])
def test_what_leaves_is_out_of_the_document_at_once_and_out_of_the_portal_with_its_sweep(
    leaving: Leaving, name: str
) -> None:
    print(f"{name}: out of the document after {leaving.seconds[name]:.1f} s")
    assert f"-{name}".encode() not in leaving.document[name]
    assert b"-kept" in leaving.document[name]
    gone(leaving.tenant, name)


def test_an_approved_removal_leaves_the_portal(leaving: Leaving) -> None:
    tenant = leaving.approved

    tenant.wait_portal(within=SWEEP)

    found = tenant.wait_ready(reason="NoTemplates")
    assert found["status"]["entities"]["published"] == 0
    assert "removal" not in found["status"]


def test_a_disabled_template_is_in_no_count(leaving: Leaving) -> None:
    tenant = leaving.tenant
    gone(tenant, "disabled")

    # Listed are kept, withdrawn and filtered; the filter takes the last one, the TemplateBundle the second.
    eventually(
        lambda: (
            counts(tenant, "discovered", "selected", "withheld", "published", "inCatalog") == (3, 2, 1, 1, 1)
        ),
        what="the counts without what left",
    )
    assert counts(tenant, "held", "missing", "invalid", "conflicting") == (0, 0, 0, 0)
    assert [one["metadata"]["title"] for one in tenant.marked()] == [f"{tenant.namespace}-kept"]
    tenant.wait_ready(reason="Succeeded")


def test_a_withdrawn_bundle_says_that_it_is_on_its_way_out_and_then_that_it_is_held_back(
    leaving: Leaving,
) -> None:
    assert leaving.waiting["withdrawn"] != ("True", "Succeeded")
    tenant = leaving.tenant
    gone(tenant, "withdrawn")

    found = bundle_ready(tenant, "True", "HeldBack", name="withdrawn")

    assert verdicts(found)["CatalogSynced"] == "True"
    assert found["status"]["catalog"] == {"present": False, "upToDate": False}
    assert "entityRef" not in found["status"]
    row = next(row for row in tenant.columns("smtb", "-o", "wide") if row["NAME"] == "withdrawn")
    assert (row["PUBLISH"], row["IN-CATALOG"]) == ("false", "false")


def test_under_declared_a_template_leaves_with_its_declaration(leaving: Leaving) -> None:
    tenant = leaving.tenant
    refs = [one["metadata"]["title"] for one in tenant.marked("declared")]

    def only_the_declared() -> bool:
        refs[:] = [one["metadata"]["title"] for one in tenant.marked("declared")]
        return refs == [f"{tenant.namespace}-kept"]

    eventually(only_the_declared, within=SWEEP, what="only the declared template in the portal")
    eventually(lambda: counts(tenant, "selected", "published", "inCatalog", source="declared") == (1, 1, 1))


def test_a_withdrawn_bundle_is_back_when_it_may_be_published_again(leaving: Leaving) -> None:
    tenant = leaving.tenant
    gone(tenant, "withdrawn")

    tenant.patch("withdrawn", {"publish": True}, kind="smtb")

    bundle_ready(tenant, "True", "Succeeded", name="withdrawn")
    assert tenant.entity("withdrawn") is not None
    wait_counts(tenant, (2, 0, 2, 2), "selected", "withheld", "published", "inCatalog")


def test_a_template_that_is_enabled_again_is_back(leaving: Leaving) -> None:
    tenant = leaving.tenant
    gone(tenant, "disabled")

    tenant.skillmeat.enable(tenant.templates["disabled"])
    tenant.sync()

    assert tenant.entity("disabled") is not None
