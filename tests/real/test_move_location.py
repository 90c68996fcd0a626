"""A changed public URL: the portal keeps reading the former target until somebody says that it should move."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from testbed.catalog import content_hash
from tests.real.harness.fault_proxy import Fault, FaultProxy
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import Watch

MOVE = "skillmeat.io/move-location"
OLDER_PORTAL = Fault(status=404, headers={}, method="PUT", path="/locations/")
"""What a catalog before 3.6.0 says to a call that it does not have (``404-route.json``)."""


class Gaps(Watch):
    """For how long the portal showed less than everything."""

    def __init__(self, tenant: Tenant, count: int) -> None:
        super().__init__(0.1)
        self._tenant, self._count = tenant, count
        self._last = time.monotonic()
        self.seconds = 0.0

    def look(self) -> None:
        """Look at the portal once."""
        whole = len(self._tenant.portal()) == self._count
        now = time.monotonic()
        self.seconds += 0.0 if whole else now - self._last
        self._last = now


@pytest.fixture
def teams(tenant: Tenant) -> Iterator[dict[str, Tenant]]:
    """One team on the portal, and one on the same portal as an older one: it cannot give a location a target."""
    other = Tenant.make(tenant.cluster, tenant.skillmeat, tenant.backstage)
    with FaultProxy(tenant.backstage.url) as proxy:
        proxy.fault = OLDER_PORTAL
        for one, url in ((tenant, tenant.backstage.url), (other, proxy.url)):
            one.secret("portal", one.backstage.token)
            reference = {"bearerTokenSecretRef": {"name": "portal"}}
            one.apply(one.source(backstage={"url": url, "auth": reference}))
        yield {"portal": tenant, "older portal": other}
        other.close()


def targets(tenant: Tenant) -> list[str]:
    """Registered targets of the tenant."""
    listed = tenant.backstage.catalog.locations()
    return [one["target"] for one in listed if f"/{tenant.namespace}/" in one["target"]]


def hashes(tenant: Tenant, names: list[str]) -> dict[str, str | None]:
    """Content hash that the portal shows, by name."""
    return {name: content_hash(tenant.entity(name) or {"metadata": {}}) for name in names}


def test_a_location_moves_only_when_it_is_told_to(
    teams: dict[str, Tenant], own_operator: OperatorProcess, document_ports: range
) -> None:
    names = {which: team.add_templates(3) for which, team in teams.items()}
    own_operator.start()
    for team in teams.values():
        team.wait_ready(reason="Succeeded")
    before = {which: hashes(team, names[which]) for which, team in teams.items()}
    former = {which: targets(team)[0] for which, team in teams.items()}
    own_operator.stop()

    own_operator.documents_port = document_ports[2]
    own_operator.start()

    for which, team in teams.items():
        target = f"{own_operator.documents_url}/catalogs/{former[which].split('/catalogs/', 1)[1]}"
        told_to_stay(team, former[which], target)
        assert team.shows(*names[which])
        move(team, target, names[which], which)
        assert hashes(team, names[which]) == before[which]
        # It is an ordinary location from now on: what changes arrives, and what is deleted goes.
        team.add_template("later")
        team.sync()
        team.wait_portal(*names[which], "later")
        team.cluster.api.delete("CatalogSource", "main", team.namespace)
        eventually(lambda team=team: not targets(team), what="the location is gone")
        assert team.portal() == set()
    own_operator.stop()


def told_to_stay(tenant: Tenant, former: str, target: str) -> None:
    """The condition tells of both targets, and nothing but the exact one is an order to move."""
    synced = eventually(
        lambda: (found := tenant.condition("CatalogSynced")) and found["reason"] == "LocationMoved" and found,
        what="the condition that tells of both targets",
    )
    assert former in synced["message"]
    assert target in synced["message"]
    assert tenant.wait_ready(reason="SucceededWithProblems")["status"]["catalog"]["target"] == former
    tenant.annotate(MOVE, f"{target}.bak")
    tenant.sync()
    assert targets(tenant) == [former]


def move(tenant: Tenant, target: str, names: list[str], which: str) -> None:
    """Move, and print for how long the portal showed less than everything."""
    with Gaps(tenant, len(names)) as gaps:
        tenant.annotate(MOVE, target)
        eventually(lambda: targets(tenant) == [target], what="the portal reads the new target")
        found = tenant.wait_ready(reason="Succeeded")
        tenant.wait_portal(*names)
    assert found["status"]["catalog"]["target"] == target
    print(f"{which}: {len(names)} templates were not all shown for {gaps.seconds:.1f} s")


def test_a_target_that_the_portal_cannot_read_is_not_moved_to(
    tenant: Tenant, own_operator: OperatorProcess
) -> None:
    own_operator.start()
    names = tenant.add_templates(2)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    (former,) = targets(tenant)
    own_operator.stop()

    # The documents lie behind a name that the portal's backend.reading.allow does not have.
    own_operator.public_url = own_operator.documents_url.replace("127.0.0.1", "localhost")
    own_operator.start()
    target = former.replace("127.0.0.1", "localhost")
    tenant.annotate(MOVE, target)
    synced = eventually(
        lambda: (found := tenant.condition("CatalogSynced")) and "not moved" in found["message"] and found,
        what="the dry run's failure",
    )

    assert (synced["status"], synced["reason"]) == ("False", "LocationMoved")
    assert tenant.wait_ready(reason="SucceededWithProblems")["status"]["catalog"]["target"] == former
    assert (tenant.condition("CatalogReachable") or {})["status"] == "True"
    assert targets(tenant) == [former]
    assert tenant.shows(*names)
    # Going back to the former URL needs no annotation, and the one that is there does no harm.
    own_operator.stop()
    own_operator.public_url = "default"
    own_operator.start()
    tenant.wait_ready(reason="Succeeded")
    assert targets(tenant) == [former]
    own_operator.stop()
