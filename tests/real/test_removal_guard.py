"""SkillMeat lacks much of what it had: nothing leaves the portal until somebody approves, or it is back.

That what was approved leaves the portal is shown in ``test_leaving.py``, which waits for the portal's sweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import DocumentWatch, refs_of

EMPTY = Fault(body=b"[]")
TEN = [f"t{number}" for number in range(10)]
GONE = TEN[:6]
LEFT = TEN[6:]


@pytest.fixture
def ten(tenant: Tenant, operator: OperatorProcess) -> Tenant:
    """Ten templates, visible in the portal."""
    tenant.add_templates(10)
    tenant.apply(tenant.source())
    tenant.wait_ready(reason="Succeeded")
    return tenant


def _refs(tenant: Tenant, *names: str) -> set[str]:
    return {tenant.ref(name) for name in names}


def _document(tenant: Tenant, operator: OperatorProcess) -> set[str]:
    status, body = tenant.document(operator.documents_url)
    assert status == 200
    return set(refs_of(body))


def _hide(tenant: Tenant, *names: str) -> None:
    for name in names:
        tenant.skillmeat.disable(tenant.templates[name])


def _bring_back(tenant: Tenant, *names: str) -> None:
    for name in names:
        tenant.skillmeat.enable(tenant.templates[name])


def _held(tenant: Tenant) -> Mapping[str, Any]:
    """``status.removal``, after the conditions that go with it were checked."""
    found = tenant.wait_ready("False", "RemovalHeld")
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    removal: Mapping[str, Any] = found["status"]["removal"]
    assert conditions["RemovalHeld"]["status"] == "True"
    assert conditions["Stalled"]["reason"] == "RemovalHeld"
    assert "Reconciling" not in conditions
    assert conditions["SourceReachable"]["status"] == "True"
    assert f"skillmeat.io/approve-removal={removal['id']}" in conditions["RemovalHeld"]["message"]
    return removal


def _reread(tenant: Tenant) -> None:
    tenant.backstage.catalog.refresh(tenant.get()["status"]["catalog"]["entityRef"])


def test_an_empty_list_removes_nothing_and_the_hold_ends_by_itself(
    ten: Tenant, operator: OperatorProcess
) -> None:
    before = ten.document(operator.documents_url)
    ten.proxy.fault = EMPTY
    found = ten.sync()

    removal = _held(ten)

    assert set(removal["refs"]) == _refs(ten, *TEN)
    assert removal["count"] == 10
    entities = found["status"]["entities"]
    assert (entities["discovered"], entities["published"], entities["held"]) == (0, 10, 10)
    assert ten.document(operator.documents_url) == before
    _reread(ten)
    ten.proxy.fault = None
    found = ten.wait_ready(reason="Succeeded")
    assert "removal" not in found["status"]
    assert all(one["type"] not in {"RemovalHeld", "Stalled"} for one in found["status"]["conditions"])
    assert found["status"]["entities"]["held"] == 0
    assert ten.shows(*TEN)


def test_six_of_ten_gone_are_held_and_named_and_come_back_by_themselves(
    ten: Tenant, operator: OperatorProcess
) -> None:
    _hide(ten, *GONE)
    found = ten.sync()

    removal = _held(ten)

    assert set(removal["refs"]) == _refs(ten, *GONE)
    entities = found["status"]["entities"]
    assert (entities["discovered"], entities["selected"]) == (4, 4)
    assert (entities["published"], entities["held"], entities["inCatalog"]) == (10, 6, 10)
    assert _document(ten, operator) == _refs(ten, *TEN)
    _reread(ten)
    _bring_back(ten, *GONE)
    ten.sync()
    ten.wait_ready(reason="Succeeded")
    assert _document(ten, operator) == _refs(ten, *TEN)
    assert ten.shows(*TEN)


def test_losses_that_come_back_in_part_leave_the_rest_to_go_by_the_policy(
    ten: Tenant, operator: OperatorProcess
) -> None:
    _hide(ten, *GONE)
    ten.sync()
    _held(ten)

    _bring_back(ten, *GONE[:4])
    ten.sync()

    ten.wait_ready(reason="Succeeded")
    assert _document(ten, operator) == _refs(ten, *GONE[:4], *LEFT)


def test_many_small_losses_within_the_hour_are_held_like_one_large_one(
    ten: Tenant, operator: OperatorProcess
) -> None:
    for name in TEN[:3]:
        _hide(ten, name)
    ten.sync()
    ten.wait_ready(reason="Succeeded")
    assert _document(ten, operator) == _refs(ten, *TEN[3:])

    _hide(ten, *TEN[3:6])
    ten.sync()

    assert set(_held(ten)["refs"]) == _refs(ten, *TEN[3:6])
    assert _document(ten, operator) == _refs(ten, *TEN[3:])


def test_additions_changes_and_publish_false_act_while_a_removal_is_held(
    ten: Tenant, operator: OperatorProcess
) -> None:
    _hide(ten, *GONE)
    ten.sync()
    first = _held(ten)

    ten.add_template("new")
    ten.skillmeat.update_bundle(ten.bundles["t9"], version="2.0.0")
    ten.apply(ten.bundle("t8", publish=False), ten.bundle("t0", publish=False))
    ten.sync()

    kept = [name for name in (*TEN, "new") if name not in {"t0", "t8"}]
    eventually(lambda: _document(ten, operator) == _refs(ten, *kept), within=10)
    removal = _held(ten)
    assert set(removal["refs"]) == _refs(ten, *GONE[1:])
    assert removal["since"] == first["since"]
    eventually(
        lambda: (
            {
                one["metadata"]["annotations"]["skillmeat.io/bundle-version"]
                for one in ten.backstage.catalog.templates(ten.namespace)
                if one["metadata"]["name"].endswith("-t9")
            }
            == {"2.0.0"}
        )
    )
    assert _refs(ten, "new", *GONE[1:]) <= ten.portal()


def test_suspending_and_resuming_approves_nothing(ten: Tenant, operator: OperatorProcess) -> None:
    _hide(ten, *GONE)
    ten.sync()
    before = _held(ten)

    with DocumentWatch(ten.document_url(operator.documents_url)) as watch:
        ten.patch("main", {"suspend": True})
        eventually(lambda: "suspended" in (ten.condition("Ready") or {}).get("message", ""))
        ten.patch("main", {"suspend": False})
        ten.sync()

    assert _held(ten) == before
    assert watch.documents() == {frozenset(_refs(ten, *TEN))}


def test_no_other_change_of_the_spec_approves(ten: Tenant, operator: OperatorProcess) -> None:
    ten.proxy.fault = EMPTY
    ten.sync()
    before = _held(ten)

    with DocumentWatch(ten.document_url(operator.documents_url)) as watch:
        ten.patch("main", {"interval": "11s", "entityDefaults": {"lifecycle": "production"}})
        ten.sync()

    assert _held(ten)["id"] == before["id"]
    assert watch.documents() == {frozenset(_refs(ten, *TEN))}


def test_a_policy_that_allows_the_loss_lets_it_go(ten: Tenant, operator: OperatorProcess) -> None:
    _hide(ten, *GONE)
    ten.sync()
    _held(ten)

    ten.patch("main", {"removalPolicy": {"maxPercent": 60}})

    ten.wait_ready(reason="Succeeded")
    assert _document(ten, operator) == _refs(ten, *LEFT)


def test_a_wrong_id_never_approves_and_the_right_one_does_so_once(
    ten: Tenant, operator: OperatorProcess
) -> None:
    _hide(ten, *GONE)
    ten.sync()
    removal = _held(ten)

    for wrong in ("0" * 16, removal["id"][:-1], "true", removal["id"].upper() + " "):
        ten.annotate("skillmeat.io/approve-removal", wrong)
    ten.sync()
    assert _held(ten) == removal
    assert _document(ten, operator) == _refs(ten, *TEN)

    ten.annotate("skillmeat.io/approve-removal", removal["id"])
    found = ten.wait_ready(reason="Succeeded")
    assert "removal" not in found["status"]
    assert _document(ten, operator) == _refs(ten, *LEFT)

    _bring_back(ten, *GONE)
    ten.sync()
    assert _document(ten, operator) == _refs(ten, *TEN)
    _hide(ten, *GONE)
    ten.sync()
    again = _held(ten)
    assert again["id"] != removal["id"]
    assert _document(ten, operator) == _refs(ten, *TEN)
