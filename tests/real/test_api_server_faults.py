"""The API server is away, refuses, is new, or has lost its memory: the operator lives, says so, and catches up."""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.controlplane import ControlPlane
from testbed.ports import LOOPBACK
from testbed.programs import find_control_plane
from testbed.workshop import Workshop
from tests.real.harness.api_faults import ROOT, Beside, source
from tests.real.harness.fault_proxy import Fault
from tests.real.harness.operator_process import NAMESPACE
from tests.real.harness.tenant import eventually

CRDS = ("catalogsources.skillmeat.io", "templatebundles.skillmeat.io")
LESSER = "lesser"
"""A ServiceAccount without rights over all namespaces."""

NewBeside = Callable[..., Beside]


@pytest.fixture(scope="module")
def plane(workshop: Workshop, run_folder: Path) -> Iterator[ControlPlane]:
    """A control plane of this module's own, since it is made to suffer."""
    with ControlPlane(run_folder / "faulty", programs=find_control_plane(workshop)) as made:
        made.run("apply", "--server-side", "-k", str(ROOT / "manifests/default"))
        yield made


@pytest.fixture
def served(plane: ControlPlane) -> ControlPlane:
    """With our kinds, and nothing of them."""
    install(plane)
    for found in plane.api.list("CatalogSource"):
        plane.api.delete("CatalogSource", found["metadata"]["name"], found["metadata"]["namespace"])
    return plane


