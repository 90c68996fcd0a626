"""A changed public URL: the portal keeps reading the former target until somebody says that it should move."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event, Thread
from typing import Self

import pytest

from testbed.catalog import content_hash
from tests.real.harness.fault_proxy import Fault, FaultProxy
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually

MOVE = "skillmeat.io/move-location"
OLDER_PORTAL = Fault(status=404, headers={}, method="PUT", path="/locations/")
"""What a catalog before 3.6.0 says to a call that it does not have (``404-route.json``)."""


class Gaps:
    """How many templates the portal showed, looked at all the time."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.least: int | None = None

    def _run(self) -> None:
        while not self._over.is_set():
            shown = len(self._tenant.portal())
            self.least = shown if self.least is None else min(self.least, shown)
            self._over.wait(0.05)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.fixture
def older(tenant: Tenant) -> Iterator[FaultProxy]:
    """The portal as an older one: it cannot give a location another target."""
    with FaultProxy(tenant.backstage.url) as proxy:
        proxy.fault = OLDER_PORTAL
        yield proxy


def targets(tenant: Tenant) -> list[str]:
    """Registered targets of the tenant."""
    listed = tenant.backstage.catalog.locations()
    return [one["target"] for one in listed if f"/{tenant.namespace}/" in one["target"]]


def moved_url(tenant: Tenant, operator: OperatorProcess, port: int) -> tuple[str, str]:
    """Start the operator again under another public URL; the former target and the new one."""
    (former,) = targets(tenant)
    operator.stop()
    operator.documents_port = port
    operator.start()
    return former, f"{operator.documents_url}/catalogs/{former.split('/catalogs/', 1)[1]}"


@pytest.mark.parametrize("old", [False, True], ids=["portal", "older portal"])
def test_a_location_moves_only_when_it_is_told_to(
    tenant: Tenant, own_operator: OperatorProcess, document_ports: range, older: FaultProxy, old: bool
) -> None:
    own_operator.start()
    names = tenant.add_templates(3)
    tenant.secret("portal", tenant.backstage.token)
    url = older.url if old else tenant.backstage.url
    tenant.apply(tenant.source(backstage={"url": url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}}))
    tenant.wait_ready(reason="Succeeded")
    before = {name: content_hash(tenant.entity(name) or {}) for name in names}

    former, target = moved_url(tenant, own_operator, document_ports[2])
    synced = eventually(
        lambda: (found := tenant.condition("CatalogSynced")) and found["reason"] == "LocationMoved" and found,
        what="the condition that tells of both targets",
    )
    assert former in synced["message"]
    assert target in synced["message"]
    assert tenant.wait_ready(reason="SucceededWithProblems")["status"]["catalog"]["target"] == former

    # Nothing but the exact target is an order to move.
    tenant.annotate(MOVE, f"{target}.bak")
    tenant.sync()
    assert targets(tenant) == [former]
    assert tenant.shows(*names)

    with Gaps(tenant) as gaps:
        tenant.annotate(MOVE, target)
        eventually(lambda: targets(tenant) == [target], what="the portal reads the new target")
        found = tenant.wait_ready(reason="Succeeded")
        tenant.wait_portal(*names)
    assert found["status"]["catalog"]["target"] == target
    assert {name: content_hash(tenant.entity(name) or {}) for name in names} == before
    print(f"while it moved, the portal showed at least {gaps.least} of {len(names)} templates")
    assert gaps.least is not None

    # It is an ordinary location from now on: what changes arrives, and what is deleted goes.
    tenant.add_template("later")
    tenant.sync()
    tenant.wait_portal(*names, "later")
    tenant.kubectl("delete", "smsrc/main", "--timeout=20s")
    assert targets(tenant) == []
    tenant.wait_portal(within=40)


def test_a_target_that_the_portal_cannot_read_is_not_moved_to(
    tenant: Tenant, own_operator: OperatorProcess, document_ports: range
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
        lambda: (found := tenant.condition("CatalogReachable")) and found["status"] == "False" and found,
        what="the dry run's failure",
    )

    assert synced["reason"] == "LocationMoved"
    assert "was not moved" in synced["message"]
    time.sleep(2.0)
    assert targets(tenant) == [former]
    assert tenant.shows(*names)
    with ExitStack() as stack:
        stack.callback(own_operator.stop)
        # Going back to the former URL needs no annotation, and none does harm.
        own_operator.stop()
        own_operator.public_url = "default"
        own_operator.start()
        tenant.wait_ready(reason="Succeeded")
        assert targets(tenant) == [former]
