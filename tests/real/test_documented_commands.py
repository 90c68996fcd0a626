"""Every kubectl command of the runbooks and examples, run as it stands against an API server with the objects
they speak of. What needs a kubelet (logs, run, the pods themselves) or another user is left out by its verb.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import Cluster

REPOSITORY = Path(__file__).parents[2]
PAGES = [*sorted((REPOSITORY / "docs").rglob("*.md")), *sorted((REPOSITORY / "examples").glob("*.yaml"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDS_A_NODE = ("kubectl logs ", "kubectl run ")
TARGET = "http://skillmeat-operator.skillmeat-operator.svc:8080/catalogs/ba0d0ed5/team-a/skillmeat.yaml"


def lines(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        return [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return re.findall(r"^ *# +(kubectl .*)$", text, re.MULTILINE)


def commands() -> Iterator[Any]:
    for page in PAGES:
        for line in lines(page):
            if "kubectl " in line and not any(word in line for word in NEEDS_A_NODE):
                yield pytest.param(line, id=f"{page.name}-{line[:70]}")


def condition(kind: str) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True",
        "reason": "Succeeded",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with the CRDs and the manifests; the Deployment has no node to run on."""
    cluster.apply(REPOSITORY / "crds" / "skillmeat.io_catalogsources.yaml", server_side=True)
    cluster.apply(REPOSITORY / "crds" / "skillmeat.io_templatebundles.yaml", server_side=True)
    cluster.run("wait", "--for=condition=Established", "crd/catalogsources.skillmeat.io", "--timeout=60s")
    cluster.run("wait", "--for=condition=Established", "crd/templatebundles.skillmeat.io", "--timeout=60s")
    for namespace in ("team-a", "skillmeat-operator"):
        cluster.kubectl("create", "namespace", namespace)
    cluster.run("apply", "--server-side", "-k", str(REPOSITORY / "manifests" / "default"))
    yield cluster
    # Some of the commands change it, which the next one who applies it would have to settle.
    cluster.run("delete", "deployment", "skillmeat-operator", "-n", "skillmeat-operator")


@pytest.fixture
def team(installed: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A folder for the commands; the cluster has what they name in namespace team-a."""
    (tmp_path / "ca.pem").write_text("a certificate")
    installed.run("apply", "-k", str(REPOSITORY / "examples"), "-n", "team-a")
    installed.kubectl(
        "create", "secret", "generic", "backstage-token", "-n", "team-a", "--from-literal=token=t"
    )
    status = {
        "status": {
            "observedGeneration": 1,
            "conditions": [condition("Ready"), condition("CatalogSynced"), condition("SourceReachable")],
        }
    }
    for kind in ("smsrc/skillmeat", "smtb/fin-serv"):
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps(status))
        installed.run("-n", "team-a", "patch", kind, *patch)
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    yield tmp_path
    installed.kubectl("delete", "smsrc,smtb", "--all", "-n", "team-a")


@pytest.mark.parametrize("line", list(commands()))
def test_it_works_as_it_stands(installed: Cluster, team: Path, line: str) -> None:
    place = [] if re.search(r" -n | -A|--namespace|create namespace", line) else ["-n", "team-a"]
    function = f'kubectl() {{ command "{installed.kubectl_path}" "$@" {" ".join(place)}; }}; '
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603
        ["bash", "-c", f"set -euo pipefail; {function}{line.replace('NAMESPACE', 'team-a')}"],  # noqa: S607
        cwd=team,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **os.environ,
            "PATH": path,
            "KUBECONFIG": str(installed.kubeconfig),
            "TOKEN": "a-token-of-tests",
        },
    )
    assert done.returncode == 0, done.stderr
