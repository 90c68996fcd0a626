"""An API server of our two kinds, made to fail as the real one does, for the real kopf and our own client."""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from kubernetes.aio.client import Configuration

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess
from skillmeat_operator.api.keys import API_VERSION, GROUP, KINDS, VERSION

Refusal = Callable[[str, str | None, bool], int | None]
"""From plural, namespace and whether it is a watch to a status that is answered instead."""


class FakeApiServer:
    """Objects with resource versions, lists, and watches that tell of changes."""

    def __init__(self) -> None:
        self.revision = 100
        self.served = {names.plural for names in KINDS}
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.refuse: Refusal = lambda *_: None
        self.token: str | None = None
        """The only one that is accepted; None: nobody is asked."""
        self.calls: list[tuple[str, str | None, bool, int]] = []
        """Plural, namespace, whether a watch, and status of each list or watch."""
        self._watches: list[tuple[str, str | None, asyncio.Queue[bytes | None]]] = []
        self._runner: web.AppRunner | None = None
        self._port = 0

    def put(self, plural: str, name: str, namespace: str = "team", **spec: Any) -> dict[str, Any]:
        """Create or change an object."""
        self.revision += 1
        before = self.objects.get((plural, f"{namespace}/{name}"))
        metadata = {
            "name": name,
            "namespace": namespace,
            "uid": f"{plural}-{namespace}-{name}",
            "generation": before["metadata"]["generation"] + 1 if before else 1,
            "resourceVersion": str(self.revision),
        }
        kind = next(names.kind for names in KINDS if names.plural == plural)
        obj = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
        self.objects[plural, f"{namespace}/{name}"] = obj
        self._tell(plural, "MODIFIED" if before else "ADDED", obj)
        return obj

    def delete(self, plural: str, name: str, namespace: str = "team") -> None:
        """Delete an object."""
        self.revision += 1
        obj = copy.deepcopy(self.objects.pop((plural, f"{namespace}/{name}")))
        obj["metadata"]["resourceVersion"] = str(self.revision)
        self._tell(plural, "DELETED", obj)

    def send(self, line: bytes) -> None:
        """Send a line in every watch."""
        for _, _, queue in self._watches:
            queue.put_nowait(line)

    def deafen(self) -> None:
        """Let the open watches stay open and tell nothing any more."""
        self._watches.clear()

    def close_watches(self) -> None:
        """End every watch, as the API server does when it stops."""
        for _, _, queue in self._watches:
            queue.put_nowait(None)
        self._watches.clear()

    @property
    def watched(self) -> set[tuple[str, str | None]]:
        """The kinds and namespaces that are watched."""
        return {(plural, namespace) for plural, namespace, _ in self._watches}

    async def up(self, authority: trustme.CA | None = None) -> None:
        """Listen, again on the same port; with TLS and a certificate of an authority, if one is given."""
        context: ssl.SSLContext | None = None
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("127.0.0.1").configure_cert(context)
        app = web.Application()
        app.router.add_get("/api", self._api)
        app.router.add_get("/api/v1", self._core)
        app.router.add_get("/apis", self._apis)
        app.router.add_get(f"/apis/{API_VERSION}", self._group)
        for path in ("/{plural}", "/namespaces/{namespace}/{plural}"):
            app.router.add_get(f"/apis/{API_VERSION}{path}", self._collection)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(
            self._runner, "127.0.0.1", self._port, reuse_address=True, ssl_context=context
        ).start()
        self._port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Refuse connections."""
        self.close_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    def access(self, files: Path | None = None) -> ClusterAccess:
        """The way to it; with TLS, and ``ca.crt`` and ``token`` in a folder, if one is given."""

        async def load() -> Configuration:
            return self._configuration(files)

        return ClusterAccess(configuration=self._configuration(files), namespace=None, load=load)

    def _configuration(self, files: Path | None) -> Configuration:
        scheme = "http" if files is None else "https"
        configuration = Configuration(host=f"{scheme}://127.0.0.1:{self._port}")
        if files is not None:
            configuration.ssl_ca_cert = str(files / "ca.crt")
            configuration.api_key["BearerToken"] = f"Bearer {(files / 'token').read_text()}"
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.retries = None
        return configuration

    async def _api(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _core(self, _: web.Request) -> web.Response:
        # kopf waits for the kind Namespace before it watches anything.
        namespaces = {
            "name": "namespaces",
            "singularName": "namespace",
            "kind": "Namespace",
            "namespaced": False,
            "verbs": ["get"],
        }
        return web.json_response({"kind": "APIResourceList", "resources": [namespaces]})

    async def _apis(self, _: web.Request) -> web.Response:
        version = {"groupVersion": API_VERSION, "version": VERSION}
        groups = [{"name": GROUP, "versions": [version], "preferredVersion": version}] if self.served else []
        return web.json_response({"kind": "APIGroupList", "groups": groups})

    async def _group(self, _: web.Request) -> web.Response:
        resources = [
            {
                "name": names.plural,
                "singularName": names.singular,
                "kind": names.kind,
                "namespaced": True,
                "verbs": ["get", "list", "patch", "watch"],
            }
            for names in KINDS
            if names.plural in self.served
        ]
        return web.json_response({"kind": "APIResourceList", "resources": resources})

    async def _collection(self, request: web.Request) -> web.StreamResponse:
        plural, namespace = request.match_info["plural"], request.match_info.get("namespace")
        watch = request.query.get("watch") == "true"
        refused = self.refuse(plural, namespace, watch)
        if plural not in self.served:
            refused = 404
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            refused = 401
        self.calls.append((plural, namespace, watch, refused or 200))
        if refused is not None:
            status = {"kind": "Status", "status": "Failure", "code": refused, "message": "canary-text"}
            return web.json_response(status, status=refused)
        if watch:
            return await self._watch(request, plural, namespace)
        items = [
            obj
            for (kind, _), obj in sorted(self.objects.items())
            if kind == plural and namespace in {None, obj["metadata"]["namespace"]}
        ]
        if request.query.get("limit") == "1":
            items = items[:1]
        return web.json_response({"metadata": {"resourceVersion": str(self.revision)}, "items": items})

    async def _watch(self, request: web.Request, plural: str, namespace: str | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        since = int(request.query["resourceVersion"])
        for (kind, _), obj in self.objects.items():
            if kind == plural and since < int(obj["metadata"]["resourceVersion"]):
                queue.put_nowait(_line("MODIFIED", obj))
        self._watches.append((plural, namespace, queue))
        await response.prepare(request)
        while (line := await queue.get()) is not None:
            await response.write(line)
        return response

    def _tell(self, plural: str, kind: str, obj: dict[str, Any]) -> None:
        for watched, namespace, queue in self._watches:
            if watched == plural and namespace in {None, obj["metadata"]["namespace"]}:
                queue.put_nowait(_line(kind, obj))


def _line(kind: str, obj: dict[str, Any]) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def error_line(code: int) -> bytes:
    """An ERROR event."""
    status = {"kind": "Status", "status": "Failure", "code": code, "message": "canary-text"}
    return json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"


@asynccontextmanager
async def serving() -> AsyncIterator[FakeApiServer]:
    """A server that listens."""
    server = FakeApiServer()
    await server.up()
    try:
        yield server
    finally:
        await server.down()
