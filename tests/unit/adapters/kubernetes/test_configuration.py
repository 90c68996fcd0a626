from __future__ import annotations

import datetime
import json
import ssl
from types import SimpleNamespace

import pytest
from kubernetes.aio.client.rest import RESTClientObject
from kubernetes.aio.config import incluster_config

from skillmeat_operator.adapters.kubernetes.configuration import find_access
from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig_configuration import CONNECTIONS
from tests.unit.adapters.pki import HOST, issued, shakes_hands

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@pytest.fixture
def account(tmp_path):
    """The folder that the kubelet mounts into a pod."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("first\n")
    (folder / "ca.crt").write_text("certificate")
    (folder / "namespace").write_text("operators\n")
    return folder


@pytest.fixture
def kubeconfig(tmp_path):
    (tmp_path / "token").write_text("first")
    path = tmp_path / "config"
    context = {"cluster": "c", "user": "u", "namespace": "team"}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:7000"}}],
                "users": [{"name": "u", "user": {"tokenFile": str(tmp_path / "token")}}],
                "contexts": [
                    {"name": "one", "context": context},
                    {"name": "two", "context": {"cluster": "c", "user": "u"}},
                ],
                "current-context": "one",
            }
        )
    )
    return path


async def header(access):
    return await access.configuration.get_api_key_with_prefix("BearerToken")


async def test_pod_uses_its_service_account(account):
    access = await find_access(environ=IN_POD, service_account_dir=account)

    assert access.configuration.host == "https://10.0.0.1:443"
    assert access.configuration.ssl_ca_cert == str(account / "ca.crt")
    assert access.namespace == "operators"
    assert (await header(access)).split() == ["bearer", "first"]


async def test_rotated_token_of_a_pod_is_read_again(account, monkeypatch):
    now = datetime.datetime(2030, 1, 1)  # noqa: DTZ001  as the package counts

    class Clock:
        @staticmethod
        def now():
            return now

    fake = SimpleNamespace(datetime=Clock, timedelta=datetime.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", fake)
    access = await find_access(environ=IN_POD, service_account_dir=account)
    (account / "token").write_text("second\n")
    soon = (await header(access)).split()
    now += datetime.timedelta(seconds=61)

    assert soon == ["bearer", "first"]
    assert (await header(access)).split() == ["bearer", "second"]


async def test_kubeconfig_is_used_with_its_current_context(kubeconfig):
    access = await find_access(kubeconfig=str(kubeconfig), environ={})

    assert access.configuration.host == "http://127.0.0.1:7000"
    assert access.namespace == "team"
    assert await header(access) == "Bearer first"


async def test_context_is_chosen_by_name(kubeconfig):
    access = await find_access(kubeconfig=str(kubeconfig), context="two", environ={})

    assert access.namespace is None


async def test_kubeconfig_of_the_environment_comes_before_the_pod(kubeconfig, account):
    environ = {**IN_POD, "KUBECONFIG": str(kubeconfig)}
    access = await find_access(environ=environ, service_account_dir=account)

    assert access.namespace == "team"


async def test_token_file_of_a_kubeconfig_is_read_again_once_a_minute(kubeconfig, tmp_path):
    now = 1000.0
    access = await find_access(kubeconfig=str(kubeconfig), environ={}, clock=lambda: now)
    (tmp_path / "token").write_text("second")
    soon = await header(access)
    now += 61.0

    assert soon == "Bearer first"
    assert await header(access) == "Bearer second"


@pytest.mark.parametrize(
    ("sentence", "arguments"),
    [
        (
            "--kubeconfig names no file that exists: /nonexistent/config.",
            {"kubeconfig": "/nonexistent/config", "environ": {}},
        ),
        (
            "The kubeconfig has no context 'three': see `kubectl config get-contexts`.",
            {"context": "three"},
        ),
        (
            "The pod's service account cannot be used: Service token file does not exist.",
            {"environ": IN_POD},
        ),
    ],
)
async def test_unusable_access_is_one_sentence(sentence, arguments, kubeconfig, tmp_path):
    given = {
        "environ": {"KUBECONFIG": str(kubeconfig)},
        "service_account_dir": tmp_path / "empty",
    } | arguments

    with pytest.raises(AccessError) as error:
        await find_access(**given)
    assert str(error.value) == sentence


async def test_access_has_bounds_and_no_proxy(kubeconfig):
    access = await find_access(kubeconfig=str(kubeconfig), environ={})

    assert access.configuration.connection_pool_maxsize == CONNECTIONS
    assert access.configuration.client_session_kwargs["trust_env"] is False
    assert access.configuration.verify_ssl


async def test_repr_holds_no_token(kubeconfig):
    assert "first" not in repr(await find_access(kubeconfig=str(kubeconfig), environ={}))


@pytest.mark.parametrize("where", ["pod", "kubeconfig"])
async def test_the_api_servers_certificate_is_judged_as_kubectl_judges_it(
    account, kubeconfig, tmp_path, monkeypatch, where
):
    """Plain openssl writes no key identifiers, which Python 3.13 asks for by default."""
    root = issued("kubernetes", ca=True)
    server = issued(HOST, root, ca=False)
    (account / "ca.crt").write_bytes(root.pem)
    content = json.loads(kubeconfig.read_text())
    authority = {"server": f"https://{HOST}", "certificate-authority": str(account / "ca.crt")}
    content["clusters"][0]["cluster"] = authority
    kubeconfig.write_text(json.dumps(content))
    create = ssl.create_default_context

    def strict(*args, **kwargs):
        context = create(*args, **kwargs)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    if where == "pod":
        access = await find_access(environ=IN_POD, service_account_dir=account)
    else:
        access = await find_access(kubeconfig=str(kubeconfig))
    context = RESTClientObject(access.configuration).ssl_context
    assert shakes_hands(context, server)
    with pytest.raises(ssl.SSLCertVerificationError):
        shakes_hands(context, server, host="another.example.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        shakes_hands(context, issued(HOST, issued("other", ca=True), ca=False))
