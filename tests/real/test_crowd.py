"""Many CatalogSources on one server: one polite reader among them, nothing written while nothing changes, and speed.

Beside fifty that are well stand some in every kind of lasting trouble: neither may an operator that waits for the
better write anything meanwhile.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testbed.backstage import Backstage, Request
from testbed.cluster import Cluster
from testbed.controlplane import ControlPlane
from testbed.skillmeat import SkillMeat
from testbed.web import expect
from tests.real.harness.fault_proxy import Fault, FaultProxy, Seen
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import API, Object, Tenant, eventually

pytestmark = pytest.mark.alone

CROWD = 50
MANY = 200
READY_WITHIN = 30.0
TEMPLATES = 2
INTERVAL = 10
LIST = "/api/v1/integrations/idp/templates"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:skillmeat-operator"


@dataclass
class Crowd:
    """CatalogSources of one namespace that differ in nothing but their catalog namespace."""

    tenant: Tenant
    names: list[str] = field(default_factory=list)

    def add(self, count: int) -> float:
        """Create further ones in one go; seconds until all of them are Ready."""
        first = len(self.names)
        names = [f"c{number:03d}" for number in range(first, first + count)]
        self.names += names
        objects = [
            self.tenant.source(
                name,
                skillmeat={"platform": None},
                backstage={"catalogNamespace": f"{self.tenant.namespace}-{name}"},
                interval=f"{INTERVAL}s",
            )
            for name in names
        ]
        began = time.monotonic()
        self.tenant.apply({"apiVersion": "v1", "kind": "List", "items": objects})
        eventually(
            lambda: self.ready() == set(self.names), within=120, what=f"{count} CatalogSources are Ready"
        )
        return time.monotonic() - began

    def ready(self) -> set[str]:
        """Names of those whose Ready is True."""
        time.sleep(0.5)  # looking is work for the API server too
        return {
            one["metadata"]["name"]
            for one in self.objects()
            if ("Ready", "True")
            in {(it["type"], it["status"]) for it in one.get("status", {}).get("conditions", [])}
        }

    def objects(self) -> list[Object]:
        """The CatalogSources as stored."""
        cluster, namespace = self.tenant.cluster, self.tenant.namespace
        if isinstance(cluster, ControlPlane):
            # kubectl would take a core while the operator is measured.
            path = f"/apis/{API}/namespaces/{namespace}/catalogsources"
            found: list[Object] = expect(cluster.request("GET", path), 200, what="the list").json()["items"]
            return found
        return list(cluster.get("smsrc", "-n", namespace)["items"])

    def shown(self) -> dict[str, int]:
        """Templates that the portal shows, by catalog namespace."""
        found: dict[str, int] = {}
        entities = self.tenant.backstage.catalog.by_query("kind=template", fields=["metadata.namespace"])
        for namespace in (one["metadata"]["namespace"] for one in entities):
            if namespace.startswith(f"{self.tenant.namespace}-"):
                found[namespace] = found.get(namespace, 0) + 1
        return found


@pytest.fixture(scope="module")
def operator(
    installed: Cluster, backstage: Backstage, document_ports: range, run_folder: Path
) -> Iterator[OperatorProcess]:
    """An operator with the production times of what a crowd depends on."""
    process = OperatorProcess(
        cluster=installed,
        folder=Path(tempfile.mkdtemp(prefix="operator-", dir=run_folder)),
        documents_port=document_ports[0],
        backstage_url=backstage.url,
        backstage_token=backstage.token,
        timings={
            "fresh_enough": 10.0,
            "diagnose_after": 10.0,
            "progress_deadline": 60.0,
            "verify_every": 5.0,
        },
    )
    with process:
        yield process


@pytest.fixture(scope="module")
def crowd(
    operator: OperatorProcess, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage
) -> Iterator[Crowd]:
    """Fifty that are Ready, on one server and credential."""
    skillmeat.clear()
    skillmeat.add_templates_fast(TEMPLATES)
    made = Crowd(Tenant.make(installed, skillmeat, backstage))
    print(f"{CROWD} CatalogSources were Ready after {made.add(CROWD):.1f} s")
    yield made
    made.tenant.kubectl("delete", "smsrc", "--all", "--wait=false")
    skillmeat.clear()
    eventually(
        lambda: not made.tenant.kubectl("get", "smsrc", "-o", "name"), within=60, what="all are deleted"
    )
    made.tenant.close()


@dataclass
class Window:
    """What happened in three intervals in which nothing changed."""

    before: dict[str, str]
    after: dict[str, str]
    since: datetime
    list_reads: list[Seen]
    all_reads: list[Seen]
    portal: list[Request]


@pytest.fixture(scope="module")
def window(crowd: Crowd, installed: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> Iterator[Window]:
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
        yield Window(
            before=before,
            after=versions(installed),
            since=since,
            list_reads=[one for one in proxy.seen[seen:] if LIST in one.path],
            all_reads=list(proxy.seen),
            portal=backstage.requests()[served:],
        )


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
    conflicting.apply(conflicting.source(), conflicting.source("younger"))
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
    gone.proxy.down()
    emptied.proxy.fault = Fault(body=b"[]")
    way.down()
    doomed.kubectl("delete", "smsrc/main", "--wait=false")

    pinned.wait_ready("False", "OutsideRange", name="t1", kind="smtb", within=40)
    pinned.wait_ready("False", "BundleNotFound", name="nobody", kind="smtb", within=40)
    eventually(lambda: conflicting.condition("Ready", "younger"), within=40)
    suspended.wait_ready("False", "Suspended", within=40)
    without_secret.wait_ready("False", "SecretNotFound", within=40)
    refused.wait_ready("False", "AuthenticationFailed", within=40)
    gone.wait_ready("False", "SourceUnreachable", within=40)
    emptied.wait_ready("False", "RemovalHeld", within=40)
    doomed.wait_ready("False", "Finalizing", within=40)


def test_each_shows_its_templates_in_a_catalog_namespace_of_its_own(crowd: Crowd) -> None:
    assert crowd.shown() == {f"{crowd.tenant.namespace}-{name}": TEMPLATES for name in crowd.names}


def test_no_object_of_ours_moves_in_three_intervals(window: Window) -> None:
    moved = {name: (version, window.after.get(name)) for name, version in window.before.items()}
    assert {name: pair for name, pair in moved.items() if pair[0] != pair[1]} == {}
    assert set(window.after) == set(window.before)
    assert len(window.before) > 3 * CROWD


def test_the_api_server_hears_no_write_of_the_operator_in_three_intervals(
    window: Window, crowd: Crowd, installed: Cluster
) -> None:
    if not isinstance(installed, ControlPlane):
        # Somebody else's cluster: its audit log is not ours to read, and the resourceVersions have to do.
        assert window.before == window.after
        return
    assert [str(one) for one in installed.writes(since=window.since, user=OPERATOR)] == []
    # The same look finds what it wrote before.
    written = {one.resource for one in installed.writes(user=OPERATOR)}
    assert {"catalogsources", "configmaps", "events"} <= written


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


def test_two_hundred_more_are_ready_within_thirty_seconds(crowd: Crowd) -> None:
    seen = len(crowd.tenant.proxy.seen)

    seconds = crowd.add(MANY)

    reads: list[Any] = [one for one in crowd.tenant.proxy.seen[seen:] if LIST in one.path]
    print(f"{MANY} CatalogSources were Ready after {seconds:.1f} s, with {len(reads)} list reads")
    assert seconds <= READY_WITHIN
    assert len(reads) <= seconds / (INTERVAL * 0.9) + 2
    assert [one for one in crowd.tenant.proxy.seen if one.status == 429] == []
    assert crowd.shown() == {f"{crowd.tenant.namespace}-{name}": TEMPLATES for name in crowd.names}
    assert {one["status"]["entities"]["inCatalog"] for one in crowd.objects()} == {TEMPLATES}
