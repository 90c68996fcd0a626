"""Fifty CatalogSources on one server: one polite reader for all of them, and nothing written while nothing changes.

Beside fifty that are well stand some in every kind of lasting trouble: neither may an operator that waits for the
better write anything meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from testbed.backstage import Backstage, Request
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.skillmeat import SkillMeat
from tests.real.harness.crowd import INTERVAL, LIST, UNHURRIED, Crowd
from tests.real.harness.fault_proxy import Fault, FaultProxy, Seen
from tests.real.harness.operator_process import NAMESPACE, NewOperator, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually

CROWD = 50
TEMPLATES = 2
MOST_REQUESTS = 4
UNHURRIED_PORTAL = 30.0
"""Seconds within which a portal takes them in before it is refreshed for the last planned time."""
"""To the portal for each CatalogSource: one looks for holders, one registers, views are shared."""
OPERATOR = f"system:serviceaccount:{NAMESPACE}:skillmeat-operator"


@pytest.fixture(scope="module")
def operator(new_operator: NewOperator) -> Iterator[OperatorProcess]:
    """An operator with the production times of what a crowd depends on."""
    with new_operator(timings=UNHURRIED) as process:
        yield process


@pytest.fixture(scope="module")
def crowd(
    operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> Iterator[Crowd]:
    """Fifty that are Ready, on one server and credential."""
    made = Crowd(Tenant.make(installed, skillmeat, backstage))
    made.tenant.add_templates(TEMPLATES)
    served = len(backstage.requests())
    made.ready_after = made.add(CROWD)
    print(f"{CROWD} CatalogSources were Ready after {made.ready_after:.1f} s")
    made.portal_requests = len(backstage.requests()) - served
    yield made
    made.leave()
    made.tenant.close()


@dataclass
class Window:
    """What happened in three intervals in which nothing changed."""

    before: dict[str, str]
    after: dict[str, str]
    writes: list[str] | None
    """What the operator wrote as the API server's audit log has it; None where there is none to read."""
    list_reads: list[Seen]
    all_reads: list[Seen]
    portal: list[Request]


