"""StaticLocation and External: the admin lists our document, or another provider brings the entities in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.ports import LOOPBACK
from testbed.servers import find_backstage
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop
from tests.real.harness.document_server import DocumentServer, template
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Object, Tenant, eventually
from tests.real.harness.views import bundle_ready, counts, verdicts, version

FINALIZER = "skillmeat.io/catalog-cleanup"
DOCUMENTS = -1
"""Which of the ports that the portal may read from is the other provider's."""


# --- StaticLocation


@pytest.fixture(scope="module")
def listing(
    workshop: Workshop,
    run_folder: Path,
    operator: OperatorProcess,
    installed: Cluster,
    skillmeat: SkillMeat,
) -> Iterator[Tenant]:
    """A tenant with a portal of its own whose ``catalog.locations`` lists the document of a source to come.

    The portal's cadence is the stock one (a location is read every 100 to 150 s), so that what is seen sooner
    is the operator's doing.
    """
    portal = Backstage(
        run_folder / "static-portal",
        files=find_backstage(workshop),
        token="token-of-the-static-portal",
        document_hosts=[f"{LOOPBACK}:{operator.documents_port}"],
    )
    tenant = Tenant.make(installed, skillmeat, portal)
    uid = installed.get("namespace", "kube-system")["metadata"]["uid"]
    target = f"{operator.documents_url}/catalogs/{uid[:8]}/{tenant.namespace}/main.yaml"
    portal.locations = [{"type": "url", "target": target}]
    with portal:
        tenant.secret("portal", portal.token)
        yield tenant
        tenant.close()


def static_source(tenant: Tenant) -> Object:
    auth = {"bearerTokenSecretRef": {"name": "portal"}}
    return tenant.source(backstage={"url": tenant.backstage.url, "auth": auth, "ingestion": "StaticLocation"})


def test_a_listed_document_is_served_and_verified_and_never_registered(listing: Tenant) -> None:
    names = listing.add_templates(2)
    began = time.monotonic()
    listing.apply(static_source(listing))

    found = listing.wait_ready(reason="Succeeded", within=30)

    print(f"static location: visible and Ready after {time.monotonic() - began:.1f} s")
    assert listing.shows(*names)
    assert counts(listing, "discovered", "published", "inCatalog", "missing") == (2, 2, 2, 0)
    assert found["status"]["catalog"]["target"] == listing.backstage.locations[0]["target"]
    assert FINALIZER not in found["metadata"].get("finalizers", [])
    assert listing.backstage.catalog.locations() == []
    posts = [one.path for one in listing.backstage.requests(method="POST")]
    assert not [path for path in posts if path.startswith("/api/catalog/locations")], posts


def test_a_change_of_a_listed_document_is_in_the_portal_within_seconds(listing: Tenant) -> None:
    began = time.monotonic()
    listing.skillmeat.update_bundle(listing.bundles["t0"], version="1.1.0")
    listing.sync(within=30)

    print(f"static location: a change is visible after {time.monotonic() - began:.1f} s")
    assert version(listing) == "1.1.0"
    listing.wait_ready(reason="Succeeded")


# --- External


@dataclass
class Provider:
    """Another way into the catalog: a location that somebody else registered."""

    tenant: Tenant
    server: DocumentServer
    location: Object

    def provide(self, versions: dict[str, str]) -> None:
        """Have the catalog show these templates of the tenant, by name, with these bundle versions."""
        entities = [template(self.tenant.ref(name), version=said) for name, said in versions.items()]
        self.server.put("/provider.yaml", entities)
        self.tenant.backstage.catalog.refresh(self.location["entityRef"])
        eventually(
            lambda: {name: version(self.tenant, name) for name in versions} == versions,
            what="what the provider brings is in the portal",
        )


@pytest.fixture
def provider(tenant: Tenant, document_ports: range, operator: OperatorProcess) -> Iterator[Provider]:
    with DocumentServer(document_ports[DOCUMENTS]) as server:
        first = tenant.add_template("first")
        assert first
        target = server.put("/provider.yaml", [template(tenant.ref("first"), version="1.0.0")])
        location = tenant.backstage.catalog.register(target)
        yield Provider(tenant, server, location)
        tenant.backstage.catalog.unregister(location["id"])


def external_source(tenant: Tenant, **spec: Any) -> Object:
    return tenant.source(backstage={"ingestion": "External"}, **spec)


def test_what_another_provider_brings_is_verified_by_its_version(provider: Provider) -> None:
    tenant = provider.tenant
    tenant.add_template("second", "2.0.0")
    provider.provide({"first": "1.0.0", "second": "2.0.0"})
    tenant.apply(external_source(tenant), tenant.bundle("second"))

    found = tenant.wait_ready(reason="Succeeded")

    assert counts(tenant, "discovered", "selected", "published", "inCatalog", "missing") == (2, 2, 2, 2, 0)
    assert verdicts(found)["CatalogSynced"] == "True"
    assert "target" not in found["status"]["catalog"]
    assert FINALIZER not in found["metadata"].get("finalizers", [])
    assert all(tenant.namespace not in one["target"] for one in tenant.backstage.catalog.locations())
    declared = bundle_ready(tenant, "True", "Succeeded", name="second")
    assert declared["status"]["catalog"]["upToDate"] is True


def test_what_another_provider_lacks_or_has_in_an_older_version_is_told(provider: Provider) -> None:
    tenant = provider.tenant
    tenant.add_template("second", "2.0.0")
    tenant.add_template("third")
    provider.provide({"first": "1.0.0", "second": "1.9.0"})
    tenant.apply(external_source(tenant), tenant.bundle("second"))

    found = tenant.wait_ready("False", "NotYetProcessed")

    assert counts(tenant, "published", "inCatalog", "missing") == (3, 1, 2)
    assert {one["entityRef"] for one in found["status"]["problems"]} == {
        tenant.ref("second"),
        tenant.ref("third"),
    }
    assert verdicts(found)["CatalogSynced"] == "False"
    declared = bundle_ready(tenant, "False", "NotYetProcessed", name="second")
    assert declared["status"]["catalog"]["present"] is True
    assert declared["status"]["catalog"]["upToDate"] is False


def test_what_another_provider_brings_later_is_noticed_long_before_the_next_interval(
    provider: Provider,
) -> None:
    tenant = provider.tenant
    tenant.add_template("second", "2.0.0")
    tenant.apply(external_source(tenant, interval="1h"), tenant.bundle("second"))
    tenant.wait_ready("False", "NotYetProcessed")

    provider.provide({"first": "1.0.0", "second": "2.0.0"})

    tenant.wait_ready(reason="Succeeded")
    assert counts(tenant, "inCatalog", "missing") == (2, 0)
    bundle_ready(tenant, "True", "Succeeded", name="second")


def test_an_external_source_that_goes_leaves_the_provider_alone(provider: Provider) -> None:
    tenant = provider.tenant
    tenant.apply(external_source(tenant))
    tenant.wait_ready(reason="Succeeded")

    tenant.kubectl("delete", "smsrc/main", "--timeout=10s")

    assert tenant.shows("first")
    assert provider.location["id"] in {one["id"] for one in tenant.backstage.catalog.locations()}
