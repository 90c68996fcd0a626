"""A CatalogSource on three templates: visible, Ready, and every count as the catalog itself counts."""

from __future__ import annotations

import time

import pytest

from skillmeat_operator.domain.template.document import revision
from testbed.catalog import content_hash
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant

pytestmark = pytest.mark.usefixtures("operator")


def test_three_templates_are_visible_counted_and_ready_within_twenty_seconds(tenant: Tenant) -> None:
    names = tenant.add_templates(3)
    began = time.monotonic()
    tenant.apply(tenant.source())

    found = tenant.wait_ready(reason="Succeeded")
    seconds = time.monotonic() - began

    print(f"three templates: visible and Ready after {seconds:.1f} s")
    assert seconds < 20
    entities = found["status"]["entities"]
    counted = {"discovered": 3, "selected": 3, "published": 3, "inCatalog": 3}
    assert entities == {**dict.fromkeys(entities, 0), **counted}
    assert found["status"]["revision"].startswith("sha256:")
    assert found["status"]["catalog"]["url"] == tenant.backstage.url
    assert found["status"]["source"] == {"version": "0.74.0", "edition": "local"}
    assert tenant.shows(*names)
    tenant.kubectl("wait", "--for=condition=Ready", "smsrc/main", "--timeout=5s")


def test_every_condition_is_about_the_present_generation(tenant: Tenant) -> None:
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    tenant.wait_ready()
    tenant.patch("main", {"interval": "11s"})

    found = tenant.wait_ready()

    generation = found["metadata"]["generation"]
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    assert generation == 2
    assert found["status"]["observedGeneration"] == generation
    assert {one["observedGeneration"] for one in conditions.values()} == {generation}
    wanted = {"Ready": "True", "SourceReachable": "True", "CatalogReachable": "True", "CatalogSynced": "True"}
    informational = {"Stale": "False", "EntitiesInvalid": "False"}
    assert {kind: one["status"] for kind, one in conditions.items()} == {**wanted, **informational}


def test_every_count_agrees_with_the_catalogs_own_by_query(tenant: Tenant) -> None:
    tenant.add_templates(3)
    tenant.apply(tenant.source())
    status = tenant.wait_ready()["status"]

    shown = tenant.marked()

    listed = [
        one for one in tenant.skillmeat.templates() if tenant.namespace in one["metadata"].get("tags", [])
    ]
    assert len(listed) == status["entities"]["discovered"] == status["entities"]["selected"]
    assert len(shown) == status["entities"]["published"] == status["entities"]["inCatalog"]
    assert {one["metadata"]["namespace"] for one in shown} == {tenant.namespace}
    hashes = {f"template:{tenant.namespace}/{one['metadata']['name']}": content_hash(one) for one in shown}
    assert revision((ref, str(digest)) for ref, digest in hashes.items()) == status["revision"]
    location = tenant.backstage.catalog.by_query(
        f"kind=location,spec.target={status['catalog']['target']}", fields=["kind", "metadata.name"]
    )
    assert [f"location:default/{one['metadata']['name']}" for one in location] == [
        status["catalog"]["entityRef"]
    ]


def test_print_columns_say_what_status_says(tenant: Tenant) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(), tenant.bundle("t0"))
    tenant.wait_ready()
    tenant.wait_ready(name="t0", kind="smtb")

    (source,) = tenant.columns("smsrc")
    (wide,) = tenant.columns("smsrc", "-o", "wide")
    (bundle,) = tenant.columns("smtb")
    (wide_bundle,) = tenant.columns("smtb", "-o", "wide")

    said = {"NAME": "main", "READY": "True", "REASON": "Succeeded", "PUBLISHED": "2", "IN-CATALOG": "2"}
    assert source == {**said, "STALE": "0", "INVALID": "0", "AGE": source["AGE"]}
    assert {key: wide[key] for key in ("HELD", "URL", "SUSPENDED")} == {
        "HELD": "0",
        "URL": tenant.proxy.url,
        "SUSPENDED": "false",
    }
    assert wide["MESSAGE"] == "2 templates published and verified in the catalog"
    said = {"NAME": "t0", "READY": "True", "REASON": "Succeeded", "VERSION": "1.0.0", "STALE": "false"}
    assert bundle == {**said, "IN-CATALOG": "true", "AGE": bundle["AGE"]}
    assert list(wide_bundle)[7:] == [
        "ENTITY",
        "SOURCE",
        "AVAILABLE",
        "COMPONENTS",
        "PUBLISH",
        "SUSPENDED",
        "MESSAGE",
    ]
    assert wide_bundle["ENTITY"] == tenant.ref("t0")
    assert (wide_bundle["SOURCE"], wide_bundle["PUBLISH"], wide_bundle["SUSPENDED"]) == (
        "main",
        "true",
        "false",
    )


def test_the_operator_stops_within_five_seconds(operator: OperatorProcess) -> None:
    code, seconds = operator.stop()
    operator.start()
    assert code == 0
    assert seconds < 5
