"""A place to measure at: the real parts, with our CRDs and roles, and the operator as a process."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillmeat_operator.domain.timings import Timings
from testbed.backstage import Backstage
from testbed.controlplane import ControlPlane
from testbed.runs import RunFolder
from testbed.skillmeat import SkillMeat
from testbed.up import Parts
from tests.real.harness.fault_proxy import FaultProxy
from tests.real.harness.operator_process import FAST, NAMESPACE, OperatorProcess

Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
OPERATOR_USER = f"system:serviceaccount:{NAMESPACE}:skillmeat-operator"
TEMPLATES = "/api/v1/integrations/idp/templates"


@dataclass(frozen=True)
class Site:
    """All parts. The operator is started by whoever measures it."""

    cluster: ControlPlane
    skillmeat: SkillMeat
    backstage: Backstage
    proxy: FaultProxy
    """Before SkillMeat; counts the requests that went through."""
    operator: OperatorProcess
    provider_port: int
    """Where another provider's documents may be served to the portal."""

    def make_namespace(self, name: str) -> None:
        """Create a namespace."""
        self.cluster.run("create", "namespace", name)

    def source(self, namespace: str, name: str, *, interval: str, catalog_namespace: str) -> Object:
        """A CatalogSource on this site's SkillMeat."""
        return {
            "apiVersion": "skillmeat.io/v1alpha1",
            "kind": "CatalogSource",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "source": {"skillmeat": {"url": self.proxy.url}},
                "backstage": {"catalogNamespace": catalog_namespace},
                "interval": interval,
            },
        }

    def create(self, *objects: Object) -> None:
        """Create objects with one call of kubectl."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.cluster.run("create", "-f", "-", input=json.dumps(listed), timeout=180)

    def sources(self, namespace: str) -> list[Object]:
        """All CatalogSources of a namespace, read without kubectl."""
        return self.cluster.api.list("CatalogSource", namespace)

    def one(self, namespace: str, name: str) -> Object:
        """One CatalogSource, read without kubectl."""
        return self.cluster.api.get("CatalogSource", name, namespace)

    def wait_all_ready(self, namespace: str, *, within: float, every: float) -> float:
        """Seconds until every CatalogSource of a namespace is Ready.

        Raises:
            TimeoutError: some are not within that many seconds; the message has the reasons of a few.
        """
        began = time.monotonic()
        while True:
            waiting = [one for one in self.sources(namespace) if not is_ready(one)]
            passed = time.monotonic() - began
            if not waiting:
                return passed
            if passed > within:
                reasons = {condition(one, "Ready").get("reason", "none yet") for one in waiting}
                raise TimeoutError(
                    f"{len(waiting)} CatalogSources are not Ready after {within:.0f} s: {reasons}"
                )
            time.sleep(every)


def condition(obj: Object, kind: str) -> Object:
    """One condition of an object; empty where it is not there."""
    found: list[Object] = obj.get("status", {}).get("conditions", [])
    return next((one for one in found if one["type"] == kind), {})


def is_ready(obj: Object) -> bool:
    """Whether Ready is True for the present generation."""
    ready = condition(obj, "Ready")
    return ready.get("status") == "True" and ready.get("observedGeneration") == obj["metadata"]["generation"]


@contextlib.contextmanager
def open_site(say: Callable[[str], None]) -> Iterator[Site]:
    """Start all parts and install the CRDs and roles; everything is stopped and removed at the end.

    Raises:
        PartError: a part is not installed or did not start.
    """
    # A cluster that others use is no place to measure at.
    os.environ.pop("USE_EXISTING_CLUSTER", None)
    say("starting the control plane, SkillMeat and Backstage")
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(RunFolder())
        parts = stack.enter_context(Parts(run.path))
        cluster, skillmeat, backstage = parts.cluster, parts.skillmeat, parts.backstage
        if not isinstance(cluster, ControlPlane) or skillmeat is None or backstage is None:
            raise RuntimeError("all parts were asked for")
        _install(cluster)
        proxy = stack.enter_context(FaultProxy(skillmeat.url))
        operator = OperatorProcess(
            cluster=cluster,
            folder=run.path / "operator",
            documents_port=parts.documents_port,
            backstage_url=backstage.url,
            backstage_token=backstage.token,
            timings=_production_times(),
            arguments=("--log-level", "info"),
            fresh=True,
        )
        stack.callback(operator.stop)
        yield Site(
            cluster=cluster,
            skillmeat=skillmeat,
            backstage=backstage,
            proxy=proxy,
            operator=operator,
            provider_port=parts.provider_port,
        )


def _install(cluster: ControlPlane) -> None:
    cluster.run("apply", "--server-side", "-k", str(ROOT / "manifests/default"))
    cluster.run("delete", "deployment", "skillmeat-operator", "-n", NAMESPACE)
    for crd in ("catalogsources.skillmeat.io", "templatebundles.skillmeat.io"):
        cluster.run("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=60s")


def _production_times() -> Mapping[str, float | list[float]]:
    """The times that tests scale, put back: a benchmark measures what runs in production."""
    return {name: getattr(Timings(), name) for name in FAST}


def memory(pid: int, field: str = "VmRSS") -> float:
    """MiB of a process: resident now (``VmRSS``) or at most (``VmHWM``).

    Raises:
        OSError: the process is gone, or this is no Linux.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) / 1024
    raise OSError(f"/proc/{pid}/status has no {field}")


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process so far; errors as :func:`memory`."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def operator_pid(site: Site) -> int:
    """Process id of the running operator."""
    if site.operator.process is None:
        raise RuntimeError("the operator was not started")
    return site.operator.process.pid


def note(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"{text} …\n")
