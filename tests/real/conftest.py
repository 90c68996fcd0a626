"""The real parts, started once for all tests of this folder.

A part that is not installed or does not start is an error of every test that needs it, never a skip.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.backstage import Backstage
from testbed.cluster import Cluster, ExistingCluster, existing_cluster_wanted
from testbed.controlplane import ControlPlane
from testbed.ports import LOOPBACK, ports
from testbed.programs import find_control_plane
from testbed.runs import RunFolder
from testbed.servers import find_backstage, find_skillmeat
from testbed.skillmeat import SkillMeat
from testbed.workshop import Workshop
from tests.real.harness.credential_cases import LESSER_TOKENS
from tests.real.harness.operator_process import NAMESPACE, NewOperator, OperatorProcess
from tests.real.harness.tenant import Tenant

DOCUMENT_PORTS = 20
"""How many neighbouring ports the portal reads documents from, so that many operators may run beside it."""


@pytest.fixture(scope="session")
def workshop() -> Workshop:
    """Where the installed parts lie."""
    return Workshop()


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for data and logs, removed at the end."""
    with RunFolder() as run:
        yield run.path


@pytest.fixture(scope="module", autouse=True)
def nobody_is_left() -> Iterator[None]:
    """A module closes its tenants: the operators of the next one would go on with theirs."""
    yield
    assert Tenant.opened == set()


@pytest.fixture(scope="session")
def cluster(workshop: Workshop, run_folder: Path) -> Iterator[Cluster]:
    """The control plane with a controller manager, without our CRDs; or ``USE_EXISTING_CLUSTER``'s."""
    if existing_cluster_wanted():
        kubectl = find_control_plane(workshop, ["kubectl"])["kubectl"]
        existing = ExistingCluster(folder=run_folder / "cluster", kubectl=kubectl)
        yield existing
        existing.api.close()
        return
    programs = find_control_plane(workshop)
    with ControlPlane(run_folder / "controlplane", programs=programs, controller_manager=True) as plane:
        yield plane


@pytest.fixture(scope="session")
def skillmeat(workshop: Workshop, run_folder: Path) -> Iterator[SkillMeat]:
    """A SkillMeat server; a test that seeds it clears it first."""
    with SkillMeat(run_folder / "skillmeat", python=find_skillmeat(workshop)) as server:
        yield server


@pytest.fixture(scope="session")
def document_ports() -> range:
    """The ports on which the portal may read documents."""
    return ports.take_range(DOCUMENT_PORTS)


@pytest.fixture(scope="session")
def backstage(workshop: Workshop, run_folder: Path, document_ports: range) -> Iterator[Backstage]:
    """A stock portal with a database in memory, a token of least privilege, lesser ones, and Template allowed."""
    hosts = [f"{LOOPBACK}:{document_ports[0]}-{document_ports[-1]}"]
    files = find_backstage(workshop)
    with Backstage(
        run_folder / "backstage", files=files, document_hosts=hosts, other_tokens=LESSER_TOKENS
    ) as portal:
        yield portal


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with our CRDs, namespace and roles; the Deployment is left out, tests run the operator."""
    root = Path(__file__).resolve().parents[2]
    cluster.run("apply", "--server-side", "-k", str(root / "manifests/default"))
    cluster.kubectl("delete", "deployment", "skillmeat-operator", "-n", NAMESPACE, "--ignore-not-found")
    for crd in ("catalogsources.skillmeat.io", "templatebundles.skillmeat.io"):
        cluster.run("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
    return cluster


@pytest.fixture(scope="session")
def new_operator(
    installed: Cluster, backstage: Backstage, document_ports: range, run_folder: Path
) -> NewOperator:
    """Makes an operator on the shared parts, not started; further settings, and others than these, by name."""

    def make(**settings: Any) -> OperatorProcess:
        usual = {
            "cluster": installed,
            "folder": Path(tempfile.mkdtemp(prefix="operator-", dir=run_folder)),
            "documents_port": document_ports[0],
            "backstage_url": backstage.url,
            "backstage_token": backstage.token,
        }
        return OperatorProcess(**{**usual, **settings})

    return make


@pytest.fixture(scope="module")
def operator(new_operator: NewOperator) -> Iterator[OperatorProcess]:
    """One operator for all tests of a module that do not restart it."""
    with new_operator() as process:
        yield process


@pytest.fixture
def running_operator(operator: OperatorProcess) -> OperatorProcess:
    """The module's operator, running, for tests that stop and start it: each leaves it for the next one."""
    if operator.process is None:
        operator.start()
    return operator


@pytest.fixture
def tenant(installed: Cluster, skillmeat: SkillMeat, backstage: Backstage) -> Iterator[Tenant]:
    """A namespace of the test's own, on the shared servers."""
    made = Tenant.make(installed, skillmeat, backstage)
    yield made
    made.close()


@pytest.fixture
def own_operator(new_operator: NewOperator, document_ports: range) -> Iterator[OperatorProcess]:
    """An operator of the test's own, not started: for tests that set it up or kill it, in modules without ``operator``."""
    process = new_operator(documents_port=document_ports[1])
    yield process
    process.kill()
