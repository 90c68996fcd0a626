"""The operator is restarted: what is served, held and counted goes on as if it had not been."""

from __future__ import annotations

import time
from typing import Any

from testbed.web import call
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import DocumentWatch, refs_of

EMPTY = Fault(body=b"[]")


def _published(tenant: Tenant, count: int = 3, **spec: Any) -> list[str]:
    names = tenant.add_templates(count)
    tenant.apply(tenant.source(**spec))
    tenant.wait_ready(reason="Succeeded")
    return names


def _refs(tenant: Tenant, *names: str) -> frozenset[str]:
    return frozenset(tenant.ref(name) for name in names)


def test_the_same_document_is_served_byte_for_byte_while_skillmeat_is_down(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    plain, packed = call("GET", url), call("GET", url, headers={"Accept-Encoding": "gzip"})
    tenant.proxy.down()
    tenant.sync()
    told = tenant.condition("SourceReachable") or {}
    running_operator.stop()

    with DocumentWatch(url) as watch:
        running_operator.start()
        tenant.sync()
        assert tenant.ready() == ("True", "ServingLastGood")
        again = call("GET", url, headers={"Accept-Encoding": "gzip"})

    assert (again.body, again.headers["etag"]) == (packed.body, packed.headers["etag"])
    assert watch.bodies() == {plain.body}
    # The grace counts from this moment, so the restart does not begin it anew.
    now = tenant.condition("SourceReachable") or {}
    assert (now["status"], now["lastTransitionTime"]) == ("False", told["lastTransitionTime"])
    assert tenant.shows(*names)
    tenant.proxy.up()
    tenant.wait_ready(reason="Succeeded")
    assert call("GET", url).body == plain.body


def test_broken_answers_after_a_restart_are_no_answer_either(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    before = call("GET", url).body
    running_operator.stop()

    with DocumentWatch(url) as watch:
        tenant.proxy.fault = Fault(body=b"null")
        running_operator.start()
        for body in (b"null", b"{}", b"<html></html>", b'[{"kind": "Template", "meta'):
            tenant.proxy.fault = Fault(body=body)
            tenant.sync()
            assert tenant.ready() == ("True", "ServingLastGood")
            assert (tenant.condition("SourceReachable") or {})["reason"] == "InvalidResponse"

    assert watch.bodies() == {before}
    assert tenant.shows(*names)


def test_a_restart_with_nothing_changed_changes_nothing(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant)
    url = tenant.document_url(running_operator.documents_url)
    before, status = call("GET", url).body, tenant.get()["status"]
    running_operator.stop()

    with DocumentWatch(url) as watch:
        running_operator.start()
        reads = len(tenant.proxy.requests("idp/templates"))
        eventually(lambda: len(tenant.proxy.requests("idp/templates")) > reads)
        time.sleep(1.0)

    assert watch.bodies() == {before}
    assert tenant.get()["status"] == status
    assert tenant.shows(*names)


def test_a_grace_that_passed_while_the_operator_was_away_is_over_at_its_first_visit(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant, outageGracePeriod="2s")
    tenant.proxy.down()
    tenant.sync()
    running_operator.stop()
    time.sleep(2.0)

    running_operator.start()

    tenant.wait_ready("False", "SourceUnreachable")
    assert tenant.shows(*names)
    tenant.proxy.up()
    tenant.wait_ready(reason="Succeeded")


def test_declared_bundles_alone_are_served_at_every_moment_of_a_restart(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    tenant.add_templates(4)
    tenant.apply(
        tenant.bundle("t0"),
        tenant.bundle("t1"),
        tenant.bundle("t2", publish=False),
        tenant.source(publishPolicy="Declared"),
    )
    tenant.wait_ready(reason="Succeeded")
    url = tenant.document_url(running_operator.documents_url)
    before = call("GET", url).body

    with DocumentWatch(url) as watch:
        running_operator.stop()
        running_operator.start()
        tenant.sync()
        running_operator.kill()
        tenant.proxy.down()
        running_operator.start()
        tenant.sync()

    assert watch.documents() == {_refs(tenant, "t0", "t1")}
    assert watch.bodies() == {before}
    assert watch.statuses() <= {200, 503, None}
    assert tenant.shows("t0", "t1")


def test_what_is_not_to_be_published_appears_at_no_moment_of_a_restart(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    tenant.add_templates(3)
    tenant.apply(tenant.bundle("t1", publish=False), tenant.source())
    tenant.wait_ready(reason="Succeeded")
    url = tenant.document_url(running_operator.documents_url)

    with DocumentWatch(url) as watch:
        running_operator.stop()
        # Decided while nobody was there to act on it: it may leave at the first visit, and nothing may enter.
        tenant.apply(tenant.bundle("t0", publish=False))
        tenant.proxy.down()
        running_operator.start()
        eventually(lambda: refs_of(call("GET", url).body) == _refs(tenant, "t2"))
        tenant.sync()

    assert watch.documents() == {_refs(tenant, "t0", "t2"), _refs(tenant, "t2")}
    assert refs_of(watch.answers[-1].body) == _refs(tenant, "t2")


def test_a_held_removal_is_the_same_one_after_a_restart_and_its_approval_is_used_once(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant, count=5)
    url = tenant.document_url(running_operator.documents_url)
    tenant.proxy.fault = EMPTY
    tenant.sync()
    removal = tenant.wait_ready("False", "RemovalHeld")["status"]["removal"]

    with DocumentWatch(url) as watch:
        running_operator.kill()
        tenant.annotate("skillmeat.io/approve-removal", "0123456789abcdef")
        running_operator.start()
        tenant.sync()
        assert tenant.wait_ready("False", "RemovalHeld")["status"]["removal"] == removal
    assert watch.documents() == {_refs(tenant, *names)}

    running_operator.stop()
    tenant.annotate("skillmeat.io/approve-removal", removal["id"])
    running_operator.start()
    tenant.wait_ready(reason="NoTemplates")
    tenant.proxy.fault = None
    tenant.sync()
    tenant.wait_ready(reason="Succeeded")
    tenant.proxy.fault = EMPTY
    running_operator.stop()
    running_operator.start()
    again = tenant.wait_ready("False", "RemovalHeld")["status"]["removal"]
    assert again["id"] != removal["id"]
    tenant.wait_portal(*names)


def test_a_hold_ends_by_itself_when_the_templates_came_back_while_the_operator_was_away(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant, count=4)
    tenant.proxy.fault = EMPTY
    tenant.sync()
    tenant.wait_ready("False", "RemovalHeld")
    running_operator.stop()
    tenant.proxy.fault = None

    running_operator.start()

    found = tenant.wait_ready(reason="Succeeded")
    assert "removal" not in found["status"]
    assert tenant.shows(*names)


def test_small_losses_before_a_restart_count_after_it(
    tenant: Tenant, running_operator: OperatorProcess
) -> None:
    names = _published(tenant, count=6)
    for name in names[:2]:
        tenant.skillmeat.disable(tenant.templates[name])
    tenant.sync()
    tenant.wait_ready(reason="Succeeded")
    running_operator.stop()
    for name in names[2:4]:
        tenant.skillmeat.disable(tenant.templates[name])

    running_operator.start()

    removal = tenant.wait_ready("False", "RemovalHeld")["status"]["removal"]
    assert set(removal["refs"]) == _refs(tenant, *names[2:4])
