"""Kubeconfigs as kubectl takes them: files, contexts, users; and what a user's credential becomes."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from skillmeat_operator.adapters.kubernetes.configuration import ClusterAccess, find_access
from skillmeat_operator.adapters.kubernetes.errors import AccessError
from skillmeat_operator.adapters.kubernetes.kubeconfig import KubeconfigError, KubeconfigFiles

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
CA = "-----BEGIN CERTIFICATE-----"


def config(user: Any = None, **cluster: Any) -> dict[str, Any]:
    return {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}},
            {"name": "two", "context": {"cluster": "c", "user": "nobody"}},
            {"name": "three", "context": {"cluster": "c"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
    }


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "team" / "kube"


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    account = tmp_path / "sa"
    account.mkdir()
    for name, text in (("namespace", "of-pod\n"), ("token", "pod"), ("ca.crt", "x")):
        (account / name).write_text(text)
    return account


async def header(access: ClusterAccess) -> str | None:
    found: str | None = await access.configuration.get_api_key_with_prefix("BearerToken")
    return found


async def access_of(folder: Path, user: Any, context: str | None = None, **cluster: Any) -> ClusterAccess:
    path = write(folder / "config", config(user, **cluster))
    return await find_access(kubeconfig=str(path), context=context, environ={"PATH": os.environ["PATH"]})


def test_of_several_files_the_first_current_context_and_entry_win(folder: Path) -> None:
    one = write(folder / "one", config())
    other = config(server="http://127.0.0.1:2")
    other["current-context"] = "far"
    other["contexts"].append({"name": "far", "context": {"cluster": "c", "namespace": "away"}})
    paths = os.pathsep.join([str(folder / "absent"), str(one), str(write(folder / "two", other))])
    files = KubeconfigFiles.find(None, {"KUBECONFIG": paths})
    assert (files.context().name, files.context().namespace) == ("one", "team-a")
    assert files.context("far").namespace == "away"
    assert files.context("far").cluster["server"] == "http://127.0.0.1:1"


@pytest.mark.parametrize("content", ["", "# nothing\n", "users:\ncontexts: null\n", "{}"])
def test_an_empty_file_among_several_does_no_harm(folder: Path, content: str) -> None:
    first, second = write(folder / "one", config()), write(folder / "two", content)
    for paths in ((first, second), (second, first)):
        files = KubeconfigFiles.find(None, {"KUBECONFIG": os.pathsep.join(map(str, paths))})
        assert files.context().user == {"token": "t"}


def test_the_flag_wins_over_the_environment_and_that_over_the_home_directory(folder: Path) -> None:
    path = write(folder / ".kube" / "config", config())
    assert KubeconfigFiles.find(str(path), {"KUBECONFIG": "/no"}).paths == (path,)
    assert KubeconfigFiles.find(None, {"KUBECONFIG": str(path), "HOME": "/no"}).paths == (path,)
    assert KubeconfigFiles.find(None, {"HOME": str(folder)}).paths == (path,)


@pytest.mark.parametrize(("pod_first", "namespace"), [(True, "of-pod"), (False, "team-a")])
async def test_in_a_pod_a_persons_kubeconfig_counts_and_for_the_operator_it_does_not(
    folder: Path, service_account: Path, pod_first: bool, namespace: str
) -> None:
    write(folder / ".kube" / "config", config())
    environ = {**IN_POD, "HOME": str(folder)}
    access = await find_access(environ=environ, pod_first=pod_first, service_account_dir=service_account)
    assert access.namespace == namespace


async def test_in_a_pod_without_a_kubeconfig_the_service_account(service_account: Path) -> None:
    environ = {**IN_POD, "HOME": "/nonexistent"}
    access = await find_access(environ=environ, pod_first=False, service_account_dir=service_account)
    assert access.namespace == "of-pod"


REFUSED = {
    "nothing at all": (None, None, {}, "There is no kubeconfig: give --kubeconfig FILE or set KUBECONFIG."),
    "a variable that leads nowhere": (
        None,
        None,
        {"KUBECONFIG": "/no"},
        "KUBECONFIG names no file that exists: /no.",
    ),
    "a flag that leads nowhere, in a pod": (
        "/no",
        None,
        IN_POD,
        "--kubeconfig names no file that exists: /no.",
    ),
    "a context in a pod": (
        None,
        "one",
        IN_POD,
        "There is no kubeconfig: give --kubeconfig FILE or set KUBECONFIG.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_no_kubeconfig(case: str, tmp_path: Path) -> None:
    flag, context, environ, sentence = REFUSED[case]
    with pytest.raises(KubeconfigError) as error:
        await find_access(kubeconfig=flag, context=context, environ={"HOME": str(tmp_path), **environ})
    assert str(error.value) == sentence


CONTENTS = {
    "no YAML": ("a: [", "is not YAML."),
    "a list": ("[]", "is not a kubeconfig: it has to be a mapping."),
    "empty": ("", "The kubeconfig has no current context: give --context NAME."),
    "no current context": ("contexts: []", "The kubeconfig has no current context: give --context NAME."),
    "a context that is not there": ("current-context: x", "The kubeconfig has no context 'x'"),
    "contexts that are no list": ("{current-context: x, contexts: {x: y}}", "contexts has to be a list"),
    "a context that is no mapping": (
        "{current-context: x, contexts: [{name: x, context: y}]}",
        "context of 'x' has to be a mapping.",
    ),
    "a context without a cluster": (
        "{current-context: x, contexts: [{name: x, context: {user: y}}]}",
        "context 'x' leads to no cluster with a server: see `kubectl config view`.",
    ),
    "a cluster that is not there": (
        "{current-context: x, contexts: [{name: x, context: {cluster: y}}]}",
        "context 'x' leads to no cluster with a server",
    ),
}


@pytest.mark.parametrize("case", CONTENTS)
async def test_a_kubeconfig_that_cannot_be_used(case: str, folder: Path) -> None:
    content, sentence = CONTENTS[case]
    with pytest.raises(KubeconfigError) as error:
        await find_access(kubeconfig=str(write(folder / "wrong", content)), environ={})
    assert sentence in str(error.value)


@pytest.mark.parametrize("context", ["two", "three"])
async def test_a_context_without_a_user_that_is_there_acts_anonymously(folder: Path, context: str) -> None:
    access = await access_of(folder, None, context)
    assert await header(access) is None
    assert (access.configuration.cert_file, access.namespace) == (None, None)


TOKENS = {
    "a newline at the file's end": ({"tokenFile": "token"}, "Bearer of-file"),
    "an empty token beside the file": ({"token": "", "tokenFile": "token"}, "Bearer of-file"),
    "of both the file counts": ({"token": "t", "tokenFile": "token"}, "Bearer of-file"),
    "a file that is not there beside a token": ({"token": "t", "tokenFile": "no"}, "Bearer t"),
    "digits alone": ({"token": 123}, "Bearer 123"),
    "user name and password": ({"username": "a", "password": "b"}, "Basic YTpi"),
    "a plugin is not asked beside a token": (
        {"token": "t", "exec": {"command": "/no", "apiVersion": "v"}},
        "Bearer t",
    ),
    "nothing": ({}, None),
}


@pytest.mark.parametrize("case", TOKENS)
async def test_a_users_token_is_kubectls(folder: Path, case: str) -> None:
    user, sent = TOKENS[case]
    write(folder / "token", "of-file\n")
    assert await header(await access_of(folder, user)) == sent


UNUSABLE = {
    "a token file that is not there": ({"tokenFile": "no"}, "The token file {folder}/no of the kubeconfig"),
    "a token of two lines": ({"token": "a\nb"}, "The token of the kubeconfig's user has signs that no token"),
    "groups without a user": ({"token": "t", "as-groups": ["g"]}, "as-groups or as-user-extra without as."),
    "control characters": ({"token": "t", "as": "a\nb"}, "has control characters in as"),
    "a plugin without an API version": ({"exec": {"command": "x"}}, "an exec without command or apiVersion."),
    "a plugin that is not there": (
        {"exec": {"command": "./no", "apiVersion": "v1", "installHint": "get it\nthere"}},
        "The credential plugin {folder}/no gave no credential, since it cannot be started: install it, or "
        "correct the kubeconfig's exec.command (get it there).",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
async def test_a_user_that_cannot_be_used_is_one_sentence(folder: Path, case: str) -> None:
    user, sentence = UNUSABLE[case]
    with pytest.raises(AccessError) as error:
        await access_of(folder, user)
    assert sentence.format(folder=folder) in str(error.value)


async def test_a_proxy_of_a_kind_that_we_do_not_speak_is_refused(folder: Path) -> None:
    with pytest.raises(KubeconfigError, match="proxy-url has to begin with http"):
        await access_of(folder, None, **{"proxy-url": "socks5://127.0.0.1:1"})


async def test_relative_paths_begin_at_the_kubeconfigs_folder(folder: Path) -> None:
    write(folder / "ca.crt", CA)
    with pytest.raises(AccessError, match="A certificate or key that the kubeconfig names cannot be read"):
        await access_of(folder, None, server="https://x", **{"certificate-authority": "ca.crt"})


async def test_impersonation_becomes_headers(folder: Path) -> None:
    user = {
        "token": "t",
        "as": "jane",
        "as-uid": "u-1",
        "as-groups": ["a", "b"],
        "as-user-extra": {"Scopes/x": ["one", "two"]},
    }
    access = await access_of(folder, user)
    assert list(access.configuration.client_session_kwargs["headers"].items()) == [
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "u-1"),
        ("Impersonate-Group", "a"),
        ("Impersonate-Group", "b"),
        ("Impersonate-Extra-scopes%2Fx", "one"),
        ("Impersonate-Extra-scopes%2Fx", "two"),
    ]


# Credential plugins


def plugin(folder: Path, script: str, **more: Any) -> dict[str, Any]:
    path = write(folder / "bin" / "plugin", f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "bin/plugin", **more}}


def answering(**status: Any) -> str:
    answer = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    }
    return f"print({json.dumps(answer)!r})"


async def test_a_plugins_command_is_relative_to_the_file_and_its_token_is_sent(folder: Path) -> None:
    assert await header(await access_of(folder, plugin(folder, answering(token="p")))) == "Bearer p"


async def test_a_plugin_gets_arguments_environment_and_the_cluster(folder: Path) -> None:
    script = (
        "import json, os, sys\n"
        "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
        "assert info['apiVersion'] == 'client.authentication.k8s.io/v1', info\n"
        "assert info['spec']['interactive'] is False, info\n"
        "cluster = info['spec']['cluster']\n"
        "assert cluster == {'server': 'http://127.0.0.1:1', 'tls-server-name': 'api', 'config': {'x': 1},\n"
        "  'certificate-authority-data': 'bm90IHJlYWQgaGVyZQ=='}, cluster\n"
        "assert (sys.argv[1:], os.environ['A']) == (['login', '5'], 'b')\n"
    ) + answering(token="p")
    write(folder / "ca.crt", "not read here")
    user = plugin(
        folder, script, args=["login", 5], env=[{"name": "A", "value": "b"}], provideClusterInfo=True
    )
    extension = [{"name": "client.authentication.k8s.io/exec", "extension": {"x": 1}}]
    access = await access_of(
        folder,
        user,
        **{"certificate-authority": "ca.crt", "tls-server-name": "api", "extensions": extension},
    )
    assert await header(access) == "Bearer p"


FAILING = {
    "exit code": "import sys; sys.exit('log in at https://example.com')",
    "nothing printed": "import sys; sys.stderr.write('log in at https://example.com')",
    "no credential": "import sys; sys.stderr.write('log in at https://example.com')\n" + answering(x="y"),
    "a certificate without its key": "import sys; sys.stderr.write('log in at https://example.com')\n"
    + answering(clientCertificateData="y"),
}


@pytest.mark.parametrize("case", FAILING)
async def test_a_plugin_that_gives_nothing_is_an_error_and_its_own_words_are_shown(
    folder: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AccessError) as error:
        await access_of(folder, plugin(folder, FAILING[case]))
    assert str(error.value) == (
        f"The credential plugin {folder}/bin/plugin gave no credential: run it by hand to see why, or log in "
        "with it again."
    )
    assert "log in at https://example.com" in capfd.readouterr().err


async def test_a_plugins_token_is_asked_for_anew_shortly_before_it_ends(folder: Path) -> None:
    now = 1000.0
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    path = write(folder / "config", config(plugin(folder, answering(token="1", expirationTimestamp=soon))))
    access = await find_access(kubeconfig=str(path), environ=os.environ, clock=lambda: now)
    plugin(folder, answering(token="2", expirationTimestamp=later))
    first = await header(access)
    now += 61.0
    second = await header(access)
    plugin(folder, answering(token="3", expirationTimestamp=later))
    now += 61.0
    assert [first, second, await header(access)] == ["Bearer 1", "Bearer 2", "Bearer 2"]


async def test_a_plugin_that_fails_later_leaves_the_token_that_was_there(folder: Path) -> None:
    now = 1000.0
    soon = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    path = write(folder / "config", config(plugin(folder, answering(token="1", expirationTimestamp=soon))))
    access = await find_access(kubeconfig=str(path), environ=os.environ, clock=lambda: now)
    plugin(folder, "raise SystemExit(1)")
    now += 61.0
    assert await header(access) == "Bearer 1"
