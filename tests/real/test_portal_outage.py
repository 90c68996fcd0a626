"""Backstage is away, boots, or comes back without its memory: nothing is deleted, and it heals by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.fault_proxy import Fault, FaultProxy
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Object, Tenant, eventually

STARTING = Fault(status=404, body=b"", headers={})
"""What a booting portal answers on every path of the catalog (``facts/backstage.md``, 2)."""


@pytest.fixture(scope="module")
def portal(backstage: Backstage) -> Iterator[Backstage]:
    """The portal of all modules, with its catalog in memory; it is stopped and started here."""
    yield backstage
    if not backstage.process.running:  # a test failed meanwhile: other modules need it
        backstage.start()


@pytest.fixture
def team(
    installed: Cluster, skillmeat: SkillMeat, portal: Backstage, operator: OperatorProcess
) -> Iterator[Tenant]:
    """A tenant that names its portal and its token, so that it can also be reached through ``portal_proxy``."""
    tenant = Tenant.make(installed, skillmeat, portal)
    tenant.secret("portal", portal.token)
    yield tenant
    tenant.close()


@pytest.fixture(scope="module")
def portal_proxy(portal: Backstage) -> Iterator[FaultProxy]:
    with FaultProxy(portal.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def seeded(
    installed: Cluster,
    skillmeat: SkillMeat,
    portal: Backstage,
    portal_proxy: FaultProxy,
    operator: OperatorProcess,
) -> Iterator[Tenant]:
    """Two templates in the portal behind ``portal_proxy``, Ready; each test leaves it so."""
    tenant = Tenant.make(installed, skillmeat, portal)
    tenant.secret("portal", portal.token)
    tenant.add_templates(2)
    tenant.apply(_source(tenant, portal_proxy.url))
    tenant.wait_ready(reason="Succeeded")
    yield tenant
    tenant.close()


def _source(tenant: Tenant, url: str, name: str = "main", **spec: object) -> Object:
    backstage = {"url": url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}}
    return tenant.source(name, backstage=backstage, **spec)


def _catalog_reachable(tenant: Tenant) -> tuple[str, str]:
    found = tenant.condition("CatalogReachable") or {}
    return found.get("status", ""), found.get("reason", "")


def _targets(portal: Backstage) -> list[str]:
    return [one["target"] for one in portal.catalog.locations()]


def test_a_portal_that_restarts_without_its_memory_is_filled_again_with_no_hand(
    team: Tenant, portal: Backstage, operator: OperatorProcess
) -> None:
    """So is one that got a new CatalogSource while it was away."""
    names = team.add_templates(3)
    team.apply(_source(team, portal.url))
    found = team.wait_ready(reason="Succeeded")
    target, finalizers = found["status"]["catalog"]["target"], found["metadata"]["finalizers"]
    before = team.document(operator.documents_url)
    deleted = len(portal.requests(method="DELETE"))

    portal.stop()
    team.sync()
    assert _catalog_reachable(team) == ("False", "CatalogUnreachable")
    assert team.ready() == ("True", "ServingLastGood")
    assert (team.condition("SourceReachable") or {})["status"] == "True"
    team.add_template("meanwhile")
    team.sync()
    assert team.document(operator.documents_url) != before
    team.apply(_source(team, portal.url, "late", entityDefaults={"namePrefix": "late-"}))
    late = team.wait_ready("False", "CatalogUnreachable", name="late")
    assert any(one["type"] == "Reconciling" for one in late["status"]["conditions"])

    portal.launch()
    portal.wait_ready()
    began = time.monotonic()
    everything = {team.ref(name) for name in (*names, "meanwhile")}
    everything |= {ref.replace("/", "/late-") for ref in everything}
    eventually(lambda: team.portal() == everything, within=30, every=0.3, what="all templates of both")
    print(f"the entities are back {time.monotonic() - began:.1f} s after the portal was ready")
    found = team.wait_ready(reason="Succeeded")
    team.wait_ready(reason="Succeeded", name="late")

    assert _catalog_reachable(team)[0] == "True"
    assert _targets(portal).count(target) == 1
    assert found["metadata"]["finalizers"] == finalizers
    eventually(lambda: team.entities()["inCatalog"] == 4)
    assert len(portal.requests(method="DELETE")) == deleted


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(STARTING, "starting", id="booting: an empty 404"),
        pytest.param(Fault(status=503, body=b'{"status":"error"}'), "HTTP 503", id="HTTP 503"),
        pytest.param(Fault(body=b"<html></html>", headers={"Content-Type": "text/html"}), "", id="HTML"),
        pytest.param(Fault(body=b"[]"), "", id="an empty list for everything"),
    ],
)
def test_a_portal_that_answers_nonsense_counts_as_away(
    seeded: Tenant, portal_proxy: FaultProxy, operator: OperatorProcess, fault: Fault, said: str
) -> None:
    team = seeded
    entities = team.entities()
    before, locations = team.document(operator.documents_url), _targets(team.backstage)
    deleted = len(portal_proxy.requests(method="DELETE"))

    portal_proxy.fault = fault
    found = team.sync()

    assert _catalog_reachable(team)[0] == "False"
    assert said in (team.condition("CatalogReachable") or {})["message"]
    assert team.ready() == ("True", "ServingLastGood")
    assert found["status"]["entities"] == entities
    assert team.document(operator.documents_url) == before
    portal_proxy.fault = None
    team.wait_ready(reason="Succeeded")
    assert _catalog_reachable(team)[0] == "True"
    assert len(portal_proxy.requests(method="DELETE")) == deleted
    assert _targets(team.backstage) == locations
    assert team.shows("t0", "t1")


def test_ready_ends_with_the_grace_period_of_the_portals_outage(
    team: Tenant, portal: Backstage, portal_proxy: FaultProxy
) -> None:
    names = team.add_templates(1)
    team.apply(_source(team, portal_proxy.url, outageGracePeriod="3s"))
    team.wait_ready(reason="Succeeded")
    portal_proxy.down()
    team.sync()
    began = time.monotonic()

    team.wait_ready("False", "CatalogUnreachable", within=15)

    print(f"Ready=False {time.monotonic() - began:.1f} s after the outage was told (grace 3 s)")
    portal_proxy.up()
    team.wait_ready(reason="Succeeded")
    assert team.shows(*names)
