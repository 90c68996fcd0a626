"""Which templates of a source are taken, and what becomes of those that Backstage would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testbed.catalog import content_hash
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, message, title, verdicts, wait_counts

pytestmark = pytest.mark.usefixtures("operator")

ILLEGAL_TAG = "Upper_Case"
"""The server emits any tag; the catalog takes lower case, digits, ``:+#`` and dashes."""


def strict(tenant: Tenant, **spec: Any) -> dict[str, Any]:
    """A CatalogSource that repairs nothing."""
    return tenant.source(invalidPolicy="Quarantine", **spec)


def test_an_invalid_template_hides_no_other(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.add_template("broken", backstage_tags=[ILLEGAL_TAG])
    tenant.apply(strict(tenant))

    found = tenant.wait_ready(reason="SucceededWithProblems")

    assert tenant.shows("t0", "t1")
    assert counts(tenant, "discovered", "selected", "invalid", "published", "inCatalog") == (3, 3, 1, 2, 2)
    assert verdicts(found)["EntitiesInvalid"] == "True"
    (problem,) = found["status"]["problems"]
    assert problem["severity"] == "Error"
    assert problem["reason"] == "EntityInvalid"
    assert problem["bundleId"] == tenant.bundles["broken"]
    assert "tags" in problem["message"]
    (row,) = tenant.columns("smsrc")
    assert (row["INVALID"], row["PUBLISHED"]) == ("1", "2")


def test_a_quarantined_template_is_published_once_it_is_valid(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.add_template("broken", backstage_tags=[ILLEGAL_TAG])
    tenant.apply(strict(tenant), tenant.bundle("broken"))
    tenant.wait_ready(reason="SucceededWithProblems")
    found = bundle_ready(tenant, "False", "EntityInvalid", name="broken", stalled=True)
    assert verdicts(found)["CatalogSynced"] == "False"

    retag(tenant, "broken", "legal")
    tenant.sync()

    found = tenant.wait_ready(reason="Succeeded")
    assert "problems" not in found["status"] or found["status"]["problems"] == []
    assert verdicts(found)["EntitiesInvalid"] == "False"
    assert tenant.shows("t0", "broken")
    bundle_ready(tenant, "True", "Succeeded", name="broken")


def test_a_published_template_that_becomes_invalid_stays_as_it_was(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(strict(tenant))
    tenant.wait_ready(reason="Succeeded")
    before = tenant.entity("t0")
    assert before is not None

    retag(tenant, "t0", ILLEGAL_TAG)
    tenant.add_template("late")
    tenant.sync()

    found = tenant.wait_ready(reason="SucceededWithProblems")
    assert tenant.shows("t0", "t1", "late")
    after = tenant.entity("t0")
    assert after is not None
    # Not the etag: whether it is stale may be told by a publication of its own.
    assert (content_hash(after), after["metadata"]["tags"]) == (
        content_hash(before),
        before["metadata"]["tags"],
    )
    assert counts(tenant, "selected", "invalid", "held", "published", "inCatalog") == (3, 1, 1, 3, 3)
    (problem,) = found["status"]["problems"]
    assert "the last good version stays published" in problem["message"]

    retag(tenant, "t0", "legal")
    tenant.sync()
    tenant.wait_ready(reason="Succeeded")
    assert "legal" in (tenant.entity("t0") or {})["metadata"]["tags"]
    assert counts(tenant, "invalid", "held", "published") == (0, 0, 3)


def retag(tenant: Tenant, name: str, tag: str) -> None:
    """Give a template another tag, beside the one by which the tenant's sources list it."""
    tenant.skillmeat.update_template(tenant.templates[name], backstage_tags=[tenant.namespace, tag])
    tenant.skillmeat.invalidate(tenant.bundles[name])


def test_of_two_templates_with_one_ref_the_first_is_published(tenant: Tenant) -> None:
    tenant.add_template("pay ments", backstage_owner="team-first")
    tenant.add_template("pay-ments", backstage_owner="team-second")
    tenant.apply(strict(tenant), tenant.bundle("pay-ments"))

    found = tenant.wait_ready(reason="SucceededWithProblems")

    assert title(tenant, "pay-ments") == f"{tenant.namespace}-pay ments"
    assert tenant.shows("pay-ments")
    assert counts(tenant, "discovered", "selected", "invalid", "published", "inCatalog") == (2, 2, 1, 1, 1)
    (problem,) = found["status"]["problems"]
    assert problem["bundleId"] == tenant.bundles["pay-ments"]
    assert problem["entityRef"] == tenant.ref("pay-ments")
    assert "the same ref" in problem["message"]
    bundle_ready(tenant, "False", "EntityInvalid", name="pay-ments", stalled=True)

    tenant.patch("pay-ments", {"overrides": {"name": f"{tenant.namespace}-second"}}, kind="smtb")
    bundle_ready(tenant, "True", "Succeeded", name="pay-ments")
    wait_counts(tenant, (0, 2, 2), "invalid", "published", "inCatalog")


def test_an_element_that_is_no_template_is_counted_and_hides_no_other(tenant: Tenant) -> None:
    tenant.add_templates(1)
    listed = [
        one for one in tenant.skillmeat.templates() if tenant.namespace in one["metadata"].get("tags", [])
    ]
    component = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component", "metadata": {"name": "other"}}
    body = json.dumps([None, "text", component, *listed]).encode()
    tenant.proxy.fault = Fault(body=body, path="/idp/templates")
    tenant.apply(strict(tenant))

    found = tenant.wait_ready(reason="SucceededWithProblems")

    assert counts(tenant, "discovered", "selected", "invalid", "published", "inCatalog") == (4, 4, 3, 1, 1)
    assert len(found["status"]["problems"]) == 3
    assert tenant.shows("t0")


def test_filters_take_what_is_included_and_not_excluded(tenant: Tenant) -> None:
    for name in ("web-app", "web-old", "batch-job", "tool"):
        kind = "tool" if name == "tool" else "service"
        tenant.add_template(name, backstage_type=kind, backstage_tags=[name.partition("-")[0]])
    include = [{"names": ["*-web-*"]}, {"types": ["tool"]}]
    tenant.apply(
        tenant.source(filters={"include": include, "exclude": [{"names": ["*-old"], "tags": ["web"]}]})
    )

    tenant.wait_ready(reason="Succeeded")

    assert tenant.shows("web-app", "tool")
    assert counts(tenant, "discovered", "selected", "withheld", "published", "inCatalog") == (4, 2, 0, 2, 2)


def test_a_widened_filter_acts_while_skillmeat_is_down(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(filters={"include": [{"names": ["*-t0"]}]}))
    tenant.wait_ready(reason="Succeeded")
    assert tenant.shows("t0")
    tenant.proxy.down()

    tenant.patch("main", {"filters": {"include": [{"names": ["*-t0", "*-t1"]}]}})

    tenant.wait_portal("t0", "t1")


def test_a_declaration_of_what_the_filter_leaves_out_says_so(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(filters={"exclude": [{"names": ["*-t1"]}]}), tenant.bundle("t1"))

    found = bundle_ready(tenant, "False", "BundleNotFound", name="t1", stalled=True)

    assert "spec.filters" in message(found)


def test_a_filter_over_bundle_statuses_reads_them_from_the_server(tenant: Tenant) -> None:
    tenant.add_templates(2)
    deprecate(tenant, "t1")
    tenant.apply(tenant.source(filters={"exclude": [{"bundleStatuses": ["deprecated"]}]}))

    tenant.wait_ready(reason="Succeeded")

    assert tenant.shows("t0")
    assert counts(tenant, "discovered", "selected", "published") == (2, 1, 1)


def deprecate(tenant: Tenant, name: str) -> None:
    for step in ("publish", "deprecate"):
        path = f"/api/v1/bundles/entities/{tenant.bundles[name]}/{step}"
        answer = tenant.skillmeat.request("POST", path)
        assert answer.status == 200, answer.text


def test_a_filter_over_bundle_statuses_stalls_where_the_server_does_not_tell_them(tenant: Tenant) -> None:
    tenant.add_templates(1)
    body = b'{"detail":"Bundle authoring is not enabled"}'
    tenant.proxy.fault = Fault(status=404, body=body, path="/scaffold-templates")
    tenant.apply(tenant.source(filters={"include": [{"bundleStatuses": ["draft"]}]}))

    found = tenant.wait_ready("False", "FilterUnsupported")

    assert tenant.stalled() == "FilterUnsupported"
    assert "bundleStatuses" in message(found)


def test_under_declared_only_declared_bundles_are_published(tenant: Tenant) -> None:
    tenant.add_templates(3)
    tenant.apply(tenant.bundle("t1"), tenant.source(publishPolicy="Declared"))

    tenant.wait_ready(reason="Succeeded")

    assert tenant.shows("t1")
    assert counts(tenant, "discovered", "selected", "withheld", "published") == (3, 1, 0, 1)

    tenant.apply(tenant.bundle("t2"))
    bundle_ready(tenant, "True", "Succeeded", name="t2")
    assert tenant.shows("t1", "t2")


def test_without_any_template_the_source_is_ready_and_says_so(tenant: Tenant) -> None:
    tenant.apply(tenant.source())

    found = tenant.wait_ready(reason="NoTemplates")

    assert set(found["status"]["entities"].values()) == {0}
    assert tenant.portal() == set()
    tenant.add_template("first")
    tenant.sync()
    tenant.wait_ready(reason="Succeeded")
    eventually(lambda: tenant.shows("first"))
