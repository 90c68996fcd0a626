"""The manifests on a real API server: complete, admitted under Pod Security, and these rights and no more."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.cluster import Cluster

REPOSITORY = Path(__file__).parents[2]
DEFAULT = REPOSITORY / "manifests" / "default"
OPERATOR = "skillmeat-operator"
ACCOUNT = f"system:serviceaccount:{OPERATOR}:{OPERATOR}"
RIGHTS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


@dataclass(frozen=True, slots=True)
class Installation:
    """The built manifests, and a cluster that has their namespace and rights, but no operator."""

    cluster: Cluster
    manifests: list[dict[str, Any]]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [manifest for manifest in self.manifests if manifest["kind"] == kind]

    def pod(self) -> dict[str, Any]:
        """Return a Pod made from the Deployment's template."""
        (deployment,) = self.of_kind("Deployment")
        template = copy.deepcopy(deployment["spec"]["template"])
        metadata = template["metadata"] | {"name": "admitted", "namespace": OPERATOR}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.fixture(scope="module")
def installation(cluster: Cluster) -> Installation:
    built = cluster.kubectl("kustomize", str(DEFAULT))
    assert built.returncode == 0, built.stderr
    manifests = list(yaml.safe_load_all(built.stdout))
    # A dry run of what lives in a namespace needs the namespace; `auth can-i` needs the rights, and the kinds they
    # are about.
    for kinds in ({"Namespace", "CustomResourceDefinition"}, RIGHTS):
        text = "---\n".join(yaml.safe_dump(manifest) for manifest in manifests if manifest["kind"] in kinds)
        applied = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)
        assert applied.returncode == 0, applied.stderr
    crds = [
        f"crd/{one['metadata']['name']}" for one in manifests if one["kind"] == "CustomResourceDefinition"
    ]
    established = cluster.kubectl("wait", "--for=condition=Established", *crds, "--timeout=30s")
    assert established.returncode == 0, established.stderr
    return Installation(cluster, manifests)


def test_the_set_is_complete(installation: Installation) -> None:
    found = sorted(
        f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in installation.manifests
    )
    assert found == [
        f"ClusterRole/{OPERATOR}",
        f"ClusterRole/{OPERATOR}-edit",
        f"ClusterRole/{OPERATOR}-view",
        f"ClusterRoleBinding/{OPERATOR}",
        "CustomResourceDefinition/catalogsources.skillmeat.io",
        "CustomResourceDefinition/templatebundles.skillmeat.io",
        f"Deployment/{OPERATOR}",
        f"Namespace/{OPERATOR}",
        f"Role/{OPERATOR}",
        f"RoleBinding/{OPERATOR}",
        f"Service/{OPERATOR}",
        f"ServiceAccount/{OPERATOR}",
    ]


def test_the_api_server_accepts_the_whole_set(installation: Installation) -> None:
    done = installation.cluster.kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-k",
        str(DEFAULT),
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(installation.manifests)


