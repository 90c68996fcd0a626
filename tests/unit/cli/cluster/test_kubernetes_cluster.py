"""What the API server's answers become for the person who waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from skillmeat_operator.api.keys import CATALOG_SOURCE
from skillmeat_operator.cli.cluster.kubernetes_cluster import KubernetesCluster, open_cluster
from skillmeat_operator.cli.context import ClusterChoice
from skillmeat_operator.cli.errors import CommandError

SOURCES = "/apis/skillmeat.io/v1alpha1/namespaces/team-a/catalogsources"


def status(code: int, reason: str, **details: Any) -> tuple[int, Any]:
    return code, {"kind": "Status", "reason": reason, "code": code, "details": details}


class ApiServer:
    """Answers one prepared answer and keeps what was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: tuple[int, Any] = (200, {})
        self.asked: list[tuple[str, str, str, Any]] = []

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.text()
        content = json.loads(body) if body else None
        self.asked.append((request.method, request.path_qs, request.headers.get("Content-Type", ""), content))
        code, answer = self.answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=code, text=text, content_type="application/json")


def choice(tmp_path: Path, url: str, user: dict[str, Any] | None = None, **cluster: Any) -> ClusterChoice:
    path = tmp_path / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": url, **cluster}}],
                "users": [{"name": "u", "user": user or {"token": "t"}}],
            }
        )
    )
    return ClusterChoice({}, str(path), "c")


@pytest.fixture
async def api() -> AsyncIterator[ApiServer]:
    answering = ApiServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answering.handle)
    async with TestServer(application) as running:
        answering.url = str(running.make_url("")).rstrip("/")
        yield answering


@pytest.fixture
async def cluster(api: ApiServer, tmp_path: Path) -> AsyncIterator[KubernetesCluster]:
    async with open_cluster(choice(tmp_path, api.url)) as opened:
        yield opened


async def test_calls_are_what_the_api_server_expects(api: ApiServer, cluster: KubernetesCluster) -> None:
    api.answer = (200, {"items": [{"a": 1}], "metadata": {"uid": "u-1"}})
    assert await cluster.list(CATALOG_SOURCE, "team-a") == [{"a": 1}]
    await cluster.list(CATALOG_SOURCE, None)
    await cluster.get(CATALOG_SOURCE, "team-a", "main")
    await cluster.lease("ops", "skillmeat-operator")
    assert await cluster.cluster_uid() == "u-1"
    assert [(method, path) for method, path, _, _ in api.asked] == [
        ("GET", f"{SOURCES}?limit=200"),
        ("GET", "/apis/skillmeat.io/v1alpha1/catalogsources?limit=200"),
        ("GET", f"{SOURCES}/main"),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/ops/leases/skillmeat-operator"),
        ("GET", "/api/v1/namespaces/kube-system"),
    ]


async def test_a_change_is_a_merge_patch_under_our_name(api: ApiServer, cluster: KubernetesCluster) -> None:
    await cluster.patch(CATALOG_SOURCE, "team-a", "main", {"spec": {"suspend": True}})
    assert api.asked == [
        (
            "PATCH",
            f"{SOURCES}/main?fieldManager=skillmeat-operator-cli",
            "application/merge-patch+json",
            {"spec": {"suspend": True}},
        )
    ]


async def test_what_does_not_exist_is_none(api: ApiServer, cluster: KubernetesCluster) -> None:
    api.answer = status(404, "NotFound", name="main", kind="catalogsources")
    assert await cluster.get(CATALOG_SOURCE, "team-a", "main") is None
    assert await cluster.lease("ops", "x") is None
    with pytest.raises(CommandError, match=r"^The CatalogSource 'main' was deleted a moment ago\.$"):
        await cluster.patch(CATALOG_SOURCE, "team-a", "main", {})


SENTENCES = {
    "the CRDs are missing": (
        (404, "404 page not found\n"),
        "The API server does not know catalogsources.skillmeat.io: install the CRDs with "
        "`skillmeat-operator crds | kubectl apply --server-side -f -`.",
    ),
    "no permission": (
        status(403, "Forbidden", name="main"),
        "You are not allowed to get catalogsources.skillmeat.io: ask for the permission that `kubectl auth "
        "can-i get catalogsources.skillmeat.io -n team-a` denies.",
    ),
    "the credential is not accepted": (
        status(401, "Unauthorized"),
        "The API server does not accept the kubeconfig's credential: log in again or renew it.",
    ),
    "refused": (
        status(422, "Invalid", name="main", causes=[{"field": "spec.suspend", "message": "secret text"}]),
        f"The API server refuses the change (GET {SOURCES}/main: HTTP 422 (Invalid) at spec.suspend).",
    ),
    "broken": (
        (500, "<html>secret text</html>"),
        "cannot be used (HTTP 500): check that it runs, the network and",
    ),
    "no JSON": (
        (200, "<html>secret text</html>"),
        "cannot be used (the answer is no JSON): check that it runs",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
async def test_failures_are_one_sentence(api: ApiServer, cluster: KubernetesCluster, case: str) -> None:
    api.answer, sentence = SENTENCES[case]
    with pytest.raises(CommandError) as error:
        await cluster.get(CATALOG_SOURCE, "team-a", "main")
    assert sentence in str(error.value)
    assert "secret text" not in str(error.value)
    assert error.value.exit_code == 1


UNUSABLE = {
    "a plugin that does not exist": (
        {"exec": {"command": "/nonexistent/plugin", "apiVersion": "client.authentication.k8s.io/v1"}},
        {},
        "The credential plugin /nonexistent/plugin gave no credential",
    ),
    "a token file that does not exist": (
        {"tokenFile": "/nonexistent/token"},
        {},
        "The token file /nonexistent/token of the kubeconfig cannot be read.",
    ),
    "a client certificate that is none": (
        {"client-certificate-data": "eA==", "client-key-data": "eA=="},
        {},
        "A certificate or key that the kubeconfig names cannot be read",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    user, cluster, sentence = UNUSABLE[case]
    with pytest.raises(CommandError) as error:
        async with open_cluster(choice(tmp_path, "https://127.0.0.1:1", user, **cluster)):
            pass
    assert str(error.value).startswith(sentence)


async def test_a_server_that_has_stopped_costs_one_request_timeout(tmp_path: Path) -> None:
    left = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    stopped = await asyncio.start_server(accept, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{stopped.sockets[0].getsockname()[1]}"
    chosen = replace(choice(tmp_path, url), request_timeout=0.2)
    began = asyncio.get_running_loop().time()
    async with open_cluster(chosen) as opened:
        with pytest.raises(CommandError, match=r"cannot be used \(timed out\)"):
            await opened.list(CATALOG_SOURCE, None)
    assert asyncio.get_running_loop().time() - began < 2.0
    await left.wait()
    stopped.close()
    await stopped.wait_closed()


async def test_the_namespace_is_the_contexts_or_default(tmp_path: Path) -> None:
    async with open_cluster(choice(tmp_path, "http://127.0.0.1:1")) as opened:
        assert opened.namespace == "default"
