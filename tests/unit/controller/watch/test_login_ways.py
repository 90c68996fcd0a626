"""Watches reach the API server the way our client does: by the kubeconfig's proxy, server name and `as`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import kopf
import pytest
import trustme
from aiohttp import web

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess, find_access
from skillmeat_operator.adapters.kubernetes.errors import UnavailableError
from skillmeat_operator.controller.watch.login import Login

PATH = "/api/v1/namespaces/a/configmaps/x"


class ApiServer:
    """Over TLS, with a certificate for another name than the address it is reached under."""

    def __init__(self, authority: trustme.CA) -> None:
        self.seen: list[tuple[str, dict[str, list[str]]]] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("api.internal").configure_cert(self._context)
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.port = 0

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): request.headers.getall(name) for name in request.headers}
        self.seen.append((request.path, headers))
        return web.json_response({"kind": "ConfigMap", "metadata": {"name": "x"}})


class Proxy:
    """Lets CONNECT through and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.split()[1])
            host, _, port = head.split()[1].rpartition(":")
            behind, ahead = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                await asyncio.gather(self._pump(reader, ahead), self._pump(behind, writer))
            finally:
                ahead.close()
        writer.close()

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def api(authority: trustme.CA) -> AsyncIterator[ApiServer]:
    made = ApiServer(authority)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def authority_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    return "ca.crt"


async def access(
    folder: Path, port: int, user: dict[str, Any] | None = None, **cluster: Any
) -> ClusterAccess:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", **cluster}}],
        "users": [{"name": "u", "user": {"token": "t", **(user or {})}}],
    }
    (folder / "config").write_text(json.dumps(content))
    return await find_access(kubeconfig=str(folder / "config"), environ={})


async def by_both(way: ClusterAccess) -> None:
    """One call of our client, and one as kopf makes it."""
    async with KubernetesClient(way, timeout=5.0) as client:
        await client.get("configmaps", "a", "x")
    login = Login(way, loop=asyncio.get_running_loop())
    handlers = kopf.OperatorRegistry()
    login.add_to(handlers)
    [handler] = handlers._activities.get_all_handlers()
    found: Any = await handler.fn()  # type: ignore[call-arg,misc]
    async with found.aiohttp_session.get(f"{found.server}{PATH}") as answer:
        assert answer.status == 200
        await answer.read()
    await login.close()


async def test_the_expected_name_of_the_server(api: ApiServer, authority_file: str, tmp_path: Path) -> None:
    cluster = {"certificate-authority": authority_file}
    with pytest.raises(UnavailableError, match="not trusted"):
        await by_both(await access(tmp_path, api.port, **cluster))
    await by_both(await access(tmp_path, api.port, **cluster, **{"tls-server-name": "api.internal"}))
    assert [path for path, _ in api.seen] == [PATH, PATH]


async def test_the_proxy_of_the_kubeconfig(
    api: ApiServer, proxy: Proxy, authority_file: str, tmp_path: Path
) -> None:
    cluster = {
        "certificate-authority": authority_file,
        "tls-server-name": "api.internal",
        "proxy-url": f"http://127.0.0.1:{proxy.port}",
    }
    await by_both(await access(tmp_path, api.port, **cluster))
    assert [path for path, _ in api.seen] == [PATH, PATH]
    assert proxy.asked == [f"127.0.0.1:{api.port}"] * 2


async def test_on_whose_behalf_it_acts(api: ApiServer, authority_file: str, tmp_path: Path) -> None:
    cluster = {"certificate-authority": authority_file, "tls-server-name": "api.internal"}
    user = {"as": "jane", "as-groups": ["a", "b"]}
    await by_both(await access(tmp_path, api.port, user, **cluster))
    assert [
        (headers["authorization"], headers["impersonate-user"], headers["impersonate-group"])
        for _, headers in api.seen
    ] == [(["Bearer t"], ["jane"], ["a", "b"])] * 2
