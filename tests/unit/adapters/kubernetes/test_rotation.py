"""CA, token and client certificate that are rotated in their files while the operator runs."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from skillmeat_operator.adapters.kubernetes.client import KubernetesClient
from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess, find_access
from skillmeat_operator.adapters.kubernetes.errors import UnavailableError

CONTENTS = {"kind": "ConfigMap", "metadata": {"name": "x"}}


class Files:
    """A kubeconfig with a CA file, a token file and a client certificate."""

    def __init__(self, folder: Path) -> None:
        self.path, self.ca, self.token = folder / "config", folder / "ca.crt", folder / "token"
        self.certificate, self.key = folder / "client.crt", folder / "client.key"
        self.token.write_text("first")
        self.now = 1000.0

    def write(self, url: str, *, authority: trustme.CA, client: bool = False) -> None:
        authority.cert_pem.write_to_path(self.ca)
        user: dict[str, Any] = {"tokenFile": str(self.token)}
        if client:
            user |= {"client-certificate": str(self.certificate), "client-key": str(self.key)}
        self.path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {"name": "c", "cluster": {"server": url, "certificate-authority": str(self.ca)}}
                    ],
                    "users": [{"name": "u", "user": user}],
                    "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
                    "current-context": "one",
                }
            )
        )

    def issue(self, authority: trustme.CA) -> None:
        """A new client certificate."""
        issued = authority.issue_cert("operator")
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        issued.private_key_pem.write_to_path(self.key)

    async def access(self) -> ClusterAccess:
        return await find_access(kubeconfig=str(self.path), environ={}, clock=lambda: self.now)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


class Secure:
    """An API server over TLS; takes one token, and counts."""

    def __init__(self) -> None:
        self.token = "first"
        self.seen: list[tuple[str, str, int]] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def serve(self, authority: trustme.CA) -> None:
        """Listen with a certificate of this authority, on the same port as before."""
        await self.stop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(
            self._runner, "127.0.0.1", self.port, ssl_context=context, reuse_address=True
        ).start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.Response:
        status = 200 if request.headers.get("Authorization") == f"Bearer {self.token}" else 401
        self.seen.append((request.method, request.path, status))
        return web.json_response(CONTENTS, status=status)

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@pytest.fixture
async def secure() -> AsyncIterator[Secure]:
    made = Secure()
    yield made
    await made.stop()


async def test_an_authority_rotated_in_its_file_is_trusted_at_the_next_call(
    files: Files, secure: Secure
) -> None:
    former, following = trustme.CA(), trustme.CA()
    await secure.serve(former)
    files.write(secure.url, authority=former)
    async with KubernetesClient(await files.access()) as client:
        await client.get("configmaps", "a", "x")
        await secure.serve(following)
        with pytest.raises(UnavailableError, match="not trusted"):
            await client.get("configmaps", "a", "x")
        following.cert_pem.write_to_path(files.ca)
        files.now += 5.0
        assert await client.get("configmaps", "a", "x") == CONTENTS


async def test_half_an_authoritys_file_is_no_end(files: Files, secure: Secure) -> None:
    former, following = trustme.CA(), trustme.CA()
    await secure.serve(former)
    files.write(secure.url, authority=former)
    async with KubernetesClient(await files.access()) as client:
        await secure.serve(following)
        for broken in ("", "-----BEGIN CERTIFICATE-----\nhalf"):
            files.ca.write_text(broken)
            files.now += 5.0
            with pytest.raises(UnavailableError):
                await client.get("configmaps", "a", "x")
        following.cert_pem.write_to_path(files.ca)
        files.now += 5.0
        assert await client.get("configmaps", "a", "x") == CONTENTS


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_token_is_read_again_and_the_call_repeated_once(
    method: str, files: Files, secure: Secure
) -> None:
    authority = trustme.CA()
    await secure.serve(authority)
    files.write(secure.url, authority=authority)
    async with KubernetesClient(await files.access()) as client:
        await client.get("configmaps", "a", "x")
        secure.token = "second"
        files.token.write_text("second")
        secure.seen.clear()
        if method == "GET":
            await client.get("configmaps", "a", "x")
        else:
            await client.create("configmaps", "a", {"metadata": {"name": "x"}})
    assert [(one[0], one[2]) for one in secure.seen] == [(method, 401), (method, 200)]


async def test_a_refused_token_that_is_still_the_same_is_not_tried_again(
    files: Files, secure: Secure
) -> None:
    authority = trustme.CA()
    await secure.serve(authority)
    files.write(secure.url, authority=authority)
    secure.token = "another"
    async with KubernetesClient(await files.access()) as client:
        for _ in range(3):
            with pytest.raises(UnavailableError, match="401"):
                await client.get("configmaps", "a", "x")
    assert len(secure.seen) == 3


async def test_a_renewed_client_certificate_is_another_revision(files: Files) -> None:
    authority = trustme.CA()
    files.issue(authority)
    files.write("https://127.0.0.1:1", authority=authority, client=True)
    access = await files.access()
    assert not await access.renew(0)
    files.issue(authority)
    files.now += 5.0
    assert await access.renew(0)
    assert await access.renew(0), "whoever tried with the former one hears of it too"
    assert not await access.renew(access.revision)


async def test_a_kubeconfig_that_is_gone_or_broken_leaves_what_was_read(files: Files) -> None:
    authority = trustme.CA()
    files.write("https://127.0.0.1:1", authority=authority)
    access = await files.access()
    for broken in ("{", ""):
        files.path.write_text(broken)
        files.now += 5.0
        assert not await access.renew(0)
    files.path.unlink()
    files.now += 5.0
    assert not await access.renew(0)
    assert access.configuration.host == "https://127.0.0.1:1"
