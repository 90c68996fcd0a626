"""The operator as a process: how it ends when it is told to, what it leaves behind then, and what it weighs."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster
from tests.real.harness.fault_proxy import Fault, FaultProxy
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.relay import Relay
from tests.real.harness.tenant import Tenant, eventually

ENDS_WITHIN = 5.0
MOST_MEMORY = 110 * 1024
"""KiB."""
FINALIZER = "skillmeat.io/catalog-cleanup"


@pytest.fixture(autouse=True)
def started_as_in_production(own_operator: OperatorProcess) -> None:
    own_operator.fresh = True


@pytest.fixture
def silent(backstage: Backstage) -> Iterator[FaultProxy]:
    """A portal that takes a minute for each answer."""
    with FaultProxy(backstage.url) as proxy:
        proxy.fault = Fault(status=503, delay=60)
        yield proxy


def memory(process_id: int) -> dict[str, int]:
    """Resident memory of a process now (``VmRSS``) and at its most (``VmHWM``), in KiB."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="utf-8").splitlines()
    return {
        name: int(rest.split()[0])
        for name, _, rest in (one.partition(":") for one in lines)
        if name[:2] == "Vm"
    }


def half_written(cluster: Cluster, tenant: Tenant) -> list[str]:
    """What must not be there whenever the operator ends: heads without their chunks, locations nobody will delete."""
    maps = {one["metadata"]["name"]: one for one in cluster.api.list("ConfigMap", NAMESPACE)}
    found = []
    for name, one in maps.items():
        for chunk in json.loads(one.get("data", {}).get("head.json", "{}")).get("chunks", []):
            content = maps.get(chunk["name"], {}).get("binaryData", {}).get("content.gz", "")
            if hashlib.sha256(base64.b64decode(content)).hexdigest() != chunk["sha256"]:
                found.append(f"{name} names {chunk['name']}, which is not what it says")
    registered = {one["target"] for one in tenant.backstage.catalog.locations()}
    for source in cluster.api.list("CatalogSource", tenant.namespace):
        name = source["metadata"]["name"]
        path = f"/{tenant.namespace}/{name}.yaml"
        if any(one.endswith(path) for one in registered) and FINALIZER not in source["metadata"].get(
            "finalizers", []
        ):
            found.append(f"{name} is registered and has no finalizer")
        if f"smsrc-{source['metadata']['uid']}" not in maps and any(one.endswith(path) for one in registered):
            found.append(f"{name} is registered and has no snapshot")
    return found


def test_sigterm_ends_it_in_the_middle_of_publishing_with_nothing_half_written(
    tenant: Tenant, own_operator: OperatorProcess
) -> None:
    tenant.add_templates(3)
    names = [f"s{number}" for number in range(10)]
    tenant.apply(*(tenant.source(name, entityDefaults={"namePrefix": f"{name}-"}) for name in names))
    took = []
    for pause in (0.0, 0.4, 0.8, 1.2):
        own_operator.start()
        time.sleep(pause)
        code, seconds = own_operator.stop()
        took.append(seconds)

        assert code == 0
        assert half_written(tenant.cluster, tenant) == []
    print(f"ended after {', '.join(f'{seconds:.1f}' for seconds in took)} s")
    assert max(took) < ENDS_WITHIN

    own_operator.start()
    for name in names:
        tenant.wait_ready(reason="Succeeded", name=name)
    assert len(tenant.portal()) == 30
    assert half_written(tenant.cluster, tenant) == []
    own_operator.stop()


def test_sigterm_waits_for_no_server_that_hangs(
    tenant: Tenant, own_operator: OperatorProcess, silent: FaultProxy
) -> None:
    tenant.add_templates(1)
    tenant.secret("portal", tenant.backstage.token)
    behind = {"url": silent.url, "auth": {"bearerTokenSecretRef": {"name": "portal"}}}
    tenant.apply(tenant.source(), tenant.source("other", backstage=behind))
    tenant.proxy.fault = Fault(status=503, delay=60)
    own_operator.start()
    # Both hang: their first visits take longer than what is announced.
    tenant.wait_ready("Unknown", "Progressing")
    tenant.wait_ready("Unknown", "Progressing", name="other")

    code, seconds = own_operator.stop()
    print(f"ended after {seconds:.1f} s")

    assert code == 0
    assert seconds < ENDS_WITHIN
    assert half_written(tenant.cluster, tenant) == []


def reached_by(operator: OperatorProcess, cluster: Cluster, port: int) -> None:
    """Let an operator reach its API server by another port of this machine."""
    kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, "skillmeat-operator")
    settings = json.loads(kubeconfig.read_text())
    settings["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    operator.folder.mkdir(parents=True, exist_ok=True)
    operator.kubeconfig = operator.folder / "kubeconfig"
    operator.kubeconfig.write_text(json.dumps(settings))


def test_sigterm_ends_it_while_it_waits_for_the_api_server(
    tenant: Tenant, own_operator: OperatorProcess
) -> None:
    """The kubeconfig leads to a port where nobody listens, as after a power cut of the control plane."""
    nobody = FaultProxy("http://127.0.0.1")
    reached_by(own_operator, tenant.cluster, nobody.port)
    own_operator.start(wait=False)
    eventually(
        lambda: "trying again" in own_operator.log.read_text(), what="the operator waits for the API server"
    )

    code, seconds = own_operator.stop()
    print(f"ended after {seconds:.1f} s")

    assert code == 0
    assert seconds < ENDS_WITHIN


def test_sigterm_ends_it_when_its_api_server_went_away(tenant: Tenant, own_operator: OperatorProcess) -> None:
    relay = Relay(urlsplit(tenant.cluster.api.url).port or 443)
    reached_by(own_operator, tenant.cluster, relay.port)
    tenant.add_templates(1)
    tenant.apply(tenant.source())
    with relay:
        own_operator.start()
        tenant.wait_ready(reason="Succeeded")
        document = tenant.document(own_operator.documents_url)
        relay.cut()
        # Something to write about, which cannot be written.
        tenant.proxy.down()
        eventually(
            lambda: "ended early" in own_operator.log.read_text(), what="a write that fails", within=30
        )
        assert tenant.document(own_operator.documents_url) == document

        code, seconds = own_operator.stop()
    print(f"ended after {seconds:.1f} s")

    assert code == 0
    assert seconds < ENDS_WITHIN
    assert half_written(tenant.cluster, tenant) == []


def test_memory_with_a_hundred_templates(tenant: Tenant, own_operator: OperatorProcess) -> None:
    tenant.skillmeat.clear()
    tenant.skillmeat.add_templates_fast(100)
    own_operator.start()
    tenant.apply(tenant.source(skillmeat={"platform": None}))
    found = tenant.wait_ready(reason="Succeeded", within=40)
    assert found["status"]["entities"]["inCatalog"] == 100
    assert own_operator.process is not None

    used = memory(own_operator.process.pid)
    print(
        f"RSS with 100 templates: {used['VmRSS'] / 1024:.0f} MiB, at its most {used['VmHWM'] / 1024:.0f} MiB"
    )

    tenant.skillmeat.clear()
    assert used["VmHWM"] <= MOST_MEMORY
    tenant.kubectl("delete", "smsrc/main", "--timeout=20s")
    own_operator.stop()
