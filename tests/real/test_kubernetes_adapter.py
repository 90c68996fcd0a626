"""The Kubernetes adapter against a genuine API server: preconditions, errors, status, snapshots, events."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from skillmeat_operator.adapters.kubernetes import client as client_module
from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.adapters.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ObjectSupersededError,
    RejectedError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.events import EventRecorder, EventType
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectRef
from skillmeat_operator.adapters.kubernetes.secrets import SecretReader
from skillmeat_operator.adapters.kubernetes.status import StatusWriter
from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.api.objects import Metadata
from skillmeat_operator.api.v1alpha1.references import SecretKeyReference
from skillmeat_operator.domain.failure import Side
from testbed.controlplane import ControlPlane
from testbed.programs import find_control_plane

REPOSITORY = Path(__file__).parents[2]
PLURAL = CATALOG_SOURCE.plural


class Cluster(Protocol):
    """A cluster as the testbed offers it."""

    kubeconfig: Path

    def kubectl(self, *args: str) -> Any: ...

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path: ...


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Cluster:
    """The cluster with our CRDs, as early as they can be used."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(REPOSITORY / "crds"))
    for names in (PLURAL, "templatebundles"):
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{names}.skillmeat.io")
    return cluster


@pytest.fixture
async def client(installed: Cluster) -> AsyncIterator[KubernetesClient]:
    access = await find_access(kubeconfig=str(installed.kubeconfig), environ={})
    async with KubernetesClient(access) as made:
        yield made


@pytest.fixture
async def namespace(installed: Cluster) -> str:
    name = f"adapter-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    return name


@pytest.fixture
async def source(client: KubernetesClient, namespace: str) -> dict[str, Any]:
    return await client.create(PLURAL, namespace, catalog_source("main"))


def catalog_source(name: str, url: str = "http://skillmeat.example") -> dict[str, Any]:
    return {
        "apiVersion": "skillmeat.io/v1alpha1",
        "kind": "CatalogSource",
        "metadata": {"name": name},
        "spec": {"source": {"skillmeat": {"url": url}}},
    }


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def reference(obj: dict[str, Any]) -> ObjectRef:
    return ObjectRef.of(CATALOG_SOURCE, Metadata.from_object(obj))


async def test_first_list_after_the_crds_are_established_succeeds(client):
    found = await client.list_all(PLURAL)

    assert found.resource_version


async def test_list_has_all_objects_of_all_pages(client, namespace, monkeypatch):
    monkeypatch.setattr(client_module, "_PAGE", 5)
    for index in range(12):
        await client.create(
            "configmaps", namespace, config_map(f"c{index:02}", part="yes" if index else "no")
        )

    found = await client.list_all("configmaps", namespace, label_selector="part=yes")

    assert [item["metadata"]["name"] for item in found.items] == [f"c{index:02}" for index in range(1, 12)]


async def test_list_of_metadata_has_no_content(client, namespace):
    await client.create("configmaps", namespace, {**config_map("one", part="yes"), "data": {"key": "value"}})

    found = await client.list_all("configmaps", namespace, label_selector="part=yes", metadata_only=True)
    (item,) = found.items

    assert item["metadata"]["name"] == "one"
    assert "data" not in item


async def test_absent_object_is_not_found_and_absent_kind_is_not(client, namespace, monkeypatch):
    with pytest.raises(NotFoundError):
        await client.get(PLURAL, namespace, "absent")
    with pytest.raises(NotFoundError):
        await client.create("configmaps", "no-such-namespace", config_map("x"))
    with pytest.raises(UnavailableError, match="404"):
        await client.get("widgets", namespace, "absent")
    monkeypatch.setattr(client_module, "API_VERSION", "absent.example/v1")
    with pytest.raises(UnavailableError, match="404"):
        await client.get(PLURAL, namespace, "absent")


async def test_same_name_twice_already_exists(client, namespace):
    await client.create("configmaps", namespace, config_map("one"))

    with pytest.raises(AlreadyExistsError):
        await client.create("configmaps", namespace, config_map("one"))


async def test_refusal_names_the_field_and_not_its_value(client, namespace):
    with pytest.raises(RejectedError) as caught:
        await client.create(PLURAL, namespace, catalog_source("main", url="canary://x"))

    assert "422 (Invalid) at spec.source.skillmeat.url" in str(caught.value)
    assert "canary" not in str(caught.value)


