"""Tokens and Secrets that do not do: what status says, what it leaves alone, and how a rotated Secret heals it.

Every case is broken at the same time, beside neighbours that are well; then all Secrets are put right at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from testbed.servers import find_skillmeat
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop
from tests.real.harness.credential_cases import (
    CASES,
    NO_DELETE,
    NO_LOCATIONS,
    WHO_GETS_BETTER,
    Case,
)
from tests.real.harness.operator_process import NewOperator, OperatorProcess
from tests.real.harness.tenant import Object, Tenant, eventually
from tests.real.harness.tokens import TokenIssuer

RECHECK = 3.0
"""Seconds between the two refusals that count, scaled down from 30."""
HEALED_WITHIN = 20.0


@dataclass
class Scene:
    """The parts of this module, and what was there before anything was broken."""

    cluster: Cluster
    operator: OperatorProcess
    portal: Backstage
    issuer: TokenIssuer
    guarded: SkillMeat
    plain: SkillMeat
    tenants: dict[str, Tenant] = field(default_factory=dict)
    neighbours: list[Tenant] = field(default_factory=list)
    shown: dict[str, set[str]] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    untouched: list[str] = field(default_factory=list)

    def value(self, secret: str, token: str) -> str:
        """The token itself."""
        if token != "good":
            return token
        return self.issuer.token() if secret == "source" else self.portal.token

    def set_secret(self, tenant: Tenant, secret: str, token: str, *, key: str = "token") -> None:
        """Put a token into a Secret, whatever was in it."""
        tenant.cluster.api.delete("Secret", secret, tenant.namespace)
        tenant.secret(secret, self.value(secret, token), key=key)

    def tenant(self, case: Case) -> Tenant:
        """A tenant with the CatalogSource of a case, and the Secrets it has at the beginning."""
        tenant = Tenant.make(self.cluster, self.plain, self.portal)
        spec: Object = {"interval": "1h", "backstage": {"url": self.portal.url}}
        if case.guarded:
            spec["skillmeat"] = {"url": self.guarded.url, "platform": None}
        else:
            tenant.add_template("t0")
        if case.source is not None:
            self.set_secret(tenant, "source", case.source)
            spec["skillmeat"]["auth"] = {"bearerTokenSecretRef": {"name": "source"}}
        if case.portal is not None:
            self.set_secret(tenant, "portal", case.portal)
            spec["backstage"]["auth"] = {"bearerTokenSecretRef": {"name": "portal"}}
        tenant.apply(tenant.source(**spec))
        return tenant


@pytest.fixture(scope="module")
def operator(new_operator: NewOperator) -> Iterator[OperatorProcess]:
    """An operator without a portal of its own, which looks at Secrets as rarely as in production: every 15 s."""
    timings = {"secret_look": 15.0, "credential_recheck": RECHECK}
    with new_operator(backstage_url=None, backstage_token=None, timings=timings) as process:
        yield process


@pytest.fixture(scope="module")
def scene(
    operator: OperatorProcess,
    installed: Cluster,
    skillmeat: SkillMeat,
    backstage: Backstage,
    workshop: Workshop,
    run_folder: Path,
) -> Iterator[Scene]:
    """Everybody well who is to be well before, then everything broken at once."""
    with TokenIssuer() as issuer, ExitStack() as stack:
        folder, python = run_folder / "skillmeat-with-tokens", find_skillmeat(workshop)
        guarded = stack.enter_context(SkillMeat(folder, python=python, env=issuer.environment))
        guarded.add_templates_fast(1)
        made = Scene(installed, operator, backstage, issuer, guarded, skillmeat)
        _set_up(made, stack)
        _break(made, stack)
        yield made


def _set_up(scene: Scene, stack: ExitStack) -> None:
    well = Case("", "", (), portal="good", guarded=True, source="good")
    for case in (well, Case("", "", ())):
        tenant = scene.tenant(case)
        stack.callback(tenant.close)
        scene.neighbours.append(tenant)
    for name, case in CASES.items():
        if case.healthy_before:
            scene.tenants[name] = scene.tenant(case)
            stack.callback(scene.tenants[name].close)
    for tenant in (*scene.neighbours, *scene.tenants.values()):
        tenant.wait_ready(reason="Succeeded")
    for tenant in scene.neighbours:
        # The staleness pages come after the list.
        eventually(lambda one=tenant: one.condition("Stale")["status"] == "False", what="Stale is known")
    scene.untouched = [tenant.get()["metadata"]["resourceVersion"] for tenant in scene.neighbours]
    for name, tenant in scene.tenants.items():
        scene.shown[name] = tenant.portal()
        status, scene.documents[name] = tenant.document(scene.operator.documents_url)
        assert (status, len(scene.shown[name])) == (200, 1)


def _break(scene: Scene, stack: ExitStack) -> None:
    for name, case in CASES.items():
        if not case.healthy_before:
            scene.tenants[name] = scene.tenant(case)
            stack.callback(scene.tenants[name].close)
            continue
        tenant = scene.tenants[name]
        assert case.turned is not None
        secret, token = case.turned
        if token is None:
            tenant.cluster.api.delete("Secret", secret, tenant.namespace)
        else:
            scene.set_secret(tenant, secret, token, key="other" if case.key_lost else "token")
        # Nobody looks before the next poll in an hour, unless it is asked for.
        tenant.annotate("skillmeat.io/reconcile-requested-at", "after the change")


@pytest.mark.parametrize("name", CASES)
def test_stalled_with_reason_and_remedy_and_nothing_leaves_the_portal(scene: Scene, name: str) -> None:
    case, tenant = CASES[name], scene.tenants[name]

    found = eventually(_stalled(tenant), within=30, what=f"Stalled because of {name}")

    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    assert {one["observedGeneration"] for one in conditions.values()} == {found["metadata"]["generation"]}
    for kind, status in (("Ready", "False"), ("Stalled", "True"), (case.side, "False")):
        assert (conditions[kind]["status"], conditions[kind]["reason"]) == (status, case.reason)
        assert [part for part in case.says if part not in conditions[kind]["message"]] == []
    assert "Reconciling" not in conditions
    assert tenant.portal() == scene.shown.get(name, tenant.portal())
    if name in scene.documents:
        assert tenant.document(scene.operator.documents_url) == (200, scene.documents[name])


def test_the_neighbours_were_not_even_written_to(scene: Scene) -> None:
    for name in CASES:
        eventually(_stalled(scene.tenants[name]), within=30, what=f"Stalled because of {name}")

    for tenant, version in zip(scene.neighbours, scene.untouched, strict=True):
        assert tenant.get()["metadata"]["resourceVersion"] == version
        assert tenant.ready() == ("True", "Succeeded")
        assert len(tenant.portal()) == 1


def test_one_refusal_is_tried_again_and_only_the_second_is_final(scene: Scene) -> None:
    tenant = scene.tenants["a portal token that turns wrong"]
    found = eventually(_stalled(tenant), within=30)

    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    refused, final = (
        datetime.fromisoformat(conditions[kind]["lastTransitionTime"])
        for kind in ("CatalogReachable", "Stalled")
    )
    # Times in status have no fractions.
    assert (final - refused).total_seconds() >= RECHECK - 1


def test_a_deletion_waits_for_a_token_that_sees_and_may_delete(scene: Scene) -> None:
    needed = {NO_LOCATIONS: "catalog.location.read", NO_DELETE: "catalog.location.delete"}
    tenants = {token: scene.tenant(Case("", "", ())) for token in needed}
    try:
        for tenant in tenants.values():
            tenant.wait_ready()
        for token, tenant in tenants.items():
            scene.set_secret(tenant, "portal", token)
            tenant.cluster.api.delete("CatalogSource", "main", tenant.namespace)
        for token, tenant in tenants.items():
            found = tenant.wait_ready("False", "Finalizing")
            ready = next(one for one in found["status"]["conditions"] if one["type"] == "Ready")
            assert needed[token] in ready["message"]
            assert tenant.shows("t0")
        for tenant in tenants.values():
            scene.set_secret(tenant, "portal", "good")
        for tenant in tenants.values():
            eventually(lambda one=tenant: not one.cluster.api.exists("CatalogSource", "main", one.namespace))
            assert tenant.portal() == set()
    finally:
        for tenant in tenants.values():
            tenant.close()


def test_rotated_secrets_heal_within_twenty_seconds(scene: Scene) -> None:
    for name in WHO_GETS_BETTER:
        eventually(_stalled(scene.tenants[name]), within=30)

    began: dict[str, float] = {}
    for name in WHO_GETS_BETTER:
        case = CASES[name]
        scene.set_secret(scene.tenants[name], case.turned[0] if case.turned else "portal", "good")
        began[name] = time.monotonic()
    took: dict[str, float] = {}
    while len(took) < len(began) and time.monotonic() - max(began.values()) < 2 * HEALED_WITHIN:
        for name in set(began) - set(took):
            if scene.tenants[name].ready() == ("True", "Succeeded"):
                took[name] = time.monotonic() - began[name]
    print(f"healed after {', '.join(f'{seconds:.1f}' for seconds in sorted(took.values()))} s")

    assert {name: seconds for name, seconds in took.items() if seconds > HEALED_WITHIN} == {}
    assert set(took) == set(began)
    for name in WHO_GETS_BETTER:
        assert len(scene.tenants[name].portal()) == 1


def _stalled(tenant: Tenant) -> Callable[[], Object | None]:
    def look() -> Object | None:
        found: dict[str, Any] = tenant.get()
        stalled = [one for one in found.get("status", {}).get("conditions", []) if one["type"] == "Stalled"]
        return found if stalled else None

    return look
