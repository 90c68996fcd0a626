"""SkillMeat is away: nothing leaves the portal, status says so, and it is well again by itself."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from testbed.ports import LOOPBACK, ports
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import StatusWatch, ready_of, refs_of


def _synced(tenant: Tenant, **spec: Any) -> list[str]:
    names = tenant.add_templates(2)
    tenant.apply(tenant.source(**spec))
    tenant.wait_ready(reason="Succeeded")
    return names


def _reread(tenant: Tenant) -> None:
    """Let the portal read the document now, as it does every few minutes by itself."""
    tenant.backstage.catalog.refresh(tenant.get()["status"]["catalog"]["entityRef"])


def test_document_and_portal_stay_as_they_are_and_ready_serves_the_last_good_state(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    names = _synced(tenant)
    before = tenant.document(operator.documents_url)
    entities = tenant.entities()
    tenant.proxy.down()

    found = tenant.sync()

    assert tenant.ready() == ("True", "ServingLastGood")
    unreachable = tenant.condition("SourceReachable")
    assert unreachable is not None
    assert (unreachable["status"], unreachable["reason"]) == ("False", "SourceUnreachable")
    # Which of them the first try after the fall met is a matter of milliseconds.
    ways = ("closed the connection", "refused the connection", "cannot be reached")
    assert any(way in unreachable["message"] for way in ways), unreachable["message"]
    assert {one["type"] for one in found["status"]["conditions"]}.isdisjoint({"Reconciling", "Stalled"})
    assert tenant.entities() == entities
    _reread(tenant)
    time.sleep(1.0)
    assert tenant.document(operator.documents_url) == before
    assert tenant.shows(*names)


def test_it_recovers_alone_and_catches_up_with_what_changed_meanwhile(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    names = _synced(tenant)
    tenant.proxy.down()
    tenant.sync()
    assert tenant.ready() == ("True", "ServingLastGood")
    tenant.add_template("meanwhile")

    tenant.proxy.up()
    began = time.monotonic()

    tenant.wait_portal(*names, "meanwhile")
    tenant.wait_ready(reason="Succeeded")
    print(f"recovered in {time.monotonic() - began:.1f} s")
    reachable = tenant.condition("SourceReachable")
    assert reachable is not None
    assert reachable["status"] == "True"


def test_ready_ends_with_the_grace_period_and_the_portal_stays(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    names = _synced(tenant, outageGracePeriod="4s")
    before = tenant.document(operator.documents_url)
    tenant.proxy.down()
    tenant.sync()
    began = time.monotonic()
    assert tenant.ready() == ("True", "ServingLastGood")
    first = tenant.condition("SourceReachable") or {}

    found = tenant.wait_ready("False", "SourceUnreachable", within=15)

    print(f"Ready=False {time.monotonic() - began:.1f} s after the outage was told (grace 4 s)")
    assert any(
        one["type"] == "Reconciling" and one["status"] == "True" for one in found["status"]["conditions"]
    )
    now = tenant.condition("SourceReachable") or {}
    assert (now["status"], now["lastTransitionTime"]) == ("False", first["lastTransitionTime"])
    _reread(tenant)
    assert tenant.document(operator.documents_url) == before
    assert tenant.shows(*names)
    tenant.proxy.up()
    tenant.wait_ready(reason="Succeeded")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(Fault(status=503, body=b"try later"), "HTTP 503", id="HTTP 503"),
        pytest.param(
            Fault(status=500, body=b'{"detail":"Internal Server Error"}'), "HTTP 500", id="HTTP 500"
        ),
        pytest.param(Fault(delay=3.0), "timed out", id="no answer in time"),
    ],
)
def test_other_outages_are_told_by_their_kind(
    tenant: Tenant, operator: OperatorProcess, fault: Fault, said: str
) -> None:
    names = _synced(tenant, timeout="1s")

    tenant.proxy.fault = fault
    tenant.sync()

    assert tenant.ready() == ("True", "ServingLastGood")
    unreachable = tenant.condition("SourceReachable")
    assert unreachable is not None
    assert (unreachable["status"], unreachable["reason"]) == ("False", "SourceUnreachable")
    assert said in unreachable["message"]
    assert tenant.shows(*names)
    tenant.proxy.fault = None
    tenant.wait_ready(reason="Succeeded")


def test_a_change_of_the_spec_during_an_outage_acts_on_what_was_last_read(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    names = _synced(tenant)
    tenant.proxy.down()
    tenant.sync()

    tenant.patch("main", {"entityDefaults": {"tags": ["added"]}})

    tenant.wait_ready("False", "SourceUnreachable")
    eventually(
        lambda: (
            [
                "added" in one["metadata"]["tags"]
                for one in tenant.backstage.catalog.templates(tenant.namespace)
            ]
            == [True, True]
        )
    )
    assert tenant.shows(*names)
    tenant.proxy.up()
    tenant.wait_ready(reason="Succeeded")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param(None, "SourceUnreachable", id="nobody listens there"),
        pytest.param("/elsewhere", "EndpointNotFound", id="no SkillMeat under that path"),
    ],
)
def test_a_wrong_url_ends_ready_at_once_and_never_claims_it_for_the_new_generation(
    tenant: Tenant, operator: OperatorProcess, tmp_path: Path, url: str | None, reason: str
) -> None:
    names = _synced(tenant)
    wrong = f"http://{LOOPBACK}:{ports.take()}" if url is None else tenant.proxy.url + url

    with StatusWatch(tenant.cluster, tmp_path, "smsrc", tenant.namespace, "main") as watch:
        began = time.monotonic()
        tenant.patch("main", {"source": {"skillmeat": {"url": wrong}}})
        generation = tenant.get()["metadata"]["generation"]
        watch.until(lambda form: ready_of(form)[2] == generation, within=10)
        print(f"told {time.monotonic() - began:.1f} s after the commit")
        tenant.sync()
        told = {ready_of(form)[:2] for form in watch.forms() if ready_of(form)[2] == generation}

    assert told == {("False", reason)}
    status, document = tenant.document(operator.documents_url)
    assert (status, set(refs_of(document))) == (200, {tenant.ref(name) for name in names})
    assert tenant.shows(*names)
    tenant.patch("main", {"source": {"skillmeat": {"url": tenant.proxy.url}}})
    tenant.wait_ready(reason="Succeeded")


def test_an_outage_of_one_source_leaves_the_others_alone(tenant: Tenant, operator: OperatorProcess) -> None:
    _synced(tenant)
    direct = tenant.source(
        "direct",
        skillmeat={"url": tenant.skillmeat.url},
        backstage={"catalogNamespace": f"{tenant.namespace}-b"},
    )
    tenant.apply(direct)
    tenant.wait_ready(name="direct")
    tenant.proxy.down()
    tenant.sync()

    tenant.add_template("late")
    found = tenant.sync("direct")

    assert found["status"]["entities"]["inCatalog"] == 3
    assert tenant.ready("direct") == ("True", "Succeeded")
    assert tenant.ready() == ("True", "ServingLastGood")
    eventually(lambda: len(tenant.backstage.catalog.names(f"{tenant.namespace}-b")) == 3)