async def test_stale_version_is_a_conflict_everywhere(client, namespace, source):
    stale = source["metadata"]["resourceVersion"]
    await client.patch_finalizers(PLURAL, namespace, "main", ["skillmeat.io/catalog-cleanup"], stale)

    with pytest.raises(ConflictError):
        await client.patch_finalizers(PLURAL, namespace, "main", [], stale)
    with pytest.raises(ConflictError):
        await client.patch_status(PLURAL, namespace, "main", {"revision": "r"}, stale)
    fresh = await client.get(PLURAL, namespace, "main")
    assert fresh["metadata"]["finalizers"] == ["skillmeat.io/catalog-cleanup"]
    await client.patch_finalizers(PLURAL, namespace, "main", [], fresh["metadata"]["resourceVersion"])


async def test_delete_honours_its_preconditions(client, namespace):
    made = await client.create("configmaps", namespace, config_map("one"))

    with pytest.raises(ConflictError):
        await client.delete("configmaps", namespace, "one", uid=str(uuid.uuid4()))
    assert await client.delete("configmaps", namespace, "one", uid=made["metadata"]["uid"])
    assert await client.delete("configmaps", namespace, "one") is False


async def test_cluster_uid_is_that_of_kube_system(client):
    assert uuid.UUID(await client.cluster_uid())


async def test_client_outlives_an_api_server_that_was_away(workshop, run_folder):
    programs = find_control_plane(workshop)
    with ControlPlane(run_folder / "outage", programs=programs) as plane:
        access = await find_access(kubeconfig=str(plane.kubeconfig), environ={})
        async with KubernetesClient(access, timeout=5.0) as client:
            before = await client.cluster_uid()
            await asyncio.to_thread(plane.stop_apiserver, kill=True)
            with pytest.raises(UnavailableError):
                await client.cluster_uid()
            await asyncio.to_thread(plane.start_apiserver)

            assert await client.cluster_uid() == before


async def test_status_is_written_once_and_then_left_alone(client, source):
    writer = StatusWriter(client)
    desired = {"observedGeneration": 1, "revision": "sha256:1", "lastHandledReconcileAt": None}
    written = await writer.write(reference(source), desired, current=source, derive=dict)
    again = await writer.write(reference(source), desired, current=written, derive=dict)

    assert written["status"] == {"observedGeneration": 1, "revision": "sha256:1"}
    assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]


async def test_field_that_the_schema_lacks_is_told(client, source, caplog):
    with caplog.at_level(logging.WARNING):
        desired = {"observedGeneration": 1, "noSuchField": 1}
        await StatusWriter(client).write(reference(source), desired, current=source, derive=dict)

    assert [record.fields for record in caplog.records] == [["noSuchField"]]


async def test_spec_that_changed_meanwhile_supersedes_the_outcome(client, namespace, source):
    patch = {"spec": {"suspend": True}}
    await client.patch(PLURAL, namespace, "main", patch, resource_version=None)

    with pytest.raises(ObjectSupersededError):
        await StatusWriter(client).write(reference(source), {"revision": "r"}, current=source, derive=dict)


async def test_object_that_was_made_anew_supersedes_the_outcome(client, namespace, source):
    await client.delete(PLURAL, namespace, "main")
    await client.create(PLURAL, namespace, catalog_source("main"))

    with pytest.raises(ObjectSupersededError):
        await StatusWriter(client).write(reference(source), {"revision": "r"}, current=source, derive=dict)


class Owner:
    """A writer that owns one field of status and counts in it."""

    def __init__(self, client: KubernetesClient, source: dict[str, Any], field: str) -> None:
        self._client, self._source, self._field = client, source, field
        self._writer = StatusWriter(client)
        self.count = 0

    def _derive(self, fresh: Any) -> dict[str, Any]:
        return {**fresh["status"], self._field: f"count-{self.count}"}

    async def write(self) -> dict[str, Any]:
        """Write the next number, however often others come first."""
        self.count += 1
        for _ in range(50):
            current = await self._client.get(PLURAL, self._source["metadata"]["namespace"], "main")
            try:
                return await self._writer.write(
                    reference(self._source), self._derive(current), current=current, derive=self._derive
                )
            except ConflictError:
                continue
        raise AssertionError("never got through")


