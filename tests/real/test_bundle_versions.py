"""Ranges and suspension: which form of a bundle is in the portal while its source goes on."""

from __future__ import annotations

import pytest

from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, message, title, verdicts, version, wait_counts

pytestmark = pytest.mark.usefixtures("operator")


def test_a_version_outside_the_range_leaves_the_accepted_one_in_the_portal(tenant: Tenant) -> None:
    tenant.add_template("t0", "1.4.0")
    tenant.apply(tenant.source(), tenant.bundle("t0", version="^1.2"))
    bundle_ready(tenant, "True", "Succeeded")

    tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="2.0.0")
    tenant.sync()

    found = bundle_ready(tenant, "True", "OutsideRange")
    assert verdicts(found)["VersionAccepted"] == "False"
    assert "Stalled" not in verdicts(found)
    assert (found["status"]["bundleVersion"], found["status"]["availableVersion"]) == ("1.4.0", "2.0.0")
    assert version(tenant) == "1.4.0"
    assert counts(tenant, "selected", "withheld", "held", "published", "inCatalog") == (1, 1, 1, 1, 1)
    (row,) = tenant.columns("smtb", "-o", "wide")
    assert (row["VERSION"], row["AVAILABLE"], row["REASON"]) == ("1.4.0", "2.0.0", "OutsideRange")

    tenant.patch("t0", {"version": "^2.0"}, kind="smtb")
    found = bundle_ready(tenant, "True", "Succeeded")
    assert found["status"]["bundleVersion"] == "2.0.0"
    assert "availableVersion" not in found["status"]
    assert version(tenant) == "2.0.0"


def test_outside_the_range_with_nothing_accepted_before_nothing_is_published(tenant: Tenant) -> None:
    tenant.add_template("t0", "1.4.0")
    tenant.add_template("other")
    tenant.apply(tenant.source(), tenant.bundle("t0", version=">=2.0.0 <3.0.0"))

    found = bundle_ready(tenant, "False", "OutsideRange", stalled=True)
    assert verdicts(found)["VersionAccepted"] == "False"
    assert found["status"]["availableVersion"] == "1.4.0"
    assert found["status"]["catalog"] == {"present": False, "upToDate": False}
    tenant.wait_ready(reason="Succeeded")
    assert tenant.shows("other")
    assert counts(tenant, "selected", "withheld", "held", "published") == (2, 1, 0, 1)

    tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="2.1.0")
    tenant.sync()

    found = bundle_ready(tenant, "True", "Succeeded")
    assert found["status"]["bundleVersion"] == "2.1.0"
    assert version(tenant) == "2.1.0"


def test_a_version_that_cannot_be_read_is_in_no_range(tenant: Tenant) -> None:
    bundle, _ = tenant.skillmeat.add_template(
        f"{tenant.namespace}-t0", None, "No version", backstage_tags=[tenant.namespace]
    )
    tenant.bundles["t0"] = bundle
    tenant.apply(tenant.source(), tenant.bundle("t0", version="*"))

    found = bundle_ready(tenant, "False", "OutsideRange", stalled=True)

    assert found["status"]["availableVersion"] == "unknown"
    assert "version unknown" in message(found)


def test_a_range_that_cannot_be_read_stalls_with_help(tenant: Tenant) -> None:
    tenant.add_template("t0")
    tenant.apply(tenant.source(), tenant.bundle("t0", version=">=1 <=banana"))

    found = bundle_ready(tenant, "False", "InvalidSpec", stalled=True)

    assert verdicts(found)["VersionAccepted"] == "False"
    assert "spec.version cannot be read" in message(found)
    tenant.wait_ready(reason="NoTemplates")


def test_a_suspended_bundle_stays_as_published_and_follows_when_it_is_resumed(tenant: Tenant) -> None:
    tenant.add_template("t0", "1.0.0")
    tenant.apply(tenant.source(), tenant.bundle("t0"))
    bundle_ready(tenant, "True", "Succeeded")
    tenant.patch("t0", {"suspend": True}, kind="smtb")
    found = bundle_ready(tenant, "True", "Succeeded")
    assert message(found).startswith("suspended")

    tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="1.1.0")
    tenant.sync()

    assert version(tenant) == "1.0.0"
    assert counts(tenant, "withheld", "held", "published", "inCatalog") == (1, 1, 1, 1)
    assert tenant.ready("t0", "smtb") == ("True", "Succeeded")
    (row,) = tenant.columns("smtb", "-o", "wide")
    assert (row["SUSPENDED"], row["VERSION"]) == ("true", "1.0.0")

    tenant.patch("t0", {"suspend": False}, kind="smtb")
    eventually(lambda: version(tenant) == "1.1.0", what="the new version after the resume")
    bundle_ready(tenant, "True", "Succeeded")
    wait_counts(tenant, (0,), "withheld")


def test_a_bundle_that_was_changed_while_suspended_says_that_it_has_not_acted(tenant: Tenant) -> None:
    tenant.add_template("t0")
    tenant.apply(tenant.source(), tenant.bundle("t0"))
    bundle_ready(tenant, "True", "Succeeded")
    before = title(tenant)

    tenant.patch("t0", {"suspend": True, "overrides": {"title": "Not yet"}}, kind="smtb")

    bundle_ready(tenant, "False", "Suspended", stalled=True)
    assert title(tenant) == before
    tenant.patch("t0", {"suspend": False}, kind="smtb")
    bundle_ready(tenant, "True", "Succeeded")
    assert title(tenant) == "Not yet"


def test_a_suspended_source_reads_and_publishes_nothing_and_its_document_is_still_served(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    tenant.add_template("t0", "1.0.0")
    tenant.apply(tenant.source())
    tenant.wait_ready()
    document = tenant.document(operator.documents_url)
    tenant.patch("main", {"suspend": True})
    found = tenant.wait_ready()
    assert message(found).startswith("suspended")
    seen = len(tenant.proxy.seen)

    tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="2.0.0")
    tenant.annotate("skillmeat.io/reconcile-requested-at", "while-suspended")
    tenant.apply(tenant.bundle("t0", overrides={"title": "Not yet"}))
    declared = bundle_ready(tenant, "False", "SourceNotReady", stalled=True)
    assert "is suspended" in message(declared)
    # Longer than a bundle's change needs to act, and than a requested sync takes.
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: tenant.get()["status"].get("handledRequests"), within=2.5)

    assert len(tenant.proxy.seen) == seen
    assert tenant.document(operator.documents_url) == document
    assert version(tenant) == "1.0.0"
    (row,) = tenant.columns("smsrc", "-o", "wide")
    assert (row["READY"], row["SUSPENDED"]) == ("True", "true")

    tenant.patch("main", {"suspend": False})
    eventually(lambda: version(tenant) == "2.0.0", what="the new version after the resume")
    tenant.wait_ready(reason="Succeeded")
    assert tenant.get()["status"]["handledRequests"]["skillmeat"] == "while-suspended"
    bundle_ready(tenant, "True", "Succeeded")
