"""The operator is killed between two steps of the publishing order: the next one finishes what it began.

chunks → head → serve → location → refresh → verify → status → delete old chunks
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from testbed.catalog import content_hash
from tests.real.harness.killed import Point, end_where_told
from tests.real.harness.operator_process import NAMESPACE, NewOperator, OperatorProcess
from tests.real.harness.tenant import Tenant, eventually
from tests.real.harness.watching import DocumentWatch

SIGKILLED = 128 + 9
LABEL = "skillmeat.io/catalog-source-uid"


@pytest.fixture(scope="module")
def armed(run_folder: Path) -> Path:
    """File that says where the operator is to end."""
    return run_folder / "killed-at"


@pytest.fixture(scope="module")
def operator(new_operator: NewOperator, armed: Path) -> Iterator[OperatorProcess]:
    """The operator of all tests here: what was put right after one test's kill is killed in the next."""
    with new_operator(before=partial(end_where_told, armed)) as process:
        yield process


def _killed(operator: OperatorProcess, armed: Path) -> None:
    assert operator.process is not None
    assert operator.process.wait(30) == SIGKILLED
    operator.kill()
    armed.unlink()


def _right(tenant: Tenant, operator: OperatorProcess, *names: str) -> float:
    """Start the operator again; seconds until everything is right."""
    operator.start()
    began = time.monotonic()
    wanted = (len(names), len(names), 0)
    tenant.wait_portal(*names, within=30)
    eventually(
        lambda: _counted(tenant) == wanted, within=30, what=f"(published, inCatalog, held) are {wanted}"
    )
    tenant.wait_ready(reason="Succeeded", within=30)
    return time.monotonic() - began


def _counted(tenant: Tenant) -> tuple[int, int, int]:
    entities = tenant.get().get("status", {}).get("entities") or {
        "published": -1,
        "inCatalog": -1,
        "held": -1,
    }
    return entities["published"], entities["inCatalog"], entities["held"]


def _refs(tenant: Tenant, *names: str) -> frozenset[str]:
    return frozenset(tenant.ref(name) for name in names)


def _document_url(tenant: Tenant, operator: OperatorProcess) -> str:
    """Where the document is going to be, before there is a status that tells."""
    uid = tenant.cluster.api.get("Namespace", "kube-system")["metadata"]["uid"]
    return f"{operator.documents_url}/catalogs/{uid[:8]}/{tenant.namespace}/main.yaml"


def _chunks(tenant: Tenant) -> list[str]:
    uid = tenant.get()["metadata"]["uid"]
    chosen = f"{LABEL}={uid},skillmeat.io/part=chunk"
    found = tenant.cluster.api.list("ConfigMap", NAMESPACE, selector=chosen)
    return [one["metadata"]["name"] for one in found]


def _hashes(tenant: Tenant) -> dict[str, str | None]:
    """Content hash of what the portal shows, by the name that the test gave."""
    found = tenant.backstage.catalog.templates(tenant.namespace)
    return {one["metadata"]["name"].rsplit("-", 1)[1]: content_hash(one) for one in found}


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(Point("after", "chunks", 1), id="between chunks and head"),
        pytest.param(Point("after", "head", 1), id="between head and location"),
        pytest.param(Point("after", "register", 1), id="between location and verify"),
        pytest.param(Point("before", "status", 1), id="between verify and status"),
    ],
)
def test_killed_during_the_first_publication(
    tenant: Tenant, running_operator: OperatorProcess, armed: Path, point: Point
) -> None:
    names = tenant.add_templates(2)
    point.arm(armed)

    with DocumentWatch(_document_url(tenant, running_operator)) as watch:
        tenant.apply(tenant.source())
        _killed(running_operator, armed)
        seconds = _right(tenant, running_operator, *names)

    assert watch.documents() == {_refs(tenant, *names)}
    # Before there is such a CatalogSource it is not found, and never again.
    first, *later = [one.status for one in watch.answers]
    assert first in {404, 503, None}
    assert set(later) <= {200, 503, None}
    print(f"right {seconds:.1f} s after the restart")
    targets = [one["target"] for one in tenant.backstage.catalog.locations()]
    assert targets.count(tenant.get()["status"]["catalog"]["target"]) == 1
    # The last step of a publication, after the status.
    eventually(lambda: len(_chunks(tenant)) == 1, what="only the chunk that the head names is there")


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(Point("after", "chunks", 1), id="between chunks and head"),
        pytest.param(Point("after", "head", 1), id="between head and refresh"),
        pytest.param(Point("after", "refresh", 1), id="between refresh and verify"),
        pytest.param(Point("after", "verify", 2), id="between verify and status"),
        pytest.param(Point("after", "status", 1), id="between status and the deletion of old chunks"),
        pytest.param(Point("after", "tidy", 1), id="after the last step"),
    ],
)
def test_killed_during_a_later_publication(
    tenant: Tenant, running_operator: OperatorProcess, armed: Path, point: Point
) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(interval="1h"))
    tenant.wait_ready(reason="Succeeded")
    former = _hashes(tenant)

    with DocumentWatch(tenant.document_url(running_operator.documents_url)) as watch:
        tenant.skillmeat.update_bundle(tenant.bundles["t0"], version="2.0.0")
        tenant.add_template("new")
        point.arm(armed)
        tenant.annotate("skillmeat.io/reconcile-requested-at", "now")
        _killed(running_operator, armed)
        seconds = _right(tenant, running_operator, "t0", "t1", "new")

    print(f"right {seconds:.1f} s after the restart")
    now = _hashes(tenant)
    assert now["t1"] == former["t1"]
    assert now["t0"] != former["t0"]
    assert watch.documents() <= {_refs(tenant, "t0", "t1"), _refs(tenant, "t0", "t1", "new")}
    assert watch.statuses() <= {200, 503, None}
    eventually(
        lambda: tenant.get()["status"].get("handledRequests", {}).get("skillmeat") == "now", what="the echo"
    )
    eventually(lambda: len(_chunks(tenant)) == 1, what="the old chunk is deleted")


def test_killed_before_the_portal_heard_of_a_removal(
    tenant: Tenant, running_operator: OperatorProcess, armed: Path
) -> None:
    tenant.add_templates(2)
    tenant.apply(tenant.source(interval="1h"))
    tenant.wait_ready(reason="Succeeded")

    with DocumentWatch(tenant.document_url(running_operator.documents_url)) as watch:
        tenant.remove("t1")
        Point("after", "head", 1).arm(armed)
        tenant.annotate("skillmeat.io/reconcile-requested-at", "now")
        _killed(running_operator, armed)
        refreshed = len(_refreshes(tenant))
        running_operator.start()
        began = time.monotonic()
        eventually(lambda: len(_refreshes(tenant)) > refreshed, within=10, what="the portal is told")

    # From here on it is the portal's own sweep, every 30 s, that takes the entity away.
    print(f"the portal is told {time.monotonic() - began:.1f} s after the restart")
    assert watch.documents() == {_refs(tenant, "t0", "t1"), _refs(tenant, "t0")}


def _refreshes(tenant: Tenant) -> list[object]:
    return [one for one in tenant.backstage.requests(method="POST") if one.path.endswith("/refresh")]
