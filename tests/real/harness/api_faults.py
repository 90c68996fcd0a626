"""An operator that reaches its API server through a proxy, and what shows that it sees and acts."""

from __future__ import annotations

import itertools
import json
import ssl
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.controlplane import ControlPlane
from testbed.ports import LOOPBACK, ports
from testbed.web import call
from tests.real.harness.fault_proxy import FaultProxy
from tests.real.harness.operator_process import NAMESPACE, OperatorProcess
from tests.real.harness.tenant import eventually

ROOT = Path(__file__).resolve().parents[3]
_marks = itertools.count(1)


def source(name: str = "main", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A CatalogSource that needs no server to get a status: the operator says which of its flags is missing."""
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "source": {"skillmeat": {"url": "https://skillmeat.example"}},
            "backstage": {"url": "https://portal.example"},
            **spec,
        },
    }


@dataclass
class Beside:
    """An operator beside a control plane, with a proxy between them."""

    plane: ControlPlane
    proxy: FaultProxy
    operator: OperatorProcess
    account: str = "skillmeat-operator"
    token_file: Path = field(init=False)

    @classmethod
    def make(
        cls, plane: ControlPlane, folder: Path, *, account: str = "skillmeat-operator", **settings: Any
    ) -> Beside:
        """Not started yet; the proxy is up."""
        place = Path(tempfile.mkdtemp(dir=folder))
        operator = OperatorProcess(
            cluster=plane, folder=place, documents_port=ports.take(), public_url=None, **settings
        )
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        made = cls(plane, FaultProxy(plane.url, tls=tls).up(), operator, account)
        made.token_file = place / "token"
        made.log_in()
        operator.kubeconfig = place / "kubeconfig"
        operator.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "c", "cluster": {"server": made.proxy.url}}],
                    "users": [{"name": "u", "user": {"tokenFile": str(made.token_file)}}],
                    "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "one",
                }
            )
        )
        return made

    def log_in(self) -> None:
        """Write a token of the account as it is now."""
        self.token_file.write_text(self.plane.api.token(NAMESPACE, self.account))

    def probe(self, path: str = "readyz") -> tuple[int, str]:
        """Status and text of a probe; 0 where nobody listens."""
        try:
            answer = call("GET", f"http://{LOOPBACK}:{self.operator.metrics_port}/{path}", timeout=3)
        except OSError as error:
            return 0, str(error)
        return answer.status, answer.text

    def document(self) -> int:
        """The status of a document's address."""
        address = f"{self.operator.documents_url}/catalogs/00000000/default/main.yaml"
        return call("GET", address, timeout=3).status

    def until_ready(self, within: float = 10.0) -> float:
        """Seconds until it is ready."""
        began = time.monotonic()
        eventually(lambda: self.probe()[0] == 200 or None, within=within, what=f"ready: {self.probe()}")
        return time.monotonic() - began

    def until_away(self, *said: str, within: float = 20.0) -> str:
        """What ``/readyz`` says while a watch is away."""

        def look() -> str | None:
            status, text = self.probe()
            return text if status == 503 and all(part in text for part in said) else None

        return eventually(look, within=within, what=f"not ready: {said}")

    def reacts(self, name: str = "main", namespace: str = "default", within: float = 2.0) -> float:
        """Seconds until a change of a CatalogSource is in its status."""
        self.plane.api.apply(source(name, namespace, interval=f"{60 + next(_marks)}m"))
        began = time.monotonic()
        self.observed(name, namespace, within=within)
        return time.monotonic() - began

    def observed(self, name: str = "main", namespace: str = "default", within: float = 5.0) -> dict[str, Any]:
        """The object once its status is of its present generation."""

        def look() -> dict[str, Any] | None:
            found = self.plane.api.get("CatalogSource", name, namespace)
            seen = found.get("status", {}).get("observedGeneration")
            return found if seen == found["metadata"]["generation"] else None

        return eventually(look, within=within, what=f"a status of {name}; {self.probe()}", every=0.05)

    def lives(self) -> None:
        """It is the process that was started, and its probe says that it makes progress."""
        assert self.operator.process is not None
        assert self.probe("healthz")[0] == 200

    def close(self) -> None:
        """End both."""
        self.operator.stop()
        self.proxy.down()
