"""The commands against a real API server; statuses are written by hand, so that no operator is needed."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from skillmeat_operator.cli.main import dispatch, process_context
from skillmeat_operator.cli.output.console import Console
from testbed.cluster import Cluster
from testbed.errors import PartError

REPOSITORY = Path(__file__).parents[2]
REQUEST = "skillmeat.io/reconcile-requested-at"
GROUP_VERSION = "skillmeat.io/v1alpha1"
SHORT = {"CatalogSource": "smsrc", "TemplateBundle": "smtb"}
TARGET = "http://operator.example.com:8080/catalogs/0a1b2c3d/team/main.yaml"


@dataclass(frozen=True, slots=True)
class Team:
    """A namespace of its own and the command line in it."""

    cluster: Cluster
    namespace: str

    def cli(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as `main` does, in this process."""
        out, err = io.StringIO(), io.StringIO()
        environ = {"KUBECONFIG": str(kubeconfig or self.cluster.kubeconfig)}
        context = replace(process_context("skillmeat-operator"), console=Console(out, err), environ=environ)
        code = dispatch(arguments, context)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def here(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespace."""
        return self.cli(*arguments, "-n", self.namespace, kubeconfig=kubeconfig)

    def make(self, kind: str, name: str, spec: dict[str, Any], status: dict[str, Any] | None = None) -> None:
        """Create an object and give it a status."""
        metadata = {"name": name, "namespace": self.namespace}
        self.cluster.apply({"apiVersion": GROUP_VERSION, "kind": kind, "metadata": metadata, "spec": spec})
        if status is not None:
            self.set_status(kind, name, status)

    def set_status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        """Write a status as the operator does."""
        patch = json.dumps({"status": status})
        flags = ("--subresource=status", "--type=merge", "-p", patch)
        self.cluster.run("-n", self.namespace, "patch", SHORT[kind], name, *flags)

    def read(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object."""
        found: dict[str, Any] = self.cluster.get(SHORT[kind], name, "-n", self.namespace)
        return found


def eventually(attempt: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            attempt()
        except PartError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


@pytest.fixture(scope="module")
def kinds(cluster: Cluster) -> Cluster:
    """The cluster with our CRDs, ready to store objects."""
    cluster.apply(REPOSITORY / "crds" / "skillmeat.io_catalogsources.yaml", server_side=True)
    cluster.apply(REPOSITORY / "crds" / "skillmeat.io_templatebundles.yaml", server_side=True)
    eventually(lambda: cluster.run("get", "smsrc,smtb", "-A"))
    return cluster


@pytest.fixture
def team(kinds: Cluster) -> Iterator[Team]:
    name = f"cli-{uuid4().hex[:8]}"
    kinds.run("create", "namespace", name)
    yield Team(kinds, name)
    kinds.kubectl("delete", "namespace", name, "--wait=false")


SOURCE = {"source": {"skillmeat": {"url": "http://skillmeat.example.com"}}}
BUNDLE = {"sourceRef": {"name": "main"}, "bundleRef": {"name": "Payments"}}
COUNTS = {"discovered": 3, "selected": 3, "published": 3, "inCatalog": 3}


def condition(
    kind: str, status: str, reason: str, message: str = "", *, generation: int = 1
) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(minutes=42)
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def ready(**more: Any) -> dict[str, Any]:
    conditions = [condition("Ready", "True", "Succeeded", "3 templates are in the catalog.")]
    return {"observedGeneration": 1, "conditions": conditions, "entities": COUNTS, **more}


def stalled(**more: Any) -> dict[str, Any]:
    message = "6 of 10 templates vanished from the source."
    conditions = [
        condition("Ready", "False", "RemovalHeld", message),
        condition("Stalled", "True", "RemovalHeld", message),
        condition("RemovalHeld", "True", "RemovalHeld", message),
    ]
    return {"observedGeneration": 1, "conditions": conditions, "entities": COUNTS, **more}


def test_all_ready_ends_with_0_and_something_not_ready_with_1(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    team.make("TemplateBundle", "payments", BUNDLE, {**ready(bundleVersion="2.1.0"), "entities": None})
    well = team.here("status")
    assert (well.returncode, well.stderr) == (0, "")
    assert "All is Ready." in well.stdout
    assert "\x1b" not in well.stdout
    team.make("CatalogSource", "second", SOURCE, stalled())
    bad = team.cli("-n", team.namespace, "status")
    assert bad.returncode == 1
    assert f"source/second in {team.namespace}: Ready False, RemovalHeld for 42m" in bad.stdout


def test_an_object_nobody_has_looked_at_is_not_ready(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE)
    done = team.here("status", "source/main")
    assert done.returncode == 1
    assert "The operator has not said anything about it yet." in done.stdout


def test_all_namespaces(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    done = team.cli("status", "-A", "-o", "json")
    places = [(each["namespace"], each["name"]) for each in json.loads(done.stdout)["catalogSources"]]
    assert (team.namespace, "main") in places


def test_the_line_that_approves_a_removal_works_as_printed(team: Team) -> None:
    removal = {"id": "3fa9c0", "count": 6, "refs": ["template:skillmeat/a"], "since": "2026-01-01T00:00:00Z"}
    team.make("CatalogSource", "main", SOURCE, stalled(removal=removal))
    page = team.cli(
        "status", "smsrc/main", "-n", team.namespace, "--kubeconfig", str(team.cluster.kubeconfig)
    )
    line = next(text for text in page.stdout.splitlines() if text.strip().startswith("kubectl"))
    subprocess.run(  # noqa: S602
        line.strip().replace("kubectl", str(team.cluster.kubectl_path), 1), shell=True, check=True, timeout=60
    )
    annotations = team.read("CatalogSource", "main")["metadata"]["annotations"]
    assert annotations["skillmeat.io/approve-removal"] == "3fa9c0"
    assert "It has been approved" in team.here("status", "source/main").stdout


def test_the_operator_s_lease_is_its_life_sign(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    fresh = datetime.now(UTC) + timedelta(minutes=5)
    for renewed, code, said in [
        (fresh, 0, "At work: life sign of pod-1 0s ago."),
        (datetime(2026, 1, 1, tzinfo=UTC), 1, "no operator is at work"),
    ]:
        team.cluster.apply(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "skillmeat-operator", "namespace": team.namespace},
                "spec": {
                    "holderIdentity": "pod-1",
                    "leaseDurationSeconds": 15,
                    "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                },
            }
        )
        done = team.here("status", "--operator-namespace", team.namespace)
        assert (done.returncode, said in " ".join(done.stdout.split())) == (code, True), done.stdout


def test_sync_waits_for_the_echo_of_its_own_request(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready(handledRequests={"skillmeat": "before"}))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(team.here, "sync", "source/main", "--wait", "--timeout", "60s")
        deadline = time.monotonic() + 60
        while (
            token := (team.read("CatalogSource", "main")["metadata"].get("annotations") or {}).get(REQUEST)
        ) is None:
            assert time.monotonic() < deadline, "no request was made"
            time.sleep(0.1)
        assert not waiting.done()
        team.set_status("CatalogSource", "main", {"handledRequests": {"skillmeat": token}})
        done = waiting.result(timeout=60)
    assert (done.returncode, done.stdout) == (
        0,
        "source/main: Ready True, Succeeded; 3 discovered, 3 selected, 3 published, 3 in the catalog.\n",
    )


def test_sync_without_an_operator_ends_after_its_timeout(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    done = team.here("sync", "source/main", "--wait", "--timeout", "2s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error: source/main has not been synced within 2s" in done.stderr


def test_sync_of_a_bundle_asks_its_source(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    team.make("TemplateBundle", "payments", BUNDLE)
    assert team.here("sync", "bundle/payments").returncode == 0
    assert REQUEST in team.read("CatalogSource", "main")["metadata"]["annotations"]
    assert REQUEST not in team.read("TemplateBundle", "payments")["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("kind", "name", "spec"),
    [("CatalogSource", "source/main", SOURCE), ("TemplateBundle", "bundle/main", BUNDLE)],
)
def test_suspend_and_resume(team: Team, kind: str, name: str, spec: dict[str, Any]) -> None:
    team.make(kind, "main", spec)
    assert team.here("suspend", name).returncode == 0
    assert team.read(kind, "main")["spec"]["suspend"] is True
    if kind == "CatalogSource":
        refused = team.here("sync", name)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
        assert "is suspended" in refused.stderr
    assert team.here("resume", name).returncode == 0
    assert team.read(kind, "main")["spec"]["suspend"] is False


def test_portal_config_knows_the_cluster_and_prints_yaml(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE)
    done = team.here("portal-config", "source/main", "--public-url", "http://operator.example.com:8080")
    uid = team.cluster.get("namespace", "kube-system")["metadata"]["uid"]
    target = f"http://operator.example.com:8080/catalogs/{uid[:8]}/{team.namespace}/main.yaml"
    assert yaml.safe_load(done.stdout)["catalog"]["rules"][1]["locations"] == [
        {"type": "url", "exact": target}
    ]
    team.set_status("CatalogSource", "main", {"catalog": {"target": TARGET}})
    assert TARGET in team.here("portal-config", "source/main").stdout


def test_the_secret_line_of_portal_config_works_as_printed(team: Team) -> None:
    team.make("CatalogSource", "main", SOURCE, {"catalog": {"target": TARGET}})
    flags = ("--kubeconfig", str(team.cluster.kubeconfig))
    printed = team.here("portal-config", "source/main", *flags).stdout
    for line in [text.removeprefix("#").strip() for text in printed.splitlines() if "kubectl" in text]:
        subprocess.run(  # noqa: S602
            line.replace("kubectl", str(team.cluster.kubectl_path), 1),
            shell=True,
            check=True,
            timeout=60,
            env={**os.environ, "SKILLMEAT_OPERATOR_TOKEN": "a-token-of-tests"},
        )
    secret = team.cluster.run(
        "-n",
        team.namespace,
        "get",
        "secret",
        "backstage-token",
        "-o",
        "go-template={{.data.token | base64decode}}",
    )
    assert secret == "a-token-of-tests"
    reference = team.read("CatalogSource", "main")["spec"]["backstage"]["auth"]["bearerTokenSecretRef"]
    assert reference == {"name": "backstage-token", "key": "token"}


def test_the_printed_crds_are_what_the_cluster_has(team: Team) -> None:
    printed = team.cli("crds")
    done = team.cluster.kubectl("diff", "--server-side", "--force-conflicts", "-f", "-", input=printed.stdout)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.fixture
def reader(team: Team) -> Path:
    """A kubeconfig of a service account that may read sources and do nothing else."""
    team.cluster.run("-n", team.namespace, "create", "serviceaccount", "reader")
    team.cluster.run(
        "-n", team.namespace, "create", "role", "reader", "--verb=get,list",
        "--resource=catalogsources.skillmeat.io,templatebundles.skillmeat.io",
    )  # fmt: skip
    account = f"--serviceaccount={team.namespace}:reader"
    team.cluster.run("-n", team.namespace, "create", "rolebinding", "reader", "--role=reader", account)
    return team.cluster.service_account_kubeconfig(team.namespace, "reader")


def test_a_token_reads_and_what_it_may_not_do_is_one_sentence(team: Team, reader: Path) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    page = team.here("status", "source/main", kubeconfig=reader)
    assert page.returncode == 0, page.stderr
    assert "You are not allowed to get leases.coordination.k8s.io" in " ".join(page.stdout.split())
    refused = team.here("suspend", "source/main", kubeconfig=reader)
    assert (refused.returncode, refused.stderr) == (
        1,
        "error: You are not allowed to patch catalogsources.skillmeat.io: ask for the permission that "
        f"`kubectl auth can-i patch catalogsources.skillmeat.io -n {team.namespace}` denies.\n",
    )
    everywhere = team.cli("status", "-A", kubeconfig=reader)
    assert everywhere.returncode == 1
    assert "You are not allowed to list catalogsources.skillmeat.io" in everywhere.stderr
    uid = team.here("portal-config", "source/main", "--public-url", "http://op", kubeconfig=reader)
    assert uid.returncode == 1
    assert "You are not allowed to get namespaces" in uid.stderr


def with_user(kubeconfig: Path, user: dict[str, Any], path: Path, **cluster: Any) -> Path:
    config = yaml.safe_load(kubeconfig.read_text())
    config["users"][0]["user"] = user
    if "certificate-authority" in cluster:
        config["clusters"][0]["cluster"].pop("certificate-authority-data", None)
    config["clusters"][0]["cluster"].update(cluster)
    path.write_text(yaml.safe_dump(config))
    return path


def exec_plugin(script: str) -> dict[str, Any]:
    api_version = "client.authentication.k8s.io/v1"
    return {
        "exec": {
            "apiVersion": api_version,
            "command": sys.executable,
            "args": ["-c", script],
            "interactiveMode": "Never",
        }
    }


def test_a_credential_plugin_gives_the_token(team: Team, reader: Path, tmp_path: Path) -> None:
    token = yaml.safe_load(reader.read_text())["users"][0]["user"]["token"]
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": token},
    }
    user = exec_plugin(f"print({json.dumps(answer)!r})")
    done = team.here("status", kubeconfig=with_user(reader, user, tmp_path / "plugin"))
    assert (done.returncode, done.stderr) == (0, "")


UNUSABLE = {
    "a plugin that fails": (
        exec_plugin("import sys; sys.exit('log in first')"),
        {},
        f"error: The credential plugin {sys.executable} gave no credential: run it by hand to see why, or "
        "log in with it again.\n",
    ),
    "a token that is not accepted": (
        {"token": "expired"},
        {},
        "error: The API server does not accept the kubeconfig's credential: log in again or renew it.\n",
    ),
    "a server that is away": (
        {"token": "x"},
        {"server": "https://127.0.0.1:1"},
        "error: The API server https://127.0.0.1:1 cannot be used (no connection to the API server): check "
        "that it runs, the network and that --kubeconfig and --context name the right cluster.\n",
    ),
    "a CA that is not there": ({"token": "x"}, {"certificate-authority": "/nonexistent/ca.crt"}, None),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_cluster_that_cannot_be_used_is_one_sentence(
    team: Team, reader: Path, tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    user, cluster, said = UNUSABLE[case]
    path = with_user(reader, user, tmp_path / "config", **cluster)
    done = team.here("sync", "source/main", kubeconfig=path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: ")
    if said is not None:
        assert done.stderr == said
    # What a plugin says itself is for whoever runs the command.
    assert ("log in first" in capfd.readouterr().err) is (case == "a plugin that fails")


def test_a_kubeconfig_that_acts_for_another_may_do_what_the_other_may(
    team: Team, reader: Path, tmp_path: Path
) -> None:
    team.make("CatalogSource", "main", SOURCE, ready())
    config = yaml.safe_load(team.cluster.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = f"system:serviceaccount:{team.namespace}:reader"
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    assert team.here("status", "smsrc", "main", kubeconfig=path).returncode == 0
    refused = team.here("suspend", "source/main", kubeconfig=path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "You are not allowed to patch catalogsources.skillmeat.io" in refused.stderr