def test_the_pod_is_admitted_where_pod_security_is_restricted(installation: Installation) -> None:
    (namespace,) = installation.of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    done = installation.cluster.kubectl(
        "create", "--dry-run=server", "-f", "-", input=json.dumps(installation.pod())
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize(
    ("place", "name"),
    [
        pytest.param("pod", "runAsNonRoot", id="root"),
        pytest.param("pod", "seccompProfile", id="no seccomp profile"),
        pytest.param("container", "capabilities", id="capabilities"),
        pytest.param("container", "allowPrivilegeEscalation", id="privilege escalation"),
    ],
)
def test_the_pod_would_be_refused_without_its_security_context(
    installation: Installation, place: str, name: str
) -> None:
    pod = installation.pod()
    (container,) = pod["spec"]["containers"]
    del (pod["spec"] if place == "pod" else container)["securityContext"][name]
    if name == "runAsNonRoot":
        del container["securityContext"][name]
    done = installation.cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(pod))
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def test_the_container_is_bounded_and_cannot_write_to_its_image(installation: Installation) -> None:
    (container,) = installation.pod()["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert isinstance(installation.pod()["spec"]["securityContext"]["runAsUser"], int)


def test_probes_and_service_use_ports_the_container_has(installation: Installation) -> None:
    (container,) = installation.pod()["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"documents": 8080, "metrics": 9090}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == "metrics"
    (service,) = installation.of_kind("Service")
    assert {port["targetPort"] for port in service["spec"]["ports"]} == ports.keys()
    assert service["spec"]["selector"].items() <= installation.pod()["metadata"]["labels"].items()


def test_documents_stay_reachable_while_the_operator_is_not_ready(installation: Installation) -> None:
    (service,) = installation.of_kind("Service")
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_the_public_url_is_the_address_of_the_service(installation: Installation) -> None:
    (container,) = installation.pod()["spec"]["containers"]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    (service,) = installation.of_kind("Service")
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    assert environment["SKILLMEAT_OPERATOR_PUBLIC_URL"] == f"http://{name}.{namespace}.svc:8080"


def test_no_role_has_a_wildcard(installation: Installation) -> None:
    for role in [*installation.of_kind("ClusterRole"), *installation.of_kind("Role")]:
        for rule in role["rules"]:
            for key in ("apiGroups", "resources", "verbs"):
                assert "*" not in rule[key], role["metadata"]["name"]


SOURCES = "catalogsources.skillmeat.io"
BUNDLES = "templatebundles.skillmeat.io"
TENANT = "default"

ALLOWED = [
    *((verb, kind, TENANT) for kind in (SOURCES, BUNDLES) for verb in ("get", "list", "watch", "patch")),
    *((verb, f"{kind}/status", TENANT) for kind in (SOURCES, BUNDLES) for verb in ("patch", "update")),
    *((verb, f"{kind}/finalizers", TENANT) for kind in (SOURCES, BUNDLES) for verb in ("patch", "update")),
    ("get", "secrets", TENANT),
    ("get", "configmaps", TENANT),
    ("create", "events", TENANT),
    ("create", "events.events.k8s.io", TENANT),
    ("get", "namespaces/kube-system", TENANT),
    *((verb, "configmaps", OPERATOR) for verb in ("list", "watch", "create", "update", "patch", "delete")),
    *((verb, "leases.coordination.k8s.io", OPERATOR) for verb in ("get", "create", "update", "patch")),
]

REFUSED = [
    *((verb, kind, TENANT) for kind in (SOURCES, BUNDLES) for verb in ("create", "update", "delete")),
    *((verb, "secrets", TENANT) for verb in ("list", "watch", "create", "update", "patch", "delete")),
    *((verb, "secrets", OPERATOR) for verb in ("list", "watch", "create", "update", "patch", "delete")),
    *((verb, "configmaps", TENANT) for verb in ("list", "watch", "create", "update", "patch", "delete")),
    *((verb, "events", TENANT) for verb in ("get", "list", "watch", "patch", "delete")),
    ("create", "leases.coordination.k8s.io", TENANT),
    ("delete", "leases.coordination.k8s.io", OPERATOR),
    ("get", "namespaces/default", TENANT),
    ("list", "namespaces", TENANT),
    ("watch", "customresourcedefinitions.apiextensions.k8s.io", TENANT),
    ("get", "pods", OPERATOR),
    ("create", "pods", OPERATOR),
    ("create", "pods/exec", OPERATOR),
    ("create", "serviceaccounts/token", OPERATOR),
    ("impersonate", "users", TENANT),
    ("get", "catalogsources.operators.coreos.com", TENANT),
]


def allowed(installation: Installation, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server whether the operator's account may do this."""
    kind, _, name = resource.partition("/") if resource.startswith("namespaces/") else (resource, "", "")
    return installation.cluster.api.may(ACCOUNT, verb, kind, namespace=namespace, name=name)


@pytest.mark.parametrize(("verb", "resource", "namespace"), ALLOWED)
def test_the_operator_may(installation: Installation, verb: str, resource: str, namespace: str) -> None:
    assert allowed(installation, verb, resource, namespace)


@pytest.mark.parametrize(("verb", "resource", "namespace"), REFUSED)
def test_the_operator_may_not(installation: Installation, verb: str, resource: str, namespace: str) -> None:
    assert not allowed(installation, verb, resource, namespace)
