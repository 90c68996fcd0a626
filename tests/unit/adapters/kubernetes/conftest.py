"""A local server that answers as it is told, and a client for it."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.adapters.kubernetes.errors import (
    AlreadyExistsError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from skillmeat_operator.adapters.kubernetes.object_ref import ObjectList


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


class ApiServer:
    """Answers each request with the next of `answers`, the last one for ever; or with what `handler` says."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = [Answer(body={})]
        self.handler: Callable[[Request], Answer] | None = None
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        seen = Request(
            request.method,
            request.rel_url.raw_path,
            dict(request.query),
            request.headers,
            json.loads(text) if text else None,
        )
        self.requests.append(seen)
        if self.handler is not None:
            answer = self.handler(seen)
        else:
            answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        said = answer.text if answer.text is not None else json.dumps(answer.body)
        return web.Response(
            status=answer.status, text=said, content_type="application/json", headers=dict(answer.headers)
        )


class ConfigMaps:
    """ConfigMaps of the operator's namespace, as the API server keeps them."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail_after: int | None = None
        self.on_get: Callable[[str], None] = lambda _: None
        self._version = 0

    def _call(self, verb: str, name: str) -> None:
        if self.fail_after is not None and len(self.calls) >= self.fail_after:
            raise UnavailableError("killed")
        self.calls.append((verb, name))

    def _store(self, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(self._version)
        self.objects[body["metadata"]["name"]] = stored
        return copy.deepcopy(stored)

    async def get_config_map(self, namespace: str, name: str, *, within: float | None = None) -> Any:
        assert namespace == "operators"
        self._call("get", name)
        self.on_get(name)
        return copy.deepcopy(self.objects.get(name))

    async def create(self, plural: str, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        assert (plural, namespace) == ("configmaps", "operators")
        self._call("create", body["metadata"]["name"])
        if body["metadata"]["name"] in self.objects:
            raise AlreadyExistsError("409")
        return self._store(body)

    async def replace(self, plural: str, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._call("replace", name)
        if name not in self.objects:
            raise NotFoundError("404")
        if self.objects[name]["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
            raise ConflictError("409")
        return self._store(body)

    async def delete(self, plural: str, namespace: str, name: str) -> bool:
        self._call("delete", name)
        return self.objects.pop(name, None) is not None

    async def list_all(
        self, plural: str, namespace: str, *, label_selector: str, metadata_only: bool
    ) -> ObjectList:
        assert metadata_only
        wanted = dict(pair.split("=") for pair in label_selector.split(","))
        found = [
            {"metadata": copy.deepcopy(each["metadata"])}
            for each in self.objects.values()
            if wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]
        return ObjectList(items=tuple(found), resource_version="1")

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "get"]


class Time:
    """A clock that moves only by being slept on."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def status_object(code: int, reason: str, **details: Any) -> dict[str, Any]:
    """A `Status` as the API server answers it."""
    message = "free text that repeats value-of-a-field"
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def configuration_for(url: str) -> Configuration:
    configuration = Configuration(host=url)
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration


@pytest.fixture
def maps() -> ConfigMaps:
    return ConfigMaps()


@pytest.fixture
def refusal() -> Callable[..., dict[str, Any]]:
    return status_object


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    api = ApiServer()
    runner = web.AppRunner(api.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    api.url = f"http://{host}:{port}"
    yield api
    await runner.cleanup()


@pytest.fixture
async def client(server: ApiServer, time: Time) -> AsyncIterator[KubernetesClient]:
    access = ClusterAccess(configuration=configuration_for(server.url), namespace="operators")
    async with KubernetesClient(access, timeout=10.0, clock=time.clock, sleep=time.sleep) as made:
        yield made
