"""A changed bundle reaches the portal with its new content, and no worker process brings old content back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from skillmeat_operator.domain.template.entity import content_hash as computed_hash
from testbed.backstage import Backstage
from testbed.catalog import content_hash
from testbed.cluster import Cluster
from testbed.servers import find_skillmeat
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.views import version

pytestmark = pytest.mark.usefixtures("operator")

GENERATED = "skillmeat.io/generated-at"


@pytest.fixture(scope="module", autouse=True)
def launched(skillmeat: SkillMeat, workshop: Workshop, run_folder: Path) -> Iterator[Future[SkillMeat]]:
    """A server of two worker processes, which starts while the first tests run.

    It begins with a copy of the other server's database: two workers that meet an empty one at the same time
    may both leave it without the default collection.
    """
    folder = run_folder / "two-workers"
    database = Path("home", ".skillmeat", "cache", "cache.db")
    (folder / database).parent.mkdir(parents=True)
    with (
        contextlib.closing(sqlite3.connect(skillmeat.folder / database)) as source,
        contextlib.closing(sqlite3.connect(folder / database)) as copy,
    ):
        source.backup(copy)
    server = SkillMeat(folder, python=find_skillmeat(workshop), workers=2)
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(server.start)
    server.stop()


@pytest.fixture(scope="module")
def two_workers(launched: Future[SkillMeat]) -> SkillMeat:
    """A server of two worker processes, each with a cache of its own."""
    return launched.result(timeout=120)


@pytest.fixture
def crowded(installed: Cluster, two_workers: SkillMeat, backstage: Backstage) -> Iterator[Tenant]:
    """A tenant of the server with two worker processes."""
    made = Tenant.make(installed, two_workers, backstage)
    yield made
    made.close()


def owner_in_portal(tenant: Tenant) -> str | None:
    found = tenant.entity("t0")
    return found["spec"]["owner"] if found is not None else None


def served(tenant: Tenant, operator: OperatorProcess) -> dict[str, Any]:
    """The one entity of the document."""
    status, body = tenant.document(operator.documents_url)
    assert status == 200
    entity: dict[str, Any] = json.loads(body.removeprefix(b"---\n"))
    return entity


def test_a_new_version_is_in_the_portal_with_its_content(tenant: Tenant, operator: OperatorProcess) -> None:
    tenant.add_template("t0", "1.0.0", backstage_owner="team-a")
    tenant.apply(tenant.source())
    before = tenant.wait_ready()["status"]
    old = tenant.entity("t0")
    tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="1.1.0", description="What it is about now")

    after = tenant.sync(within=10)["status"]

    new = tenant.entity("t0")
    assert old is not None
    assert new is not None
    assert new["metadata"]["uid"] == old["metadata"]["uid"]
    assert version(tenant) == "1.1.0"
    assert "What it is about now" in json.dumps(new["spec"]["steps"])
    document = served(tenant, operator)
    assert content_hash(new) == content_hash(document) == computed_hash(document) != content_hash(old)
    assert new["spec"] == document["spec"]
    assert after["revision"] != before["revision"]
    assert after["entities"]["inCatalog"] == 1


def test_a_change_within_a_version_is_in_the_portal_once_skillmeat_serves_it(tenant: Tenant) -> None:
    tenant.add_template("t0", backstage_owner="team-a")
    tenant.apply(tenant.source())
    tenant.wait_ready()
    old = tenant.entity("t0")
    assert owner_in_portal(tenant) == "group:default/team-a"

    tenant.skillmeat.update_template(tenant.templates["t0"], backstage_owner="team-b")
    assert tenant.skillmeat.invalidate(tenant.bundles["t0"]) > 0
    tenant.sync()

    new = tenant.entity("t0")
    assert old is not None
    assert new is not None
    assert owner_in_portal(tenant) == "group:default/team-b"
    assert content_hash(new) != content_hash(old)


def test_a_cache_that_was_only_rebuilt_changes_nothing(tenant: Tenant, operator: OperatorProcess) -> None:
    tenant.add_template("t0")
    tenant.apply(tenant.source())
    tenant.wait_ready()
    tenant.wait_stale_known("t0")
    before = tenant.get()["status"], tenant.document(operator.documents_url), tenant.entity("t0")

    assert tenant.skillmeat.invalidate(tenant.bundles["t0"]) > 0
    tenant.sync()

    status = tenant.get()["status"]
    assert {key: status[key] for key in before[0]} == before[0]
    assert (tenant.document(operator.documents_url), tenant.entity("t0")) == before[1:]


def test_ten_polls_of_two_workers_write_nothing(crowded: Tenant) -> None:
    workers = Workers(crowded)
    settle(crowded)
    workers.warm("t0")
    quiet = Quiet(crowded)

    for number in range(10):
        with workers.only(number % 2):
            crowded.sync("driver")

    # Visits after an unchanged observation are spread over a tenth of the interval.
    time.sleep(1.5)
    assert len({built for built, _ in listed(crowded)[-10:]}) == 2, "both workers must have answered"
    assert quiet.changes() == []


def test_an_update_that_reached_one_worker_only_is_not_undone_by_the_other(crowded: Tenant) -> None:
    workers = Workers(crowded)
    settle(crowded)
    workers.warm("t0")
    with workers.only(0):
        crowded.skillmeat.update_template(crowded.templates["t0"], backstage_owner="team-b")
        assert crowded.skillmeat.invalidate(crowded.bundles["t0"]) > 0
        crowded.sync("driver")
    eventually(
        lambda: owner_in_portal(crowded) == "group:default/team-b", what="the new content in the portal"
    )
    crowded.sync()
    time.sleep(1.5)
    quiet = Quiet(crowded)

    owners = []
    for number in range(6):
        with workers.only(1 - number % 2):
            crowded.sync("driver")
        owners.append(owner_in_portal(crowded))

    time.sleep(1.5)
    assert {owner for _, owner in listed(crowded)[-6:]} == {"team-a", "team-b"}, (
        "both workers must have answered"
    )
    assert owners == ["group:default/team-b"] * 6
    assert owner_in_portal(crowded) == "group:default/team-b"
    assert quiet.changes() == []


def settle(tenant: Tenant) -> None:
    """One template, two CatalogSources, one poller: a requested sync of the one is a poll of the other."""
    tenant.proxy.keep_bodies = True
    tenant.add_template("t0", backstage_owner="team-a")
    tenant.apply(tenant.source())
    tenant.apply(tenant.source("driver", backstage={"catalogNamespace": f"{tenant.namespace}-driver"}))
    tenant.wait_ready()
    tenant.wait_ready(name="driver")
    tenant.wait_stale_known("t0")


def listed(tenant: Tenant) -> list[tuple[str, str]]:
    """``generated-at`` and owner of the template in each list that the operator read."""
    bodies = [one.body for one in tenant.proxy.requests("/idp/templates") if one.status == 200]
    entities = [json.loads(body)[0] for body in bodies]
    return [
        (one["metadata"]["annotations"][GENERATED], one["spec"]["owner"].removeprefix("group:default/"))
        for one in entities
    ]


class Workers:
    """The two worker processes of a tenant's server; who answers is decided by holding the other."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        parent = tenant.skillmeat.process.pid
        self._pids = [
            pid for pid in children(parent) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        assert len(self._pids) == 2

    @contextlib.contextmanager
    def only(self, number: int) -> Iterator[None]:
        """Let only this worker answer, for seconds: the server replaces one that is silent for longer."""
        other = self._pids[1 - number]
        os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(other, signal.SIGCONT)

    def warm(self, name: str) -> None:
        """Have both workers cache the template."""
        seen = set()
        for number in range(2):
            with self.only(number):
                found = [
                    one
                    for one in self._tenant.skillmeat.templates()
                    if one["metadata"]["title"] == f"{self._tenant.namespace}-{name}"
                ]
                seen.add(found[0]["metadata"]["annotations"][GENERATED])
        assert len(seen) == 2


def children(pid: int | None) -> list[int]:
    """Child processes."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]


class Quiet:
    """What must not move while nothing changes: the CatalogSource, its snapshot, and the portal."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._before = self._look()

    def _look(self) -> dict[str, object]:
        found = self._tenant.get()
        head = f"smsrc-{found['metadata']['uid']}"
        kept = self._tenant.cluster.api.get("ConfigMap", head, NAMESPACE)
        writes = [
            one
            for one in self._tenant.backstage.requests()
            if one.method in {"POST", "PUT", "DELETE"} and "by-refs" not in one.path
        ]
        entity = self._tenant.entity("t0")
        assert entity is not None
        return {
            "CatalogSource": found["metadata"]["resourceVersion"],
            "snapshot": kept["metadata"]["resourceVersion"],
            "writes to the portal": len(writes),
            "entity": (entity["metadata"]["etag"], content_hash(entity)),
        }

    def changes(self) -> list[str]:
        """What has moved, in words."""
        after = self._look()
        return [
            f"{what}: {self._before[what]} → {after[what]}"
            for what in after
            if after[what] != self._before[what]
        ]