@pytest.fixture
def beside(plane: ControlPlane, run_folder: Path) -> Iterator[NewBeside]:
    """Makes operators beside the plane."""
    made: list[Beside] = []

    def make(**settings: Any) -> Beside:
        made.append(Beside.make(plane, run_folder, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def install(plane: ControlPlane) -> None:
    """Apply the CRDs."""
    plane.run("apply", "--server-side", "-k", str(ROOT / "manifests/crds"))
    for crd in CRDS:
        plane.run("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
    # Right after that a list is 429 for a moment: the storage initialises.
    paths = [f"/apis/skillmeat.io/v1alpha1/{crd.partition('.')[0]}" for crd in CRDS]
    eventually(
        lambda: all(plane.api.request("GET", path).status == 200 for path in paths),
        what="the kinds are served",
    )


def remove_kinds(plane: ControlPlane) -> None:
    plane.run("delete", "crd", *CRDS, "--ignore-not-found", "--timeout=30s")


def test_kinds_that_come_after_the_operator_are_acted_on_within_two_seconds(
    plane: ControlPlane, beside: NewBeside
) -> None:
    remove_kinds(plane)
    one = beside()
    one.operator.start(wait=False)
    said = one.until_away("catalogsources.skillmeat.io is not installed")
    assert "skillmeat-operator crds | kubectl apply -f -" in said
    time.sleep(4)
    one.lives()

    install(plane)
    began = time.monotonic()
    plane.api.apply(source())
    one.observed(within=4.0)
    print(f"first status {time.monotonic() - began:.1f} s after the kinds came")
    one.until_ready()
    print(f"a change after {one.reacts():.1f} s")
    plane.api.delete("CatalogSource", "main", "default")
    plane.api.apply(source(suspend=True))
    assert one.observed(within=2.0)["status"]["conditions"]
    log = one.operator.log.read_text()
    assert log.count("catalogsources.skillmeat.io is not installed") == 1, "said once, not at each try"


@pytest.mark.parametrize(
    ("status", "seconds"), [pytest.param(401, 3.0, id="401"), (403, 6.0), (503, 8.0)], ids=str
)
def test_a_server_that_refuses_for_a_while_is_watched_again_within_seconds(
    served: ControlPlane, beside: NewBeside, status: int, seconds: float
) -> None:
    one = beside()
    one.operator.start()
    one.reacts()
    one.proxy.fault = Fault(status=status, body=b'{"kind": "Status", "status": "Failure"}')
    one.proxy.end_watches()
    one.until_away("catalogsources.skillmeat.io")
    time.sleep(seconds)
    one.lives()
    assert one.probe()[0] == 503

    one.proxy.fault = None
    print(f"ready {one.until_ready():.1f} s after it answers again")
    print(f"a change after {one.reacts():.1f} s")


def test_a_watch_that_brings_an_error_or_no_json_is_back_within_seconds(
    served: ControlPlane, beside: NewBeside
) -> None:
    one = beside()
    one.operator.start()
    one.reacts()
    errors = [
        json.dumps(
            {"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": code}}
        ).encode()
        for code in (504, 500, 429, 410)
    ]
    for line in (*errors, b"<html>this is no JSON</html>"):
        assert one.proxy.say(line) >= 2
        print(f"{line[:60]!r}: a change after {one.reacts(within=5.0):.1f} s")
        one.until_ready()
    one.lives()


def test_kinds_deleted_and_applied_again_are_watched_again(served: ControlPlane, beside: NewBeside) -> None:
    one = beside()
    one.operator.start()
    one.reacts()
    remove_kinds(served)
    one.until_away("is not installed")
    one.lives()

    install(served)
    served.api.apply(source("anew"))
    one.observed("anew", within=5.0)
    one.until_ready()
    print(f"a change after {one.reacts('anew'):.1f} s")


def test_a_new_token_in_its_file_is_used_when_the_former_one_is_refused(
    served: ControlPlane, beside: NewBeside
) -> None:
    one = beside()
    one.operator.start()
    one.reacts()
    served.run("delete", "serviceaccount", one.account, "-n", NAMESPACE)
    served.run("create", "serviceaccount", one.account, "-n", NAMESPACE)
    one.proxy.end_watches()
    one.until_away("catalogsources.skillmeat.io", within=40.0)
    one.lives()

    one.log_in()
    print(f"ready {one.until_ready():.1f} s after the file has another token")
    print(f"a change after {one.reacts():.1f} s")


def test_a_restored_backup_is_what_is_there(
    served: ControlPlane, beside: NewBeside, run_folder: Path
) -> None:
    one = beside()
    one.operator.start()
    served.api.apply(source("kept"))
    one.observed("kept")
    served.stop_apiserver()
    served.etcd.stop()
    data, backup = served.folder / "etcd", run_folder / "etcd-backup"
    shutil.copytree(data, backup)
    served.etcd.start()
    served.start_apiserver()
    one.until_ready(within=20.0)

    for _ in range(5):
        one.reacts("kept", within=5.0)
    served.api.apply(source("since"))
    one.observed("since")
    served.stop_apiserver()
    served.etcd.stop()
    shutil.rmtree(data)
    shutil.move(backup, data)
    served.etcd.start()
    served.start_apiserver()

    began = time.monotonic()
    served.api.apply(source("kept", suspend=True))
    found = one.observed("kept", within=25.0)
    conditions = {found["type"]: found for found in found["status"]["conditions"]}
    assert "suspend" in json.dumps(conditions).lower(), "what is there now is not taken for old"
    print(f"seen {time.monotonic() - began:.1f} s after the API server is back")
    one.until_ready(within=10.0)
    print(f"a change after {one.reacts('kept'):.1f} s")
    one.lives()


@pytest.fixture
def lesser(served: ControlPlane) -> ControlPlane:
    """A ServiceAccount with the operator's rights in its own namespace and in team-a; none in team-b."""
    for name in ("team-a", "team-b"):
        served.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    served.run("create", "serviceaccount", LESSER, "-n", NAMESPACE)
    grant(served, NAMESPACE, role="role/skillmeat-operator")
    grant(served, "team-a")
    return served


def grant(plane: ControlPlane, namespace: str, *, role: str = "clusterrole/skillmeat-operator") -> None:
    kind, _, name = role.partition("/")
    account = f"--serviceaccount={NAMESPACE}:{LESSER}"
    plane.run("create", "rolebinding", LESSER, f"--{kind}={name}", account, "-n", namespace)


def test_each_namespace_is_served_for_itself(lesser: ControlPlane, beside: NewBeside) -> None:
    one = beside(
        account=LESSER,
        namespaces=("team-a", "team-b", "team-c"),
        arguments=("--cluster-id", "00000000-0000-0000-0000-000000000000"),
    )
    lesser.api.apply(source("main", "team-b"))
    one.operator.start(wait=False)
    eventually(lambda: one.probe()[0] or None, what="the probe listens")
    print(f"team-a: a change after {one.reacts('main', 'team-a', within=10.0):.1f} s")
    one.until_away("may not list catalogsources.skillmeat.io in namespace team-b", "namespace team-c")
    eventually(lambda: "team-a" not in one.probe()[1] or None, what="team-a is watched")

    grant(lesser, "team-b")
    began = time.monotonic()
    one.observed("main", "team-b", within=10.0)
    print(f"team-b: {time.monotonic() - began:.1f} s after it has the rights")
    one.reacts("main", "team-b")

    lesser.run("delete", "rolebinding", LESSER, "-n", "team-b")
    one.until_away("in namespace team-b", within=25.0)
    one.reacts("main", "team-a")
    lesser.api.delete("CatalogSource", "main", "team-b")
    lesser.api.apply(source("second", "team-b"))
    time.sleep(2)
    grant(lesser, "team-b")
    one.observed("second", "team-b", within=10.0)

    lesser.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-c"}})
    grant(lesser, "team-c")
    one.until_ready(within=10.0)
    one.reacts("main", "team-c")
    one.lives()


def test_an_operator_started_while_the_api_server_is_away_waits_and_says_so(
    served: ControlPlane, beside: NewBeside
) -> None:
    one = beside()
    one.proxy.down()
    one.operator.start(wait=False)
    said = one.until_away("kube-system", "API server")
    assert "--cluster-id" in said
    assert one.document() == 503
    time.sleep(5)
    one.lives()

    one.proxy.up()
    print(f"ready {one.until_ready():.1f} s after the API server is there")
    one.reacts()


def test_an_address_that_is_taken_is_the_end(served: ControlPlane, beside: NewBeside) -> None:
    one = beside()
    with socket.create_server((LOOPBACK, one.operator.documents_port)):
        one.operator.start(wait=False)
        process = one.operator.process
        assert process is not None
        eventually(lambda: not process.running or None, what="the operator ends")
    assert process.exit_code == 1
    assert "cannot be listened on" in one.operator.log.read_text()
