"""What TemplateBundles mean: found, unknown, ambiguous, twins, without a source, and with overrides."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, message, title, verdicts

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def settled(tenant: Tenant) -> Tenant:
    """A tenant whose one template is visible."""
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready()
    return tenant


def test_a_found_bundle_says_what_the_portal_shows(settled: Tenant) -> None:
    settled.apply(settled.bundle("t0", version="^1.0"))

    found = bundle_ready(settled, "True", "Succeeded")

    shown = settled.entity("t0")
    assert shown is not None
    annotations = shown["metadata"]["annotations"]
    status = found["status"]
    assert verdicts(found) == {
        "Ready": "True",
        "Resolved": "True",
        "VersionAccepted": "True",
        "CatalogSynced": "True",
        "Stale": "False",
    }
    assert status["observedGeneration"] == found["metadata"]["generation"]
    assert status["entityRef"] == settled.ref("t0")
    assert status["bundleId"] == settled.bundles["t0"] == annotations["skillmeat.io/bundle-id"]
    assert status["bundleVersion"] == "1.0.0" == annotations["skillmeat.io/bundle-version"]
    assert status["generatedAt"].rstrip("Z")[:26] == annotations["skillmeat.io/generated-at"][:26]
    assert status["catalog"] == {"present": True, "upToDate": True, "uid": shown["metadata"]["uid"]}
    assert status["stale"] is False
    assert "availableVersion" not in status


@pytest.mark.parametrize("prefix", ["bundle:", ""])
def test_a_bundle_is_found_by_either_form_of_its_id(settled: Tenant, prefix: str) -> None:
    reference = {"id": prefix + settled.bundles["t0"]}
    settled.apply(settled.bundle("t0", bundleRef=reference))
    bundle_ready(settled, "True", "Succeeded")


def test_an_unknown_bundle_waits_then_stalls_and_is_ready_once_it_is_created(settled: Tenant) -> None:
    settled.apply(settled.bundle("late"))

    early = bundle_ready(settled, "False", "BundleNotFound", name="late")
    assert verdicts(early)["Resolved"] == "False"
    assert verdicts(early)["Reconciling"] == "True"
    assert early["status"]["catalog"] == {"present": False, "upToDate": False}

    settled.sync()  # a second complete read; the grace is over a few seconds later
    stuck = bundle_ready(settled, "False", "BundleNotFound", name="late", stalled=True)
    assert "correct spec.bundleRef" in message(stuck)
    assert settled.ready() == ("True", "Succeeded")

    settled.add_template("late")
    settled.sync()
    bundle_ready(settled, "True", "Succeeded", name="late")
    assert settled.shows("t0", "late")


def test_an_ambiguous_name_stalls_and_names_the_ids_to_choose_from(tenant: Tenant) -> None:
    first = tenant.add_template("same")
    second = tenant.add_template("namesake")
    # The server refuses a second bundle of a name, and lets one be renamed to it.
    tenant.skillmeat.update_bundle(second, name=f"{tenant.namespace}-same", version="1.0.1")
    tenant.apply(tenant.source(), tenant.bundle("same", bundleRef={"name": f"{tenant.namespace}-same"}))

    found = bundle_ready(tenant, "False", "AmbiguousBundle", name="same", stalled=True)

    assert verdicts(found)["Resolved"] == "False"
    assert first in message(found)
    assert second in message(found)

    tenant.patch("same", {"bundleRef": {"id": first, "name": None}}, kind="smtb")
    bundle_ready(tenant, "True", "Succeeded", name="same")


def test_of_twins_the_older_decides_and_the_younger_follows_when_it_goes(settled: Tenant) -> None:
    elder = settled.bundle("t0", overrides={"title": "Of the elder"})
    younger = {**settled.bundle("t0", overrides={"title": "Of the younger"})}
    younger["metadata"] = {**younger["metadata"], "name": "twin"}
    settled.apply(elder)
    bundle_ready(settled, "True", "Succeeded")
    second_granularity(settled, "t0")
    settled.apply(younger)

    found = bundle_ready(settled, "False", "DuplicateDeclaration", name="twin", stalled=True)
    assert "TemplateBundle t0 is older" in message(found)
    assert "entityRef" not in found["status"]
    assert title(settled) == "Of the elder"

    settled.kubectl("delete", "smtb/t0")
    bundle_ready(settled, "True", "Succeeded", name="twin")
    eventually(lambda: title(settled) == "Of the younger", what="the younger twin's title in the portal")


def second_granularity(tenant: Tenant, name: str) -> None:
    """Age is told in whole seconds: wait until a new object is younger than this one for sure."""
    created = tenant.get(name, "smtb")["metadata"]["creationTimestamp"]

    def later() -> bool:
        probe = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "age", "namespace": tenant.namespace},
        }
        tenant.kubectl("delete", "configmap", "age", "--ignore-not-found")
        tenant.apply(probe)
        return bool(
            tenant.cluster.api.get("ConfigMap", "age", tenant.namespace)["metadata"]["creationTimestamp"]
            > created
        )

    eventually(later, within=5)


def test_a_bundle_without_its_source_waits_then_stalls_and_is_ready_once_it_is_created(
    tenant: Tenant,
) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.bundle("t0"))

    early = bundle_ready(tenant, "False", "SourceNotFound")
    assert verdicts(early)["Reconciling"] == "True"
    late = bundle_ready(tenant, "False", "SourceNotFound", stalled=True)
    assert "there is no CatalogSource main" in message(late)

    tenant.apply(tenant.source())
    bundle_ready(tenant, "True", "Succeeded")
    tenant.kubectl("delete", "smsrc/main")
    bundle_ready(tenant, "False", "SourceNotFound")


def test_bundles_are_selected_by_their_source(settled: Tenant) -> None:
    settled.add_template("other")
    settled.apply(settled.bundle("t0"), settled.bundle("other", source="elsewhere"))

    field = "--field-selector=spec.sourceRef.name="
    assert [row["NAME"] for row in settled.columns("smtb", f"{field}main")] == ["t0"]
    assert [row["NAME"] for row in settled.columns("smtb", f"{field}elsewhere")] == ["other"]


def test_overrides_are_what_the_portal_shows(settled: Tenant) -> None:
    overrides: dict[str, Any] = {
        "name": f"{settled.namespace}-payments",
        "title": "Payments",
        "description": "Scaffolds a payments service",
        "owner": "team-payments",
        "type": "website",
        "lifecycle": "production",
        "tags": ["payments", "approved"],
        "labels": {"example.com/tier": "gold"},
        "annotations": {"example.com/contact": "payments@example.com"},
        "links": [{"url": "https://docs.example.com/payments", "title": "Docs"}],
    }
    settled.apply(settled.bundle("t0", overrides=overrides))

    found = bundle_ready(settled, "True", "Succeeded")

    ref = f"template:{settled.namespace}/{settled.namespace}-payments"
    assert found["status"]["entityRef"] == ref
    shown = settled.backstage.catalog.entity("template", settled.namespace, f"{settled.namespace}-payments")
    assert shown is not None
    metadata, spec = shown["metadata"], shown["spec"]
    assert {key: metadata[key] for key in ("name", "title", "description")} == {
        key: overrides[key] for key in ("name", "title", "description")
    }
    assert metadata["tags"] == overrides["tags"]
    assert metadata["labels"] == overrides["labels"]
    assert metadata["links"] == overrides["links"]
    assert metadata["annotations"]["example.com/contact"] == "payments@example.com"
    assert (spec["owner"], spec["type"]) == ("group:default/team-payments", "website")
    assert spec["lifecycle"] == "production"
    assert counts(settled, "published", "inCatalog", "withheld") == (1, 1, 0)


def test_without_its_overrides_the_entity_is_again_as_the_source_has_it(settled: Tenant) -> None:
    original = title(settled)
    settled.apply(settled.bundle("t0", overrides={"title": "Another title"}))
    eventually(lambda: title(settled) == "Another title", what="the override in the portal")

    settled.kubectl("delete", "smtb/t0")

    eventually(lambda: title(settled) == original, what="the source's own title in the portal")