async def test_two_writers_never_lose_an_update(client, namespace, source):
    left, right = Owner(client, source, "revision"), Owner(client, source, "lastHandledReconcileAt")

    async def work(owner: Owner, field: str) -> None:
        for _ in range(15):
            stored = await owner.write()
            assert stored["status"][field] == f"count-{owner.count}"

    await asyncio.gather(work(left, "revision"), work(right, "lastHandledReconcileAt"))

    status = (await client.get(PLURAL, namespace, "main"))["status"]
    assert status == {"observedGeneration": -1, "revision": "count-15", "lastHandledReconcileAt": "count-15"}


async def test_writers_get_over_somebody_who_empties_the_status(client, namespace, source):
    left, right = Owner(client, source, "revision"), Owner(client, source, "lastHandledReconcileAt")
    emptied: list[dict[str, Any]] = []

    async def empty() -> None:
        for _ in range(5):
            await asyncio.sleep(0.02)
            stored = await client.patch(
                PLURAL, namespace, "main", {"status": None}, resource_version=None, subresource="status"
            )
            emptied.append(stored["status"])

    async def work(owner: Owner) -> None:
        for _ in range(15):
            await owner.write()

    await asyncio.gather(work(left), work(right), empty())
    await left.write()
    await right.write()

    assert emptied == [{"observedGeneration": -1}] * 5
    status = (await client.get(PLURAL, namespace, "main"))["status"]
    assert status == {"observedGeneration": -1, "revision": "count-16", "lastHandledReconcileAt": "count-16"}


async def test_event_is_seen_with_its_object(client, namespace, source):
    recorder = EventRecorder(client, instance="test")

    assert await recorder.emit(reference(source), EventType.WARNING, "RemovalHeld", "Something is held.")
    (event,) = (await client.list_all("events", namespace)).items
    assert event["involvedObject"]["uid"] == source["metadata"]["uid"]
    assert (event["type"], event["reason"], event["message"]) == (
        "Warning",
        "RemovalHeld",
        "Something is held.",
    )


async def test_event_with_the_longest_name_and_message_is_taken(client, namespace):
    recorder = EventRecorder(client, instance="test")
    ref = ObjectRef(names=CATALOG_SOURCE, namespace=namespace, name="a" * 253, uid=str(uuid.uuid4()))

    assert await recorder.emit(ref, EventType.NORMAL, "Succeeded", "ü" * 3000)


@pytest.mark.parametrize("terminating", [True, False], ids=["terminating namespace", "no such namespace"])
async def test_event_that_is_refused_disturbs_nobody(terminating, installed, client, namespace, source):
    gone = namespace if terminating else "no-such-namespace"
    if terminating:
        installed.kubectl("delete", "namespace", namespace, "--wait=false")
    ref = ObjectRef(names=CATALOG_SOURCE, namespace=gone, name="main", uid=source["metadata"]["uid"])
    recorder = EventRecorder(client, instance="test")

    assert await recorder.emit(ref, EventType.NORMAL, "DeletionAbandoned", "Left at the portal.") is False
    assert recorder.lost == 1


async def test_secret_is_read_by_name(client, namespace):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "portal", "annotations": {"skillmeat.io/allowed-hosts": "portal.example"}},
        "stringData": {"token": "canary\n"},
    }
    await client.create("secrets", namespace, secret)

    found = await SecretReader(client).value(namespace, SecretKeyReference(name="portal"), side=Side.CATALOG)

    assert (found.value, found.allowed_hosts) == ("canary", ("portal.example",))


async def test_account_without_rights_is_forbidden(installed, namespace):
    installed.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    path = installed.service_account_kubeconfig(namespace, "nobody")
    access = await find_access(kubeconfig=str(path), environ={})
    token = json.loads(path.read_text())["users"][0]["user"]["token"]
    async with KubernetesClient(access) as nobody:
        with pytest.raises(ForbiddenError) as caught:
            await nobody.get("secrets", namespace, "portal")

    assert token not in str(caught.value)


async def test_token_that_is_not_accepted_is_unavailable(installed, namespace):
    installed.kubectl("-n", namespace, "create", "serviceaccount", "nobody")
    path = installed.service_account_kubeconfig(namespace, "nobody")
    stored = json.loads(path.read_text())
    stored["users"][0]["user"]["token"] = "expired"
    path.write_text(json.dumps(stored))
    access = await find_access(kubeconfig=str(path), environ={})
    async with KubernetesClient(access) as nobody:
        with pytest.raises(UnavailableError, match="401"):
            await nobody.get("secrets", namespace, "portal")
