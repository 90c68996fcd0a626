"""Two hundred CatalogSources at once: how long until the portal shows everything, and at what cost to the servers."""

from __future__ import annotations

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.skillmeat import SkillMeat
from tests.real.harness.crowd import INTERVAL, LIST, UNHURRIED, Crowd
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant

pytestmark = pytest.mark.alone

MANY = 200
TEMPLATES = 2
READY_WITHIN = 30.0
BUSY = 2.0
"""How many times longer it may take while the machine does other things as well."""
MOST_REQUESTS = 4
"""To the portal for each CatalogSource: one looks for holders, one registers, views are shared."""


def test_two_hundred_are_ready_within_thirty_seconds(
    own_operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> None:
    crowd = Crowd(Tenant.make(installed, skillmeat, backstage))
    crowd.tenant.add_templates(TEMPLATES)
    own_operator.timings = UNHURRIED
    own_operator.start()
    served = len(backstage.requests())

    seconds = crowd.add(MANY)

    reads = crowd.tenant.proxy.requests(LIST)
    asked = len(backstage.requests()) - served
    print(
        f"{MANY} CatalogSources were Ready after {seconds:.1f} s, with {len(reads)} list reads and "
        f"{asked / MANY:.1f} requests to the portal for each"
    )
    assert seconds <= READY_WITHIN * BUSY
    assert len(reads) <= seconds / (INTERVAL * 0.9) + 1
    assert {one.status for one in crowd.tenant.proxy.seen} == {200}
    assert asked <= MOST_REQUESTS * MANY
    assert crowd.shown() == {f"{crowd.tenant.namespace}-{name}": TEMPLATES for name in crowd.names}
    assert {one["status"]["entities"]["inCatalog"] for one in crowd.objects()} == {TEMPLATES}

    print(f"they were deleted after {crowd.leave():.1f} s")

    assert crowd.shown() == {}
    assert [one for one in backstage.catalog.locations() if crowd.tenant.namespace in one["target"]] == []
    crowd.tenant.close()
    own_operator.stop()