@pytest.fixture(scope="module")
def window(crowd: Crowd, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> Window:
    """The crowd and the troubled, watched for three intervals after everything has come to rest."""
    with ExitStack() as stack:
        _make_trouble(stack, installed, skillmeat, backstage)
        last: dict[str, str] = {}
        for _ in range(30):
            former, last = last, versions(installed)
            if former == last:
                break
            time.sleep(3.0)
        proxy = crowd.tenant.proxy
        since, seen, served = datetime.now(UTC), len(proxy.seen), len(backstage.requests())
        before = versions(installed)
        time.sleep(3 * INTERVAL * 1.1)
        return Window(
            before=before,
            after=versions(installed),
            writes=writes(installed, since),
            list_reads=[one for one in proxy.seen[seen:] if LIST in one.path],
            all_reads=list(proxy.seen),
            portal=backstage.requests()[served:],
        )


def writes(cluster: Cluster, since: datetime | None = None) -> list[str] | None:
    """The operator's writes in the audit log of the testbed's own API server."""
    if not isinstance(cluster, ControlPlane):
        return None
    return [str(one) for one in cluster.writes(since=since, user=OPERATOR)]


def versions(cluster: Cluster) -> dict[str, str]:
    """resourceVersions of everything that the operator writes: both kinds, snapshots, Events."""
    kinds = [("smsrc,smtb", "-A"), ("configmaps", "-n", NAMESPACE), ("events", "-A")]
    found = {}
    for arguments in kinds:
        for one in cluster.get(*arguments)["items"]:
            if one["kind"] == "Event" and one["source"].get("component") != "skillmeat-operator":
                continue
            metadata = one["metadata"]
            found[f"{one['kind']} {metadata['namespace']}/{metadata['name']}"] = metadata["resourceVersion"]
    return found


def _make_trouble(stack: ExitStack, cluster: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> None:
    """One CatalogSource for each kind of trouble that lasts, and TemplateBundles; returns when each tells of it."""

    def tenant() -> Tenant:
        made = Tenant.make(cluster, skillmeat, backstage)
        stack.callback(made.close)
        made.add_templates(2)
        return made

    pinned = tenant()
    pinned.apply(
        pinned.source(), pinned.bundle("t0"), pinned.bundle("t1", version=">=2"), pinned.bundle("nobody")
    )
    conflicting = tenant()
    conflicting.apply(conflicting.source())
    suspended = tenant()
    suspended.apply(suspended.source(suspend=True))
    without_secret = tenant()
    token = {"auth": {"bearerTokenSecretRef": {"name": "nowhere"}}}
    without_secret.apply(without_secret.source(skillmeat=token))
    refused = tenant()
    refused.proxy.fault = Fault(status=401, body=b'{"detail":"Authentication required."}')
    refused.apply(refused.source())
    gone = tenant()
    gone.apply(gone.source(outageGracePeriod="1s"))
    emptied = tenant()
    emptied.apply(emptied.source())
    doomed = tenant()
    way = stack.enter_context(FaultProxy(backstage.url))
    doomed.secret("portal", backstage.token)
    doomed.apply(
        doomed.source(backstage={"url": way.url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}})
    )

    for one in (gone, emptied, doomed, conflicting):
        one.wait_ready(within=40)
    conflicting.apply(conflicting.source("younger"))
    gone.proxy.down()
    emptied.proxy.fault = Fault(body=b"[]", path=LIST)
    way.down()
    doomed.kubectl("delete", "smsrc/main", "--wait=false")

    pinned.wait_ready("False", "OutsideRange", name="t1", kind="smtb", within=40)
    pinned.wait_ready("False", "BundleNotFound", name="nobody", kind="smtb", within=40)
    conflicting.wait_ready("False", "NothingPublished", name="younger", within=40)
    suspended.wait_ready("False", "Suspended", within=40)
    without_secret.wait_ready("False", "SecretNotFound", within=40)
    refused.wait_ready("False", "AuthenticationFailed", within=40)
    gone.wait_ready("False", "SourceUnreachable", within=40)
    emptied.wait_ready("False", "RemovalHeld", within=40)
    doomed.wait_ready("False", "Finalizing", within=40)
    # What becomes of them after their graces and second tries.
    for one, name, kind in (
        (pinned, "nobody", "smtb"),
        (refused, "main", "smsrc"),
        (without_secret, "main", "smsrc"),
    ):
        eventually(lambda it=(one, name, kind): it[0].condition("Stalled", it[1], it[2]), within=40)
    for one in (gone, doomed):
        eventually(
            lambda it=one: "refused the connection" in (it.condition("Ready") or {})["message"], within=40
        )


def test_each_shows_its_templates_in_a_catalog_namespace_of_its_own(crowd: Crowd) -> None:
    assert crowd.shown() == {f"{crowd.tenant.namespace}-{name}": TEMPLATES for name in crowd.names}


def test_the_portal_is_asked_little_while_it_takes_them_in(crowd: Crowd) -> None:
    print(f"{crowd.portal_requests / CROWD:.1f} requests to the portal for each CatalogSource")
    # One that takes longer than all planned refreshes is refreshed and looked into again, each CatalogSource for
    # itself: on a machine that is busy with other things that is no fault of ours.
    most = MOST_REQUESTS if crowd.ready_after <= UNHURRIED_PORTAL else 2 * MOST_REQUESTS
    assert 2 * CROWD <= crowd.portal_requests <= most * CROWD


def test_no_object_of_ours_moves_in_three_intervals(window: Window) -> None:
    moved = {name: (version, window.after.get(name)) for name, version in window.before.items()}
    assert {name: pair for name, pair in moved.items() if pair[0] != pair[1]} == {}
    assert set(window.after) == set(window.before)
    assert len(window.before) > 3 * CROWD


def test_the_api_server_hears_no_write_of_the_operator_in_three_intervals(
    window: Window, installed: Cluster
) -> None:
    # Of somebody else's cluster there is no audit log to read: there the resourceVersions have to do.
    assert not window.writes
    # The same look finds what was written before.
    before = writes(installed)
    assert before is None or {"catalogsources", "configmaps", "events"} <= {
        part for one in before for part in one.split()[3].split("/")
    }


def test_the_portal_hears_no_write_in_three_intervals(window: Window) -> None:
    reads = {"/api/catalog/entities/by-refs"}
    writes = [one for one in window.portal if one.method != "GET" and one.path.partition("?")[0] not in reads]
    assert writes == []
    assert [one for one in window.portal if "by-query" in one.path] != []


def test_fifty_share_one_reading_an_interval_and_never_meet_a_429(window: Window) -> None:
    print(f"{len(window.list_reads)} list reads in {3.3 * INTERVAL:.0f} s for {CROWD} CatalogSources")
    assert 3 <= len(window.list_reads) <= 4
    assert [one for one in window.all_reads if one.status == 429] == []
    assert {one.status for one in window.list_reads} == {200}


def test_all_leave_the_portal_when_they_are_deleted(crowd: Crowd, backstage: Backstage) -> None:
    print(f"{CROWD} CatalogSources were deleted after {crowd.leave():.1f} s")
    assert crowd.shown() == {}
    assert [one for one in backstage.catalog.locations() if crowd.tenant.namespace in one["target"]] == []
