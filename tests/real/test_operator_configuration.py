"""What flags of the operator leave out or forbid: told by the CatalogSource that needs it, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.operator_process import NewOperator, OperatorProcess
from tests.real.harness.tenant import Object, Tenant

Running = Callable[..., AbstractContextManager[OperatorProcess]]


@pytest.fixture
def tenants(installed: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> Iterator[Callable[[], Tenant]]:
    """Makes tenants of the test's own."""
    made: list[Tenant] = []

    def make() -> Tenant:
        tenant = Tenant.make(installed, skillmeat, backstage)
        tenant.secret("portal", backstage.token)
        made.append(tenant)
        return tenant

    yield make
    for tenant in made:
        tenant.close()


@pytest.fixture
def running(new_operator: NewOperator, document_ports: range) -> Running:
    """Runs an operator with other flags than usual, for as long as the block lasts."""

    @contextmanager
    def run(
        *,
        backstage: Backstage | None = None,
        hosts: Sequence[str] = ("127.0.0.1",),
        public_url: str | None = "default",
        arguments: Sequence[str] = (),
    ) -> Iterator[OperatorProcess]:
        process = new_operator(
            documents_port=document_ports[2],
            backstage_url=backstage.url if backstage is not None else None,
            backstage_token=backstage.token if backstage is not None else None,
            allowed_hosts=hosts,
            public_url=public_url,
            arguments=arguments,
        )
        with process:
            yield process

    return run


def on(backstage: Backstage, **more: str) -> Object:
    """``spec.backstage`` that names a portal and its token."""
    return {"url": backstage.url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}, **more}


def assert_stalled(tenant: Tenant, reason: str, *said: str, name: str = "main") -> Object:
    """Stalled at once, with the remedy in the message."""
    found = tenant.wait_ready("False", reason, name=name)
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    for kind, status in (("Ready", "False"), ("Stalled", "True")):
        assert (conditions[kind]["status"], conditions[kind]["reason"]) == (status, reason)
        assert [part for part in said if part not in conditions[kind]["message"]] == []
    assert "Reconciling" not in conditions
    assert found["metadata"].get("finalizers", []) == []
    return found


def test_an_operator_without_flags_runs_and_names_the_one_that_each_source_needs(
    tenants: Callable[[], Tenant], backstage: Backstage, running: Running
) -> None:
    no_portal, no_public_url, no_hosts = tenants(), tenants(), tenants()
    with running(hosts=(), public_url=None):
        no_portal.apply(no_portal.source())
        no_public_url.apply(no_public_url.source(backstage=on(backstage)))
        no_hosts.apply(no_hosts.source(backstage=on(backstage, ingestion="External")))

        assert_stalled(no_portal, "PortalURLMissing", "spec.backstage.url", "--backstage-url")
        assert_stalled(no_public_url, "PublicURLMissing", "--public-url")
        found = assert_stalled(no_hosts, "EgressNotAllowed", "127.0.0.1", "--allowed-hosts")

    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    # Both the source and the portal are out of bounds, and nothing was sent to either.
    for kind in ("SourceReachable", "CatalogReachable"):
        assert (conditions[kind]["status"], conditions[kind]["reason"]) == ("False", "EgressNotAllowed")
    for tenant in (no_portal, no_public_url, no_hosts):
        assert tenant.proxy.seen == []


def test_hosts_and_catalog_namespaces_that_are_not_allowed_and_one_that_is(
    tenants: Callable[[], Tenant], backstage: Backstage, running: Running
) -> None:
    well, elsewhere, intruder = tenants(), tenants(), tenants()
    well.add_templates(1)
    hosts = [well.proxy.url.removeprefix("http://"), intruder.proxy.url.removeprefix("http://")]
    namespaces = ["--allowed-catalog-namespaces", well.namespace, "--allowed-catalog-namespaces", "other-*"]
    with running(backstage=backstage, hosts=hosts, arguments=namespaces):
        well.apply(well.source())
        elsewhere.apply(
            elsewhere.source(backstage={"catalogNamespace": "other-1"}),
            elsewhere.source(
                "far",
                skillmeat={"url": "http://skillmeat.example.com"},
                backstage={"catalogNamespace": "other-2"},
            ),
        )
        intruder.apply(intruder.source(backstage={"catalogNamespace": "platform"}))

        before = well.wait_ready(reason="Succeeded")
        # The right host on a port that is not named, and a name that is not named at all.
        assert_stalled(elsewhere, "EgressNotAllowed", "add 127.0.0.1", "--allowed-hosts")
        assert_stalled(
            elsewhere, "EgressNotAllowed", "add skillmeat.example.com", "--allowed-hosts", name="far"
        )
        assert_stalled(
            intruder, "NamespaceNotAllowed", "platform", "--allowed-catalog-namespaces", "catalogNamespace"
        )

        assert well.get()["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        assert well.shows("t0")
        assert elsewhere.proxy.seen == intruder.proxy.seen == []


def test_a_document_url_that_the_portal_would_not_index(
    tenants: Callable[[], Tenant], backstage: Backstage, running: Running
) -> None:
    tenant = tenants()
    base = f"http://127.0.0.1:1/{'x' * 100}"
    long = "n" * 63
    with running(backstage=backstage, public_url=base):
        tenant.apply(tenant.source(long), tenant.source("short", backstage={"ingestion": "External"}))

        found = assert_stalled(tenant, "TargetTooLong", "186", "shorten --public-url", name=long)
        tenant.wait_ready(reason="NoTemplates", name="short")

    message = next(one["message"] for one in found["status"]["conditions"] if one["type"] == "Ready")
    length = len(f"{base}/catalogs/12345678/{tenant.namespace}/{long}.yaml")
    assert f"{length} characters" in message
    assert [one for one in backstage.catalog.locations() if long in one["target"]] == []


def test_a_public_url_given_later_is_all_that_was_missing(
    tenants: Callable[[], Tenant], backstage: Backstage, running: Running
) -> None:
    tenant = tenants()
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    with running(backstage=backstage, public_url=None):
        assert_stalled(tenant, "PublicURLMissing", "--public-url")

    with running(backstage=backstage):
        tenant.wait_ready(reason="Succeeded")
        assert tenant.shows("t0")
        tenant.kubectl("delete", "smsrc/main", "--timeout=10s")
