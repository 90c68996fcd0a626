"""Which cluster a command talks to: kubectl's rules."""

import os
from pathlib import Path

import pytest
import yaml

from skillmeat_operator.cli.cluster.kubeconfig import ClusterChoice, choose_cluster
from skillmeat_operator.cli.errors import WrongUseError

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    (tmp_path / "sa").mkdir()
    (tmp_path / "sa" / "namespace").write_text("of-pod\n")
    return tmp_path / "sa"


def home_with_config(tmp_path: Path, kubeconfig: Path) -> str:
    (tmp_path / "home" / ".kube").mkdir(parents=True)
    (tmp_path / "home" / ".kube" / "config").write_text(kubeconfig.read_text())
    return str(tmp_path / "home")


def test_the_current_context_and_its_namespace(kubeconfig: Path) -> None:
    choice = choose_cluster(None, None, {"KUBECONFIG": str(kubeconfig)})
    assert choice == ClusterChoice(str(kubeconfig), "one", "team-a")


def test_another_context_without_namespace_means_default(kubeconfig: Path) -> None:
    choice = choose_cluster(str(kubeconfig), "two", {})
    assert choice == ClusterChoice(str(kubeconfig), "two", "default", exec_command="fetch-token")


def test_the_flag_wins_over_the_environment(kubeconfig: Path) -> None:
    assert choose_cluster(str(kubeconfig), None, {"KUBECONFIG": "/nonexistent"}).kubeconfig == str(kubeconfig)


def test_the_home_directory_is_the_default(kubeconfig: Path, tmp_path: Path) -> None:
    home = home_with_config(tmp_path, kubeconfig)
    assert choose_cluster(None, None, {"HOME": home}).namespace == "team-a"


def test_of_several_files_the_first_current_context_wins_as_in_kubectl(
    kubeconfig: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    contexts = [
        {"name": "one", "context": {"namespace": "wrong"}},
        {"name": "far", "context": {"namespace": "away"}},
    ]
    other.write_text(yaml.safe_dump({"current-context": "far", "contexts": contexts}))
    paths = os.pathsep.join([str(tmp_path / "absent"), str(kubeconfig), str(other)])
    choice = choose_cluster(None, None, {"KUBECONFIG": paths})
    assert (choice.context, choice.namespace) == ("one", "team-a")
    assert choose_cluster(None, "far", {"KUBECONFIG": paths}).namespace == "away"


def test_in_a_pod_the_service_account(tmp_path: Path, service_account: Path) -> None:
    environ = {**IN_POD, "HOME": str(tmp_path / "nobody")}
    choice = choose_cluster(None, None, environ, service_account=service_account)
    assert choice == ClusterChoice(None, None, "of-pod")


def test_in_a_pod_a_person_s_kubeconfig_counts_and_for_the_operator_it_does_not(
    kubeconfig: Path, tmp_path: Path, service_account: Path
) -> None:
    environ = {**IN_POD, "HOME": home_with_config(tmp_path, kubeconfig)}
    assert choose_cluster(None, None, environ, service_account=service_account).namespace == "team-a"
    chosen = choose_cluster(None, None, environ, pod_first=True, service_account=service_account)
    assert chosen.namespace == "of-pod"


def test_a_pod_without_a_namespace_file_means_default(tmp_path: Path) -> None:
    environ = {**IN_POD, "HOME": str(tmp_path)}
    assert choose_cluster(None, None, environ, service_account=tmp_path / "absent").namespace == "default"


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
def test_no_kubeconfig(case: str, tmp_path: Path) -> None:
    flag, context, environ, sentence = REFUSED[case]
    with pytest.raises(WrongUseError) as error:
        choose_cluster(flag, context, {"HOME": str(tmp_path), **environ})
    assert str(error.value) == sentence


CONTENTS = {
    "no YAML": ("a: [", "is not YAML."),
    "a list": ("[]", "is not a kubeconfig: it has to be a mapping."),
    "empty": ("", "is not a kubeconfig: it has to be a mapping."),
    "no current context": ("contexts: []", "The kubeconfig has no current context: give --context NAME."),
    "a context that is not there": ("current-context: x", "The kubeconfig has no context 'x'"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_a_kubeconfig_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    content, sentence = CONTENTS[case]
    path = tmp_path / "wrong"
    path.write_text(content)
    with pytest.raises(WrongUseError) as error:
        choose_cluster(str(path), None, {})
    assert sentence in str(error.value)
